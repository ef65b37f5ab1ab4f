"""What if: a day that was, played again with other desks, other hours or more appointments.

The people are those of the day, the visits are drawn anew from the laws at that day's pace; so the day
is played twice, as it was and with the change, and the two are compared by the same chances.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hub.line.events import Event, TicketCalled, TicketIssued
from hub.line.model import Desk, State
from hub.line.plan import MINUTE, DeskPlan, Moment, Plan

from .draws import day_effect, drawn_visits
from .laws import NEVER, DeskDay, Laws, for_plan
from .scene import DUE, HERE, WALK_IN, Coming, arriving, look
from .simulate import Draws, run
from .watch import Watch

REPLICATIONS = 200
SLOT = 10  # minutes: where appointments would begin


@dataclass(frozen=True)
class Visitor:
    """Somebody who came: when, and the booked hour if there was one; minutes after the doors opened."""

    services: tuple[str, ...]
    came: float
    start: float | None = None
    priority: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a day went; minutes, NaN where there was nobody."""

    walk_ins: float  # mean wait of those without an appointment
    longest: float  # that nine of ten of them did not exceed
    appointments: float  # mean wait of the others, from their hour or their check-in, whichever was later
    idle: float  # of all desks together, while open with nobody there
    after: float  # from closing to the last call; 0 if that was before


@dataclass(frozen=True)
class Past:
    """A day that was."""

    plan: Plan  # as it was on that day
    at: Moment  # when the doors opened
    closes: float  # minutes later
    visitors: tuple[Visitor, ...]
    desks: tuple[DeskDay, ...]
    pace: tuple[float, float]  # its effect on log t
    outcome: Outcome


@dataclass(frozen=True)
class Changes:
    """What would have been different; minutes after the doors opened in fact."""

    desks: int = 0  # so many more (or fewer)
    begins: float = 0.0  # from here
    ends: float = NEVER  # to here
    opens: float = 0.0
    closes: float | None = None
    booked: float | None = None  # the share of visitors who come by appointment


def past_day(begun: State, events: Iterable[Event], laws: Laws) -> Past:
    """What happened on a day; `laws` say how slow it was."""
    watch, visitors, waits = Watch(begun), list[Visitor](), dict[str, tuple[bool, float]]()
    last = 0.0
    for event in events:
        if isinstance(event, TicketCalled):
            ticket = watch.state.tickets[event.ticket]
            since = max(ticket.issued, ticket.appointment.start if ticket.appointment else 0)
            booked = ticket.appointment is not None
            waits.setdefault(ticket.id, (booked, max(0, event.at - since) / MINUTE))
            last = watch.offset(event.at)
        watch.see(event)
        if isinstance(event, TicketIssued):
            start = watch.offset(event.appointment.start) if event.appointment else None
            visitors.append(Visitor(event.services, watch.offset(event.at), start, event.priority))
    day = watch.over()
    closes = watch.offset(watch.closes_at)
    busy = sum(v.minutes for v in day.visits) + sum(day.holds)
    idle = max(0.0, sum(_presence(desk, max(closes, last)) for desk in day.desk_days) - busy)
    plain = [wait for booked, wait in waits.values() if not booked]
    others = [wait for booked, wait in waits.values() if booked]
    outcome = Outcome(*_waits(plain, others), idle, max(0.0, last - closes))
    effect = day_effect(for_plan(laws, watch.state.plan), watch.visits)
    return Past(watch.state.plan, watch.opened_at, closes, tuple(visitors), day.desk_days, effect, outcome)


def _presence(desk: DeskDay, until: float) -> float:
    """Minutes that a desk was open."""
    whole = min(desk.closed, until) - desk.opened if desk.opened < until else 0.0
    return max(0.0, whole - sum(length for begin, length in desk.breaks if begin < until))


def _waits(plain: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    longest = float(np.quantile(plain, 0.9)) if len(plain) else math.nan
    return _mean(plain), longest, _mean(others)


def _mean(some: Sequence[float]) -> float:
    return float(np.mean(some)) if len(some) else math.nan


def play(past: Past, laws: Laws, changes: Changes, seed: int = 0) -> Outcome:
    """The day again, with the changes; the same seed gives both plays the same chances."""
    plan = past.plan
    rng = np.random.default_rng(seed)
    visitors = _visitors(past, laws, changes, np.random.default_rng(seed + 1))
    desks = _desks(plan, past, changes)
    wider = replace(plan, desks=(*plan.desks, *(DeskPlan(d.desk, _every(plan)) for d in desks[len(plan.desks) :])))
    state = State(plan.office, plan=wider, desks={d.id: Desk(d.id, d.services) for d in wider.desks})
    scene = look(state, [Coming(v.services, past.at + round(v.came * MINUTE)) for v in visitors], past.at)
    takes, pace = drawn_visits(scene, for_plan(laws, wider), past.pace, rng, REPLICATIONS)
    came, key, since = _ranks(visitors, scene.early, scene.late)
    rests, rest = zip(*(_rest(desk) for desk in desks), strict=True)
    wide = (REPLICATIONS, 1)
    draws = Draws(
        takes=takes,
        pace=pace,
        free=np.tile(np.array([desk.opened for desk in desks], float) * MINUTE, wide),
        rests=np.tile(np.array(rests, float) * MINUTE, wide),
        rest=np.tile(np.array(rest, float) * MINUTE, wide),
        arrives=np.tile(came, wide),
        key=(np.tile(key[0], wide), np.tile(key[1], wide)),
        since=(np.tile(since, wide), np.tile(since, wide)),
    )
    played = run(scene, draws, everybody=True)
    closes = past.closes if changes.closes is None else changes.closes
    return _outcome(visitors, desks, draws, played.called / MINUTE, played.desk, closes)


def _every(plan: Plan) -> tuple[str, ...]:
    return tuple(service.id for service in plan.services)


def _desks(plan: Plan, past: Past, changes: Changes) -> list[DeskDay]:
    """The day's desks in the plan's order; those that would have been there more stand last."""
    known = {desk.desk: desk for desk in past.desks}
    desks = [known.get(d.id, DeskDay(d.id, NEVER)) for d in plan.desks]
    desks = [replace(d, opened=max(d.opened, changes.opens) if changes.opens > 0 else d.opened) for d in desks]
    if changes.opens < 0:
        desks = [replace(d, opened=d.opened + changes.opens) for d in desks]
    for _ in range(-changes.desks):
        there = [i for i, d in enumerate(desks) if d.opened <= changes.begins and not _is_away(d, changes)]
        if there:
            away = (changes.begins, changes.ends - changes.begins)
            desks[there[-1]] = replace(desks[there[-1]], breaks=(away,))
    more = [DeskDay(f"+{n}", changes.begins, closed=changes.ends) for n in range(1, changes.desks + 1)]
    return desks + more


def _is_away(desk: DeskDay, changes: Changes) -> bool:
    return any(begin == changes.begins for begin, _ in desk.breaks)


def _rest(desk: DeskDay) -> tuple[float, float]:
    """The longest break of the day, or its early end: one is played."""
    if desk.closed < NEVER:
        return desk.closed, NEVER
    return max(desk.breaks, key=lambda one: one[1], default=(NEVER, 0.0))


def _visitors(past: Past, laws: Laws, changes: Changes, rng: np.random.Generator) -> list[Visitor]:
    """Who would have come, and when."""
    visitors = [replace(v, came=max(v.came, changes.opens)) if changes.opens > 0 else v for v in past.visitors]
    if changes.closes is not None and changes.closes < past.closes:
        visitors = [v for v in visitors if v.came < changes.closes]
    if changes.booked is None or not visitors:
        return visitors
    wanted = round(changes.booked * len(visitors)) - sum(v.start is not None for v in visitors)
    own = [i for i, v in enumerate(visitors) if (v.start is None) == (wanted > 0)]
    for i in rng.permutation(own)[: abs(wanted)]:
        visitors[i] = _by_appointment(visitors[i], past, laws, rng) if wanted > 0 else replace(visitors[i], start=None)
    return visitors


def _by_appointment(visitor: Visitor, past: Past, laws: Laws, rng: np.random.Generator) -> Visitor:
    """The same person at an hour of the day that they have booked."""
    start = float(rng.integers(0, max(1, int(past.closes) // SLOT))) * SLOT
    offsets = [offset for offset in laws.punctuality if offset < NEVER] or [0.0]
    return replace(visitor, start=start, came=max(0.0, start + float(rng.choice(offsets))))


def _ranks(
    visitors: Sequence[Visitor], early: float, late: float
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """When each one is here, and the ranks before and after `since`."""
    came = np.array([v.came * MINUTE for v in visitors], float)
    start = np.array([v.came * MINUTE if v.start is None else v.start * MINUTE for v in visitors], float)
    plain = np.array([v.start is None and not v.priority for v in visitors], bool)
    by_arrival, by_hour = arriving(WALK_IN, came, came), arriving(DUE, start, came)
    walk_in = plain | (came > start + late)
    since = np.where(np.array([v.start is None for v in visitors], bool), HERE, start - early)
    return came, (by_arrival, np.where(walk_in, by_arrival, by_hour)), since


def _outcome(
    visitors: Sequence[Visitor],
    desks: Sequence[DeskDay],
    draws: Draws,
    called: np.ndarray,
    desk: np.ndarray,
    closes: float,
) -> Outcome:
    """Means over all replications of whoever was called."""
    since = np.array([max(v.came, v.start or v.came) for v in visitors])
    waits = np.maximum(0.0, called - since)
    booked = np.array([v.start is not None for v in visitors], bool)
    seen = called < NEVER
    plain, others = waits[:, ~booked][seen[:, ~booked]], waits[:, booked][seen[:, booked]]
    last = np.where(seen, called, 0.0).max(axis=1, initial=0.0)
    taken = np.where(seen, np.take_along_axis(draws.pace, np.maximum(desk, 0), axis=1) * draws.takes, 0.0) / MINUTE
    open_for = np.array([sum(_presence(d, max(closes, float(end))) for d in desks) for end in last])
    idle = np.maximum(0.0, open_for - taken.sum(axis=1))
    return Outcome(*_waits(plain, others), float(idle.mean()), float(np.maximum(0.0, last - closes).mean()))
