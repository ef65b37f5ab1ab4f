"""What the forecaster reads and keeps: the days of the log, what was booked, laws, and what people were told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from hub.booking.appointments import Standing
from hub.line.events import DayOpened, Event, unpack
from hub.line.model import State
from hub.line.plan import Moment

from .appointments import TAKES_PLACE
from .schema import appointments, laws, log, visits
from .store import Store, read_events

KEPT = 60  # versions of an office's laws: two months of nights


def one_day(connection: sa.Connection, office: str, day: str) -> tuple[State, list[Event]]:
    """The events of one day of an office, and the state they begin from; no events if there was no such day."""
    query = sa.select(log.c.seq, log.c.event).where(log.c.stream == office, log.c.kind == DayOpened.kind)
    begun = [(row.seq, unpack(row.event)) for row in connection.execute(query.order_by(log.c.seq))]
    place = next((i for i, (_, event) in enumerate(begun) if isinstance(event, DayOpened) and event.day == day), None)
    if place is None:
        return State(office), []
    first = begun[place][0]
    events = read_events(connection, office, first - 1)
    whole = begun[place + 1][0] - first if place + 1 < len(begun) else len(events)
    return State(office, seq=first - 1), events[:whole]


class Booked(NamedTuple):
    """An appointment, without whose it is."""

    id: str
    services: tuple[str, ...]
    start: Moment
    grace_minutes: int
    arrived: bool


def day_began(connection: sa.Connection, office: str) -> int:
    """The number of the last event before the office's present day; -1 before its first day."""
    begun = _days(connection, office)
    return begun[-1] - 1 if begun else -1


def days_from(connection: sa.Connection, office: str, back: int) -> int:
    """The number of the last event before the last `back` days, the present one among them."""
    begun = _days(connection, office)
    return begun[-back:][0] - 1 if begun else 0


def _days(connection: sa.Connection, office: str) -> list[int]:
    query = sa.select(log.c.seq).where(log.c.stream == office, log.c.kind == DayOpened.kind).order_by(log.c.seq)
    return list(connection.execute(query).scalars())


def booked(connection: sa.Connection, office: str, begins: Moment, ends: Moment) -> list[Booked]:
    """The appointments of an office between two moments, booked or arrived."""
    c = appointments.c
    query = sa.select(c.id, c.services, c.start, c.grace_minutes, c.standing).where(
        c.office == office, c.start >= begins, c.start < ends, c.standing.in_(TAKES_PLACE)
    )
    return [
        Booked(row.id, tuple(json.loads(row.services)), row.start, row.grace_minutes, row.standing == _ARRIVED)
        for row in connection.execute(query)
    ]


_ARRIVED = Standing.ARRIVED.value


def newest_laws(connection: sa.Connection, office: str) -> dict[str, Any] | None:
    """What was learned last, or None."""
    query = sa.select(laws.c.body).where(laws.c.office == office).order_by(laws.c.version.desc()).limit(1)
    body = connection.execute(query).scalar()
    return json.loads(body) if body else None


def keep_laws(store: Store, office: str, until: str, body: Mapping[str, Any], at: Moment) -> int:
    """Writes a new version down, and forgets those of long ago; its number."""
    with store.begin(write=True) as connection:
        last = connection.execute(sa.select(sa.func.max(laws.c.version)).where(laws.c.office == office)).scalar() or 0
        row = {"office": office, "version": last + 1, "until": until, "body": json.dumps(body), "at": at}
        connection.execute(laws.insert(), row)
        connection.execute(laws.delete().where(laws.c.office == office, laws.c.version <= last + 1 - KEPT))
        return last + 1


def keep_told(store: Store, office: str, day: str, told: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes down beside each visit what its person was told, and when."""
    own = (visits.c.office == office) & (visits.c.day == day) & (visits.c.ticket == sa.bindparam("_ticket"))
    rows = [{"_ticket": ticket, "_said": json.dumps(said)} for ticket, said in told.items()]
    with store.begin(write=True) as connection:
        connection.execute(visits.update().where(own).values(forecast=sa.bindparam("_said")), rows)


class Kept(NamedTuple):
    """What somebody without an appointment was told, and their wait in minutes."""

    day: str
    service: str
    issued: Moment
    said: dict[str, Any]  # at, p5 to p90, and what simple estimators would have said, under "others"
    wait: float


def told(connection: sa.Connection, office: str, first: str, last: str) -> list[Kept]:
    """The forecasts given on some days, both included, to those who have been called since.

    The first call counts, for it is what was foreseen: not that of somebody who rejoined, or was sent on.
    """
    c = visits.c
    called = sa.func.coalesce(c.first_called, c.called).label("called")
    query = (
        sa.select(c.day, c.service, c.issued, c.forecast, called)
        .where(c.office == office, c.day >= first, c.day <= last, c.forecast.is_not(None), c.called.is_not(None))
        .where(c.appointment.is_(None), c.outcome == "done")
        .order_by(c.issued)
    )
    return [
        Kept(row.day, row.service, row.issued, json.loads(row.forecast), (row.called - row.issued) / 60_000)
        for row in connection.execute(query)
    ]
