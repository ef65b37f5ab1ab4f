"""An appointment as a file for one's own calendar (RFC 5545). It carries no secret: calendars are shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from icalendar import Calendar, Event

from hub.line.plan import MINUTE, Plan, Service

from .appointments import Appointment
from .slots import length

T = TypeVar("T")


def calendar_file(plan: Plan, one: Appointment, host: str, language: str, description: str = "") -> bytes:
    """The file. `host` makes its UID the world's only one; a later file of the same appointment replaces it."""
    begins, ends = one.start, one.start + length(plan, one.services) * MINUTE
    event, file = Event(), Calendar()
    event.add("uid", f"{one.id}@{host}")
    event.add("dtstamp", datetime.now(UTC))
    event.add("dtstart", datetime.fromtimestamp(begins / 1000, UTC))
    event.add("dtend", datetime.fromtimestamp(ends / 1000, UTC))
    event.add("summary", f"{procedures(plan, one, language)} · {plan.name}")
    event.add("location", ", ".join(filter(None, (plan.name, plan.address))))
    if description:
        event.add("description", description)
    file.add("prodid", "-//Torn//")
    file.add("version", "2.0")
    file.add("method", "PUBLISH")
    file.add_component(event)
    return bytes(file.to_ical())


def services(plan: Plan, one: Appointment) -> Iterator[Service]:
    """What the appointment is for, as far as the plan still has it."""
    return filter(None, (plan.service(id) for id in one.services))


def procedures(plan: Plan, one: Appointment, language: str) -> str:
    """The same by name."""
    return ", ".join(spoken(service.name, language) for service in services(plan, one))


def spoken(words: Mapping[str, T], language: str) -> T:
    """What the offices file says in `language`, or in the first one that it has."""
    return words[language] if language in words else next(iter(words.values()))
