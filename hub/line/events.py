"""What happened, in the past tense. The log keeps these; everything else is worked out from them.

Each event says when (`at`) and who did it (`by`: a device, an account's name, "citizen" or "hub").
No event holds personal data.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from .model import Rank
from .plan import Appointment, DeskPlan, Moment, Plan, Rules, Season, Service


@dataclass(frozen=True)
class Event:
    """Something that happened at an office."""

    kind: ClassVar[str]

    at: Moment
    by: str


@dataclass(frozen=True)
class DayOpened(Event):
    """A day began; the state folds from the last one of these."""

    kind = "day.opened"

    day: str
    plan: Plan
    versions: dict[str, int]  # of the desks, so that they grow across days


@dataclass(frozen=True)
class OfficePlanned(Event):
    """The offices file says something new."""

    kind = "office.planned"

    plan: Plan


@dataclass(frozen=True)
class OfficePaused(Event):
    kind = "office.paused"

    message: str


@dataclass(frozen=True)
class OfficeResumed(Event):
    kind = "office.resumed"


@dataclass(frozen=True)
class TicketIssued(Event):
    """A ticket was given out, or somebody with an appointment checked in; `at` is when that was."""

    kind = "ticket.issued"

    ticket: str
    token: str
    label: str
    services: tuple[str, ...]
    language: str = "ca"
    priority: bool = False
    back_by: Moment | None = None
    appointment: Appointment | None = None


@dataclass(frozen=True)
class TicketEvent(Event):
    """Something that happened to a ticket."""

    ticket: str


@dataclass(frozen=True)
class TicketRejoined(TicketEvent):
    """Somebody who had missed the call is back; `place` is empty where nobody was ahead."""

    kind = "ticket.rejoined"

    place: tuple[Rank, ...] = ()


@dataclass(frozen=True)
class TicketLetPass(TicketEvent):
    kind = "ticket.let_pass"

    place: tuple[Rank, ...] = ()


@dataclass(frozen=True)
class TicketReassigned(TicketEvent):
    """The citizen changed a wrongly chosen procedure."""

    kind = "ticket.reassigned"

    service: str


@dataclass(frozen=True)
class TicketLeft(TicketEvent):
    kind = "ticket.left"


@dataclass(frozen=True)
class TicketVoided(TicketEvent):
    kind = "ticket.voided"

    why: str


@dataclass(frozen=True)
class VoidIgnored(TicketEvent):
    """The void came after the call: recorded, and changes nothing."""

    kind = "ticket.void_ignored"

    why: str


@dataclass(frozen=True)
class TicketClosed(TicketEvent):
    kind = "ticket.closed"

    why: str


@dataclass(frozen=True)
class DeskEvent(Event):
    """Something done at a desk; `step` is the number of the first event of the same act."""

    desk: str
    step: int


@dataclass(frozen=True)
class DeskOpened(DeskEvent):
    kind = "desk.opened"


@dataclass(frozen=True)
class DeskShut(DeskEvent):
    """The desk closed, or made a pause."""

    kind = "desk.shut"

    pause: bool = False


@dataclass(frozen=True)
class DeskUndone(DeskEvent):
    """The desk's last step was taken back."""

    kind = "desk.undone"


@dataclass(frozen=True)
class AtDesk(DeskEvent):
    """Something that happened to a ticket at a desk."""

    ticket: str


@dataclass(frozen=True)
class TicketCalled(AtDesk):
    kind = "ticket.called"

    reason: str


@dataclass(frozen=True)
class TicketRecalled(AtDesk):
    kind = "ticket.recalled"


@dataclass(frozen=True)
class TicketStarted(AtDesk):
    kind = "ticket.started"


@dataclass(frozen=True)
class TicketDone(AtDesk):
    """One service is done; `stays` if the next of several goes on at this desk."""

    kind = "ticket.done"

    stays: bool = False


@dataclass(frozen=True)
class TicketMissed(AtDesk):
    """Called, and nobody came."""

    kind = "ticket.missed"


@dataclass(frozen=True)
class TicketParked(AtDesk):
    kind = "ticket.parked"

    room: str


@dataclass(frozen=True)
class TicketReturned(AtDesk):
    """A parked ticket went back into the line."""

    kind = "ticket.returned"


@dataclass(frozen=True)
class TicketTransferred(AtDesk):
    kind = "ticket.transferred"

    service: str


# --- as JSON --------------------------------------------------------------------------------


def _kinds(base: type[Event]) -> dict[str, type[Event]]:
    found = {base.kind: base} if "kind" in vars(base) else {}
    for child in base.__subclasses__():
        found |= _kinds(child)
    return found


KINDS = _kinds(Event)


def pack(event: Event) -> str:
    """The event as one line of JSON; what has its default value is left out."""
    body = {f.name: getattr(event, f.name) for f in fields(event) if getattr(event, f.name) != f.default}
    return json.dumps({"kind": event.kind} | body, separators=(",", ":"), default=asdict)


def unpack(text: str) -> Event:
    """The event that `pack` wrote; ValueError if it is none of ours."""
    body = json.loads(text)
    kind = KINDS.get(body.pop("kind", None))
    if kind is None:
        raise ValueError(f"not an event of this version: {text[:80]}")
    return kind(**{key: _READ.get(key, _same)(value) for key, value in body.items()})


def plan_from(body: dict[str, Any]) -> Plan:
    """A plan as `pack` wrote it."""
    parts: dict[str, Any] = {
        "services": tuple(Service(**service | {"bring": _bring(service)}) for service in body["services"]),
        "desks": tuple(DeskPlan(desk["id"], tuple(desk["services"])) for desk in body["desks"]),
        "rules": Rules(**body["rules"]),
        "hours": _tuples(body["hours"]),
        "seasons": tuple(Season(s["first"], s["last"], _tuples(s["hours"])) for s in body["seasons"]),
        "closed": tuple(body["closed"]),
        "no_appointments": tuple(body.get("no_appointments", ())),  # plans of older logs have none
        "languages": tuple(body["languages"]),
    }
    return Plan(**body | parts)


def _bring(service: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {language: tuple(papers) for language, papers in service.get("bring", {}).items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _same(value: Any) -> Any:
    return value


def _appointment(value: dict[str, Any] | None) -> Appointment | None:
    return Appointment(**value) if value else None


_READ = {"plan": plan_from, "services": _tuples, "place": _tuples, "appointment": _appointment}
