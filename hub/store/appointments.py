"""Appointments: booked so that no place is given twice, whatever number of processes books.

    one = store.transact(lambda work: book(work, plan, asked, now), one_view=False)

Who books locks the row of that office's day in `calendar`, then reads what is booked on it, judges,
and writes; the next one waits for the lock and sees it. So each of these acts runs with
`one_view=False`: it must see what was committed while it waited (PostgreSQL's READ COMMITTED).
Locks are taken in one order: the appointment, the document, the days.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from functools import cache, partial
from typing import Any

import sqlalchemy as sa

from hub.booking import slots
from hub.booking.appointments import HOLD, Appointment, Person, Standing
from hub.booking.documents import plain
from hub.booking.errors import AlreadyBooked, AlreadyCheckedIn, Cancelled, NoAppointment
from hub.booking.notices import Notice
from hub.booking.slots import PUBLIC, TAKEN_OVER, Terms, Wanted
from hub.line.commands import Issue
from hub.line.events import Event, TicketIssued
from hub.line.plan import HOUR, MINUTE, Moment, Plan, day_begins, day_of, local, moment

from . import keys, outbox
from . import people as persons
from .schema import appointments, calendar, people
from .store import Store, Work

TAKES_PLACE = (Standing.BOOKED.value, Standing.ARRIVED.value)


def new(office: str, services: tuple[str, ...], start: Moment, **more: Any) -> Appointment:
    """An appointment that is not booked yet, with an id, a locator and a secret of its own."""
    return Appointment(
        id=secrets.token_hex(8),
        office=office,
        services=services,
        start=start,
        locator=f"{secrets.randbelow(10**9):09d}",
        secret=secrets.token_urlsafe(16),
        **more,
    )


# --- booking --------------------------------------------------------------------------------


def book(work: Work, plan: Plan, asked: Appointment, now: Moment, terms: Terms = PUBLIC) -> Appointment:
    """Takes the place. BookingError says why not; then nothing is written."""
    _lock_document(work, asked.person)
    _lock_days(work, plan, asked.start)
    _free(work, plan, asked, now, terms)
    _one_open_each(work, asked, now)
    one = _write(work, asked, now)
    if terms is TAKEN_OVER:
        outbox.remind(work, plan, one, now)
    else:
        outbox.tell(work, plan, one, Notice.CONFIRMED, now)
    return one


def hold(work: Work, plan: Plan, asked: Appointment, now: Moment, terms: Terms = PUBLIC) -> Appointment:
    """Keeps the place for ten minutes, while the form is filled in; it is nobody's yet."""
    held = replace(asked, standing=Standing.HELD, held_until=now + HOLD, person=None)
    return book(work, plan, held, now, terms)


def fill_in(work: Work, held: Appointment, person: Person, now: Moment) -> Appointment:
    """Writes down who will come, while nothing is booked yet; it is forgotten with the place that is held."""
    return _write(work, replace(held, person=person, secret=held.secret or secrets.token_urlsafe(16)), now)


def confirm(work: Work, plan: Plan, id: str, person: Person, now: Moment, language: str = "ca") -> Appointment:
    """Makes a held place somebody's. If the ten minutes are over, it must still be free."""
    held = by_id(work, id, lock=True)
    if held.standing is not Standing.HELD:
        raise NoAppointment("there is no place held for you")
    secret = secrets.token_urlsafe(16)
    asked = replace(held, standing=Standing.BOOKED, held_until=None, person=person, language=language, secret=secret)
    _lock_document(work, person)
    _lock_days(work, plan, asked.start)
    if not held.takes_place(now):
        _free(work, plan, asked, now, PUBLIC)
    _one_open_each(work, asked, now)
    one = _write(work, asked, now)
    outbox.tell(work, plan, one, Notice.CONFIRMED, now)
    return one


def move(work: Work, plan: Plan, one: Appointment, start: Moment, now: Moment, terms: Terms = PUBLIC) -> Appointment:
    """Gives the place up for another one, both or neither."""
    one = _changeable(work, one)
    moved = replace(one, start=start)
    _lock_days(work, plan, one.start, start)
    if start != one.start:
        _free(work, plan, moved, now, terms)
        outbox.tell(work, plan, moved, Notice.MOVED, now)
    return _write(work, moved, now)


def cancel(work: Work, plan: Plan, one: Appointment, now: Moment) -> Appointment:
    """Gives the place up; somebody else may have it at once. To cancel again changes nothing."""
    one = by_id(work, one.id, lock=True)
    if one.standing is Standing.CANCELLED:
        return one
    one = _changeable(work, one)
    _lock_days(work, plan, one.start)
    if one.standing is Standing.BOOKED:
        outbox.tell(work, plan, one, Notice.CANCELLED, now)
    return _write(work, replace(one, standing=Standing.CANCELLED, held_until=None), now)


def change(work: Work, plan: Plan, one: Appointment, now: Moment, **changes: Any) -> Appointment:
    """Writes down a new note, language, grace ("running late"), or person; `move` changes the hour.

    A new address is told of the appointment, and one that was taken away is told nothing any more.
    """
    one = _changeable(work, one)
    changed = replace(one, **changes)
    if _addresses(changed) != _addresses(one):
        outbox.forget(work, one.id)
        outbox.tell(work, plan, changed, Notice.CONFIRMED, now)
    _lock_days(work, plan, one.start)
    return _write(work, changed, now)


def _addresses(one: Appointment) -> tuple[str | None, str | None]:
    return (one.person.email, one.person.phone) if one.person else (None, None)


def _changeable(work: Work, one: Appointment) -> Appointment:
    """The appointment as it is now, locked; Cancelled or AlreadyCheckedIn if it cannot be changed any more."""
    known = by_id(work, one.id, lock=True)
    if known.standing is Standing.CANCELLED:
        raise Cancelled("the appointment was cancelled: book another one")
    if known.standing is Standing.ARRIVED:
        raise AlreadyCheckedIn(f"checked in already, with number {known.label}")
    return known


def _free(work: Work, plan: Plan, asked: Appointment, now: Moment, terms: Terms) -> None:
    day = local(plan, asked.start).date()
    slots.check(plan, places(work.connection, plan, day, day, now, besides=asked.id), asked.wanted, now, terms)


def _lock_days(work: Work, plan: Plan, *starts: Moment) -> None:
    """Locks the calendar days of `starts` until the transaction ends, and notes that they change."""
    for day in sorted({local(plan, start).date().isoformat() for start in starts}):
        row = (calendar.c.office == plan.office) & (calendar.c.day == day)
        grown = calendar.update().where(row).values(bookings=calendar.c.bookings + 1)
        if work.connection.execute(grown).rowcount == 0:
            work.connection.execute(calendar.insert().values(office=plan.office, day=day, bookings=1))


def _lock_document(work: Work, person: Person | None) -> None:
    """Two bookings by one document wait for each other; SQLite has one writer anyway."""
    if person and person.document and work.connection.dialect.name == "postgresql":
        for digest in keys.of(work.connection).digests("document", person.document.number):
            work.connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(digest))))


def _one_open_each(work: Work, asked: Appointment, now: Moment) -> None:
    """One open appointment for each document and procedure, at whatever office."""
    document = asked.person.document if asked.person else None
    for other in by_document(work, document.number) if document else ():
        open = other.standing is Standing.BOOKED and other.start >= now and other.id != asked.id
        if open and set(other.services) & set(asked.services):
            raise AlreadyBooked("document: it has an open appointment for this procedure: change or cancel that one")


def _write(work: Work, one: Appointment, now: Moment) -> Appointment:
    row = {
        "office": one.office,
        "services": json.dumps(one.services),
        "start": one.start,
        "locator": one.locator,
        "standing": one.standing.value,
        "public": one.public,
        "language": one.language,
        "grace_minutes": one.grace_minutes,
        "held_until": one.held_until,
        "ticket": one.ticket,
        "label": one.label,
        "at": now,
    }
    own = appointments.c.id == one.id
    if work.connection.execute(appointments.update().where(own).values(row)).rowcount == 0:
        work.connection.execute(appointments.insert().values(id=one.id, **row))
    persons.write(work, one)
    return one


# --- checking in ----------------------------------------------------------------------------


def check_in(work: Work, plan: Plan, one: Appointment, command: Issue, now: Moment) -> list[Event]:
    """Puts whoever comes into the line: `command` as for a ticket, its services left empty.

    Raises:
        NoAppointment: it was cancelled, is at another office, or not on this day.
        AlreadyCheckedIn: its number is in the line.
        LineError: the line refuses it.
    """
    one = by_id(work, one.id, lock=True)
    day = command.day or day_of(plan, now)
    if one.standing is Standing.ARRIVED:
        raise AlreadyCheckedIn(f"checked in already, with number {one.label}")
    if one.standing is not Standing.BOOKED or one.office != plan.office or day_of(plan, one.start) != day:
        raise NoAppointment(f"there is no appointment {one.id} at {plan.office} on {day}")
    events = work.do(plan.office, replace(command, services=one.services, appointment=one.in_line), now)
    label = next(event.label for event in events if isinstance(event, TicketIssued))
    _lock_days(work, plan, one.start)
    _write(work, replace(one, standing=Standing.ARRIVED, ticket=command.ticket, label=label), now)
    return events


def not_arrived(work: Work, plan: Plan, ticket: str, now: Moment) -> None:
    """Its paper could not be printed: whoever has the appointment may check in again."""
    for one in _all(work.connection, appointments.c.ticket == ticket):
        _lock_days(work, plan, one.start)
        _write(work, replace(one, standing=Standing.BOOKED, ticket=None, label=None), now)


def for_today(some: Iterable[Appointment], plan: Plan, now: Moment) -> Appointment:
    """Of one person's appointments, the one that is meant now; NoAppointment if there is none here today.

    It is chosen as at the dispenser: what is due and has no number, what has one, what is yet to come; the nearest.
    """
    today = day_of(plan, now)
    here = [one for one in some if one.office == plan.office and day_of(plan, one.start) == today]
    known = [one for one in here if one.standing in (Standing.BOOKED, Standing.ARRIVED)]
    if not known:
        raise NoAppointment(f"there is no appointment at {plan.office} today")
    return min(known, key=partial(_meant, plan, now))


def _meant(plan: Plan, now: Moment, one: Appointment) -> tuple[int, int]:
    due = now >= one.start - plan.rules.early_minutes * MINUTE
    return 1 if one.standing is Standing.ARRIVED else 0 if due else 2, abs(one.start - now)


# --- reading --------------------------------------------------------------------------------


def by_locator(work: Work, locator: str) -> Appointment:
    """The appointment of a locator; NoAppointment if there is none. A place that is only held has none yet."""
    found = _one(work, appointments.c.locator == locator) if locator.isascii() and locator.isdigit() else None
    if found is None or found.standing is Standing.HELD:
        raise NoAppointment("there is no such appointment, or it is not yours")
    return found


def by_id(work: Work, id: str, lock: bool = False) -> Appointment:
    """The appointment of an id; NoAppointment if there is none. `lock` keeps others from changing it meanwhile."""
    found = _one(work, appointments.c.id == id, lock)
    if found is None:
        raise NoAppointment(f"there is no appointment {id}")
    return found


def by_document(work: Work, number: str) -> list[Appointment]:
    """The appointments of a document's number, in the order of time, cancelled ones too; not what is only held."""
    return _all(
        work.connection,
        persons.has_document(work.connection, number) & (appointments.c.standing != Standing.HELD.value),
    )


def is_booked(work: Work, office: str, services: tuple[str, ...], start: Moment, name: str) -> bool:
    """Whether somebody of that name has this very appointment."""
    same = (appointments.c.office == office) & (appointments.c.start == start)
    found = _all(work.connection, same & (appointments.c.standing == Standing.BOOKED.value))
    return any(one.services == services and one.person and one.person.name == name for one in found)


def proves(one: Appointment, secret: str | None, document: str | None) -> bool:
    """Whether who brings a secret, or a document's number, owns the appointment."""
    number = one.person.document.number if one.person and one.person.document else ""
    return _same(secret, one.secret) or _same(plain(document) if document else None, number)


def _same(said: str | None, known: str) -> bool:
    return bool(said and known) and hmac.compare_digest((said or "").encode(), known.encode())


def of_day(connection: sa.Connection, plan: Plan, day: str) -> list[Appointment]:
    """An office's appointments of one of its days, as `day_of` counts them, booked or arrived."""
    ends = day_begins(plan, (date.fromisoformat(day) + timedelta(days=1)).isoformat())
    start, standing = appointments.c.start, appointments.c.standing
    window = (start >= day_begins(plan, day)) & (start < ends) & standing.in_(TAKES_PLACE)
    return _all(connection, (appointments.c.office == plan.office) & window)


def places(
    connection: sa.Connection, plan: Plan, first: date, last: date, now: Moment, besides: str = ""
) -> list[Wanted]:
    """What is booked or held at an office from the calendar day `first` to `last`, both included; not whose it is."""
    begins, ends = moment(plan, first, 0), moment(plan, last + timedelta(days=1), 0)
    words = {"office": plan.office, "begins": begins, "ends": ends, "now": now, "besides": besides}
    return [Wanted(start, _services(text), public) for start, text, public in connection.execute(_PLACES, words)]


def free_slots(
    store: Store, plan: Plan, services: tuple[str, ...], first: date, last: date, now: Moment, terms: Terms = PUBLIC
) -> list[slots.Slot]:
    """What can be booked from `first` to `last`, both included; NotBookable for what cannot."""
    slots.bookable(plan, services)
    earliest, latest = slots.window(plan, now, terms)
    first, last = max(first, local(plan, earliest).date()), min(last, local(plan, latest).date())
    if last < first:
        return []
    with store.begin() as connection:
        booked = places(connection, plan, first, last, now)
    return slots.slots(plan, booked, services, first, last, now, terms)


def forget_holds(work: Work, now: Moment) -> None:
    """Removes the places that were held an hour ago and never booked, and who would have come."""
    over = (appointments.c.standing == Standing.HELD.value) & (appointments.c.held_until < now - HOUR)
    work.connection.execute(people.delete().where(people.c.appointment.in_(sa.select(appointments.c.id).where(over))))
    work.connection.execute(appointments.delete().where(over))


_PLACES = sa.select(appointments.c.start, appointments.c.services, appointments.c.public).where(
    appointments.c.office == sa.bindparam("office"),
    appointments.c.start >= sa.bindparam("begins"),
    appointments.c.start < sa.bindparam("ends"),
    appointments.c.id != sa.bindparam("besides"),
    appointments.c.standing.in_(TAKES_PLACE)
    | ((appointments.c.standing == Standing.HELD.value) & (appointments.c.held_until > sa.bindparam("now"))),
)
_WITH_PEOPLE = (
    sa.select(appointments, people.c.appointment, people.c.key, people.c.parcel)
    .select_from(sa.outerjoin(appointments, people, people.c.appointment == appointments.c.id))
    .order_by(appointments.c.start, appointments.c.id)
)


@cache
def _services(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _one(work: Work, which: sa.ColumnElement[bool], lock: bool = False) -> Appointment | None:
    query = _WITH_PEOPLE.where(which)
    row = work.connection.execute(query.with_for_update(of=appointments) if lock else query).first()
    return _read(work.connection, row) if row else None


def _all(connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[Appointment]:
    return [_read(connection, row) for row in connection.execute(_WITH_PEOPLE.where(which)).all()]


def _read(connection: sa.Connection, row: Any) -> Appointment:
    person, secret = persons.owner(connection, row) or (None, "")
    return Appointment(
        id=row.id,
        office=row.office,
        services=_services(row.services),
        start=row.start,
        locator=row.locator,
        standing=Standing(row.standing),
        public=row.public,
        language=row.language,
        grace_minutes=row.grace_minutes,
        held_until=row.held_until,
        ticket=row.ticket,
        label=row.label,
        person=person,
        secret=secret,
        sealed=row.parcel is not None and person is None,
    )
