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

FIRST_PORT = 8080  # of the pages, behind nginx
DATABASES = {"sqlite": "--data /var/lib/torn", "postgresql": "--database postgresql:///torn?host=/run/postgresql"}
JOURNAL = "[Journal]\nSystemMaxUse=1G\nMaxRetentionSec=3month\n"
BACKUPS, KEEP_DAYS = "/var/backups/torn", 14  # as long as a dispenser keeps what it has given
# Root's alone: systemd hands a unit those that it needs, in memory (systemd.exec(5), LoadCredential).
SECRETS = {name: f"LoadCredential={name}:/etc/torn/{name}" for name in ("people.keys", "hub.key", "oidc.secret")}
# The keys of people's data; and, made by hand if at all, by which ways messages go out (TORN_SMTP and the like).
PEOPLE = (SECRETS["people.keys"], "Environment=TORN_KEYS=%d/people.keys", "EnvironmentFile=-/etc/torn/hub.env")
GIVES_WAY = ("SystemCallFilter=setpriority",)  # the forecaster leaves the processor to the others
PYTHON = "/opt/torn/.venv/bin/python"
PROOF = "--broker-ca /etc/torn/ca.pem --broker-certificate /etc/torn/hub.pem --broker-key %d/hub.key"


def tree(fleet: Fleet, keys: Keys) -> dict[str, bytes]:
    """The hub's machine's files, by their path there, and `install`."""
    texts = {
        "etc/mosquitto/conf.d/torn.conf": broker.configuration(),
        "etc/mosquitto/torn/rights": broker.rights(fleet),
        "etc/mosquitto/torn/passwords": broker.passwords(fleet, keys),
        "etc/nginx/sites-available/torn": nginx(fleet),
        "etc/systemd/journald.conf.d/torn.conf": JOURNAL,
        **{f"etc/systemd/system/{name}": text for name, text in hub_units(fleet).items()},
        "etc/systemd/system/torn-backup.service": backup_unit(fleet),
        "etc/systemd/system/torn-backup.timer": units.timer("a backup", "*-*-* 07..21:00"),
        "usr/local/sbin/torn": _filled("torn.txt", {"where": DATABASES[fleet.hub.database]}),
        "install": script(fleet),
    }
    return {
        **{path: text.encode() for path, text in texts.items()},
        **{f"etc/mosquitto/torn/{name}": keys[name] for name in ("ca.pem", "crl.pem", "broker.pem", "broker.key")},
        **{f"etc/torn/{name}": keys[name] for name in ("ca.pem", "hub.pem", "hub.key", "https.pem", "https.key")},
        "etc/torn/offices.toml": fleet.offices_text,
        **{f"etc/torn/{name}": keys[name] for name in ("backup.pub", "people.keys")},
        **{f"etc/torn/{name}": text.encode() for name, text in _vouching(fleet).items()},
    }


def _vouching(fleet: Fleet) -> dict[str, str]:
    """The files with what the staff's provider needs, if there is one: each value's role, and the client's secret."""
    oidc = fleet.hub.oidc
    if oidc is None:
        return {}
    roles = "".join(f"{value}={meant}\n" for value, meant in oidc.roles.items())
    return {"oidc.roles": roles} | ({"oidc.secret": fleet.oidc_secret} if fleet.oidc_secret else {})


def _provider(fleet: Fleet) -> list[str]:
    """The same as lines of a unit that has pages."""
    oidc = fleet.hub.oidc
    if oidc is None:
        return []
    said = {
        "TORN_OIDC_ISSUER": oidc.issuer,
        "TORN_OIDC_CLIENT": oidc.client,
        "TORN_OIDC_NAME": oidc.name,
        "TORN_OIDC_CLAIM": oidc.claim,
        "TORN_OIDC_ROLES": "/etc/torn/oidc.roles",
    }
    lines = [units.environment(name, value) for name, value in said.items() if value]
    return lines + [SECRETS["oidc.secret"], "Environment=TORN_OIDC_SECRET=%d/oidc.secret"] * bool(fleet.oidc_secret)


def processes(fleet: Fleet) -> list[str]:
    """The units that are the hub: one, or a forecaster and as many web and bridge processes as the file asks for."""
    if fleet.hub.web + fleet.hub.bridge == 2:
        return ["torn-hub.service"]
    bridges = [f"torn-bridge@{n}.service" for n in range(1, fleet.hub.bridge + 1)]
    return [*bridges, *(f"torn-web@{port}.service" for port in _ports(fleet)), "torn-forecast.service"]


def _ports(fleet: Fleet) -> range:
    return range(FIRST_PORT, FIRST_PORT + fleet.hub.web)


def hub_units(fleet: Fleet) -> dict[str, str]:
    """The files of those units, by name; one with @ is for as many processes as one likes."""
    pages = _provider(fleet)
    if processes(fleet) == ["torn-hub.service"]:
        own = f"127.0.0.1:{FIRST_PORT}"
        return {
            "torn-hub.service": _hub_unit(fleet, "the hub", f"up --http {own}", "WatchdogSec=60", *GIVES_WAY, *pages)
        }
    own = f"{public_host(fleet)}:443"  # a bridge has no pages; this is what the paper's code points to
    return {
        "torn-bridge@.service": _hub_unit(fleet, "bridge %i", f"bridge --http {own}"),
        "torn-web@.service": _hub_unit(fleet, "pages at port %i", "web --http 127.0.0.1:%i", *pages),
        "torn-forecast.service": _hub_unit(fleet, "the forecast", "forecast run", *GIVES_WAY),
    }


def _hub_unit(fleet: Fleet, about: str, command: str, *more: str) -> str:
    """It is ready when broker and database are, and waits for them; mosquitto and nginx are on this machine."""
    where = f"{DATABASES[fleet.hub.database]} --offices /etc/torn/offices.toml"
    service = (
        "Type=notify",
        f"ExecStart={PYTHON} -m hub {command} {where} --broker mqtts://127.0.0.1:{HUB} {PROOF}",
        SECRETS["hub.key"],
        *PEOPLE,
        "TimeoutStartSec=infinity",
        "TimeoutStopSec=10",
        *units.ALIVE,
        "User=torn",
        "StateDirectory=torn",
        "StateDirectoryMode=0700",
        "LimitNOFILE=65536",  # one for each phone
        *units.HARDENED,
        *more,
        *units.NO_HARDWARE,
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        f"Environment=TORN_PUSH={'on' if fleet.hub.push else 'off'}",
        "IPAddressDeny=any",
        *(f"IPAddressAllow={network}" for network in _reaches(fleet)),
    )
    database = " postgresql.service" if fleet.hub.database == "postgresql" else ""
    return units.unit(about, service, after=f"network.target mosquitto.service{database}")


def _reaches(fleet: Fleet) -> list[str]:
    """To whom the hub may speak, and who tells it where they are: browsers' push services may be anywhere."""
    names = fleet.network.name_servers if fleet.hub.reaches else []
    return ["any"] if fleet.hub.push else ["localhost", *fleet.hub.reaches, *names]


def backup_unit(fleet: Fleet) -> str:
    """The unit that writes one backup; its timer does so every hour of the day."""
    how = f"--recipient /etc/torn/backup.pub --keep {KEEP_DAYS} {DATABASES[fleet.hub.database]}"
    service = (
        "Type=oneshot",
        f"ExecStart={PYTHON} -m hub backup {BACKUPS} {how}",
        "Nice=10",
        *PEOPLE,
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
    pages = "\n    ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in _ports(fleet))
    return _filled("nginx.txt", {"name": public_host(fleet), "pages": pages, **own})


def script(fleet: Fleet) -> str:
    """`install`, to be run as root on the hub's machine."""
    packages = "mosquitto nginx python3-venv"
    packages += " postgresql" if fleet.hub.database == "postgresql" else ""
    given = _vouching(fleet)
    return _filled(
        "install.txt",
        {
            "packages": packages,
            "database": fleet.hub.database,
            "units": " ".join(processes(fleet)),
            "roles": "oidc.roles" if "oidc.roles" in given else "",
            "secret": "oidc.secret" if "oidc.secret" in given else "",
        },
    )


def _filled(name: str, values: dict[str, str]) -> str:
    """A template with its @names@ filled in: shell and nginx have uses of their own for $ and braces."""
    text = (resources("provisioning") / "templates" / name).read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
