"""mosquitto's files: who may come in, and what each may say and hear. The rights are the contract's, and no more.

An office may have a broker of its own, which is linked to the hub's ("bridge" in mosquitto.conf(5)). Its devices keep
their connection when the line to the hub fails. It stores nothing for the hub meanwhile: facts stand in the dispensers'
journals and are sent again, states and documents are retained and are said again, and a press must never arrive late.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files as resources

from cryptography import x509

from firmware import wire
from provisioning import units
from provisioning.fleet import Device, Fleet
from provisioning.keys import Keys, general_name

CERTIFICATES, PASSWORDS, HUB = 8883, 8884, 8885  # the three doors
TUNNEL = 8886  # on the machine of an office's own broker, for itself alone: where the line to the hub begins
ROUNDS = 101  # what mosquitto 2 itself uses; the passwords are 192 random bits, which no number of rounds must guard
ANYBODYS = ("line", "calls", "call")  # of an office: hub -> all
SAID = {"dispenser": ("state", "fact"), "desk": ("state", "press"), "board": ("state",)}
HEARD = {"dispenser": ("config", "stored", "agenda"), "desk": ("config", "answer"), "board": ("config",)}
ENDS = ("pem", "key")
UPDATES = ("update", "update/+")  # of a microcontroller's software: the offer, and its pieces


@dataclass(frozen=True)
class Doors:
    """Where mosquitto listens, and where its files are."""

    folder: str = "/etc/mosquitto/torn"
    certificates: int = CERTIFICATES  # Raspberry Pis, each by its own certificate
    passwords: int = PASSWORDS  # microcontrollers, each by its own password
    hub: int = HUB  # the hub's own processes
    hub_binds: str = "127.0.0.1"
    tunnel: int = TUNNEL  # of an office's own broker
    upstream: int = CERTIFICATES  # the hub's door, at the tunnel's other end


def configuration(doors: Doors = Doors()) -> str:
    """mosquitto.conf, or a piece of it for conf.d. mosquitto.conf(5)."""
    return "\n".join(_configuration(doors)) + "\n"


def _configuration(doors: Doors) -> Iterator[str]:
    yield from _devices_doors(doors)
    yield from ("", "# The hub's processes", f"listener {doors.hub} {doors.hub_binds}", *_proved(doors))


def _devices_doors(doors: Doors) -> Iterator[str]:
    # Whoever comes in by the devices' doors is called by their own name: a client that takes another's id pushes
    # that one out. The hub has many connections of one name, hence a door of its own.
    own_name = "use_username_as_clientid true"
    yield "# Made by `python -m provisioning`: change fleet.toml instead, and make it again."
    yield from ("per_listener_settings true", "set_tcp_nodelay true", "message_size_limit 262144")
    yield from ("", "# Raspberry Pis", f"listener {doors.certificates}", *_proved(doors), own_name)
    yield from ("", "# Microcontrollers", f"listener {doors.passwords}", *_tls(doors))
    yield from (f"password_file {doors.folder}/passwords", *_rights(doors), own_name)


def _tls(doors: Doors) -> list[str]:
    return [f"certfile {doors.folder}/broker.pem", f"keyfile {doors.folder}/broker.key", "tls_version tlsv1.2"]


def _rights(doors: Doors) -> list[str]:
    return [f"acl_file {doors.folder}/rights", "allow_anonymous false"]


def _proved(doors: Doors) -> list[str]:
    """A door's lines for those who show a certificate."""
    proof = [f"cafile {doors.folder}/ca.pem", f"crlfile {doors.folder}/crl.pem"]
    return [*_tls(doors), *proof, "require_certificate true", "use_identity_as_username true", *_rights(doors)]


# --- an office's own broker -----------------------------------------------------------------


def office_configuration(fleet: Fleet, office: str, doors: Doors = Doors()) -> str:
    """mosquitto's configuration of an office's own broker: the devices' two doors, and the line to the hub's broker."""
    return "\n".join([*_devices_doors(doors), *_line_to_the_hub(fleet, office, doors)]) + "\n"


def _line_to_the_hub(fleet: Fleet, office: str, doors: Doors) -> Iterator[str]:
    """The bridge. Its sessions are clean at both ends, so that neither broker queues anything while the line is cut.

    The beat comes from where it is never retained: what is passed on as a beat is live. It goes through the tunnel,
    because Debian 12's mosquitto (2.0.11) runs in a ring for ever when a bridge's own TLS meets a door that opens and
    shuts at once: whoever it then serves, it serves no more.
    """
    name = f"bridge-{office}"
    yield from ("", "# The hub's broker", f"connection {name}", f"address 127.0.0.1:{doors.tunnel}")
    yield from (f"remote_clientid {name}", f"local_clientid {name}", "cleansession true", "notifications false")
    yield from ("keepalive_interval 5", "restart_timeout 1 10", "try_private true")
    yield f'topic "" in 0 {wire.HUB_TOPIC} {wire.BEAT_TOPIC}'
    for way, qos, topic in passed_on(fleet, office):
        yield f"topic {topic} {way} {qos}"


def tunnel(fleet: Fleet, doors: Doors = Doors()) -> str:
    """stunnel's configuration: TLS from the office's own broker to the hub's, proved at both ends. stunnel(8).

    Its files are in the folder where it is started.
    """
    host = fleet.hub.host
    check = "checkIP" if isinstance(general_name(host), x509.IPAddress) else "checkHost"
    return "\n".join(
        (
            "; Made by `python -m provisioning`: change fleet.toml instead, and make it again.",
            *("foreground = yes", "syslog = no", "pid =", "debug = warning"),
            *("socket = l:TCP_NODELAY=1", "socket = r:TCP_NODELAY=1", ""),
            *("[hub]", "client = yes", f"accept = 127.0.0.1:{doors.tunnel}"),
            *(f"connect = {host}:{doors.upstream}", "delay = yes", "TIMEOUTconnect = 5", "TIMEOUTclose = 5"),
            *("cert = bridge.pem", "key = bridge.key", "sslVersionMin = TLSv1.2"),
            *("CAfile = ca.pem", "CRLfile = crl.pem", "verifyChain = yes"),
            f"{check} = {host}\n",
        )
    )


def tunnel_unit() -> str:
    """The tunnel's unit: systemd hands it its files, so that it needs no account that may read them."""
    places = {"tunnel.conf": "torn", "bridge.pem": "torn", "bridge.key": "torn"}
    places |= {"ca.pem": "mosquitto/torn", "crl.pem": "mosquitto/torn"}
    service = (
        "Type=exec",
        """ExecStart=/bin/sh -c 'cd "$CREDENTIALS_DIRECTORY" && exec stunnel tunnel.conf'""",
        *(f"LoadCredential={name}:/etc/{place}/{name}" for name, place in places.items()),
        *units.ALIVE,
        "DynamicUser=yes",
        *units.HARDENED,
        *units.NO_HARDWARE,
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "MemoryDenyWriteExecute=yes",
    )
    return units.unit("the line to the hub", service, after="network.target")


def passed_on(fleet: Fleet, office: str) -> Iterator[tuple[str, int, str]]:
    """What goes through an office's line beside the beat: ("in" from the hub or "out" to it, quality, topic)."""
    yield from (("in", 1, f"torn/v1/office/{office}/{leaf}") for leaf in ANYBODYS)
    yield "in", 1, wire.desk_topic(office, "+")
    for device in fleet.devices:
        if device.office.id == office:
            heard = (*HEARD[device.kind], *(() if device.has_certificate else UPDATES))
            yield from (("in", 1, wire.device_topic(device.id, leaf)) for leaf in heard)
            # A press goes once, or not at all.
            yield from (("out", int(leaf != "press"), wire.device_topic(device.id, leaf)) for leaf in SAID[device.kind])


def line_rights(fleet: Fleet, office: str) -> Iterator[tuple[str, str]]:
    """What an office's own broker may do at the hub's: speak and hear for its devices."""
    yield "read", wire.BEAT_TOPIC
    yield from (("read" if way == "in" else "write", topic) for way, _, topic in passed_on(fleet, office))


def office_tree(fleet: Fleet, office: str, keys: Keys) -> dict[str, bytes]:
    """The files of an office's own broker by their path on its machine, and `install`."""
    place, devices = "etc/mosquitto/torn", [each for each in fleet.devices if each.office.id == office]
    script = (resources("provisioning") / "templates" / "broker.txt").read_text("utf-8")
    return {
        "etc/mosquitto/conf.d/torn.conf": office_configuration(fleet, office).encode(),
        f"{place}/rights": _listed(_person(each.id, device_rights(each)) for each in devices).encode(),
        f"{place}/passwords": _passwords(devices, keys).encode(),
        **{f"{place}/{name}": keys[name] for name in ("ca.pem", "crl.pem")},
        **{f"{place}/broker.{end}": keys[f"broker-{office}.{end}"] for end in ENDS},
        **{f"etc/torn/bridge.{end}": keys[f"bridge-{office}.{end}"] for end in ENDS},
        "etc/torn/tunnel.conf": tunnel(fleet).encode(),
        "etc/systemd/system/torn-tunnel.service": tunnel_unit().encode(),
        "install": script.replace("@office@", office).encode(),
    }


# --- rights ---------------------------------------------------------------------------------


def rights(fleet: Fleet) -> str:
    """The acl_file of the hub's broker. What is not named is refused."""
    people = [_person("hub", hub_rights())]
    people += [_person(f"bridge-{office}", line_rights(fleet, office)) for office in fleet.brokers]
    return _listed([*people, *(_person(device.id, device_rights(device)) for device in _own(fleet))])


def _own(fleet: Fleet) -> list[Device]:
    """The devices that come to the hub's broker themselves."""
    return [device for device in fleet.devices if device.office.id not in fleet.brokers]


def _listed(people: Iterable[str]) -> str:
    return "# Made by `python -m provisioning`.\n\n" + "\n".join(people)


def _person(name: str, lines: Iterator[tuple[str, str]]) -> str:
    return f"user {name}\n" + "".join(f"topic {right} {topic}\n" for right, topic in lines)


def hub_rights() -> Iterator[tuple[str, str]]:
    """What the hub's processes may do: ("read" or "write" or "readwrite", topic)."""
    yield "write", wire.HUB_TOPIC
    yield "read", wire.HUB_TOPIC
    yield "write", wire.BEAT_TOPIC
    yield "readwrite", wire.line_topic("+")  # the web processes follow it
    yield "readwrite", wire.appended_topic("+")
    yield "readwrite", "torn/v1/office/+/forecast"  # from the forecaster to bridges and pages
    yield "write", wire.call_topic("+")
    yield from (("write", wire.device_topic("+", leaf)) for leaf in ("stored", *UPDATES))
    # A bridge hears whether the broker keeps the newest of its documents.
    yield from (("readwrite", topic) for topic in (wire.calls_topic("+"), wire.desk_topic("+", "+")))
    yield from (("readwrite", wire.device_topic("+", leaf)) for leaf in ("config", "agenda", "answer"))
    yield from (("read", wire.device_topic("+", leaf)) for leaf in ("fact", "press"))
    yield "readwrite", wire.device_topic("+", "state")  # it clears those of machines that are gone


def device_rights(device: Device) -> Iterator[tuple[str, str]]:
    """What a device may do: hear its own office and its own topics, and say its own."""
    office = device.office.id
    yield "read", wire.HUB_TOPIC
    yield from (("read", f"torn/v1/office/{office}/{leaf}") for leaf in ANYBODYS)
    yield "read", wire.desk_topic(office, "+")
    yield from (("write", wire.device_topic(device.id, leaf)) for leaf in SAID[device.kind])
    yield from (("read", wire.device_topic(device.id, leaf)) for leaf in HEARD[device.kind])
    if not device.has_certificate:
        yield from (("read", wire.device_topic(device.id, leaf)) for leaf in UPDATES)


def passwords(fleet: Fleet, keys: Keys) -> str:
    """The password_file of the hub's broker: one line a microcontroller."""
    return _passwords(_own(fleet), keys)


def _passwords(devices: Iterable[Device], keys: Keys) -> str:
    boards = [device.id for device in devices if not device.has_certificate]
    return "".join(f"{id}:{hashed(keys[f'{id}.password'])}\n" for id in boards)


def hashed(password: bytes) -> str:
    """A password as mosquitto_passwd(1) writes it: PBKDF2 with SHA-512.

    The salt comes from the password, so that the same one gives the same line: it is random enough to be its own.
    """
    salt = hashlib.sha256(b"salt of " + password).digest()[:12]
    digest = hashlib.pbkdf2_hmac("sha512", password, salt, ROUNDS)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
