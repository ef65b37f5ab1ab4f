"""The day's appointments as a dispenser knows them: digests from the hub, numbers from its own journal.

The rules:
  - The match is made here, against the retained agenda: the same with the network down.
  - The agenda is kept in the journal, and replaced whole; nothing in it says whose an appointment is.
  - What was checked in here has its number, whether or not the hub knows of it yet; a voided one has none.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from devices.journal import Journal, JournalError
from firmware import wire

log = logging.getLogger("torn.agenda")

MINUTE = 60_000


@dataclass(frozen=True)
class Booked:
    """One appointment of the agenda: nothing in it says whose it is. `start` in ms since 1970."""

    id: str
    office: str
    service: str
    start: int
    locator: str  # digest
    document: str | None = None  # digest
    label: str | None = None  # once checked in, wherever that was
    ticket: str | None = None
    grace: int = 0  # minutes more that a person running late was given


@dataclass(frozen=True)
class Agenda:
    """A day's appointments of every office."""

    day: str
    key: str
    appointments: tuple[Booked, ...] = ()
    offices: Mapping[str, str] = field(default_factory=dict)  # names by id

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> "Agenda":
        """Reads an `agenda` of firmware.wire."""
        names = Booked.__dataclass_fields__
        rows = ({key: row[key] for key in names if key in row} for row in message.get("appointments", ()))
        booked = tuple(Booked(**{**row, "start": wire.instant(row["start"])}) for row in rows)
        return cls(message["day"], message["key"], booked, message.get("offices", {}))

    def find(self, words: str) -> tuple[Booked, ...]:
        """The appointments of a document or a locator. Slow on purpose: a tenth of a second."""
        digest = wire.digest(self.key, words)
        return tuple(each for each in self.appointments if digest in (each.locator, each.document))


@dataclass(frozen=True)
class Verdict:
    """What is to be said and done: `how` is a key of words.WORDS; `booked` the appointment it is about.

    ready, early, late: a number can be given. again: it has one. elsewhere, not_served, not_found, no_agenda:
    it cannot.
    """

    how: str
    booked: Booked | None = None


def judge(
    found: tuple[Booked, ...], here: str, services: Mapping[str, Any], now: int, early: int, late: int
) -> Verdict:
    """Which of the appointments found is meant, and how it stands.

    Args:
        found: with the labels that are known to this machine filled in.
        here: this office's id.
        services: those that are served here now, by id.
        now: ms since 1970.
        early, late: minutes before and after the hour in which an appointment is due.
    """
    if not found:
        return Verdict("not_found")

    def rank(each: Booked) -> tuple[bool, int, int]:
        """Here before elsewhere; what is due and has no number, what has one, what is yet to come; the nearest."""
        due = now >= each.start - early * MINUTE
        return each.office != here, 1 if each.label is not None else 0 if due else 2, abs(each.start - now)

    booked = min(found, key=rank)
    if booked.office != here:
        return Verdict("elsewhere", booked)
    if booked.label is not None:
        return Verdict("again", booked)
    if booked.service not in services:
        return Verdict("not_served", booked)
    if now < booked.start - early * MINUTE:
        return Verdict("early", booked)
    return Verdict("late" if now > booked.start + (late + booked.grace) * MINUTE else "ready", booked)


class Appointments:
    """Keeps the agenda, with the hub and without it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._agenda = Agenda.of(journal.agenda) if journal.agenda else None
        self._seq = 0

    def came(self, message: dict[str, Any], retained: bool) -> None:
        """The hub's agenda: retained it is the truth; live it must not be older than the last."""
        seq = message.get("seq", 0)
        if retained or seq >= self._seq:
            self._agenda, self._seq = Agenda.of(message), seq
            try:
                self._journal.keep_agenda(message)
            except JournalError as error:  # it only means that a start without the hub lacks it
                log.error("%s", error)

    def of(self, day: str | None) -> Agenda | None:
        """The agenda, if it is that day's."""
        return self._agenda if self._agenda is not None and self._agenda.day == day else None

    def booked(self, appointment: str | None) -> Booked | None:
        """An appointment by its id."""
        rows = self._agenda.appointments if self._agenda and appointment else ()
        return next((each for each in rows if each.id == appointment), None)

    def office(self, id: str) -> str:
        """An office's name, or else its id."""
        return (self._agenda.offices if self._agenda else {}).get(id, id)

    def found(self, words: str, day: str | None) -> tuple[Booked, ...] | None:
        """A document's or locator's appointments of a day, each with its number; None without that day's agenda."""
        agenda = self.of(day)
        return None if agenda is None else tuple(self._numbered(each, agenda.day) for each in agenda.find(words))

    def _numbered(self, booked: Booked, day: str) -> Booked:
        given = self._journal.checked_in(day, booked.id)
        if given is not None:
            return replace(booked, label=given["label"], ticket=given["ticket"])
        if booked.ticket is not None and self._journal.voided(booked.ticket):
            return replace(booked, label=None, ticket=None)
        return booked
