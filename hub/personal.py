"""`python -m hub people`: one person's data on request, and other keys for everybody's."""

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import dataclass
from functools import partial

from .booking.appointments import Appointment
from .clock import now
from .offices import Fleet
from .settings import SettingsError
from .store import Store, Work, keys, people, rights

SOME = 100  # rows encrypted anew in one transaction: a moment, so that nobody waits


@dataclass(frozen=True)
class Which:
    """Whose data is meant: a document's number, or the locator of one of their appointments."""

    document: str | None
    locator: str | None

    def theirs(self, work: Work) -> list[Appointment]:
        """Their appointments; NoAppointment if there are none."""
        return rights.theirs(work, self.document, self.locator)


def export(store: Store, which: Which) -> int:
    """Prints all that is kept of a person as JSON."""
    _one_of_them(which)

    def act(work: Work) -> dict[str, object]:
        return rights.export(work, which.theirs(work), caller(), now())

    print(json.dumps(store.transact(act), ensure_ascii=False, indent=2))
    return 0


def erase(store: Store, fleet: Fleet, which: Which, dry_run: bool) -> int:
    """Forgets a person, or says what that would be; the appointments' ids alone go to stdout, for `--erased`."""
    _one_of_them(which)
    at = now()

    def act(work: Work) -> tuple[list[str], int]:
        some = which.theirs(work)
        if not dry_run:
            rights.erase(work, fleet.plans, some, caller(), at)
        return [one.id for one in some], sum(rights.is_open(one, at) for one in some)

    ids, open = store.transact(act, one_view=False)
    done = "would be" if dry_run else "are"
    said = f"the personal data of {len(ids)} appointments {done} erased, and {open} of them, still to come, cancelled"
    print(said, file=sys.stdout if dry_run else sys.stderr)
    if not dry_run:
        print("\n".join(ids))
    return 0


def erased(store: Store) -> int:
    """Prints the appointments whose data were erased on request: what a restore must leave out."""
    with store.begin() as connection:
        print("\n".join(people.erased(connection)))
    return 0


def _one_of_them(which: Which) -> None:
    if (which.document is None) == (which.locator is None):
        raise SettingsError("people: needs either --document or --locator")


def caller() -> str:
    """Who gives a command, as it stands in the trail: the operating system's account."""
    return f"{getpass.getuser()} (command line)"[:64]


def rekey(store: Store) -> int:
    """Encrypts everybody's data by the newest key, some rows at a time; 1 if a row could not be read."""
    last: str | None = ""
    while last is not None:
        last = store.transact(partial(people.rekey, after=last, most=SOME), one_view=False)
    if store.transact(keys.drop_kept, one_view=False):
        print("the key that was kept in the database is removed; older backups still have it")
    with store.begin() as connection:
        ring, names = keys.of(connection), keys.in_use(connection)
    left = sorted(names - {ring.newest.name})
    for name in left:
        print(f"some rows by the key {name} are damaged" if name in ring.by_name else keys.missing(name))
    if not left:
        print("all personal data is encrypted by the newest key alone")
    return 1 if left else 0
