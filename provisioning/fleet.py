"""The fleet as its two files describe it: the offices file, and fleet.toml with the machines' addresses.

    fleet = read_fleet(Path("fleet.toml"))
    fleet.device("montroig-dispenser-1").address

Of the offices file only what concerns machines and signs is judged here; the hub judges all of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Interface, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError

from firmware import wire
from provisioning import ProvisioningError

RESERVED = ("hub", "broker", "https", "ca", "crl", "backup")  # names of certificates that are no device's
MADE = {"device", "kind", "broker", "wifi", "update_key", "language"}  # of a device's settings
RECEPTION_FIRST = 900  # reception's own range of numbers
LANGUAGES = ("ca", "es", "en", "fr")
ROLES = ("clerk", "operator", "manager", "admin")


class FleetError(ProvisioningError, ValueError):
    """A file that describes the fleet cannot be used; the message names the file, the place and the reason."""


def _slug(value: str) -> str:
    if not wire.is_slug(value):
        raise ValueError("must be 1 to 64 of a-z, 0-9 and -")
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", value):
        raise ValueError("must be a host name or an address, in small letters")
    return value


def _ip(value: str) -> str:
    return str(ip_address(value))


def _interface(value: str) -> str:
    if "/" not in value:
        raise ValueError("must have its network's size, such as 192.168.10.21/24")
    return str(IPv4Interface(value))


def _network(value: str) -> str:
    return str(ip_network(value))


def _public(value: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+", value):
        raise ValueError("must be an address like https://torn.example.cat")
    return value.rstrip("/")


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be printable characters on one line")
    return value


Slug = Annotated[str, AfterValidator(_slug)]
Host = Annotated[str, AfterValidator(_host)]
Ip = Annotated[str, AfterValidator(_ip)]
Line = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]


class _Strict(BaseModel):
    """A table of fleet.toml: an unknown key is a mistake, most often a misspelling."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Loose(BaseModel):
    """A table of the offices file: the hub judges the keys that are not named here."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


# --- the offices file -----------------------------------------------------------------------


class Service(_Loose):
    """A procedure: its letter, and its name by language."""

    id: Slug
    letter: Line
    name: Annotated[dict[str, Line], Field(min_length=1)]

    def named(self, language: str) -> str:
        """Its name in this language, or in the first one it has."""
        return self.name.get(language) or next(iter(self.name.values()))


class Desk(_Loose):
    """A desk, most often a number."""

    id: Slug


class _Device(_Loose):
    id: Slug
    kind: Literal["dispenser", "desk", "board"]
    desk: str | None = None
    first_number: int = 1


class Season(_Loose):
    """Other hours for a time."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, populate_by_name=True)

    first: Annotated[date, Strict(False)] = Field(alias="from")
    to: Annotated[date, Strict(False)]
    hours: dict[str, Line]


class Office(_Loose):
    """An office, as far as its machines and its signs are concerned."""

    id: Slug
    name: Line
    timezone: Line
    telephone: Line = ""
    hours: dict[str, Line]
    languages: Annotated[list[Literal["ca", "es", "en", "fr"]], Field(min_length=1)] = list(LANGUAGES)  # type: ignore
    service: Annotated[list[Service], Field(min_length=1)]
    desk: Annotated[list[Desk], Field(min_length=1)]
    device: list[_Device] = []
    season: list[Season] = []


class _Offices(_Loose):
    public_url: Annotated[str, AfterValidator(_public)] | None = None
    office: Annotated[list[Office], Field(min_length=1)]


# --- fleet.toml -----------------------------------------------------------------------------


class Provider(_Strict):
    """Who vouches for the staff (OpenID Connect), beside accounts with a password."""

    issuer: Annotated[Line, Field(pattern="^(https://|http://(localhost|127\\.0\\.0\\.1)([:/]|$))")]
    client: Annotated[Line, Field(min_length=1)]
    secret_file: str | None = None
    name: Line = ""
    claim: Line = "groups"
    roles: dict[Line, Line] = {}  # by a value of the claim: ROLE or ROLE@OFFICE


class HubMachine(_Strict):
    """The machine with hub, broker and pages."""

    host: Host
    addresses: list[Ip] = []
    database: Literal["sqlite", "postgresql"] = "sqlite"
    web: Annotated[int, Field(ge=1, le=16)] = 1
    bridge: Annotated[int, Field(ge=1, le=8)] = 1
    reaches: list[Annotated[str, AfterValidator(_network)]] = []
    push: bool = False
    https_certificate: Line = "/etc/torn/https.pem"
    https_key: Line = "/etc/torn/https.key"
    oidc: Provider | None = None


class OfficeBroker(_Strict):
    """An office's own broker, for when its line to the hub fails: `[broker.OFFICE]`."""

    host: Host
    addresses: list[Ip] = []


class Wifi(_Strict):
    """The wireless network; its password stands in a file of its own."""

    name: Annotated[Line, Field(min_length=1, max_length=32)]
    password_file: str
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "ES"


class Network(_Strict):
    """What the offices' machines need to know of their network."""

    gateway: Ip | None = None
    name_servers: list[Ip] = []
    time_servers: list[Host] = []
    wifi: Wifi | None = None


class Raspberry(_Strict):
    """What all Raspberry Pis have in common."""

    user: Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,30}$")] = "technician"
    ssh_keys: list[Line] = []


class Machine(_Strict):
    """One device's hardware: `[device.ID]`."""

    hardware: Literal["raspberry", "microcontroller"] = "raspberry"
    board: Literal["pico-w", "esp32"] = "pico-w"  # which microcontroller
    address: Annotated[str, AfterValidator(_interface)] | None = None
    wifi: bool = False
    read_only: bool = False
    data: Annotated[str, Field(pattern=r"^(LABEL|UUID)=[\w-]+$")] | None = None
    settings: dict[str, Any] = {}


class _File(_Strict):
    offices: str = "offices.toml"
    hub: HubMachine
    network: Network = Network()
    raspberry: Raspberry = Raspberry()
    broker: dict[str, OfficeBroker] = {}
    device: dict[str, Machine] = {}


# --- the fleet ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Device:
    """A machine in an office: what it does (the offices file) and what it is (fleet.toml)."""

    id: str
    office: Office
    kind: str  # dispenser | desk | board
    desk: str | None
    first_number: int
    machine: Machine

    @property
    def has_certificate(self) -> bool:
        """A Raspberry Pi proves who it is by a certificate, a microcontroller by a password."""
        return self.machine.hardware == "raspberry"


@dataclass(frozen=True)
class Fleet:
    """Everything there is."""

    file: Path  # for sentences
    offices_text: bytes  # the offices file itself, for the hub
    public_url: str | None
    offices: tuple[Office, ...]
    devices: tuple[Device, ...]
    hub: HubMachine
    network: Network
    raspberry: Raspberry
    brokers: dict[str, OfficeBroker]  # by office: those that have their own
    wifi_password: str
    oidc_secret: str

    def host_for(self, device: Device) -> str:
        """The broker that a device speaks to: its office's own, or the hub's."""
        own = self.brokers.get(device.office.id)
        return own.host if own else self.hub.host

    def device(self, id: str) -> Device:
        """The device of this id; FleetError if there is none."""
        for device in self.devices:
            if device.id == id:
                return device
        known = ", ".join(device.id for device in self.devices)
        raise FleetError(f"{self.file}: there is no device {id}; there are {known}")


def read_fleet(path: Path) -> Fleet:
    """The fleet that the file and its offices file describe; FleetError names file, place and reason."""
    file = _judged(_File, path, _read(path))
    offices_path = path.parent / file.offices
    text = _read(offices_path)
    offices = _judged(_Offices, offices_path, text)
    for fault in _faults(offices):
        raise FleetError(f"{offices_path}: {fault}")
    devices = tuple(_devices(offices, file))
    for fault in _misfits(devices, file, [office.id for office in offices.office]):
        raise FleetError(f"{path}: {fault}")
    secrets = _wifi_password(path.parent, file.network.wifi), _oidc_secret(path.parent, file.hub.oidc)
    shared = (file.hub, file.network, file.raspberry, file.broker, *secrets)
    return Fleet(path, text, offices.public_url, tuple(offices.office), devices, *shared)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FleetError(f"{path}: cannot be read: {error.strerror}") from None


def _judged(shape: type[Any], path: Path, text: bytes) -> Any:
    try:
        body = tomllib.loads(text.decode("utf-8"))
        return shape.model_validate(body)
    except ValidationError as error:
        raise FleetError(f"{path}: {_place(error, body)}") from None
    except ValueError as error:  # tomllib's and Unicode's errors
        raise FleetError(f"{path}: {error}") from None


def _place(error: ValidationError, body: Any) -> str:
    """The first mistake as a sentence: office mont-roig, device 2, kind: …"""
    first = error.errors()[0]
    words: list[str] = []
    here: Any = body
    for step in first["loc"]:
        here = _inside(here, step)
        named = here.get("id") if isinstance(here, dict) and isinstance(step, int) else None
        words.append(str(named or (step + 1 if isinstance(step, int) else step)))
    reason = first["msg"].removeprefix("Value error, ")
    unknown = "there is no such setting" if first["type"] == "extra_forbidden" else reason
    return f"{' '.join(words)}: {unknown}"


def _inside(here: Any, step: Any) -> Any:
    """What stands at one step further into the file; nothing if the mistake is that it is missing."""
    try:
        return here[step]
    except (LookupError, TypeError):
        return {}


def _faults(offices: _Offices) -> Iterator[str]:
    """What does not fit together in the offices file, as far as machines go."""
    ids = [device.id for office in offices.office for device in office.device]
    yield from (f"device {id}: is there twice; each needs an id of its own" for id in _twice(ids))
    yield from (f"office {id}: is there twice" for id in _twice([office.id for office in offices.office]))
    taken = {*RESERVED, *(f"{what}-{office.id}" for office in offices.office for what in ("broker", "bridge"))}
    yield from (f"device {id}: this name is taken by the fleet itself; choose another" for id in ids if id in taken)
    for office in offices.office:
        desks = {desk.id for desk in office.desk}
        for device in office.device:
            if device.kind == "desk" and device.desk not in desks:
                yield f"office {office.id}, device {device.id}: there is no desk {device.desk}"
        yield from _ranges(office)


def _ranges(office: Office) -> Iterator[str]:
    dispensers = [device for device in office.device if device.kind == "dispenser"]
    for number in _twice([device.first_number for device in dispensers]):
        both = " and ".join(device.id for device in dispensers if device.first_number == number)
        yield f"office {office.id}: {both} both begin at first_number {number}; give each a range of its own"
    for device in dispensers:
        if not 1 <= device.first_number < RECEPTION_FIRST:
            yield f"device {device.id}: first_number {device.first_number} must be 1 to {RECEPTION_FIRST - 1}"


def _twice(values: list[Any]) -> list[Any]:
    return sorted({value for value in values if values.count(value) > 1})


def _devices(offices: _Offices, file: _File) -> Iterator[Device]:
    for office in offices.office:
        for each in office.device:
            machine = file.device.get(each.id, Machine())
            yield Device(each.id, office, each.kind, each.desk, each.first_number, machine)


def _misfits(devices: tuple[Device, ...], file: _File, offices: list[str]) -> Iterator[str]:
    """What does not fit together in fleet.toml, or with the offices file."""
    if file.hub.web + file.hub.bridge > 2 and file.hub.database != "postgresql":
        yield 'hub: several web or bridge processes share a server: database = "postgresql"'
    yield from (f"hub oidc: {fault}" for fault in _oidc_faults(file.hub, offices))
    known = {device.id for device in devices}
    yield from (f"device {id}: {file.offices} has no such device" for id in file.device if id not in known)
    yield from (f"broker {id}: {file.offices} has no such office" for id in file.broker if id not in offices)
    addresses = [device.machine.address.split("/")[0] for device in devices if device.machine.address]
    addresses += [address for broker in file.broker.values() for address in broker.addresses]
    for address in _twice(addresses + file.hub.addresses):
        yield f"address {address}: is given twice"
    for host in _twice([file.hub.host, *(broker.host for broker in file.broker.values())]):
        yield f"host {host}: is given twice; hub and brokers are machines of their own"
    for device in devices:
        yield from (f"device {device.id}: {fault}" for fault in _machine_faults(device, file.network))


def _oidc_faults(hub: HubMachine, offices: list[str]) -> Iterator[str]:
    if hub.oidc is None:
        return
    if hub.oidc.issuer.startswith("https://") and not (hub.reaches or hub.push):
        yield f"the hub may not speak to {hub.oidc.issuer}: add the provider's network to reaches"
    for value, meant in hub.oidc.roles.items():
        role, at, office = meant.partition("@")
        if role not in ROLES or (at and office not in offices) or not value:
            yield f"roles: {value} = {meant}: must be {', '.join(ROLES)}, or one of them and @OFFICE"


def _machine_faults(device: Device, network: Network) -> Iterator[str]:
    machine = device.machine
    if machine.hardware == "microcontroller" and device.kind == "dispenser":
        yield 'a dispenser needs a Raspberry Pi (hardware = "raspberry"): it keeps a journal'
    if (machine.wifi or machine.hardware == "microcontroller") and network.wifi is None:
        yield "needs the wireless network: add [network.wifi]"
    if machine.read_only and device.kind == "dispenser" and machine.data is None:
        yield 'read_only: the journal needs a disk of its own, such as data = "LABEL=torn-data"'
    if MADE & set(machine.settings):
        yield f"settings: {', '.join(sorted(MADE))} are made by provisioning; leave them out"
    yield from (f"settings: {key}: cannot be a date or a time" for key in _undated(machine.settings))
    near = IPv4Interface(machine.address).network if machine.address else None
    if near and network.gateway and ip_address(network.gateway) not in near:
        yield f"address {machine.address}: the gateway {network.gateway} is in another network"


def _undated(settings: dict[str, Any]) -> Iterator[str]:
    """The settings that are dates: neither the agents nor JSON know those."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _undated(value)
        elif not isinstance(value, str | int | float | bool | list):
            yield key


def _wifi_password(folder: Path, wifi: Wifi | None) -> str:
    if wifi is None:
        return ""
    path = folder / wifi.password_file
    password = _secret(path, "the wireless network's password")
    if not (8 <= len(password) <= 63 and password.isprintable() and password.isascii()):
        raise FleetError(f"{path}: a wireless password has 8 to 63 characters of ASCII (IEEE 802.11)")
    return password


def _oidc_secret(folder: Path, oidc: Provider | None) -> str:
    if oidc is None or oidc.secret_file is None:
        return ""
    path = folder / oidc.secret_file
    secret = _secret(path, "the client's secret")
    if not (secret and secret.isprintable()):
        raise FleetError(f"{path}: must be the client's secret, on one line")
    return secret


def _secret(path: Path, what: str) -> str:
    """What stands in a file that nobody else may read."""
    text = _read(path).decode("utf-8", "replace").strip()
    if path.stat().st_mode & 0o077:
        raise FleetError(f"{path}: others may read {what}; chmod 600 {path}")
    return text
