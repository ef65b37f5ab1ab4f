"""Today's appointments for the dispensers, as digests: a machine can check people in with the network down.

A digest takes a tenth of a second on purpose, so they are made in a thread of their own, some at a
time; the relays publish what is ready. The key is renewed with the day.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import partial
from typing import Any

import structlog

from firmware import wire
from hub.booking.appointments import Appointment
from hub.clock import now
from hub.line.plan import day_of
from hub.offices import Fleet
from hub.store import Store, StoreError, agendas
from hub.store.appointments import of_day

log = structlog.get_logger()
LOOKS = 1.0  # seconds between two looks at whether anything has changed
SOME = 10  # digests made before they are published: a second or two
Document = dict[str, Any]


class Agenda(threading.Thread):
    """Makes the agenda of each day on which an office of the fleet is."""

    def __init__(self, store: Store, fleet: Fleet, wanted: Callable[[], bool]) -> None:
        super().__init__(name="agenda", daemon=True)
        self.store = store
        self.fleet = fleet
        self.wanted = wanted  # whether this process works for any office
        self.stopping = threading.Event()
        self._documents: dict[str, Document] = {}
        self._seen: dict[str, int] = {}  # what each document was made from

    def of(self, day: str) -> Document | None:
        """The agenda of a day as far as it is ready; the same object until it changes."""
        return self._documents.get(day)

    def run(self) -> None:
        """Looks every second until `stop`; no error ends it."""
        while not self.stopping.wait(LOOKS):
            try:
                if self.wanted():
                    self.look()
            except StoreError as error:
                log.warning("no new agenda: the database is away", reason=str(error))
            except Exception:
                log.exception("the agenda failed")

    def stop(self) -> None:
        """Ends the thread; what was made is kept."""
        self.stopping.set()
        if self.is_alive():
            self.join(5)

    def look(self) -> None:
        """Makes the documents again whose appointments have changed."""
        at = now()
        days = {day_of(plan, at) for plan in self.fleet.plans.values()}
        self._documents = {day: document for day, document in self._documents.items() if day in days}
        for day in sorted(days):
            # What comes after midnight, up to the hour when the office's day ends, is of the next calendar day.
            seen = agendas.changes(self.store, [day, (date.fromisoformat(day) + timedelta(days=1)).isoformat()])
            if day not in self._documents or seen != self._seen.get(day):
                self._make(day)
                self._seen[day] = seen

    def _make(self, day: str) -> None:
        key = self.store.transact(lambda work: agendas.key_of(work, day))
        with self.store.begin() as connection:
            known = agendas.known(connection, day)
            plans = self.fleet.plans.values()
            listed = [one for plan in plans for one in of_day(connection, plan, day)]
        self._say(day, key, listed, known)
        missing = [one for one in listed if one.id not in known]
        for first in range(0, len(missing), SOME):
            some = missing[first : first + SOME]
            made: dict[str, agendas.Digests] = {}
            for one in some:
                if self.stopping.is_set():
                    return
                made[one.id] = digests(key, one)
            whole = {one.id: made[one.id] for one in some if not one.sealed}  # the others lack their document's
            self.store.transact(partial(agendas.keep, day=day, made=whole))
            known |= made
            self._say(day, key, listed, known)

    def _say(self, day: str, key: str, listed: Iterable[Appointment], known: dict[str, agendas.Digests]) -> None:
        names = {plan.office: plan.name for plan in self.fleet.plans.values()}
        ready = [entry(one, *known[one.id]) for one in listed if one.id in known]
        self._documents[day] = {"day": day, "key": key, "offices": names, "appointments": ready}


def digests(key: str, one: Appointment) -> agendas.Digests:
    """What stands for an appointment's locator and for its document."""
    document = one.person.document if one.person else None
    return wire.digest(key, one.locator), wire.digest(key, document.number) if document else None


def entry(one: Appointment, locator: str, document: str | None) -> Document:
    """An appointment as the agenda has it, by its digests."""
    return {
        "id": one.id,
        "office": one.office,
        "service": one.services[0],
        "start": wire.stamp(one.start),
        "grace": one.grace_minutes,
        "locator": locator,
        "document": document,
        "label": one.label,
        "ticket": one.ticket,
    }
