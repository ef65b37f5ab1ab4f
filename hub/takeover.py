"""`python -m hub appointments import`: takes over the appointments of the old system, or tries to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from .booking.errors import AlreadyBooked, BookingError
from .booking.slots import TAKEN_OVER
from .booking.takeover import BadRow, Row, rows
from .clock import now
from .offices import Fleet
from .settings import SettingsError
from .store import Store, Work
from .store import appointments as store


class _OnlyTried(Exception):
    """Ends a trial: nothing of it is kept."""


def take_over(file: str, database: Store, fleet: Fleet, dry_run: bool) -> int:
    """Prints how many rows were taken and why each other one was refused; the number of those."""
    try:
        found = list(rows(Path(file).read_text("utf-8"), fleet.plans))
    except (BadRow, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None
    refused = list(_tried(database, fleet, found) if dry_run else _taken(database, fleet, found))
    for line, why in refused:
        print(f"line {line}: {why}")
    done = "would be taken over" if dry_run else "taken over"
    print(f"{len(found) - len(refused)} appointments {done}, {len(refused)} rows refused")
    return len(refused)


Found = list[tuple[int, Row | BadRow]]


def _taken(database: Store, fleet: Fleet, found: Found) -> Iterator[tuple[int, str]]:
    for line, row in found:
        why = database.transact(partial(_refusal, fleet=fleet, row=row), one_view=False)
        if why:
            yield line, why


def _tried(database: Store, fleet: Fleet, found: Found) -> list[tuple[int, str]]:
    """All rows in one transaction, so that they meet each other, and then none of it."""
    refused: list[tuple[int, str]] = []

    def trial(work: Work) -> None:
        refused[:] = [(line, why) for line, row in found if (why := _refusal(work, fleet, row))]
        raise _OnlyTried

    with suppress(_OnlyTried):
        database.transact(trial, one_view=False)
    return refused


def _refusal(work: Work, fleet: Fleet, row: Row | BadRow) -> str:
    """Books what a row says; why not, if it cannot be."""
    if isinstance(row, BadRow):
        return str(row)
    try:
        _not_twice(work, row)
        asked = store.new(row.office, row.services, row.start, public=False, language=row.language, person=row.person)
        store.book(work, fleet.plans[row.office], asked, now(), TAKEN_OVER)
    except BookingError as error:
        return str(error)
    return ""


def _not_twice(work: Work, row: Row) -> None:
    """A file may be read again after some of its rows were put right."""
    if store.is_booked(work, row.office, row.services, row.start, row.person.name):
        raise AlreadyBooked("it was taken over already")
