"""Watches an office's events go by and notes what the laws are learned from; the forecast of today needs it too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

from hub.line import events as e
from hub.line.evolve import evolve
from hub.line.model import Stage, State
from hub.line.plan import HOUR, MINUTE, Moment, day_begins, doors

from .laws import AT_ONCE, NEVER, DeskDay, third_of_day

TURNAROUND = 3.0  # minutes that a desk may take to call while somebody waits; longer is a break
EARLY_HOME = 20.0  # minutes before the doors close: a desk that shuts earlier has closed early
SHORTEST, LONGEST = 0.05, 240.0  # minutes of a visit that count; outside, somebody forgot to press


class Visit(NamedTuple):
    """A service done at a desk: from the call until the desk was free for the next one."""

    service: str
    desk: str
    minutes: float


@dataclass(frozen=True)
class Day:
    """What one day of an office has taught."""

    day: str
    visits: tuple[Visit, ...] = ()
    gaps: tuple[float, ...] = ()  # minutes that desks which did not call at once let somebody wait
    holds: tuple[float, ...] = ()  # minutes that desks waited for somebody who did not come
    calls: int = 0
    back: tuple[float, ...] = ()  # minutes until those of them who rejoined did
    parked: tuple[float, ...] = ()  # minutes until whoever was parked was back; NEVER: they were not
    resumed: int = 0  # of them, at a desk at once
    again: int = 0  # who were at a desk and then soon at one again: parked and back, or transferred
    punctuality: tuple[float, ...] = ()
    desk_days: tuple[DeskDay, ...] = ()
    issued: Mapping[str, int] = field(default_factory=dict)  # tickets without an appointment, by service
    priority: int = 0
    hours: float = 0.0  # that the doors were open


class Watch:
    """Follows one office, event by event; `state` is what they fold to, `day` what today has taught so far."""

    def __init__(self, state: State, learned: Callable[[Day], Any] = lambda day: None) -> None:
        self.state = state
        self.learned = learned  # called with each day that is over
        self._begin()

    def _begin(self) -> None:
        state = self.state
        self.day = Day(state.day)
        self.opened_at: Moment = 0
        self.closes_at: Moment = 0
        if state.plan and state.day:
            ranges = doors(state.plan, date.fromisoformat(state.day))
            self.opened_at = ranges[0][0] if ranges else day_begins(state.plan, state.day)
            self.closes_at = ranges[-1][1] if ranges else self.opened_at
            self.day = replace(self.day, hours=sum(closes - opens for opens, closes in ranges) / 60 / MINUTE)
        self.opened: dict[str, float] = {}
        self.breaks: dict[str, list[tuple[float, float]]] = {}
        self.parked: dict[str, Moment] = {}  # since when who has been parked
        self._parked: list[float] = []
        self._back: list[float] = []
        self._free: dict[str, Moment] = {}  # since when a desk could have called
        self._shut: dict[str, Moment] = {}
        self._at: dict[str, tuple[str, Moment]] = {}  # what is done at a desk, since when
        self._visits: list[Visit] = []
        self._last: dict[str, int] = {}  # each desk's last visit, whose end may still move
        self._gaps: list[float] = []
        self._holds: list[float] = []
        self._counts: dict[str, int] = {}
        self._issued: dict[str, int] = {}
        self._punctual: list[float] = []

    def see(self, event: e.Event) -> None:
        """One event more."""
        if isinstance(event, e.DayOpened):
            if self.state.day:
                self.learned(self.over())
            self.state = evolve(self.state, event)
            self._begin()
            return
        before, self.state = self.state, evolve(self.state, event)
        act = _SEEN.get(type(event))
        if act:
            act(self, before, event)

    def offset(self, at: Moment) -> float:
        """Minutes after the doors first opened today."""
        return (at - self.opened_at) / MINUTE

    def third(self, at: Moment) -> int:
        """In which third of the day that is, by the doors."""
        return third_of_day(self.offset(at), (self.closes_at - self.opened_at) / HOUR)

    @property
    def visits(self) -> list[Visit]:
        """The services done today."""
        return self._visits

    def over(self) -> Day:
        """The day as it has been."""
        desk_days = tuple(self._desk_day(id) for id in self.state.desks)
        return replace(
            self.day,
            visits=tuple(v for v in self._visits if SHORTEST <= v.minutes <= LONGEST),
            gaps=tuple(self._gaps),
            holds=tuple(self._holds),
            calls=self._counts.get("calls", 0),
            back=tuple(self._back),
            parked=(*self._parked, *(NEVER for _ in self.parked)),
            resumed=self._counts.get("resumed", 0),
            again=self._counts.get("again", 0),
            punctuality=tuple(self._punctual),
            desk_days=desk_days if self.opened else (),
            issued=dict(self._issued),
            priority=self._counts.get("priority", 0),
        )

    def _desk_day(self, desk: str) -> DeskDay:
        closed = self._shut.get(desk)
        early = closed is not None and closed < self.closes_at - EARLY_HOME * MINUTE
        return DeskDay(
            desk,
            self.opened.get(desk, NEVER),
            tuple(self.breaks.get(desk, ())),
            self.offset(closed) if early and closed is not None else NEVER,
        )

    # --- what each event says -----------------------------------------------------------

    def _count(self, what: str) -> None:
        self._counts[what] = self._counts.get(what, 0) + 1

    def _came(self, before: State, event: e.TicketIssued) -> None:
        if event.appointment:
            self._punctual.append((event.at - event.appointment.start) / MINUTE)
            return
        service = event.services[0]
        self._issued[service] = self._issued.get(service, 0) + 1
        if event.priority:
            self._count("priority")

    def _rejoins(self, before: State, event: e.TicketRejoined) -> None:
        self._back.append((event.at - (before.tickets[event.ticket].missed or event.at)) / MINUTE)

    def _parks(self, before: State, event: e.TicketParked) -> None:
        self._ends(before, event)
        self.parked[event.ticket] = event.at

    def _returns(self, before: State, event: e.AtDesk) -> None:
        """Whoever was parked is back."""
        self._parked.append((event.at - self.parked.pop(event.ticket, event.at)) / MINUTE)
        self._count("again")

    def _transfers(self, before: State, event: e.TicketTransferred) -> None:
        self._ends(before, event)
        if before.tickets[event.ticket].stage is not Stage.WAITING:
            self._count("again")

    def _opens(self, before: State, event: e.DeskOpened) -> None:
        self.opened.setdefault(event.desk, self.offset(event.at))
        shut = self._shut.pop(event.desk, None)
        if shut is not None and event.at - shut >= MINUTE:
            self._pause(event.desk, shut, event.at)
        self._free[event.desk] = event.at

    def _shuts(self, before: State, event: e.DeskShut) -> None:
        self._shut.setdefault(event.desk, event.at)
        self._free.pop(event.desk, None)

    def _calls(self, before: State, event: e.TicketCalled) -> None:
        self._count("calls")
        ticket = before.tickets[event.ticket]
        if ticket.stage is Stage.PARKED:
            self._returns(before, event)
            self._count("resumed")
        free = self._free.pop(event.desk, None)
        if free is not None:
            since = max(free, _somebody_since(before, event))
            if event.at - since > AT_ONCE * MINUTE:
                self._gaps.append((event.at - since) / MINUTE)
            if event.at - since > TURNAROUND * MINUTE:
                # Somebody came while it lasted: what was before that counts as well, if it is not most of it.
                begun = free if since - free <= event.at - since else since
                self._pause(event.desk, begun, event.at)
            elif since == free and event.desk in self._last:
                last = self._visits[self._last[event.desk]]
                longer = last.minutes + (event.at - free) / MINUTE
                self._visits[self._last[event.desk]] = last._replace(minutes=longer)
        self._at[event.desk] = (ticket.service, event.at)

    def _pause(self, desk: str, since: Moment, until: Moment) -> None:
        """A break becomes due somewhere in the visit before it, say in its middle, and begins at its end."""
        before = self._visits[self._last[desk]].minutes if desk in self._last else 0.0
        self.breaks.setdefault(desk, []).append((self.offset(since) - before / 2, (until - since) / MINUTE))

    def _ends(self, before: State, event: e.AtDesk) -> None:
        """A service is done, or given up, at this desk."""
        doing = self._at.pop(event.desk, None)
        if doing:
            service, since = doing
            self._last[event.desk] = len(self._visits)
            self._visits.append(Visit(service, event.desk, (event.at - since) / MINUTE))
        self._free[event.desk] = event.at
        ticket = self.state.tickets[event.ticket]
        if ticket.stage is Stage.SERVING:
            self._at[event.desk] = (ticket.service, event.at)
            self._free.pop(event.desk, None)

    def _misses(self, before: State, event: e.TicketEvent | e.TicketMissed) -> None:
        """Called, and did not come."""
        ticket = before.tickets[event.ticket]
        desk = ticket.desk or ""
        if ticket.stage is Stage.CALLED and desk in self._at:
            del self._at[desk]
            self._holds.append((event.at - (ticket.called or event.at)) / MINUTE)
            self._free[desk] = event.at
            self._last.pop(desk, None)

    def _undoes(self, before: State, event: e.DeskUndone) -> None:
        """What was done at the desk goes on; the visit noted last was none."""
        last = self._last.pop(event.desk, None)
        desk = self.state.desks[event.desk]
        self.parked = {id: at for id, at in self.parked.items() if self.state.tickets[id].stage is Stage.PARKED}
        if desk.ticket is None:
            self._at.pop(event.desk, None)
            self._free[event.desk] = event.at
            return
        ticket = self.state.tickets[desk.ticket]
        self._free.pop(event.desk, None)
        self._at[event.desk] = (ticket.service, ticket.called or event.at)
        if last is not None:
            self._visits[last] = self._visits[last]._replace(minutes=0.0)


def _somebody_since(before: State, event: e.TicketCalled) -> Moment:
    """Since when somebody has waited for the desk: not always whoever is called, for others may have passed ahead."""
    served = before.desks[event.desk].services
    waiting = [t for t in before.tickets.values() if t.stage is Stage.WAITING and t.service in served]
    return min((max(t.issued, t.placed, t.called or 0) for t in waiting), default=event.at)


_SEEN: dict[type[e.Event], Callable[[Watch, State, Any], None]] = {
    e.TicketIssued: Watch._came,
    e.TicketRejoined: Watch._rejoins,
    e.DeskOpened: Watch._opens,
    e.DeskShut: Watch._shuts,
    e.DeskUndone: Watch._undoes,
    e.TicketCalled: Watch._calls,
    e.TicketDone: Watch._ends,
    e.TicketParked: Watch._parks,
    e.TicketReturned: Watch._returns,
    e.TicketTransferred: Watch._transfers,
    e.TicketMissed: Watch._misses,
    e.TicketLeft: Watch._misses,
    e.TicketLetPass: Watch._misses,
}
