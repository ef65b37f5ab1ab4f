"""What an office has decided beforehand: services, desks, rules, hours. A plan is part of the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Moment = int  # milliseconds since 1970, UTC
MINUTE = 60_000
HOUR = 60 * MINUTE
Ranges = tuple[tuple[int, int], ...]  # minutes after local midnight: (540, 840) is 09:00-14:00
Week = tuple[Ranges, ...]  # seven of them, Monday first


@dataclass(frozen=True)
class Rules:
    """Whose turn it is, in minutes unless said otherwise; each one is a field of the offices file."""

    early_minutes: int = 30  # an appointment counts as due so long before its hour
    late_minutes: int = 15  # and so long after it
    rejoin_minutes: int = 10  # after a missed call
    walk_in_alert_minutes: int = 45  # a walk-in waiting longer alerts clerks and manager
    walk_in_max_wait_minutes: int | None = None  # a walk-in waiting longer goes first; None: never
    let_pass: int = 3  # people, not minutes
    preferential: bool = True  # is there a preferential ticket
    lead_minutes: int = 60  # an appointment is booked at least so long ahead
    horizon_days: int = 30  # and at most so many days
    walk_in_share: float = 0.3  # of desk time, kept for those without an appointment
    internal_share: float = 0.2  # of what can be booked, kept for the telephone
    slot_minutes: int = 10  # appointments begin every so often
    buffer_minutes: int = 0  # left free after each one
    erase_after_days: int = 30  # whose it was is forgotten so long after its hour; days, not minutes


@dataclass(frozen=True)
class Service:
    """A procedure that people come for."""

    id: str
    letter: str
    name: Mapping[str, str]  # by language
    minutes: int = 10
    bookable: bool = True
    by_appointment_reason: str | None = None  # the rule by which it is not had without an appointment
    bring: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the papers, by language


@dataclass(frozen=True)
class DeskPlan:
    """A desk and the services it serves."""

    id: str
    services: tuple[str, ...]


@dataclass(frozen=True)
class Season:
    """Other hours for a time, both days included."""

    first: str  # 2026-08-01
    last: str
    hours: Week


@dataclass(frozen=True)
class Plan:
    """One office as its file describes it."""

    office: str
    name: str
    timezone: str
    services: tuple[Service, ...]
    desks: tuple[DeskPlan, ...]
    hours: Week
    rules: Rules = Rules()
    telephone: str = ""
    address: str = ""
    seasons: tuple[Season, ...] = ()
    closed: tuple[str, ...] = ()  # holidays and local feasts, as 2026-12-25
    no_appointments: tuple[str, ...] = ()  # days on which nobody can book, though the doors open
    day_starts: int = 240  # minutes after local midnight: 04:00
    appointment_letter: str = "C"
    languages: tuple[str, ...] = ("ca", "es", "en", "fr")

    def service(self, id: str) -> Service | None:
        """The service of that id, or None."""
        return next((service for service in self.services if service.id == id), None)

    def serving(self, service: str) -> frozenset[str]:
        """The ids of the desks that serve `service`."""
        return frozenset(desk.id for desk in self.desks if service in desk.services)

    def shares_desk(self, one: str, other: str) -> bool:
        """Whether some desk serves both services. What the plan has lost, every desk takes."""
        ones, others = self.serving(one), self.serving(other)
        return one == other or not ones or not others or not ones.isdisjoint(others)


# --- the calendar ---------------------------------------------------------------------------


def local(plan: Plan, now: Moment) -> datetime:
    """`now` on the office's wall clock."""
    return datetime.fromtimestamp(now / 1000, ZoneInfo(plan.timezone))


def moment(plan: Plan, day: date, minutes: int) -> Moment:
    """`minutes` after midnight of `day` on the office's wall clock; 1440 is the next midnight.

    An hour that a change to summer time leaves out counts as the one after it; one that comes
    twice counts as its first (PEP 495, fold=0).
    """
    days, rest = divmod(minutes, 1440)
    wall = datetime.combine(day + timedelta(days=days), time(rest // 60, rest % 60), ZoneInfo(plan.timezone))
    return round(wall.timestamp() * 1000)


def day_of(plan: Plan, now: Moment) -> str:
    """The office's day, which begins at `day_starts` on the wall clock: "2026-11-24"."""
    wall = local(plan, now)
    starts = wall.hour * 60 + wall.minute < plan.day_starts
    return (wall.date() - timedelta(days=1 if starts else 0)).isoformat()


def day_begins(plan: Plan, day: str) -> Moment:
    """When the office's day `day` began."""
    return moment(plan, date.fromisoformat(day), plan.day_starts)


def doors(plan: Plan, day: date) -> tuple[tuple[Moment, Moment], ...]:
    """When the doors open and close on a calendar day: pairs in order, none on a holiday."""
    text = day.isoformat()
    if text in plan.closed:
        return ()
    season = next((season for season in plan.seasons if season.first <= text <= season.last), None)
    ranges = (season.hours if season else plan.hours)[day.weekday()]
    return tuple((moment(plan, day, opens), moment(plan, day, closes)) for opens, closes in ranges)


def is_open(plan: Plan, now: Moment) -> bool:
    """Whether the doors are open at `now`."""
    return any(opens <= now < closes for opens, closes in doors(plan, local(plan, now).date()))


def coming_doors(plan: Plan, now: Moment, days: int) -> list[tuple[Moment, Moment]]:
    """The openings of the next `days` days that are not over yet, in order."""
    today = local(plan, now).date()
    coming = (pair for ahead in range(days) for pair in doors(plan, today + timedelta(days=ahead)))
    return [(opens, closes) for opens, closes in coming if closes > now]


@dataclass(frozen=True)
class Appointment:
    """A booked hour, as the line needs it: no name, no document."""

    id: str
    start: Moment
    grace_minutes: int = 0  # what "I am running late" added
    late: bool = field(default=False)  # checked in after its grace; decided at check-in
