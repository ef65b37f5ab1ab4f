"""Scores forecasts on days that have been: what was told against what came, beside the simple estimators.

For each ticket without an appointment, just before it was given out, each estimator says how long the
wait will be; the day itself says how long it was. A ticket that was never called is not scored.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hub.line.events import Event, TicketCalled, TicketIssued
from hub.line.model import DeskStage, Stage, State
from hub.line.plan import MINUTE, Moment, is_open

from .draws import today
from .laws import THIRDS, Laws
from .quantiles import REPLICATIONS, Wait, forecast
from .scene import Coming
from .watch import Watch

LENGTHS = (0, 5, 10, 20)  # of the line: where a group of those scored begins


class Told(NamedTuple):
    """What somebody was told when they took a ticket, and what came of it; minutes."""

    ticket: str
    service: str
    third: int  # of the day, when
    ahead: int  # how many waited who share a desk with them
    said: Mapping[str, Wait | float | None]  # by the estimator's name
    wait: float


Teller = Callable[[Watch, list[Coming], Moment], Mapping[str, Wait | None]]  # of a ticket taken now, by service


def by_laws(laws: Laws, seed: int = 0, replications: int = REPLICATIONS) -> Teller:
    """The forecast of these laws for a ticket taken now, by service."""
    rng = np.random.default_rng(seed)

    def tell(watch: Watch, coming: list[Coming], now: Moment) -> Mapping[str, Wait | None]:
        said = forecast(watch.state, laws, today(watch, laws, now), coming, now, rng, replications)
        return said.services

    return tell


def ahead_of(state: State, service: str) -> int:
    """How many wait who share a desk with a ticket for `service`."""
    plan = state.plan
    return sum(plan.shares_desk(t.service, service) for t in state.tickets.values() if t.stage is Stage.WAITING)


class Simple:
    """What others tell: from the last waits, or from how many are ahead. `mean` is of all visits, in minutes."""

    def __init__(self, mean: float) -> None:
        self.mean = mean
        self.waits: deque[float] = deque(maxlen=5)

    def heard(self, state: State, event: TicketCalled) -> float | None:
        """Somebody is called; the wait in minutes of whoever has no appointment and is called for the first time."""
        ticket = state.tickets[event.ticket]
        if ticket.called or ticket.appointment:
            return None
        self.waits.append((event.at - ticket.issued) / MINUTE)
        return self.waits[-1]

    def say(self, state: State, service: str) -> dict[str, float]:
        """Rolling mean of five, last wait, and people ahead x mean / open desks."""
        ahead = ahead_of(state, service)
        desks = max(1, sum(d.is_open for d in state.desks.values() if service in d.services))
        return {
            "rolling mean of 5": float(np.mean(self.waits)) if self.waits else 0.0,
            "last wait": self.waits[-1] if self.waits else 0.0,
            "people x mean / desks": ahead * self.mean / desks,
            "(people + 1) x mean / desks": (ahead + all(d.ticket for d in state.desks.values() if d.is_open))
            * self.mean
            / desks,
        }


def replay(
    begun: State,
    events: Iterable[Event],
    coming: Mapping[str, Coming],
    tellers: Mapping[str, Teller],
    mean: float,
) -> Iterator[Told]:
    """One day again; what each estimator says before each ticket without an appointment."""
    watch, simple = Watch(begun), Simple(mean)
    left = dict(coming)
    told: dict[str, tuple[str, int, int, dict[str, Wait | float | None]]] = {}
    for event in events:
        if isinstance(event, TicketIssued):
            if event.appointment:
                left.pop(event.appointment.id, None)
            elif not event.priority and is_open(watch.state.plan, event.at) and not at_once(watch.state, event):
                service = event.services[0]
                said: dict[str, Wait | float | None] = dict(simple.say(watch.state, service))
                for name, tell in tellers.items():
                    said[name] = tell(watch, list(left.values()), event.at)[service]
                told[event.ticket] = (service, watch.third(event.at), ahead_of(watch.state, service), said)
        if isinstance(event, TicketCalled):
            wait = simple.heard(watch.state, event)
            if wait is not None and event.ticket in told:
                yield Told(event.ticket, *told.pop(event.ticket), wait)
        watch.see(event)


def at_once(state: State, event: TicketIssued) -> bool:
    """Whether a desk is free for this ticket, and nobody waits whom that desk serves: nothing needs to be forecast."""
    waiting = {ticket.service for ticket in state.tickets.values() if ticket.stage is Stage.WAITING}
    return any(
        desk.stage is DeskStage.FREE and event.services[0] in desk.services and waiting.isdisjoint(desk.services)
        for desk in state.desks.values()
    )


# --- measures -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """How good an estimator was: minutes, and shares between 0 and 1 where it gives quantiles."""

    count: int
    error: float  # mean absolute
    bias: float  # mean of told minus true
    covered: float | None = None  # inside p10 to p90
    before_p10: float | None = None
    before_p5: float | None = None
    width: float | None = None


def score(name: str, told: Sequence[Told]) -> Score:
    """One estimator on those whom every estimator told something."""
    pairs = [(t.said[name], t.wait) for t in told if t.said.get(name) is not None]
    if not pairs:
        return Score(0, 0.0, 0.0)
    wait = np.array([w for _, w in pairs])
    middle = np.array([said.p50 if isinstance(said, Wait) else said for said, _ in pairs])
    plain = Score(len(pairs), float(np.abs(middle - wait).mean()), float((middle - wait).mean()))
    given = [said for said, _ in pairs if isinstance(said, Wait)]
    if len(given) != len(pairs):
        return plain
    p5, p10, p90 = (np.array([getattr(said, q) for said in given]) for q in ("p5", "p10", "p90"))
    return Score(
        *(plain.count, plain.error, plain.bias),
        covered=float(((wait >= p10) & (wait <= p90)).mean()),
        before_p10=float((wait < p10).mean()),
        before_p5=float((wait < p5).mean()),
        width=float((p90 - p10).mean()),
    )


def thirds(told: Sequence[Told]) -> list[list[Told]]:
    """By the third of the day in which the ticket was taken."""
    return [[t for t in told if t.third == third] for third in range(THIRDS)]


def by_length(told: Sequence[Told]) -> dict[str, list[Told]]:
    """By how many were ahead."""
    lengths = zip(LENGTHS, (*LENGTHS[1:], None), strict=True)
    return {
        f"{least} or more" if next_ is None else f"{least} to {next_ - 1}": [
            t for t in told if t.ahead >= least and (next_ is None or t.ahead < next_)
        ]
        for least, next_ in lengths
    }


class Walk(NamedTuple):
    """Somebody who went out, and came back by what the phone said; minutes."""

    ticket: str
    late: bool  # called before they were back
    wait_inside: float  # from being back to the call


def come_back(
    begun: State, events: Iterable[Event], coming: Mapping[str, Coming], laws: Laws, walk: float = 10.0, seed: int = 0
) -> Iterator[Walk]:
    """Everybody without an appointment whose p5 is longer than the walk there and back goes out with the ticket.

    Their phone is told anew each minute; they turn back once the live p5 is no longer than the walk.
    """
    rng = np.random.default_rng(seed)
    watch, left = Watch(begun), dict(coming)
    out: dict[str, Moment | None] = {}  # and when they will be back, once they have turned
    minute: Moment = 0
    for event in events:
        while minute and minute + MINUTE <= event.at and any(back is None for back in out.values()):
            minute += MINUTE
            live = forecast(watch.state, laws, today(watch, laws, minute), left.values(), minute, rng, 200).tickets
            for id in [id for id, back in out.items() if back is None]:
                wait = live.get(id)
                if wait is not None and math.floor(wait.p5) <= walk:  # as it is shown: in whole minutes
                    out[id] = minute + round(walk * MINUTE)
        minute = event.at if not out else max(minute, event.at - MINUTE)
        if isinstance(event, TicketCalled) and event.ticket in out:
            back = out.pop(event.ticket)
            inside = (event.at - back) / MINUTE if back is not None else 0.0
            yield Walk(event.ticket, back is None or back > event.at, max(0.0, inside))
        watch.see(event)
        if isinstance(event, TicketIssued):
            left.pop(event.appointment.id if event.appointment else "", None)
            if event.appointment is None and watch.state.plan:
                told = forecast(watch.state, laws, today(watch, laws, event.at), left.values(), event.at, rng, 200)
                wait = told.tickets.get(event.ticket)
                if wait is not None and wait.p5 > 2 * walk:
                    out[event.ticket] = None
