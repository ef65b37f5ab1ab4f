"""The hub's machine (Debian 12): what goes where, and the script that puts it there.

`hub/` in the folder is a piece of a file system; `hub/install` copies it, gives each file to whom it belongs, and
starts again what has changed. It may be run as often as one likes.
"""

from __future__ import annotations

from importlib.resources import files as resources

from provisioning import broker, units
from provisioning.broker import HUB
from provisioning.fleet import Fleet
from provisioning.keys import Keys, public_host

PAGES = "127.0.0.1:8080"
DATABASES = {"sqlite": "--data /var/lib/torn", "postgresql": "--database postgresql:///torn?host=/run/postgresql"}
JOURNAL = "[Journal]\nSystemMaxUse=1G\nMaxRetentionSec=3month\n"
BACKUPS, KEEP_DAYS = "/var/backups/torn", 14  # as long as a dispenser keeps what it has given
PYTHON = "/opt/torn/.venv/bin/python"
PROOF = "--broker-ca /etc/torn/ca.pem --broker-certificate /etc/torn/hub.pem --broker-key /etc/torn/hub.key"


def tree(fleet: Fleet, keys: Keys) -> dict[str, bytes]:
    """The hub's machine's files, by their path there, and `install`."""
    texts = {
        "etc/mosquitto/conf.d/torn.conf": broker.configuration(),
        "etc/mosquitto/torn/rights": broker.rights(fleet),
        "etc/mosquitto/torn/passwords": broker.passwords(fleet, keys),
        "etc/nginx/sites-available/torn": nginx(fleet),
        "etc/systemd/journald.conf.d/torn.conf": JOURNAL,
        "etc/systemd/system/torn-hub.service": hub_unit(fleet),
        "etc/systemd/system/torn-backup.service": backup_unit(fleet),
        "etc/systemd/system/torn-backup.timer": units.timer("a backup", "*-*-* 07..21:00"),
        "install": script(fleet),
    }
    return {
        **{path: text.encode() for path, text in texts.items()},
        **{f"etc/mosquitto/torn/{name}": keys[name] for name in ("ca.pem", "crl.pem", "broker.pem", "broker.key")},
        **{f"etc/torn/{name}": keys[name] for name in ("ca.pem", "hub.pem", "hub.key", "https.pem", "https.key")},
        "etc/torn/offices.toml": fleet.offices_text,
        "etc/torn/backup.pub": keys["backup.pub"],
    }


def hub_unit(fleet: Fleet) -> str:
    """The unit of `hub up`: bridge and pages on one machine, beside mosquitto and nginx."""
    where = f"{DATABASES[fleet.hub.database]} --offices /etc/torn/offices.toml --http {PAGES}"
    service = (
        "Type=notify",
        f"ExecStart={PYTHON} -m hub up {where} --broker mqtts://127.0.0.1:{HUB} {PROOF}",
        "WatchdogSec=60",
        "TimeoutStartSec=infinity",  # it is ready when broker and database are, and waits for them
        "TimeoutStopSec=10",
        *units.ALIVE,
        "User=torn",
        "StateDirectory=torn",
        "StateDirectoryMode=0700",
        "LimitNOFILE=65536",  # one for each phone
        *units.HARDENED,
        *units.NO_HARDWARE,
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "IPAddressDeny=any",  # nginx, mosquitto and the database are on this machine
        "IPAddressAllow=localhost",
    )
    database = " postgresql.service" if fleet.hub.database == "postgresql" else ""
    return units.unit("the hub", service, after=f"network.target mosquitto.service{database}")


def backup_unit(fleet: Fleet) -> str:
    """The unit that writes one backup; its timer does so every hour of the day."""
    how = f"--recipient /etc/torn/backup.pub --keep {KEEP_DAYS} {DATABASES[fleet.hub.database]}"
    service = (
        "Type=oneshot",
        f"ExecStart={PYTHON} -m hub backup {BACKUPS} {how}",
        "Nice=10",
        "User=torn",
        "StateDirectory=torn",
        "StateDirectoryMode=0700",
        f"ReadWritePaths={BACKUPS}",
        *units.HARDENED,
        *units.NO_HARDWARE,
        "PrivateNetwork=yes",
        "RestrictAddressFamilies=AF_UNIX",
        "IPAddressDeny=any",
    )
    return units.unit("a backup", service, wanted_by="")


def nginx(fleet: Fleet) -> str:
    """nginx in front of the pages: HTTPS, and streams that are let through at once."""
    own = {"certificate": fleet.hub.https_certificate, "key": fleet.hub.https_key}
    return _filled("nginx.txt", {"name": public_host(fleet), "pages": PAGES, **own})


def script(fleet: Fleet) -> str:
    """`install`, to be run as root on the hub's machine."""
    packages = "mosquitto nginx python3-venv"
    packages += " postgresql" if fleet.hub.database == "postgresql" else ""
    return _filled("install.txt", {"packages": packages, "database": fleet.hub.database})


def _filled(name: str, values: dict[str, str]) -> str:
    """A template with its @names@ filled in: shell and nginx have uses of their own for $ and braces."""
    text = (resources("provisioning") / "templates" / name).read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
