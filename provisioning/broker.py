"""mosquitto's files: who may come in, and what each may say and hear. The rights are the contract's, and no more."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from firmware import wire
from provisioning.fleet import Device, Fleet
from provisioning.keys import Keys

CERTIFICATES, PASSWORDS, HUB = 8883, 8884, 8885  # the three doors
ROUNDS = 101  # what mosquitto 2 itself uses; the passwords are 192 random bits, which no number of rounds must guard
ANYBODYS = ("line", "calls", "call")  # of an office: hub -> all
SAID = {"dispenser": ("state", "fact"), "desk": ("state", "press"), "board": ("state",)}
HEARD = {"dispenser": ("config", "stored", "agenda"), "desk": ("config", "answer"), "board": ("config",)}
UPDATES = ("update", "update/+")  # of a microcontroller's software: the offer, and its pieces


@dataclass(frozen=True)
class Doors:
    """Where mosquitto listens, and where its files are."""

    folder: str = "/etc/mosquitto/torn"
    certificates: int = CERTIFICATES  # Raspberry Pis, each by its own certificate
    passwords: int = PASSWORDS  # microcontrollers, each by its own password
    hub: int = HUB  # the hub's own processes
    hub_binds: str = "127.0.0.1"


def configuration(doors: Doors = Doors()) -> str:
    """mosquitto.conf, or a piece of it for conf.d. mosquitto.conf(5)."""
    return "\n".join(_configuration(doors)) + "\n"


def _configuration(doors: Doors) -> Iterator[str]:
    tls = [f"certfile {doors.folder}/broker.pem", f"keyfile {doors.folder}/broker.key", "tls_version tlsv1.2"]
    rights = [f"acl_file {doors.folder}/rights", "allow_anonymous false"]
    proved = [f"cafile {doors.folder}/ca.pem", f"crlfile {doors.folder}/crl.pem"]
    proved += ["require_certificate true", "use_identity_as_username true"]
    # Whoever comes in by the devices' doors is called by their own name: a client that takes another's id pushes
    # that one out. The hub has many connections of one name, hence a door of its own.
    own_name = ["use_username_as_clientid true"]
    yield "# Made by `python -m provisioning`: change fleet.toml instead, and make it again."
    yield from ("per_listener_settings true", "set_tcp_nodelay true", "message_size_limit 262144")
    yield from ("", "# Raspberry Pis", f"listener {doors.certificates}", *tls, *proved, *rights, *own_name)
    yield from ("", "# Microcontrollers", f"listener {doors.passwords}", *tls)
    yield from (f"password_file {doors.folder}/passwords", *rights, *own_name)
    yield from ("", "# The hub's processes", f"listener {doors.hub} {doors.hub_binds}", *tls, *proved, *rights)


def rights(fleet: Fleet) -> str:
    """mosquitto's acl_file. What is not named is refused."""
    people = [_person("hub", hub_rights())]
    people += [_person(device.id, device_rights(device)) for device in fleet.devices]
    return "# Made by `python -m provisioning`.\n\n" + "\n".join(people)


def _person(name: str, lines: Iterator[tuple[str, str]]) -> str:
    return f"user {name}\n" + "".join(f"topic {right} {topic}\n" for right, topic in lines)


def hub_rights() -> Iterator[tuple[str, str]]:
    """What the hub's processes may do: ("read" or "write" or "readwrite", topic)."""
    yield "write", wire.HUB_TOPIC
    yield "read", wire.HUB_TOPIC
    yield "readwrite", wire.line_topic("+")  # the web processes follow it
    yield "readwrite", wire.appended_topic("+")
    yield "readwrite", "torn/v1/office/+/forecast"  # from the forecaster to bridges and pages
    yield from (("write", topic) for topic in (wire.calls_topic("+"), wire.call_topic("+"), wire.desk_topic("+", "+")))
    yield from (("write", wire.device_topic("+", leaf)) for leaf in ("stored", "config", "agenda", *UPDATES))
    yield "readwrite", wire.device_topic("+", "answer")
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
    """mosquitto's password_file: one line a microcontroller."""
    boards = [device.id for device in fleet.devices if not device.has_certificate]
    return "".join(f"{id}:{hashed(keys[f'{id}.password'])}\n" for id in boards)


def hashed(password: bytes) -> str:
    """A password as mosquitto_passwd(1) writes it: PBKDF2 with SHA-512.

    The salt comes from the password, so that the same one gives the same line: it is random enough to be its own.
    """
    salt = hashlib.sha256(b"salt of " + password).digest()[:12]
    digest = hashlib.pbkdf2_hmac("sha512", password, salt, ROUNDS)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
