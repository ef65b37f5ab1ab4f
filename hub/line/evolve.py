"""What each event does to the state. No rule stands here: `decide` has already judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from . import events as e
from .model import Desk, DeskMove, DeskStage, Move, Pause, Stage, State, Step, Ticket, desk_of


def fold(state: State, events: Iterable[e.Event]) -> State:
    """The state after all of `events`."""
    for event in events:
        state = evolve(state, event)
    return state


def evolve(state: State, event: e.Event) -> State:
    """The state after one event; its `seq` grows by one."""
    if isinstance(event, e.DeskEvent) and not isinstance(event, e.DeskUndone):
        return _as_step(state, event)
    return _apply(state, event)


def _apply(state: State, event: e.Event) -> State:
    after = _EVOLVERS[type(event)](state, event)
    if not isinstance(event, e.DayOpened):
        after = _grown_versions(state, after, event.at)
    return replace(after, seq=state.seq + 1)


def _grown_versions(before: State, after: State, at: int) -> State:
    """Lets a desk's version grow where what it shows has changed; an undo has brought `since` back itself."""
    if after.desks is before.desks and not any(desk.ticket for desk in after.desks.values()):
        return after
    grown = {
        id: replace(desk, version=desk.version + 1, since=at if desk.since == before.desks[id].since else desk.since)
        for id, desk in after.desks.items()
        if id in before.desks and shown(after, desk) != shown(before, before.desks[id])
    }
    return replace(after, desks={**after.desks, **grown}) if grown else after


def _as_step(state: State, event: e.DeskEvent) -> State:
    """Applies a desk's event and remembers what it changed, as part of the desk's last step."""
    step = state.steps.get(event.desk)
    if step is None or step.number != event.step:
        step = Step(event.step, 0, state.desks[event.desk], {})
    tickets = step.tickets
    if isinstance(event, e.AtDesk) and event.ticket not in tickets:
        tickets = {**tickets, event.ticket: state.tickets[event.ticket]}
    after = _apply(state, event)
    return replace(after, steps={**after.steps, event.desk: replace(step, last=after.seq, tickets=tickets)})


# --- tools ----------------------------------------------------------------------------------


def _with_ticket(state: State, ticket: Ticket, **changes: Any) -> State:
    changed = replace(ticket, touched=state.seq + 1, **changes)
    return replace(state, tickets={**state.tickets, ticket.id: changed})


def _with_desk(state: State, id: str, move: DeskMove, ticket: str | None = None) -> State:
    desk = state.desks[id]
    changed = replace(desk, stage=desk.after(move), ticket=ticket)
    return replace(state, desks={**state.desks, id: changed})


def shown(state: State, desk: Desk) -> tuple[str, str | None, str | None]:
    """What a desk shows to the world: state, label, service. A paused one shows as closed."""
    ticket = state.tickets[desk.ticket] if desk.ticket else None
    stage = DeskStage.CLOSED if desk.stage is DeskStage.PAUSED else desk.stage
    return stage.value, ticket.label if ticket else None, ticket.service if ticket else None


def _leaves_desk(state: State, ticket: Ticket) -> State:
    """Frees the desk that holds `ticket`, if one does."""
    desk = state.desks.get(ticket.desk or "")
    return _with_desk(state, desk.id, DeskMove.FREE) if desk and desk.ticket == ticket.id else state


def _moved(move: Move, **fixed: Any) -> Callable[[State, Any], State]:
    """An evolver for an event that only moves a ticket, away from its desk if it is at one."""

    def evolver(state: State, event: Any) -> State:
        ticket = state.tickets[event.ticket]
        state = _leaves_desk(state, ticket)
        ended = {"finished": event.at} if ticket.after(move) in ENDED else {}
        own = {key: getattr(event, key) for key in ("place", "room", "why") if hasattr(event, key)}
        own |= {"placed": event.at} if "place" in own else {}
        return _with_ticket(state, ticket, stage=ticket.after(move), **ended, **own, **fixed)

    return evolver


ENDED = frozenset((Stage.DONE, Stage.LEFT, Stage.VOIDED, Stage.CLOSED))

# --- the office -----------------------------------------------------------------------------


def _day_opened(state: State, event: e.DayOpened) -> State:
    desks = {plan.id: desk_of(plan, event.versions.get(plan.id, state.seq), event.at) for plan in event.plan.desks}
    return State(state.office, state.seq, event.plan, event.day, desks=desks, paused=state.paused)


def _office_planned(state: State, event: e.OfficePlanned) -> State:
    """Desks that are gone vanish, unless somebody is at one; new ones begin closed.

    A new desk's version begins at the log's number: no desk's version outgrows it, so that of one
    that was there before, and comes back, has grown. What no desk serves any more, and somebody of
    today has come for, every desk takes: a ticket that was given is good.
    """
    needed = dict.fromkeys(s for t in state.tickets.values() for s in t.services)
    lost = tuple(service for service in needed if not event.plan.serving(service))
    kept = {
        desk.id: replace(state.desks.get(desk.id) or desk_of(desk, state.seq, event.at), services=desk.services + lost)
        for desk in event.plan.desks
    }
    busy = {id: desk for id, desk in state.desks.items() if id not in kept and desk.ticket}
    return replace(state, plan=event.plan, desks=kept | busy)


def _office_paused(state: State, event: e.OfficePaused) -> State:
    since = state.paused.since if state.paused else event.at
    return replace(state, paused=Pause(since, event.message))


def _office_resumed(state: State, event: e.OfficeResumed) -> State:
    over = ((state.paused.since, event.at),) if state.paused else ()
    return replace(state, paused=None, pauses=state.pauses + over)


# --- tickets --------------------------------------------------------------------------------


def _ticket_issued(state: State, event: e.TicketIssued) -> State:
    ticket = Ticket(
        id=event.ticket,
        token=event.token,
        label=event.label,
        services=event.services,
        issued=event.at,
        number=len(state.tickets) + 1,
        origin=event.by,
        language=event.language,
        priority=event.priority,
        appointment=event.appointment,
        back_by=event.back_by,
    )
    return _with_ticket(state, ticket)


def _reassigned(state: State, event: e.TicketReassigned) -> State:
    ticket = state.tickets[event.ticket]
    services = (event.service, *ticket.services[1:])
    return _with_ticket(state, ticket, stage=ticket.after(Move.REASSIGN), services=services, reassigned=True)


def _void_ignored(state: State, event: e.VoidIgnored) -> State:
    return state


# --- desks ----------------------------------------------------------------------------------


def _desk_opened(state: State, event: e.DeskOpened) -> State:
    return _with_desk(state, event.desk, DeskMove.OPEN)


def _desk_shut(state: State, event: e.DeskShut) -> State:
    return _with_desk(state, event.desk, DeskMove.PAUSE if event.pause else DeskMove.CLOSE)


def _called(state: State, event: e.TicketCalled) -> State:
    ticket = state.tickets[event.ticket]
    move = Move.RESUME if ticket.stage is Stage.PARKED else Move.CALL
    call = {"called": event.at, "announced": event.at, "turn": state.seq + 1, "reason": event.reason}
    if ticket.first_called is None:
        call["first_called"] = event.at
    state = _with_ticket(state, ticket, stage=ticket.after(move), desk=event.desk, started=None, room=None, **call)
    return _with_desk(state, event.desk, DeskMove.CALL, ticket.id)


def _recalled(state: State, event: e.TicketRecalled) -> State:
    ticket = state.tickets[event.ticket]
    return _with_ticket(state, ticket, stage=ticket.after(Move.RECALL), announced=event.at)


def _started(state: State, event: e.TicketStarted) -> State:
    ticket = state.tickets[event.ticket]
    state = _with_ticket(state, ticket, stage=ticket.after(Move.START), started=event.at)
    return _with_desk(state, event.desk, DeskMove.SERVE, ticket.id)


def _done(state: State, event: e.TicketDone) -> State:
    """The end of the visit, or of one service of several."""
    ticket = state.tickets[event.ticket]
    if len(ticket.services) == 1:
        return _moved(Move.DONE)(state, event)
    if not event.stays:
        return _moved(Move.REQUEUE, services=ticket.services[1:])(state, event)
    stage = ticket.after(Move.CONTINUE)
    state = _with_ticket(state, ticket, stage=stage, services=ticket.services[1:], started=event.at)
    return _with_desk(state, event.desk, DeskMove.SERVE, ticket.id)


def _missed(state: State, event: e.TicketMissed) -> State:
    return _moved(Move.ABSENT, missed=event.at)(state, event)


def _transferred(state: State, event: e.TicketTransferred) -> State:
    ticket = state.tickets[event.ticket]
    services = (event.service, *ticket.services[1:])
    return _moved(Move.TRANSFER, services=services)(state, event)


def _undone(state: State, event: e.DeskUndone) -> State:
    """Everything the step changed is as it was, times and all; the desk's version still grows."""
    step = state.steps[event.desk]
    now = state.desks[event.desk]
    tickets = {id: replace(ticket, touched=state.seq + 1) for id, ticket in step.tickets.items()}
    return replace(
        state,
        tickets={**state.tickets, **tickets},
        desks={**state.desks, event.desk: replace(step.desk, version=now.version, services=now.services)},
        steps={id: other for id, other in state.steps.items() if id != event.desk},
    )


_EVOLVERS: dict[type[e.Event], Callable[[State, Any], State]] = {
    e.DayOpened: _day_opened,
    e.OfficePlanned: _office_planned,
    e.OfficePaused: _office_paused,
    e.OfficeResumed: _office_resumed,
    e.TicketIssued: _ticket_issued,
    e.TicketRejoined: _moved(Move.REJOIN, missed=None),
    e.TicketLetPass: _moved(Move.LET_PASS),
    e.TicketReassigned: _reassigned,
    e.TicketLeft: _moved(Move.LEAVE),
    e.TicketVoided: _moved(Move.VOID),
    e.VoidIgnored: _void_ignored,
    e.TicketClosed: _moved(Move.CLOSE),
    e.DeskOpened: _desk_opened,
    e.DeskShut: _desk_shut,
    e.DeskUndone: _undone,
    e.TicketCalled: _called,
    e.TicketRecalled: _recalled,
    e.TicketStarted: _started,
    e.TicketDone: _done,
    e.TicketMissed: _missed,
    e.TicketParked: _moved(Move.PARK),
    e.TicketReturned: _moved(Move.RETURN, room=None),
    e.TicketTransferred: _transferred,
}
