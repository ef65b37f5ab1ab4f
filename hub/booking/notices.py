"""What people are told of their appointment, and when they are reminded of it."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from hub.line.plan import Moment, Plan, doors, local, moment

from .appointments import Appointment, Standing

REMINDED_AT = 10 * 60  # minutes after midnight: nobody is woken
FURTHEST = 14  # days back that a working day is looked for: longer than any office is shut at a stretch


class Notice(StrEnum):
    """The kinds of message."""

    CONFIRMED = "confirmed"
    MOVED = "moved"
    CANCELLED = "cancelled"
    REMINDER = "reminder"


def reminded_at(plan: Plan, start: Moment) -> Moment:
    """At ten on the last day before it on which the office opens; the day before if there is none for long."""
    day = local(plan, start).date()
    before = [day - timedelta(days=days) for days in range(1, FURTHEST + 1)]
    return moment(plan, next((day for day in before if doors(plan, day)), before[0]), REMINDED_AT)


def is_true(notice: Notice, one: Appointment, now: Moment) -> bool:
    """Whether there is still a reason to tell it: whatever has happened since, or the hour is over."""
    standing = Standing.CANCELLED if notice is Notice.CANCELLED else Standing.BOOKED
    return one.standing is standing and one.start > now
