"""The forecast: quantiles of the wait, for each person waiting and for a ticket taken now of each service.

On top of the simulation lies an adaptive conformal layer (Gibbs & Candès 2021): of each published
quantile the day's share of waits below it is counted, and the level at which it is read off the
simulation moves against the error. So its coverage is right in the long run, whatever the laws miss.
Each third of the day has levels of its own: in the morning nobody knows yet which desks will open and
how slow the day is, and what the laws miss is not what they miss at noon.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from hub.line.model import State
from hub.line.plan import MINUTE, Moment

from .draws import Today, draw, passing
from .laws import QUANTILES, THIRDS, Laws
from .scene import Coming, look
from .simulate import run

REPLICATIONS = 400
MOST_CELLS = 400_000  # replications × people: with a thousand waiting fewer mornings are played
FEWEST = 50
STEP, FIRST_STEPS = 0.04, 6  # by which a day's error of coverage moves a level: 1/6, 1/7 ... at first, then so much
MOST_STEPS = 2.0  # that a day with more people than usual counts for, so that people count and not days
USUAL = 20  # days over which it is learned how many people are usual
# The share of waits below it that a quantile aims at. "Be back by" is a promise of one in twenty to people who look
# again and again, and each look may come too late: aimed at 0.05, 5.2 % of those who went out on messy days were
# called before they were back (seeds 100 to 111), at 0.035 5.5 % (seeds 5000 to 5019).
AIMS = {0.05: 0.02}
RANGE = {5: (0.005, 0.15), 10: (0.02, 0.25), 50: (0.35, 0.65), 90: (0.75, 0.99)}


@dataclass(frozen=True)
class Wait:
    """Quantiles of a wait, in minutes."""

    p5: float
    p10: float
    p50: float
    p90: float

    def whole(self) -> dict[str, int]:
        """As the contract's documents say it: whole minutes, the promise never later than forecast."""
        low = {"p5": math.floor(self.p5), "p10": math.floor(self.p10)}
        return {**low, "p50": round(self.p50), "p90": math.ceil(self.p90)}


@dataclass(frozen=True)
class Forecast:
    """What is expected at `at`; None where nobody can say (no desk is there for it)."""

    at: Moment
    tickets: Mapping[str, Wait | None]  # by ticket's id
    services: Mapping[str, Wait | None]  # for a ticket taken now


def forecast(
    state: State,
    laws: Laws,
    day: Today,
    coming: Iterable[Coming],
    now: Moment,
    rng: np.random.Generator,
    replications: int = REPLICATIONS,
) -> Forecast:
    """The waits of an office as they are expected at `now`."""
    if state.paused:
        return nothing(state, now)
    may_pass = passing(laws, day.open_for, rng) if state.plan.rules.preferential else []
    scene = look(state, [*coming, *may_pass], now)
    count = max(FEWEST, min(replications, MOST_CELLS // (scene.people + 1)))
    played = run(scene, draw(scene, laws, day, rng, count))
    known = len(scene.tickets)
    waits = _quantiles(np.concatenate([played.called[:, :known], played.now_taken], axis=1), laws, day.third)
    return Forecast(
        now,
        dict(zip(scene.tickets, waits, strict=False)),
        dict(zip((s.id for s in state.plan.services), waits[known:], strict=False)),
    )


def nothing(state: State, now: Moment) -> Forecast:
    """While the whole office stands still nobody can say."""
    return Forecast(now, {}, {s.id: None for s in state.plan.services})


def _quantiles(called: np.ndarray, laws: Laws, third: int) -> list[Wait | None]:
    """Of each column, at the levels that the past has shown to be right."""
    ordered = np.sort(called, axis=0) / MINUTE
    count = len(ordered)
    places = [min(count - 1, max(0, math.ceil(level_of(laws, q, third) * count) - 1)) for q in QUANTILES]
    found = ordered[places].T
    return [Wait(*map(float, each)) if each[-1] < math.inf else None for each in found]


# --- the conformal layer --------------------------------------------------------------------


class Came(NamedTuple):
    """A forecast that was given, in which third of the day, and the wait in minutes that came of it."""

    third: int
    said: Wait
    wait: float


def level_of(laws: Laws, quantile: float, third: int) -> float:
    """The level at which a published quantile is read off the simulation."""
    return laws.levels.get(_name(quantile, third), AIMS.get(quantile, quantile))


def adapted(laws: Laws, came: Iterable[Came]) -> Laws:
    """The levels after a day."""
    some = list(came)
    levels = dict(laws.levels)
    for third in range(THIRDS):
        part = [one for one in some if one.third == third]
        if part:
            levels |= _moved(laws, third, part)
    return replace(laws, levels=levels)


def _moved(laws: Laws, third: int, came: Sequence[Came]) -> dict[str, float]:
    """The levels of one third, against its error: by a usual step with as many people as usual, more with more."""
    days = laws.levels.get(f"days.{third}", 0) + 1
    usual = laws.levels.get(f"people.{third}", 0.0)
    usual += (len(came) - usual) / min(days, USUAL)
    step = min(MOST_STEPS, len(came) / usual) * max(STEP, 1 / (FIRST_STEPS + days - 1))
    levels = {f"days.{third}": days, f"people.{third}": usual}
    for q in QUANTILES:
        below = sum(one.wait < getattr(one.said, f"p{round(q * 100)}") for one in came) / len(came)
        low, high = RANGE[round(q * 100)]
        levels[_name(q, third)] = min(high, max(low, level_of(laws, q, third) + step * (AIMS.get(q, q) - below)))
    return levels


def _name(quantile: float, third: int) -> str:
    return f"p{round(quantile * 100)}.{third}"
