"""What a command means: the events it leads to, or a LineError that says why not.

    events = decide(state, Next(by="anna", desk="1"), now)

Every rule of the office stands here and in order.py. A command that comes on a new day ends the
old one first: who still holds a ticket is closed, and the desks begin anew.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from . import commands as c
from . import events as e
from .errors import ByAppointment, DayOver, DeskClosed, Duplicate, NotNow, OfficePaused, OutOfDate, TooLate, Unknown
from .evolve import ENDED, fold
from .model import Desk, DeskStage, Move, Stage, State, Step, Ticket
from .order import next_up, order, place_after, sharing_desk
from .plan import MINUTE, Appointment, Moment, Plan, Service, day_begins, day_of

LAST_NUMBER = 9999  # the largest that a label can carry


def decide(state: State, command: c.Command, now: Moment) -> list[e.Event]:
    """The events that `command` leads to at `now`; none if it changes nothing."""
    ended = _day_end(state, command, now)
    state = fold(state, ended)
    if isinstance(command, c.DeskCommand):
        return ended + _at_desk(state, command, now)
    return ended + _DECIDERS[type(command)](state, command, now)


# --- the day --------------------------------------------------------------------------------


def _day_end(state: State, command: c.Command, now: Moment) -> list[e.Event]:
    """Ends a day that is over and begins the new one. A day never goes back."""
    plan = command.plan if isinstance(command, c.Adopt) else state.plan
    if plan is None:  # nobody has told the hub of this office
        raise NotNow(f"office {state.office} has no plan yet: start the hub with its offices file")
    day = _today(plan, command, now)
    if day <= state.day:
        return []
    left = [t for t in state.tickets.values() if t.stage not in ENDED]
    closed = [e.TicketClosed(now, "hub", ticket.id, "day_ended") for ticket in left]
    desks = fold(state, closed).desks.values()
    versions = {desk.id: desk.version + desk.is_open for desk in desks}  # an open one closes: one more
    return [*closed, e.DayOpened(now, "hub", day, plan, versions)]


def _today(plan: Plan, command: c.Command, now: Moment) -> str:
    """The day by the hub's clock; the first ticket of a dispenser that is a little ahead may begin the next one.

    Otherwise that ticket would be closed with those of the day before, a moment after it was printed.
    """
    soon = day_of(plan, now + MINUTE)
    return soon if isinstance(command, c.Issue) and command.day == soon else day_of(plan, now)


def _tick(state: State, command: c.Tick, now: Moment) -> list[e.Event]:
    return []


def _adopt(state: State, command: c.Adopt, now: Moment) -> list[e.Event]:
    return [] if state.plan == command.plan else [e.OfficePlanned(now, command.by, command.plan)]


def _pause_office(state: State, command: c.PauseOffice, now: Moment) -> list[e.Event]:
    if state.paused and state.paused.message == command.message:
        return []
    return [e.OfficePaused(now, command.by, command.message)]


def _resume_office(state: State, command: c.ResumeOffice, now: Moment) -> list[e.Event]:
    return [e.OfficeResumed(now, command.by)] if state.paused else []


def standstill(state: State, since: Moment, until: Moment) -> int:
    """For how many milliseconds between two moments the whole office stood still."""
    pauses = state.pauses + (((state.paused.since, until),) if state.paused else ())
    return sum(max(0, min(to, until) - max(start, since)) for start, to in pauses)


# --- tickets --------------------------------------------------------------------------------


def _issue(state: State, command: c.Issue, now: Moment) -> list[e.Event]:
    """A ticket is never refused for its clock: a moment out of the day counts as now."""
    if command.day and command.day < state.day:
        raise DayOver(f"ticket {command.label} is of {command.day}: that day is closed")
    if command.ticket in state.tickets:
        raise Duplicate(f"ticket {command.label} is in the line already")
    if any(ticket.token == command.token for ticket in state.tickets.values()):
        raise Duplicate(f"ticket {command.label} has the token of another one")
    if command.appointment and any(_same_visit(t, command.appointment) for t in state.tickets.values()):
        raise Duplicate(f"appointment {command.appointment.id} has checked in already")
    if not command.services:
        raise Unknown(f"ticket {command.label} names no service")
    for service in command.services:
        _service(state, service)
    label = command.label or _label(state, command)
    at = command.at if command.at and day_begins(state.plan, state.day) <= command.at <= now else now
    appointment = command.appointment and _on_time_or_late(state, command.appointment, at)
    return [
        e.TicketIssued(
            at,
            command.by,
            command.ticket,
            command.token,
            label,
            command.services,
            command.language,
            command.priority and state.plan.rules.preferential,
            command.back_by,
            appointment,
        )
    ]


def _label(state: State, command: c.Issue) -> str:
    """The next number of reception's own range, which begins at `first_number`; after 9999 the first that is free."""
    letter = state.plan.appointment_letter if command.appointment else _service(state, command.services[0]).letter
    highest = highest_numbers(state, command.first_number).get(letter, command.first_number - 1)
    given = {ticket.label for ticket in state.tickets.values()}
    numbers = chain(range(highest + 1, LAST_NUMBER + 1), range(command.first_number, LAST_NUMBER + 1))
    label = next((label for number in numbers if (label := f"{letter}{number:03d}") not in given), None)
    if label is None:
        raise NotNow(f"no number is left for {letter} today")
    return label


def highest_numbers(state: State, first: int, last: int | None = None) -> dict[str, int]:
    """The highest number given today between `first` and `last`, for each letter."""
    highest: dict[str, int] = {}
    for ticket in state.tickets.values():
        letter, number = ticket.label.rstrip("0123456789"), int(ticket.label.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        if first <= number and (last is None or number <= last):
            highest[letter] = max(number, highest.get(letter, 0))
    return highest


def _same_visit(ticket: Ticket, appointment: Appointment) -> bool:
    own = ticket.appointment
    return own is not None and own.id == appointment.id and ticket.stage is not Stage.VOIDED


def _on_time_or_late(state: State, appointment: Appointment, at: Moment) -> Appointment:
    """Late is who checks in after the booked hour by more than the rule and the grace allow."""
    allowed = (state.plan.rules.late_minutes + appointment.grace_minutes) * MINUTE
    late = at - appointment.start - standstill(state, appointment.start, at) > allowed
    return Appointment(appointment.id, appointment.start, appointment.grace_minutes, late)


def _service(state: State, id: str) -> Service:
    service = state.plan.service(id)
    if service is None:
        raise Unknown(f"office {state.office} has no service {id}")
    return service


def _ticket(state: State, id: str) -> Ticket:
    try:
        return state.tickets[id]
    except KeyError:
        raise Unknown(f"office {state.office} has no ticket {id} today") from None


def _rejoin(state: State, command: c.Rejoin, now: Moment) -> list[e.Event]:
    """Back after a missed call: right after the first who waits and shares a desk."""
    ticket = _ticket(state, command.ticket)
    ticket.after(Move.REJOIN)
    at = min(command.at or now, now)
    if at > rejoin_until(state, ticket, at):
        raise TooLate(f"ticket {ticket.label} missed its call too long ago to rejoin: take a new one")
    others = sharing_desk(state, ticket, now)
    place = place_after(state, others[0], now) if others else ()
    return [e.TicketRejoined(now, command.by, ticket.id, place)]


def rejoin_until(state: State, ticket: Ticket, now: Moment) -> Moment:
    """Until when who missed a call may rejoin: so long after the absence or after the time on the paper.

    The clock stands still with the office.
    """
    missed = ticket.missed or 0
    last = max(missed, ticket.back_by or 0) + state.plan.rules.rejoin_minutes * MINUTE
    return last + standstill(state, missed, now)


def _let_pass(state: State, command: c.LetPass, now: Moment) -> list[e.Event]:
    """Some of those behind go first; from a call that cannot be answered now, some of the line."""
    ticket = _ticket(state, command.ticket)
    ticket.after(Move.LET_PASS)
    line = [ticket, *order(state, now)] if ticket.stage is Stage.CALLED else order(state, now)
    after = line[line.index(ticket) + 1 :]
    behind = [other for other in after if state.plan.shares_desk(other.service, ticket.service)]
    if not behind:
        raise NotNow(f"nobody is behind ticket {ticket.label} to let pass")
    last = behind[: state.plan.rules.let_pass][-1]
    return [e.TicketLetPass(now, command.by, ticket.id, place_after(state, last, now))]


def _reassign(state: State, command: c.Reassign, now: Moment) -> list[e.Event]:
    """A wrongly chosen procedure is changed once, and the time is kept."""
    ticket = _ticket(state, command.ticket)
    ticket.after(Move.REASSIGN)
    if _service(state, command.service).by_appointment_reason and not ticket.appointment:
        raise ByAppointment(f"{command.service} is had by appointment only")
    if command.service == ticket.service:
        return []
    if ticket.reassigned:
        raise NotNow(f"ticket {ticket.label} has changed its procedure once already: ask at the desk")
    return [e.TicketReassigned(now, command.by, ticket.id, command.service)]


def _leave(state: State, command: c.Leave, now: Moment) -> list[e.Event]:
    ticket = _ticket(state, command.ticket)
    if ticket.stage is Stage.LEFT:
        return []
    ticket.after(Move.LEAVE)
    return [e.TicketLeft(now, command.by, ticket.id)]


def _void(state: State, command: c.Void, now: Moment) -> list[e.Event]:
    """A void that comes after the call is recorded and changes nothing."""
    ticket = _ticket(state, command.ticket)
    if ticket.stage is not Stage.WAITING or ticket.called:
        return [e.VoidIgnored(now, command.by, ticket.id, command.why)]
    return [e.TicketVoided(now, command.by, ticket.id, command.why)]


_DECIDERS: dict[type[c.Command], Callable[[State, Any, Moment], list[e.Event]]] = {
    c.Tick: _tick,
    c.Adopt: _adopt,
    c.PauseOffice: _pause_office,
    c.ResumeOffice: _resume_office,
    c.Issue: _issue,
    c.Rejoin: _rejoin,
    c.LetPass: _let_pass,
    c.Reassign: _reassign,
    c.Leave: _leave,
    c.Void: _void,
}

# --- desks ----------------------------------------------------------------------------------


class _Act:
    """One act of a desk while it is decided: the state so far, and the events that led there."""

    def __init__(self, state: State, command: c.DeskCommand, now: Moment) -> None:
        self.state = state
        self.command = command
        self.now = now
        self.events: list[e.Event] = []
        self.step = state.seq + 1

    @property
    def desk(self) -> Desk:
        return self.state.desks[self.command.desk]

    @property
    def ticket(self) -> Ticket | None:
        return self.state.tickets[self.desk.ticket] if self.desk.ticket else None

    def say(self, kind: type[e.DeskEvent], *words: Any) -> None:
        event = kind(self.now, self.command.by, self.command.desk, self.step, *words)
        self.events.append(event)
        self.state = fold(self.state, [event])

    def somebody(self, move: Move) -> Ticket:
        """Who is at the desk and may `move`; NotNow if nobody is."""
        if self.ticket is None:
            raise NotNow(f"nobody is at desk {self.desk.id}: there is nothing to {move}")
        self.ticket.after(move)
        return self.ticket

    def finish(self) -> None:
        """Ends the visit of whoever is at the desk; further services wait in the line."""
        if self.ticket:
            self.say(e.TicketDone, self.ticket.id)


def _at_desk(state: State, command: c.DeskCommand, now: Moment) -> list[e.Event]:
    desk = state.desks.get(command.desk)
    if desk is None:
        raise Unknown(f"office {state.office} has no desk {command.desk}")
    if command.version is not None and command.version != desk.version:
        raise OutOfDate(f"desk {desk.id} has changed: it is at version {desk.version}, not {command.version}")
    if not desk.is_open and not isinstance(command, c.Open | c.Close | c.PauseDesk | c.Next | c.Undo):
        raise DeskClosed(f"desk {desk.id} is {desk.stage}: open it first")
    act = _Act(state, command, now)
    _ACTS[type(command)](act, command)
    return act.events


def _not_while_paused(act: _Act) -> None:
    if act.state.paused:
        raise OfficePaused(f"the office stands still: {act.state.paused.message}")


def _open(act: _Act, command: c.Open) -> None:
    if not act.desk.is_open:
        act.say(e.DeskOpened)


def _shut(act: _Act, command: c.DeskCommand) -> None:
    """Closes or pauses the desk; whoever is at it is done (an undo takes both back)."""
    pause = isinstance(command, c.PauseDesk)
    if act.desk.stage is (DeskStage.PAUSED if pause else DeskStage.CLOSED):
        return
    if pause and act.desk.stage is DeskStage.CLOSED:
        raise DeskClosed(f"desk {act.desk.id} is closed: there is nothing to pause")
    act.finish()
    act.say(e.DeskShut, pause)


def _next(act: _Act, command: c.Next) -> None:
    """Finishes whoever is here, opens the desk if it is closed, calls the next person."""
    _not_while_paused(act)
    act.finish()
    _open(act, c.Open(command.by, command.desk))
    found = next_up(act.state, act.desk.services, act.now)
    if found:
        ticket, reason = found
        act.say(e.TicketCalled, ticket.id, reason)


def _recall(act: _Act, command: c.Recall) -> None:
    ticket = act.somebody(Move.RECALL)
    _not_while_paused(act)
    act.say(e.TicketRecalled, ticket.id)


def _absent(act: _Act, command: c.MarkAbsent) -> None:
    ticket = act.somebody(Move.ABSENT)
    _not_while_paused(act)
    act.say(e.TicketMissed, ticket.id)


def _start(act: _Act, command: c.Start) -> None:
    act.say(e.TicketStarted, act.somebody(Move.START).id)


def _done(act: _Act, command: c.Done) -> None:
    """The next of several services goes on here, if this desk serves it."""
    ticket = act.somebody(Move.DONE)
    stays = len(ticket.services) > 1 and ticket.services[1] in act.desk.services
    act.say(e.TicketDone, ticket.id, stays)


def _park(act: _Act, command: c.Park) -> None:
    act.say(e.TicketParked, act.somebody(Move.PARK).id, command.room)


def _transfer(act: _Act, command: c.Transfer) -> None:
    ticket = act.somebody(Move.TRANSFER)
    act.say(e.TicketTransferred, ticket.id, _service(act.state, command.service).id)


def _resume(act: _Act, command: c.Resume) -> None:
    ticket = _ticket(act.state, command.ticket)
    if command.to_line:
        ticket.after(Move.RETURN)
        act.say(e.TicketReturned, ticket.id)
        return
    ticket.after(Move.RESUME)
    _not_while_paused(act)
    if act.ticket:
        raise NotNow(f"desk {act.desk.id} has ticket {act.ticket.label}: finish with it first")
    act.say(e.TicketCalled, ticket.id, "resumed")


def _undo(act: _Act, command: c.Undo) -> None:
    """Takes the desk's last step back; refused once anybody else has touched what it changed."""
    step = act.state.steps.get(act.desk.id)
    if step is None:
        raise NotNow(f"desk {act.desk.id} has no step to take back")
    moved = next((ticket for ticket in _rests_on(act.state, step) if ticket.touched > step.last), None)
    if moved:
        raise NotNow(f"ticket {moved.label} has moved on since: desk {act.desk.id} cannot take its step back")
    act.say(e.DeskUndone)


def _rests_on(state: State, step: Step) -> list[Ticket]:
    """The tickets that a step changed, and the one that was at the desk meanwhile."""
    return [state.tickets[id] for id in {*step.tickets, step.desk.ticket} if id]


_ACTS: dict[type[c.DeskCommand], Callable[[_Act, Any], None]] = {
    c.Open: _open,
    c.Close: _shut,
    c.PauseDesk: _shut,
    c.Next: _next,
    c.Recall: _recall,
    c.MarkAbsent: _absent,
    c.Start: _start,
    c.Done: _done,
    c.Undo: _undo,
    c.Park: _park,
    c.Transfer: _transfer,
    c.Resume: _resume,
}
