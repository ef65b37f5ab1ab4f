"""What the office shows: the documents of the contract, as functions of the state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest
from types import MappingProxyType
from typing import Any

from .evolve import ENDED, shown
from .model import Desk, Stage, State, Ticket
from .order import ahead
from .plan import MINUTE, Moment, is_open

SHOWN = {stage: stage.value for stage in Stage} | {Stage.PARKED: "waiting", Stage.VOIDED: "closed"}
BOARD_CALLS, SIGN_CALLS = 8, 4
Wait = Mapping[str, int]  # p5, p10, p50 and p90, in minutes


@dataclass(frozen=True)
class Expected:
    """What the forecaster expected at `at`: by service for a ticket taken then, and by ticket's id."""

    at: Moment
    services: Mapping[str, Wait | None]
    tickets: Mapping[str, Wait | None]


_NONE: Mapping[str, dict[str, Any]] = MappingProxyType({})
UNEXPECTED = Expected(0, {}, {})  # nobody knows


def waiting_by_service(state: State) -> dict[str, int]:
    """How many wait for each service of the plan."""
    count = {service.id: 0 for service in state.plan.services}
    for ticket in state.tickets.values():
        if ticket.stage is Stage.WAITING:
            count[ticket.service] = count.get(ticket.service, 0) + 1
    return count


def line_document(state: State, now: Moment, stamp: Any, expected: Expected = UNEXPECTED) -> dict[str, Any]:
    """`torn/v1/office/<office>/line` but for its `seq`; `stamp` writes a moment down."""
    count = waiting_by_service(state)
    return {
        "at": stamp(now),
        "office": state.office,
        "day": state.day,
        "open": is_open(state.plan, now),
        "paused": state.paused.message if state.paused else None,
        "waiting": sum(count.values()),
        "events": state.seq,
        "services": {id: {"waiting": number, "wait": expected.services.get(id)} for id, number in count.items()},
        "desks": {desk.id: _sign(state, desk) for desk in desks(state)},
        "calls": calls(state, stamp),
    }


def desks(state: State) -> list[Desk]:
    """The desks that the plan has: one that it has lost goes on until its visit is over, and is not shown."""
    return [state.desks[desk.id] for desk in state.plan.desks]


def _sign(state: State, desk: Desk) -> dict[str, str | None]:
    stage, label, _ = shown(state, desk)
    return {"state": stage, "label": label}


def calls(state: State, stamp: Any) -> list[dict[str, Any]]:
    """The last calls, newest first."""
    called = [ticket for ticket in state.tickets.values() if ticket.announced is not None]
    last = nlargest(BOARD_CALLS, called, key=lambda ticket: (ticket.announced, ticket.turn))
    return [{"label": ticket.label, "desk": ticket.desk, "at": stamp(ticket.announced)} for ticket in last]


def desk_document(state: State, desk: Desk, stamp: Any, waiting: Mapping[str, int] | None = None) -> dict[str, Any]:
    """`torn/v1/office/<office>/desk/<desk>` but for its `seq`; `waiting` by service, if it is known already."""
    stage, label, service = shown(state, desk)
    count = waiting_by_service(state) if waiting is None else waiting
    return {
        "office": state.office,
        "desk": desk.id,
        "state": stage,
        "label": label,
        "service": service,
        "since": stamp(desk.since),
        "waiting": sum(count.get(served, 0) for served in desk.services),
        "version": desk.version,
    }


def ticket_document(
    state: State, ticket: Ticket, before: int | None, stamp: Any, expected: Expected = UNEXPECTED
) -> dict[str, Any]:
    """What a phone is told of its ticket, but for `seq`; `before` is how many are ahead of it.

    `back_by` is live while there is a forecast, but never before what the paper says: its promise binds. To the
    minute, so that a phone is not told anew of what has not changed.
    """
    at_desk = ticket.stage in (Stage.CALLED, Stage.SERVING)
    wait = expected.tickets.get(ticket.id) if ticket.stage is Stage.WAITING else None
    live = (expected.at // MINUTE + wait["p5"]) * MINUTE if wait else None
    back_by = max(filter(None, (live, ticket.back_by)), default=None)
    return {
        "label": ticket.label,
        "state": SHOWN[ticket.stage],
        "ahead": before if ticket.stage is Stage.WAITING else None,
        "wait": wait,
        "back_by": stamp(back_by) if back_by else None,
        "desk": ticket.desk if at_desk else None,
        "paused": state.paused.message if state.paused and ticket.stage not in ENDED else None,
    }


def ticket_documents(
    state: State, now: Moment, stamp: Any, expected: Expected = UNEXPECTED, known: Mapping[str, dict[str, Any]] = _NONE
) -> dict[str, dict[str, Any]]:
    """The documents of all of today's tickets, by token: the order is worked out once, and what is `known` is kept."""
    before = ahead(state, now)
    return {
        t.token: known.get(t.token) or ticket_document(state, t, before.get(t.id), stamp, expected)
        for t in state.tickets.values()
    }


def over(before: State, state: State) -> Iterator[Ticket]:
    """Today's tickets whose visit had ended `before`, and still has: nothing is to be said anew of them."""
    for ticket in state.tickets.values():
        if ticket.stage in ENDED and before.tickets.get(ticket.id) is ticket:
            yield ticket
