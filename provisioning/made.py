"""What each machine of the fleet is given: a function of the fleet and its keys.

keys/           the authority and all that it gave out; never leaves this machine
hub/            what goes onto the hub's machine, by its path there
cards/ID/       the seed of a Raspberry Pi's card
boards/ID/      the bundle of a microcontroller
brokers/OFFICE/ what goes onto the machine of an office's own broker, by its path there
"""

from __future__ import annotations

from collections.abc import Mapping

from provisioning import boards, broker, cards, server
from provisioning.fleet import Device, Fleet
from provisioning.keys import Keys

MOSQUITTO = "hub/etc/mosquitto"


def files(fleet: Fleet, keys: Keys) -> dict[str, bytes]:
    """Every file of the folder."""
    made = {f"keys/{name}": body for name, body in keys.items()}
    made |= {f"hub/{path}": body for path, body in server.tree(fleet, keys).items()}
    for office in fleet.brokers:
        made |= {f"brokers/{office}/{path}": body for path, body in broker.office_tree(fleet, office, keys).items()}
    for device in fleet.devices:
        place, given = _given(fleet, device, keys)
        made |= {f"{place}/{device.id}/{name}": body for name, body in given.items()}
    return made


def keys_in(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The keys among the folder's files."""
    return {path.removeprefix("keys/"): body for path, body in files.items() if path.startswith("keys/")}


def _given(fleet: Fleet, device: Device, keys: Keys) -> tuple[str, dict[str, bytes]]:
    if device.has_certificate:
        return "cards", cards.seed(fleet, device, keys)
    return "boards", boards.bundle(fleet, device, keys)
