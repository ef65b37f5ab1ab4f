"""python -m provisioning COMMAND: makes what each machine of the fleet is given, and looks after it.

Ends with 0 when all is well, with 2 and one sentence when something it was given is wrong, with 1 when it found faults.
"""

from __future__ import annotations

import argparse
import os
import ssl
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from provisioning import ProvisioningError, doctor
from provisioning.boot import CardError, must_be_a_card, write_card
from provisioning.broker import CERTIFICATES
from provisioning.fleet import Device, Fleet, read_fleet
from provisioning.folder import changed_by_hand, held, put, read
from provisioning.keys import Keys, renewed, revoked
from provisioning.made import files, keys_in
from provisioning.signs import signs


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m provisioning", description="What each machine of the fleet is given.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (about, _) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("--fleet", type=Path, default=Path("fleet.toml"), metavar="FILE", help="the fleet's file")
        command.add_argument("--out", type=Path, default=Path("torn-fleet"), metavar="DIR", help="the folder it makes")
        if name == "signs":
            command.add_argument(
                "--to", type=Path, default=Path("torn-signs"), metavar="DIR", help="where the pages go"
            )
        if name == "doctor":
            command.add_argument("--root", type=Path, metavar="DIR", help="on the hub's machine, /: looks at it, too")
            command.add_argument("--offline", action="store_true", help="without asking the broker")
            command.add_argument("--port", type=int, default=CERTIFICATES, help="the broker's door for certificates")
        if name in ("card", "replace"):
            command.add_argument("device", metavar="DEVICE", help="its id in the offices file")
            boot = "where the boot partition of the new card is mounted"
            command.add_argument("--boot", type=Path, required=name == "card", metavar="DIR", help=boot)
    return top


def main(words: list[str]) -> int:
    """Runs one command."""
    asked = parser().parse_args(words)
    try:
        return COMMANDS[asked.command][1](asked)
    except ProvisioningError as error:
        print(f"provisioning: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"provisioning: {error.filename or asked.command}: {error.strerror}", file=sys.stderr)
        return 2


def now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


def _make(asked: argparse.Namespace) -> int:
    """Everything that is missing, near its end or no longer right; says what it did."""
    fleet = read_fleet(asked.fleet)
    with held(asked.out) as before:
        keys, done = renewed(keys_in(before), fleet, now())
        _written(asked.out, before, fleet, keys, done)
    return 0


def _written(out: Path, before: dict[str, bytes], fleet: Fleet, keys: Keys, done: list[str]) -> None:
    made = files(fleet, keys)
    by_hand = [path for path in changed_by_hand(before) if made.get(path) != before.get(path)]
    done += [f"{path}: was changed by hand and is made again; as it was: {out}.before" for path in by_hand]
    changed = put(out, made)
    print("\n".join(done) if done else "nothing is near its end")
    news = [path for path in made if made[path] != before.get(path)]
    if any(path.startswith("hub/") for path in news):
        print(f"the hub's files have changed: on its machine, run   sudo sh {out}/hub/install")
    for office in fleet.brokers:
        if any(path.startswith(f"brokers/{office}/") for path in news):
            print(f"the files of {office}'s broker have changed: there, run   sudo sh {out}/brokers/{office}/install")
    if not changed:
        print(f"{out}: is as it should be")


def _card(asked: argparse.Namespace) -> int:
    """Writes the card of one Raspberry Pi, as the folder has it."""
    device = read_fleet(asked.fleet).device(asked.device)
    with held(asked.out) as made:
        _write_card(asked.boot, device, made)
    return 0


def _write_card(boot: Path, device: Device, made: Mapping[str, bytes]) -> None:
    place = f"cards/{device.id}/"
    seed = {path.removeprefix(place): body for path, body in made.items() if path.startswith(place)}
    if not seed:
        why = "is not made yet: run make first" if device.has_certificate else "is none: it is a microcontroller"
        raise CardError(f"{device.id}: its card {why}")
    write_card(boot, seed)
    print(f"{device.id}: the card is written; put it in and give it power")


def _replace(asked: argparse.Namespace) -> int:
    """A broken machine's successor: what the old one had is worth nothing from now on."""
    fleet = read_fleet(asked.fleet)
    device = fleet.device(asked.device)
    if asked.boot:
        must_be_a_card(asked.boot)  # before anything is revoked
    with held(asked.out) as before:
        keys, done = renewed(revoked(keys_in(before), device.id, now()), fleet, now())
        _written(asked.out, before, fleet, keys, [f"{device.id}: what the old machine had is revoked", *done])
        if asked.boot:
            _write_card(asked.boot, device, files(fleet, keys))
    return 0


def _doctor(asked: argparse.Namespace) -> int:
    """Every fault that can be found from here; 1 if there is one."""
    fleet = read_fleet(asked.fleet)
    faults = list(doctor.folder_faults(fleet, asked.out, now()))
    made = read(asked.out)
    if asked.root:
        faults += doctor.installed_faults(made, asked.root)
    if "keys/broker.pem" in made and not asked.offline:
        heard = doctor.listened(fleet, asked.out / "keys", asked.port)
        faults += doctor.live_faults(fleet, heard, ssl.PEM_cert_to_DER_cert(made["keys/broker.pem"].decode()))
    print("\n".join(map(str, faults)) if faults else "all is well")
    return 1 if faults else 0


def _signs(asked: argparse.Namespace) -> int:
    """The signs, to be printed by any browser."""
    pages = signs(read_fleet(asked.fleet))
    for path, page in pages.items():
        place = asked.to / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(page)
    print(f"{asked.to}: {len(pages)} pages, to be printed by any browser, without margins and in true size")
    return 0


COMMANDS = {
    "make": ("makes the folder, or brings it up to date", _make),
    "card": ("writes the card of a Raspberry Pi", _card),
    "doctor": ("says in sentences what is wrong, and what to do", _doctor),
    "replace": ("revokes what a broken machine had, and makes its successor's", _replace),
    "signs": ("makes the pages to print for walls, desks and dispensers", _signs),
}

if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
