"""What people are still to be told: queued with the booking itself, claimed one by one, tried again for some days.

A row has no address and no text: both are made when it is sent, from what the appointment is then.

To claim a row is to put off its next try. So no two processes send it at once, and what was claimed by one that
died is tried again after that time. Times are the database's own, whatever the machines' clocks say.
"""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from hub.booking.appointments import Appointment, Person
from hub.booking.notices import Notice, reminded_at
from hub.line.plan import HOUR, MINUTE, Moment, Plan

from . import leases
from .schema import outbox
from .store import Store, Work

WAITING, SENT, DROPPED, FAILED = "waiting", "sent", "dropped", "failed"
FIRST_WAIT = 3 * MINUTE  # longer than any sending takes (hub/messages/post.py)
LONGEST_WAIT = 6 * HOUR
GIVEN_UP = 72 * HOUR


@dataclass(frozen=True)
class Message:
    """A row of the outbox. `id` stays the same however often it is tried."""

    id: str
    appointment: str
    notice: Notice
    state: str
    due: Moment  # when it was to be sent first
    tries: int
    next_at: Moment
    reason: str | None = None  # why it was not sent; never an address

    @property
    def is_last_try(self) -> bool:
        """Whether nothing comes after this one."""
        return self.next_at > self.due + GIVEN_UP


# --- queued by the acts of booking ----------------------------------------------------------


def tell(work: Work, plan: Plan, one: Appointment, notice: Notice, now: Moment) -> None:
    """Queues a message to whoever left an address, and the reminder; what still waited is not sent any more."""
    if notice is not Notice.CONFIRMED:
        forget(work, one.id)
    if not (one.sealed or has_address(one.person)):
        return
    rows = [(notice, now)]
    reminder = reminded_at(plan, one.start)
    if notice is not Notice.CANCELLED and reminder > now:
        rows.append((Notice.REMINDER, reminder))
    work.connection.execute(outbox.insert(), [_row(one.id, kind, at) for kind, at in rows])


def remind(work: Work, plan: Plan, one: Appointment, now: Moment) -> None:
    """Queues the reminder alone, for who has been told of the appointment already."""
    at = reminded_at(plan, one.start)
    if has_address(one.person) and at > now:
        work.connection.execute(outbox.insert().values(_row(one.id, Notice.REMINDER, at)))


def forget(work: Work, appointment: str) -> None:
    """Removes what still waits to be sent about an appointment: it is not true any more, or not wanted."""
    waits = (outbox.c.appointment == appointment) & (outbox.c.state == WAITING)
    work.connection.execute(outbox.delete().where(waits))


def has_address(person: Person | None) -> bool:
    """Whether somebody left an e-mail or a telephone, which is their consent."""
    return bool(person and (person.email or person.phone))


def _row(appointment: str, notice: Notice, at: Moment) -> dict[str, object]:
    row = {"id": secrets.token_hex(16), "appointment": appointment, "notice": notice.value, "state": WAITING}
    return row | {"due": at, "next_at": at, "tries": 0}


# --- sent by the bridges --------------------------------------------------------------------


def is_due(store: Store) -> bool:
    """Whether there is something to be sent now; costs no turn among the writers."""
    with store.begin() as connection:
        return connection.execute(_due(leases.database_time(connection))).first() is not None


def claim(work: Work) -> Message | None:
    """The next message to be sent, which nobody else is given before its next try; None if there is none."""
    now = leases.database_time(work.connection)
    row = work.connection.execute(_due(now).with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    tries, next_at = row.tries + 1, now + wait(row.tries)
    claimed = outbox.update().where(outbox.c.id == row.id).values(tries=tries, next_at=next_at)
    work.connection.execute(claimed)
    return Message(row.id, row.appointment, Notice(row.notice), row.state, row.due, tries, next_at)


def wait(tries: int) -> int:
    """How long after a try comes the next one: doubled each time, and never the same for many."""
    return round(min(FIRST_WAIT * 2**tries, LONGEST_WAIT) * random.uniform(1, 1.5))


def settle(work: Work, message: Message, state: str, reason: str | None = None) -> None:
    """Writes down what came of a try; what is to be tried again stays WAITING, unless that was the last time."""
    if state == WAITING and message.is_last_try:
        state = FAILED
    own = (outbox.c.id == message.id) & (outbox.c.state == WAITING)
    work.connection.execute(outbox.update().where(own).values(state=state, reason=reason))


def _due(now: Moment) -> sa.Select[tuple[object, ...]]:
    waits = (outbox.c.state == WAITING) & (outbox.c.next_at <= now)
    return sa.select(outbox).where(waits).order_by(outbox.c.next_at).limit(1)


# --- what became of them --------------------------------------------------------------------


def counts(store: Store) -> dict[str, int]:
    """How many messages are in each state, of those that are kept."""
    with store.begin() as connection:
        query = sa.select(outbox.c.state, sa.func.count().label("many")).group_by(outbox.c.state)
        found: dict[str, int] = {row.state: row.many for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in (WAITING, SENT, DROPPED, FAILED)}


def troubled(work: Work, most: int = 100) -> list[Message]:
    """What was tried and could not be sent yet, or was given up; the newest first."""
    tried = ((outbox.c.state == WAITING) & (outbox.c.tries > 0)) | (outbox.c.state == FAILED)
    query = sa.select(outbox).where(tried).order_by(outbox.c.due.desc()).limit(most)
    return [_read(row) for row in work.connection.execute(query)]


def of(work: Work, appointment: str) -> list[Message]:
    """All messages of an appointment, in the order in which they were due."""
    query = sa.select(outbox).where(outbox.c.appointment == appointment).order_by(outbox.c.due, outbox.c.notice)
    return [_read(row) for row in work.connection.execute(query)]


def _read(row: sa.Row[tuple[object, ...]]) -> Message:
    return Message(row.id, row.appointment, Notice(row.notice), row.state, row.due, row.tries, row.next_at, row.reason)
