"""Draws what chance decides, for all replications at once: durations, absences, breaks, arrivals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hub.line.model import DeskStage, State
from hub.line.plan import HOUR, MINUTE, Moment

from .laws import AT_ONCE, NEVER, SPREAD, UNSURE, DeskDay, Effect, Laws, mean_minutes
from .scene import DUE, HERE, RESUMED, WALK_IN, Away, Busy, Coming, Scene, arriving
from .simulate import Draws
from .watch import Visit, Watch

FORGOTTEN = math.log(1e-4)  # a visit longer than all but one in ten thousand: nobody is at that desk any more


OPENINGS, BREAKS = 10, 60  # days of its own from which a desk's are its own: breaks are much alike, openings not
STILL_OPENS = 10.0  # minutes
AHEAD = 2 * HOUR  # within which preferential tickets are foreseen
AS_FORESEEN = 0.5  # odds that each of those foreseen is taken
MOST_PASSING = 40


@dataclass(frozen=True)
class Today:
    """What the day has shown so far."""

    offset: float  # minutes after the doors opened
    open_for: float = 0.0  # milliseconds until the doors close
    day: tuple[float, float] = (0.0, 0.1)  # the day's effect on log t: mean and standard deviation
    opened: frozenset[str] = frozenset()  # desks that have been open
    breaks: Mapping[str, int] | None = None  # how many each desk has had
    third: int = 0  # of the day
    parked: Mapping[str, float] | None = None  # milliseconds since each one was


def today(watch: Watch, laws: Laws, now: int) -> Today:
    """What the day says, as far as it has gone."""
    return Today(
        watch.offset(now),
        float(max(0, watch.closes_at - now)),
        day_effect(laws, watch.visits),
        frozenset(watch.opened),
        {id: len(some) for id, some in watch.breaks.items()},
        watch.third(now),
        {id: float(now - since) for id, since in watch.parked.items()},
    )


def day_effect(laws: Laws, visits: Sequence[Visit]) -> tuple[float, float]:
    """How much slower or quicker than others this day is: mean and standard deviation on log t, given its visits."""
    precision, weighted = 1 / max(laws.day, 1e-6) ** 2, 0.0
    for service, desk, minutes in visits:
        if service in laws.services and minutes > 0.05:
            weight = 1 / laws.spreads[service] ** 2
            effect = laws.desks.get(desk)
            expected = laws.services[service].mean + (effect.mean if effect else 0.0)
            off = math.log(minutes) - expected
            weighted += weight * max(-3.0, min(3.0, off))
            precision += weight
    return weighted / precision, 1 / math.sqrt(precision)


def draw(scene: Scene, laws: Laws, day: Today, rng: np.random.Generator, replications: int) -> Draws:
    """Everything that `run` needs to play the scene forward."""
    log_mean = _service_means(scene, laws, day, rng, replications)
    spread = np.array([laws.spreads.get(s, SPREAD) for s in scene.services])
    pace = _effects([laws.desks.get(d) for d in scene.desks], rng, replications)
    free = _free(scene, laws, day, log_mean + 0.0, spread, pace, rng)
    rests, rest = _breaks(scene, laws, day, rng, replications)
    _after_visits(scene, free, rests, rest)
    arrives, key, since = _loose(scene, laws, day, rng, replications)
    takes = _takes(scene, laws, log_mean, spread, rng)
    return Draws(takes, np.exp(pace), free, rests, rest, arrives, key, since)


def drawn_visits(
    scene: Scene, laws: Laws, day: tuple[float, float], rng: np.random.Generator, replications: int
) -> tuple[np.ndarray, np.ndarray]:
    """How long each visit takes at an average desk, in milliseconds, and by how much longer at each desk."""
    log_mean = _service_means(scene, laws, Today(0.0, day=day), rng, replications)
    spread = np.array([laws.spreads.get(s, SPREAD) for s in scene.services])
    pace = _effects([laws.desks.get(d) for d in scene.desks], rng, replications)
    return _takes(scene, laws, log_mean, spread, rng), np.exp(pace)


def _effects(effects: Sequence, rng: np.random.Generator, count: int) -> np.ndarray:
    mean = np.array([effect.mean if effect else 0.0 for effect in effects])
    sd = np.array([effect.sd if effect else 0.2 for effect in effects])
    return mean + sd * rng.standard_normal((count, len(effects)))


def _service_means(scene: Scene, laws: Laws, day: Today, rng: np.random.Generator, count: int) -> np.ndarray:
    """R × services: the mean of log minutes, as far as it is known, on this day."""
    means = _effects([laws.services.get(s) or _usual(laws) for s in scene.services], rng, count)
    return means + day.day[0] + day.day[1] * rng.standard_normal((count, 1))


def _usual(laws: Laws) -> Effect:
    """The law of a service that the office has no more: a visit like others."""
    return Effect(math.log(mean_minutes(laws)) - SPREAD**2 / 2, UNSURE)


def _takes(scene: Scene, laws: Laws, log_mean: np.ndarray, spread: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """R × people, milliseconds: the visit, all its services; or the waiting for somebody who does not come."""
    count = len(log_mean)
    first = np.array([work[0] for work in scene.work], int)
    takes = np.exp(log_mean[:, first] + spread[first] * rng.standard_normal((count, len(first))))
    for column, work in enumerate(scene.work):
        for service in work[1:]:
            takes[:, column] += np.exp(log_mean[:, service] + spread[service] * rng.standard_normal(count))
    chance = rng.random(takes.shape)
    rows, again = np.nonzero(chance > 1 - laws.again)  # parked or transferred: soon at a desk once more
    takes[rows, again] += np.exp(log_mean[rows, first[again]] + spread[first[again]] * rng.standard_normal(len(rows)))
    absent = np.nonzero(chance < laws.absent)
    held = rng.choice(np.array(laws.holds), len(absent[0]))
    # Whoever rejoins is called soon after: the same desk-time is spent, a little later.
    back = chance[absent] < laws.absent * laws.rejoin
    takes[absent] = held + np.where(back, takes[absent], 0.0)
    return takes * MINUTE


# --- the desks ------------------------------------------------------------------------------


def _free(
    scene: Scene,
    laws: Laws,
    day: Today,
    log_mean: np.ndarray,
    spread: np.ndarray,
    pace: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """R × desks: when each can call."""
    count = len(log_mean)
    lengths = np.array([n for d in laws.desk_days for _, n in d.breaks] or [15.0])
    columns = []
    for number, (id, busy) in enumerate(zip(scene.desks, scene.busy, strict=True)):
        if busy.service is not None:
            left = _residual(busy, laws, log_mean, spread, pace[:, number], rng)
            columns.append(left)
        elif busy.stage is DeskStage.FREE:
            columns.append(_presses(scene, laws, busy, number, count, rng))
        elif busy.stage is DeskStage.CLOSED and id not in day.opened:
            columns.append(_opens(laws, id, day, count, rng))
        else:
            columns.append(_later(lengths, busy.elapsed / MINUTE, count, rng) * MINUTE)
    return np.column_stack(columns) if columns else np.zeros((count, 0))


def _presses(scene: Scene, laws: Laws, busy: Busy, number: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """A free desk calls at once; one that has let somebody wait for so long goes on as such desks do."""
    waited = min(busy.elapsed, _waiting_for(scene, number)) / MINUTE
    if waited <= AT_ONCE:
        return np.zeros(count)
    return _later(np.array(laws.gaps), waited, count, rng) * MINUTE


def _waiting_for(scene: Scene, desk: int) -> float:
    """For how many milliseconds somebody has waited whom this desk serves; 0 for nobody."""
    served = scene.serves[desk, scene.queue_service] == 0.0
    heads = scene.key[scene.first[served]] if len(scene.first) else np.array([])
    waits = [-(key - WALK_IN * 2**30 if key >= 1.5 * 2**30 else key - DUE * 2**30) for key in heads if key < NEVER]
    return max(0.0, max(waits, default=0.0))


def _later(lengths: np.ndarray, elapsed: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """What is left, in minutes, of something whose lengths are known and which has lasted for `elapsed`."""
    longer = lengths[lengths > elapsed]
    if len(longer) < 3:  # longer than all but a few: as much again as it has lasted, or never
        return np.where(rng.random(count) < 0.5, rng.exponential(max(5.0, elapsed), count), NEVER)
    return rng.choice(longer, count) - elapsed


def _opens(laws: Laws, desk: str, day: Today, count: int, rng: np.random.Generator) -> np.ndarray:
    """When a desk that has not been open today opens, as it did on other days."""
    opened = np.array([d.opened for d in _days_of(laws, desk, OPENINGS) if d.opened > day.offset])
    if len(opened):
        return np.maximum(0.0, rng.choice(opened, count) - day.offset) * MINUTE
    if day.opened or not day.open_for:
        return np.full(count, NEVER)
    # No desk has ever opened so late, and the doors are open: somebody must come.
    return np.where(rng.random(count) < 0.5, rng.exponential(STILL_OPENS, count) * MINUTE, NEVER)


def _days_of(laws: Laws, desk: str, enough: int) -> Sequence[DeskDay]:
    """The desk's own days if there are enough of them, or else those of all desks."""
    own = [d for d in laws.desk_days if d.desk == desk]
    return own if len(own) >= enough else laws.desk_days


def _breaks(
    scene: Scene, laws: Laws, day: Today, rng: np.random.Generator, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """R × desks: when each one's next break begins and how long it is, as on a day that was like this one so far."""
    begins, lengths = np.full((count, len(scene.desks)), NEVER), np.zeros((count, len(scene.desks)))
    had = day.breaks or {}
    for number, desk in enumerate(scene.desks):
        busy = scene.busy[number]
        since = day.offset - (busy.elapsed / MINUTE if busy.service is not None else 0.0)
        alike = _alike(
            _days_of(laws, desk, BREAKS), since, had.get(desk, 0) + _on_break(scene, number, desk in day.opened)
        )
        nexts = np.array([_next_break(d, since) for d in alike])
        drawn = nexts[rng.integers(len(nexts), size=count)]
        begins[:, number], lengths[:, number] = (drawn[:, 0] + since - day.offset) * MINUTE, drawn[:, 1] * MINUTE
    return begins, lengths


def _on_break(scene: Scene, desk: int, opened: bool) -> bool:
    """Whether the desk makes a break now, said or not."""
    busy = scene.busy[desk]
    if busy.stage is DeskStage.FREE:
        return min(busy.elapsed, _waiting_for(scene, desk)) > AT_ONCE * MINUTE
    return opened and busy.stage in (DeskStage.PAUSED, DeskStage.CLOSED)


def _after_visits(scene: Scene, free: np.ndarray, rests: np.ndarray, rest: np.ndarray) -> None:
    """A break that falls into a visit under way begins at its end."""
    due = (rests <= free) & np.array([busy.service is not None for busy in scene.busy], bool)
    free[due] += rest[due]
    rests[due] = NEVER


def _alike(days: Sequence[DeskDay], offset: float, had: int) -> Sequence[DeskDay]:
    """The days on which a desk was open by now, and had had as many breaks."""
    open_by_now = [d for d in days if d.opened <= offset < d.closed] or [d for d in days if d.opened < NEVER] or days
    same = [d for d in open_by_now if d.breaks_until(offset) == had]
    return same if len(same) >= 5 else open_by_now


def _next_break(day: DeskDay, offset: float) -> tuple[float, float]:
    """When the first break after `offset` begins, minutes from there, and its length; closing is one without end."""
    begin, length = next(((b, n) for b, n in day.breaks if b > offset), (NEVER, 0.0))
    if day.closed < begin:
        begin, length = day.closed, NEVER
    return begin - offset, length


# --- what is left of a visit ----------------------------------------------------------------

_Z = np.linspace(-8.0, 8.0, 1601)
_LOG_SURVIVAL = np.array([math.log(0.5 * math.erfc(z / math.sqrt(2))) for z in _Z])


def _residual(
    busy: Busy, laws: Laws, log_mean: np.ndarray, spread: np.ndarray, pace: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Milliseconds until the desk is free: lognormal, given that it has lasted so long (Mandelbaum & Zeltyn 2004).

    A visit that has lasted longer than visits do is one that somebody forgot to end.
    """
    service = busy.service or 0
    mean, sd = log_mean[:, service] + pace, spread[service]
    count = len(mean)
    elapsed = busy.elapsed / MINUTE
    lasted = np.interp((math.log(max(elapsed, 1e-3)) - mean) / sd, _Z, _LOG_SURVIVAL)
    if np.median(lasted) < FORGOTTEN:
        return np.where(rng.random(count) < 0.5, rng.exponential(elapsed, count), NEVER) * MINUTE
    tail = lasted + np.log(rng.random(count))
    whole = np.exp(mean + sd * np.interp(-tail, -_LOG_SURVIVAL, _Z))
    left = np.maximum(0.0, whole - elapsed)
    for following in busy.rest:
        left += np.exp(log_mean[:, following] + pace + spread[following] * rng.standard_normal(count))
    again = np.flatnonzero(rng.random(count) < laws.again)
    left[again] += np.exp(mean[again] + sd * rng.standard_normal(len(again)))
    return left * MINUTE


def forgotten(state: State, laws: Laws, now: Moment) -> set[str]:
    """The desks whose visit has lasted longer than visits do."""
    found = set()
    for desk in state.desks.values():
        ticket = state.tickets.get(desk.ticket or "")
        if ticket is None or ticket.service not in laws.services:
            continue
        minutes = max(1e-3, (now - max(ticket.called or now, ticket.started or 0)) / MINUTE)
        law = laws.services[ticket.service]
        if np.interp((math.log(minutes) - law.mean) / laws.spreads[ticket.service], _Z, _LOG_SURVIVAL) < FORGOTTEN:
            found.add(desk.id)
    return found


# --- those who are not in a queue -----------------------------------------------------------


def _loose(
    scene: Scene, laws: Laws, day: Today, rng: np.random.Generator, count: int
) -> tuple[np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Arrivals, ranks and their changes: of those who are here but not in a queue, of those away, of those to come."""
    levels, known = scene.loose_key.shape
    arrives = np.full((count, len(scene.loose)), HERE)
    new = np.zeros((levels, len(scene.coming)))
    key = tuple(np.tile(row, (count, 1)) for row in np.concatenate([scene.loose_key, new], axis=1))
    since = tuple(np.tile(row, (count, 1)) for row in np.concatenate([scene.loose_since, new], axis=1))
    for place, away in enumerate(scene.away, known - len(scene.away)):
        arrives[:, place] = _returns(away, laws, day, count, rng)
        if away.parked:
            at_desk = rng.random(count) < laws.resumed
            for rank in key:
                rank[at_desk, place] = RESUMED
    for place, one in enumerate(scene.coming, known):
        came, by_arrival, after, start = _comes(one, scene, laws, count, rng)
        arrives[:, place] = came
        key[0][:, place] = by_arrival
        for later, begins in zip(key[1:], since[1:], strict=True):
            later[:, place], begins[:, place] = after, start
    return arrives, key, since


def _returns(away: Away, laws: Laws, day: Today, count: int, rng: np.random.Generator) -> np.ndarray:
    """When somebody who is away is back, given how long they have been; NEVER if they are not."""
    if away.parked:
        elapsed = (day.parked or {}).get(away.ticket, 0.0) / MINUTE
        lengths = [minutes for minutes in laws.parked if minutes > elapsed]
        return (rng.choice(np.array(lengths or [NEVER]), count) - elapsed) * MINUTE
    elapsed = away.missed / MINUTE
    lengths = [minutes for minutes in laws.back if minutes > elapsed]
    if not lengths:
        return np.full(count, NEVER)
    still = laws.rejoin * len(lengths) / len(laws.back)
    comes = rng.random(count) < still / (1 - laws.rejoin + still)
    at = (rng.choice(np.array(lengths), count) - elapsed) * MINUTE
    return np.where(comes & (at < away.until), at, NEVER)


def _comes(
    one: Coming, scene: Scene, laws: Laws, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """When somebody may come, the ranks they hold then, and when the second one begins."""
    if one.start is None:
        came = np.where(rng.random(count) < AS_FORESEEN, rng.random(count) * AHEAD, NEVER)
        passes = arriving(DUE, came, _finite(came))
        return came, passes, passes, 0.0
    came = _arrivals(one.start, scene.now, laws, count, rng)
    start = float(one.start - scene.now)
    late = came > start + scene.late + one.grace_minutes * MINUTE
    by_arrival = arriving(WALK_IN, came, _finite(came))
    by_hour = arriving(DUE, np.full(count, start), _finite(came))
    return came, by_arrival, np.where(late, by_arrival, by_hour), start - scene.early


def _finite(came: np.ndarray) -> np.ndarray:
    return np.where(came < NEVER, came, 0.0)


def passing(laws: Laws, open_for: float, rng: np.random.Generator) -> list[Coming]:
    """Columns for the preferential tickets that may be taken before the doors close; each is taken half the time."""
    foreseen = laws.priority * min(AHEAD, open_for) / HOUR / AS_FORESEEN
    number = min(MOST_PASSING, int(foreseen) + (rng.random() < foreseen % 1))
    services, odds = list(laws.shares), np.array(list(laws.shares.values()))
    return [Coming((services[i],)) for i in rng.choice(len(services), number, p=odds / odds.sum())] if services else []


def _arrivals(start: int, now: int, laws: Laws, count: int, rng: np.random.Generator) -> np.ndarray:
    """When somebody with an appointment checks in, after now; NEVER if they do not."""
    passed = (now - start) / MINUTE
    offsets = np.array([p for p in laws.punctuality if p > passed] or [NEVER])
    return np.maximum(0.0, rng.choice(offsets, count) - passed) * MINUTE
