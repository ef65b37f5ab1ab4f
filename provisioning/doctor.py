"""What is wrong with a fleet, in sentences, each with what to do about it.

    for fault in folder_faults(fleet, out, now): print(fault)           # the folder
    for fault in installed_faults(files, Path("/")): print(fault)       # the hub's machine
    for fault in live_faults(fleet, listened(fleet, out / "keys"), now): print(fault)

What is heard is gathered first (`listened`), and judged by functions of it.
"""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware import wire
from provisioning import ProvisioningError
from provisioning.broker import CERTIFICATES
from provisioning.fleet import Device, Fleet
from provisioning.folder import changed_by_hand, read
from provisioning.keys import RENEWED_BEFORE, ends, renewed
from provisioning.made import files, keys_in

AUTHORITY_NEAR = timedelta(days=2 * 365)  # its end: every card must be made anew by then
CLOCKS_APART = 5.0  # seconds
BEAT_WITHIN = 6.0  # seconds: the hub beats every two
MUCH_UNSENT = 50  # facts

Clock = Callable[[], float]  # seconds since 1970


@dataclass(frozen=True)
class Fault:
    """What is wrong, and what to do."""

    what: str
    do: str

    def __str__(self) -> str:
        return f"{self.what}. {self.do}."


# --- the folder -----------------------------------------------------------------------------


def folder_faults(fleet: Fleet, out: Path, now: datetime) -> Iterator[Fault]:
    """What is wrong with the folder that was made."""
    present = read(out)
    if not present:
        yield Fault(f"{out} is not there or empty", "Run make")
        return
    yield from _open_to_others(out)
    by_hand = changed_by_hand(present)
    yield from (
        Fault(f"{out}/{path} was changed by hand, or is gone", "Run make to have it made again") for path in by_hand
    )
    try:
        keys = keys_in(present)
        yield from _ending(keys, now)
        wanted, _ = renewed(keys, fleet, now)
    except ProvisioningError as error:
        where = f"{out}/" if str(error).startswith("keys/") else ""
        yield Fault(f"{where}{error}", "Until then nothing can be made")
        return
    if not by_hand and any(present.get(path) != body for path, body in files(fleet, wanted).items()):
        yield Fault(f"{out} is older than {fleet.file}, or than what it describes", "Run make, then hub/install")


def _open_to_others(out: Path) -> Iterator[Fault]:
    for path in [out, *sorted(out.rglob("*"))]:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Fault(f"others may look into {path}", f"chmod -R go= {out}, and replace the devices if others have")


def _ending(keys: Mapping[str, bytes], now: datetime) -> Iterator[Fault]:
    for name, end in ends(keys):
        near = AUTHORITY_NEAR if name == "ca" else RENEWED_BEFORE
        if end < now:
            yield Fault(f"the certificate {name} ended on {end:%Y-%m-%d}", _anew(name))
        elif end - near < now:
            yield Fault(f"the certificate {name} ends on {end:%Y-%m-%d}", _anew(name))


def _anew(name: str) -> str:
    if name == "ca":
        return "Begin a new authority in good time: an empty folder, make, hub/install, and every card anew"
    if name in ("hub", "broker", "https"):
        return "Run make, then hub/install on the hub's machine"
    if name.startswith(("broker-", "bridge-")):
        return f"Run make, then brokers/{name.split('-', 1)[1]}/install on the machine of that office's broker"
    return "Run make, then write its card anew"


# --- the hub's machine ----------------------------------------------------------------------


def installed_faults(made: Mapping[str, bytes], root: Path) -> Iterator[Fault]:
    """What differs, on the hub's machine, from what was made for it."""
    for path, body in sorted(made.items()):
        place = root / path.removeprefix("hub/")
        if path.startswith(("hub/etc/", "hub/usr/")):
            yield from _installed(place, body)


def _installed(place: Path, body: bytes) -> Iterator[Fault]:
    try:
        same = place.read_bytes() == body
    except FileNotFoundError:
        yield Fault(f"{place} is not there", "Run hub/install as root")
        return
    except OSError as error:
        yield Fault(f"{place} cannot be read: {error.strerror}", "Run the doctor as root")
        return
    if not same:
        yield Fault(f"{place} is not as it was made: changed by hand, or older", "Run hub/install as root")
    if place.suffix == ".key" and stat.S_IMODE(place.stat().st_mode) & 0o007:
        yield Fault(f"anybody may read {place}", "Run hub/install as root, and replace the key if somebody has")


# --- the fleet at work ----------------------------------------------------------------------


@dataclass
class Heard:
    """What came from the broker, or why nothing did."""

    refused: Fault | None = None
    certificate: bytes = b""  # the broker's, as it showed it (DER)
    beat: dict[str, Any] | None = None  # the hub's last live one
    beat_at: float = 0.0  # by our clock, seconds since 1970
    states: dict[str, dict[str, Any]] = field(default_factory=dict)  # by device


def listened(fleet: Fleet, keys: Path, port: int = CERTIFICATES, clock: Clock = time.time) -> Heard:
    """What the broker lets the hub's certificate hear within six seconds."""
    heard, enough = Heard(), threading.Event()
    where = f"{fleet.hub.host}:{port}"
    try:
        tls = ssl.create_default_context(cafile=str(keys / "ca.pem"))
        tls.load_cert_chain(keys / "hub.pem", keys / "hub.key")
        with (
            socket.create_connection((fleet.hub.host, port), 5) as raw,
            tls.wrap_socket(raw, server_hostname=fleet.hub.host) as door,
        ):
            heard.certificate = door.getpeercert(binary_form=True) or b""
    except OSError as error:
        heard.refused = _refused(where, error)
        return heard
    client = _listener(fleet, tls, heard, enough, clock)
    try:
        client.connect(fleet.hub.host, port)
        client.loop_start()
        enough.wait(BEAT_WITHIN)
    except OSError as error:
        heard.refused = _refused(where, error)
    finally:
        client.disconnect()
        client.loop_stop()
    return heard


def _listener(fleet: Fleet, tls: ssl.SSLContext, heard: Heard, enough: threading.Event, clock: Clock) -> mqtt.Client:
    ids = {device.id for device in fleet.devices}
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="doctor", reconnect_on_failure=False)
    client.tls_set_context(tls)

    def connected(client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            said = f"the broker refuses the hub's certificate: {reason}"
            heard.refused = Fault(said, "Run hub/install on the hub's machine: its files are older than this folder")
            enough.set()
        client.subscribe([(wire.HUB_TOPIC, 1), (wire.device_topic("+", "state"), 1)])

    def came(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        document = _decoded(message.payload)
        if message.topic == wire.HUB_TOPIC and not message.retain and "now" in document:
            heard.beat, heard.beat_at = document, clock()
        elif message.topic != wire.HUB_TOPIC and document:
            heard.states[message.topic.split("/")[3]] = document
        if heard.beat and ids <= set(heard.states):
            enough.set()

    client.on_connect, client.on_message = connected, came
    return client


def _decoded(payload: bytes | bytearray) -> dict[str, Any]:
    try:
        document = json.loads(payload)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


# OpenSSL's reasons for not believing a certificate (x509_vfy.h), as sentences.
CERTIFICATE_FAULTS = {
    9: ("is not valid yet", "Set the clocks of this machine and of the hub's"),
    10: ("has ended", "Run make, then hub/install; if it ends later, set this machine's clock"),
    18: ("is not from this fleet's authority", "Run hub/install, and see that the address is the hub's machine's"),
    19: ("is not from this fleet's authority", "Run hub/install, and see that the address is the hub's machine's"),
    20: ("is not from this fleet's authority", "Run hub/install, and see that the address is the hub's machine's"),
    62: ("is for another name", "Correct hub.host or addresses in the fleet's file, run make, then hub/install"),
    64: ("is for another address", "Correct hub.host or addresses in the fleet's file, run make, then hub/install"),
}


def _refused(where: str, error: OSError) -> Fault:
    """Why the broker could not be spoken to."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what, do = CERTIFICATE_FAULTS.get(
            error.verify_code, (f"cannot be believed: {error.verify_message}", "Run make")
        )
        return Fault(f"the broker's certificate at {where} {what}", do)
    if isinstance(error, socket.gaierror):
        return Fault(f"nobody knows the name {where.rpartition(':')[0]}", "Put it into the network's name server")
    if isinstance(error, ConnectionRefusedError):
        return Fault(f"no broker listens at {where}", "On the hub's machine: systemctl status mosquitto")
    if isinstance(error, ssl.SSLError):
        return Fault(f"the broker at {where} does not believe us: {error.reason}", "Run make, then hub/install")
    return Fault(
        f"the broker at {where} does not answer: {error.strerror or error}", "Look at cables, switch and firewall"
    )


def live_faults(fleet: Fleet, heard: Heard, broker: bytes) -> Iterator[Fault]:
    """What is wrong with the fleet at work; `broker` is the broker's certificate as it was made (DER)."""
    if heard.certificate and _digest(heard.certificate) != _digest(broker):
        yield Fault("the broker shows another certificate than was made last", "Run hub/install on the hub's machine")
    if heard.refused:
        yield heard.refused
        return
    yield from _beat_faults(heard)
    for device in fleet.devices:
        yield from _device_faults(device, heard.states.get(device.id))
    known = {device.id for device in fleet.devices}
    for stranger in sorted(set(heard.states) - known):
        yield Fault(
            f"{stranger} speaks, but is not in the fleet", "Put it into the offices file, or run make to revoke it"
        )
    versions = {state["software"] for state in heard.states.values() if state.get("software")}
    if len(versions) > 1:
        yield Fault(
            f"the devices run different versions: {', '.join(sorted(versions))}", "Write the older ones' cards anew"
        )


def _digest(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()


def _beat_faults(heard: Heard) -> Iterator[Fault]:
    if heard.beat is None:
        yield Fault(f"the hub has not been heard for {BEAT_WITHIN:.0f} s", "On its machine: journalctl -u torn-hub")
        return
    apart = heard.beat_at - wire.instant(heard.beat["now"]) / 1000
    if abs(apart) > CLOCKS_APART:
        which = "behind" if apart > 0 else "ahead of"
        said = f"the hub's clock is {timedelta(seconds=round(abs(apart)))} {which} this machine's"
        yield Fault(said, "timedatectl on both says which one is wrong; turn NTP on there")


def _device_faults(device: Device, state: dict[str, Any] | None) -> Iterator[Fault]:
    where = f"{device.id} ({device.office.name})"
    card = "its card" if device.has_certificate else "flash"
    if state is None:
        yield Fault(f"{where} has never been heard", f"Look at power and network; then write {card} anew")
        return
    if state.get("state") == "lost":
        yield Fault(f"{where} has fallen silent", "Look at power and network")
        return
    if state.get("state") == "degraded":
        yield Fault(f"{where} does not work fully", f"Look at its parts: journalctl -u torn-{device.kind} there")
    if state.get("paper") in ("low", "out"):
        yield Fault(f"{where}: paper is {state['paper']}", "Put a new roll in")
    if int(state.get("unsent") or 0) > MUCH_UNSENT:
        yield Fault(f"{where} has {state['unsent']} facts that the hub has not stored", "Look at the hub's log")
