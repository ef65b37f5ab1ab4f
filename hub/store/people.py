"""Whose an appointment is: the one table with personal data. Every look of the staff at it is written down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from hub.booking.appointments import Appointment, Document, Kind, Person
from hub.line.plan import HOUR, Moment, Plan

from .schema import appointments, digests, looks, people
from .store import Work


def write(work: Work, one: Appointment) -> None:
    """Writes down whose an appointment is; if that has changed, its digests are made again."""
    person = one.person
    if person is None:
        return
    row = {
        "secret": one.secret,
        "kind": person.document.kind.value if person.document else None,
        "number": person.document.number if person.document else None,
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
        "note": person.note,
    }
    own = people.c.appointment == one.id
    known = work.connection.execute(sa.select(people).where(own)).mappings().first()
    if known is None:
        work.connection.execute(people.insert().values(appointment=one.id, **row))
    elif dict(known) != {"appointment": one.id, **row}:
        work.connection.execute(people.update().where(own).values(row))
        work.connection.execute(digests.delete().where(digests.c.appointment == one.id))


def read(row: Any) -> Person | None:
    """The person of a row that joins an appointment with `people`; None once that is erased."""
    if row.name is None:
        return None
    document = Document(Kind(row.kind), row.number) if row.kind else None
    return Person(row.name, document, row.email, row.phone, row.note)


def looked(work: Work, who: str, what: str, some: Iterable[Appointment], now: Moment) -> None:
    """Writes down that `who` was shown whose these appointments are; a page that loads again adds nothing."""
    shown = {one.id for one in some if one.person}
    same = (looks.c.who == who) & (looks.c.what == what) & looks.c.appointment.in_(shown)
    shown -= set(work.connection.execute(sa.select(looks.c.appointment).where(same)).scalars())
    if shown:
        rows = [{"at": now, "who": who, "what": what, "appointment": id} for id in sorted(shown)]
        work.connection.execute(looks.insert(), rows)


def erase_old(work: Work, plan: Plan, now: Moment, dry_run: bool = False) -> int:
    """Forgets whose the office's appointments were, some days after their hour; of how many. The rest stays."""
    before = now - plan.rules.erase_after_days * 24 * HOUR
    over = sa.select(appointments.c.id).where(appointments.c.office == plan.office, appointments.c.start < before)
    due = people.c.appointment.in_(over)
    if dry_run:
        return work.connection.execute(sa.select(sa.func.count()).select_from(people).where(due)).scalar() or 0
    return work.connection.execute(people.delete().where(due)).rowcount


def erase(work: Work, one: Appointment) -> None:
    """Forgets at once whose an appointment is or was: its owner asks for it."""
    work.connection.execute(people.delete().where(people.c.appointment == one.id))
    work.connection.execute(digests.delete().where(digests.c.appointment == one.id))
