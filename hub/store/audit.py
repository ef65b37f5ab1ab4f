"""The audit trail: who of the staff did what, when, at which office. It is only ever added to.

    audit.note(work, "anna", "signed in", now)
    audit.trail(connection, first, until, ["mont-roig"])    # what these offices' staff did, oldest first

What is done in the line stands in the log, and who was shown whose data in `looks`: the trail reads all three, so that
nothing is written down twice. It names staff, and else only offices, desks, numbers and ids: no document, no address.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from firmware import wire
from hub.line.events import DayOpened
from hub.line.plan import HOUR, MINUTE, Moment

from .schema import appointments, audit, log, looks, staff, visits
from .store import Work

KEPT = 2 * 366 * 24 * HOUR  # the database itself refuses to delete what is younger (migration 0007)
NOBODY = "?"  # who tried to sign in by a name that no account has: what was typed could be anything
ONCE = MINUTE
NOT_STAFF = ("citizen", "hub")  # as the log calls them


@dataclass(frozen=True)
class Entry:
    """One thing that somebody did; `about` is what with: an account, a ticket's number, an appointment's id."""

    at: Moment
    who: str
    what: str
    office: str | None
    about: str
    desk: str = ""


def note(work: Work, who: str, what: str, at: Moment, office: str | None = None, about: str = "") -> None:
    """Writes down what somebody did, in the transaction in which it is done."""
    row = {"at": at, "who": who[:64], "what": what, "office": office, "about": about[:200]}
    work.connection.execute(audit.insert(), row)


def note_once(work: Work, who: str, what: str, at: Moment) -> None:
    """The same, but not again within a minute: for what strangers may do any number of times."""
    lately = (audit.c.who == who) & (audit.c.what == what) & (audit.c.at > at - ONCE)
    if work.connection.execute(sa.select(audit.c.id).where(lately).limit(1)).first() is None:
        note(work, who, what, at)


def forget_old(work: Work, now: Moment) -> None:
    """Removes what is older than it is kept, the looks too."""
    for table in (audit, looks):
        work.connection.execute(table.delete().where(table.c.at <= now - KEPT))


# --- reading --------------------------------------------------------------------------------


def trail(
    connection: sa.Connection,
    first: Moment,
    until: Moment,
    offices: Collection[str],
    everything: bool = True,
    machines: Collection[str] = (),
) -> list[Entry]:
    """What was done from `first` to before `until` at these offices; `everything`: what is of no office, too.

    What machines, citizens and the hub itself did in the line is left out: nobody of the staff is known to have.
    """
    found = [
        *_noted(connection, first, until, offices, everything),
        *_looked(connection, first, until, offices),
        *(entry for office in offices for entry in _in_the_line(connection, office, first, until, machines)),
    ]
    return sorted(found, key=lambda entry: entry.at)


def _noted(
    connection: sa.Connection, first: Moment, until: Moment, offices: Collection[str], everything: bool
) -> Iterator[Entry]:
    theirs = audit.c.office.in_(offices) | (audit.c.office.is_(None) if everything else sa.false())
    query = sa.select(audit).where(audit.c.at >= first, audit.c.at < until, theirs).order_by(audit.c.at, audit.c.id)
    return (Entry(row.at, row.who, row.what, row.office, row.about) for row in connection.execute(query))


def _looked(connection: sa.Connection, first: Moment, until: Moment, offices: Collection[str]) -> Iterator[Entry]:
    query = sa.select(looks, appointments.c.office).join(appointments, appointments.c.id == looks.c.appointment)
    query = query.where(looks.c.at >= first, looks.c.at < until, appointments.c.office.in_(offices))
    rows = connection.execute(query.order_by(looks.c.at, looks.c.id))
    return (Entry(row.at, row.who, row.what, row.office, row.appointment) for row in rows)


def _in_the_line(
    connection: sa.Connection, office: str, first: Moment, until: Moment, machines: Collection[str]
) -> Iterator[Entry]:
    people = set(connection.execute(sa.select(staff.c.name)).scalars())  # one may be called as a machine is
    nobody = {*machines, *NOT_STAFF} - people
    labels: dict[str, str] = {}
    for row in connection.execute(_day_by_day(office, first, until)):
        event = json.loads(row.event)
        if event["by"] not in nobody and first <= row.at < until and row.kind not in ("day.opened", "office.planned"):
            labels = labels or _labels(connection, office, first, until)
            ticket = event.get("ticket", "")
            label = event.get("label") or labels.get(ticket, ticket)
            yield Entry(row.at, event["by"], row.kind, office, label, event.get("desk", ""))


def _day_by_day(office: str, first: Moment, until: Moment) -> sa.Select[Any]:
    """The log from the day that had begun at `first` to the one that began after `until`: it has no index by time."""
    is_day = (log.c.stream == office) & (log.c.kind == DayOpened.kind)
    begin = sa.select(sa.func.max(log.c.seq)).where(is_day, log.c.at <= first)
    end = sa.select(sa.func.min(log.c.seq)).where(is_day, log.c.at >= until)
    query = sa.select(log.c.at, log.c.kind, log.c.event).where(
        log.c.stream == office,
        log.c.seq >= sa.func.coalesce(begin.scalar_subquery(), 0),
        log.c.seq < sa.func.coalesce(end.scalar_subquery(), 2**62),
    )
    return query.order_by(log.c.seq)


def _labels(connection: sa.Connection, office: str, first: Moment, until: Moment) -> dict[str, str]:
    """The numbers of the tickets that may be meant: those issued from a day before on."""
    since, to = (wire.stamp(each)[:10] for each in (first - 48 * HOUR, until + 24 * HOUR))
    query = sa.select(visits.c.ticket, visits.c.label).where(visits.c.office == office, visits.c.day.between(since, to))
    return {row.ticket: row.label for row in connection.execute(query)}
