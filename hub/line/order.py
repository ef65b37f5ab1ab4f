"""Who is next: the only place that says so.

    standing(ticket, rules)        a ticket's ranks, and the moment from which each one holds
    next_up(state, desk, now)      the lowest rank among those the desk serves, and why

Desks, boards, phones and the forecast all stand on these two, so that they show one order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .model import WAITED_TOO_LONG, Rank, Stage, State, Ticket
from .plan import MINUTE, Moment, Rules

BOUND, DUE, WALK_IN = 0, 1, 2  # classes of rank, the first one first


class Hold(NamedTuple):
    """A rank, the moment from which a ticket holds it, and the reason a call by it gives."""

    since: Moment
    rank: Rank
    reason: str


def standing(ticket: Ticket, rules: Rules) -> tuple[Hold, ...]:
    """All ranks a ticket will hold, in the order of time.

    A lower rank goes first. Ranks compare as tuples: class, moments, the ticket's number.
    """
    due = _due(ticket, rules)
    if ticket.place:
        behind = (Hold(0, rank, "came_back" if rank[0] != BOUND else WAITED_TOO_LONG) for rank in ticket.place)
        return (*behind, *(hold for hold in due if hold.since > ticket.placed))  # its hour may still strike
    walk_in = Hold(0, (WALK_IN, ticket.issued, ticket.issued, ticket.number), "waited_longest")
    if due:
        return (walk_in, *due)
    if ticket.priority:
        return (Hold(0, (DUE, ticket.issued, ticket.issued, ticket.number), "preferential"),)
    if rules.walk_in_max_wait_minutes is None:
        return (walk_in,)
    over = (BOUND, ticket.issued, ticket.issued, ticket.number)
    return (walk_in, Hold(ticket.issued + rules.walk_in_max_wait_minutes * MINUTE, over, WAITED_TOO_LONG))


def _due(ticket: Ticket, rules: Rules) -> tuple[Hold, ...]:
    """The rank of an appointment in time, held from a while before its hour."""
    appointment = ticket.appointment
    if appointment is None or appointment.late:
        return ()
    rank = (DUE, appointment.start, ticket.issued, ticket.number)
    return (Hold(appointment.start - rules.early_minutes * MINUTE, rank, "appointment"),)


def held(holds: tuple[Hold, ...], now: Moment, bound: bool) -> Hold:
    """The rank held at `now`; without `bound`, the one outside the bound on unfairness. The first holds always."""
    for hold in reversed(holds[1:]):
        if hold.since <= now and (bound or hold.rank[0] != BOUND):
            return hold
    return holds[0]


def next_up(state: State, services: tuple[str, ...], now: Moment) -> tuple[Ticket, str] | None:
    """Who a desk that serves `services` calls next, and why; None when nobody waits for it."""
    rules, bound = state.plan.rules, not state.bounded
    best: tuple[Rank, Ticket, str] | None = None
    for ticket in state.tickets.values():
        if ticket.stage is Stage.WAITING and ticket.service in services:
            hold = held(standing(ticket, rules), now, bound)
            if best is None or hold.rank < best[0]:
                best = hold.rank, ticket, hold.reason
    return (best[1], best[2]) if best else None


def order(state: State, now: Moment, services: tuple[str, ...] | None = None) -> list[Ticket]:
    """Those waiting (for `services`, or at all) in the order in which they will be called.

    It is what `next_up` gives again and again: in turns by the bound on unfairness, while somebody
    is over it, and by ordinary rank.
    """
    return [ticket for ticket, _ in ordered(state, now, services)]


def ordered(state: State, now: Moment, services: tuple[str, ...] | None = None) -> Iterator[tuple[Ticket, str]]:
    """The same with each one's reason."""
    rules = state.plan.rules
    waiting = [
        (ticket, standing(ticket, rules))
        for ticket in state.tickets.values()
        if ticket.stage is Stage.WAITING and (services is None or ticket.service in services)
    ]
    bound = [(held(holds, now, True), ticket) for ticket, holds in waiting]
    over = [entry for entry in bound if entry[0].rank[0] == BOUND]
    ordinary = [(held(holds, now, False), ticket) for ticket, holds in waiting] if over else bound
    return _in_turns(sorted(ordinary, key=_rank), sorted(over, key=_rank), state.bounded)


def _rank(entry: tuple[Hold, Ticket]) -> Rank:
    return entry[0].rank


def _in_turns(
    ordinary: list[tuple[Hold, Ticket]], over: list[tuple[Hold, Ticket]], bounded: bool
) -> Iterator[tuple[Ticket, str]]:
    gone: set[str] = set()
    lines = {True: iter(over), False: iter(ordinary)}
    for _ in ordinary:
        entry = None if bounded else _first_left(lines[True], gone)
        bounded = entry is not None
        hold, ticket = entry or _first_left(lines[False], gone) or ordinary[0]
        gone.add(ticket.id)
        yield ticket, hold.reason


def _first_left(line: Iterator[tuple[Hold, Ticket]], gone: set[str]) -> tuple[Hold, Ticket] | None:
    return next((entry for entry in line if entry[1].id not in gone), None)


def ahead(state: State, now: Moment) -> dict[str, int]:
    """For each ticket waiting, how many stand before it whose service shares a desk with its own."""
    line = order(state, now)
    wanted = {ticket.service for ticket in line}
    sharing = {s: [other for other in wanted if state.plan.shares_desk(s, other)] for s in wanted}
    passed: dict[str, int] = {}
    found = {}
    for ticket in line:
        found[ticket.id] = sum(passed.get(service, 0) for service in sharing[ticket.service])
        passed[ticket.service] = passed.get(ticket.service, 0) + 1
    return found


def sharing_desk(state: State, ticket: Ticket, now: Moment) -> list[Ticket]:
    """The others waiting, in order, whose service shares a desk with the ticket's."""
    plan = state.plan
    return [t for t in order(state, now) if t.id != ticket.id and plan.shares_desk(t.service, ticket.service)]


def place_after(state: State, other: Ticket, now: Moment) -> tuple[Rank, ...]:
    """The ranks right after `other`, as it stands now: before everybody placed there earlier."""
    holds = standing(other, state.plan.rules)
    hold_now = {held(holds, now, False), held(holds, now, True)}
    return tuple(sorted(((*hold.rank, -state.seq - 1) for hold in hold_now), reverse=True))


def next_change(state: State, now: Moment) -> Moment | None:
    """When the order changes next by the passing of time alone, or None."""
    rules = state.plan.rules
    waiting = (ticket for ticket in state.tickets.values() if ticket.stage is Stage.WAITING)
    return min((h.since for ticket in waiting for h in standing(ticket, rules) if h.since > now), default=None)


def overdue(state: State, now: Moment) -> list[Ticket]:
    """Those without an appointment, or late for theirs, who have waited longer than the alert says."""
    before = now - state.plan.rules.walk_in_alert_minutes * MINUTE
    waiting = (ticket for ticket in state.tickets.values() if ticket.stage is Stage.WAITING)
    walk_ins = (ticket for ticket in waiting if ticket.appointment is None or ticket.appointment.late)
    return [ticket for ticket in walk_ins if ticket.issued < before]
