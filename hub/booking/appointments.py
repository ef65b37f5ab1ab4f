"""An appointment, from the booking to the check-in; what is personal stands apart, in Person."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from hub.line import plan as line
from hub.line.plan import MINUTE, Moment

from .slots import Wanted

HOLD = 10 * MINUTE  # how long a place is kept while the form is filled in


class Kind(StrEnum):
    """The documents by which one identifies."""

    DNI = "dni"
    NIE = "nie"
    PASSPORT = "passport"


class Standing(StrEnum):
    """What has become of an appointment."""

    HELD = "held"  # the form is being filled in
    BOOKED = "booked"
    CANCELLED = "cancelled"
    ARRIVED = "arrived"


@dataclass(frozen=True)
class Document:
    """An identity document; `number` in capitals, without spaces or punctuation."""

    kind: Kind
    number: str = field(repr=False)


@dataclass(frozen=True)
class Person:
    """Who will come. Kept in one table, and erased after a time; never shown by `repr`."""

    name: str = field(repr=False)
    document: Document | None = field(default=None, repr=False)  # staff may leave it out
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    note: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Appointment:
    """A booked hour. Nothing in it says whose it is, but for `person`; once that is erased, it is None."""

    id: str
    office: str
    services: tuple[str, ...]
    start: Moment
    locator: str  # nine digits, to be said and typed
    standing: Standing = Standing.BOOKED
    public: bool = True  # it has one of the web's seats
    language: str = "ca"
    grace_minutes: int = 0  # what "I am running late" added
    held_until: Moment | None = None
    ticket: str | None = None  # with which it checked in
    label: str | None = None
    person: Person | None = None
    secret: str = field(default="", repr=False)  # 128 bits, for links
    sealed: bool = False  # whose it is cannot be read: its key is missing

    @property
    def said_locator(self) -> str:
        """The locator as it is said: 123 456 789."""
        return f"{self.locator[:3]} {self.locator[3:6]} {self.locator[6:]}"

    @property
    def wanted(self) -> Wanted:
        """The place that it takes."""
        return Wanted(self.start, self.services, self.public)

    @property
    def in_line(self) -> line.Appointment:
        """What the line needs to know of it."""
        return line.Appointment(self.id, self.start, self.grace_minutes)

    def takes_place(self, now: Moment) -> bool:
        """Whether its place is taken: a hold that has run out is not."""
        if self.standing is Standing.HELD:
            return (self.held_until or 0) > now
        return self.standing is not Standing.CANCELLED
