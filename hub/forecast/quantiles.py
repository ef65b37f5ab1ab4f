"""The forecast: quantiles of the wait, for each person waiting and for a ticket taken now of each service.

On top of the simulation lies an adaptive conformal layer (Gibbs & Candès 2021): of each published
quantile the day's share of waits below it is counted, and the level at which it is read off the
simulation moves against the error. So its coverage is right in the long run, whatever the laws miss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hub.line.model import State
from hub.line.plan import MINUTE, Moment

from .draws import Today, draw, passing
from .laws import QUANTILES, Laws
from .scene import Coming, look
from .simulate import run

REPLICATIONS = 400
MOST_CELLS = 400_000  # replications × people: with a thousand waiting fewer mornings are played
FEWEST = 50
STEP, FIRST_STEPS = 0.04, 6  # by which a day's error of coverage moves a level: 1/6, 1/7 ... at first, then so much
AIMS = {
    0.05: 0.04
}  # the share of waits below it that a quantile aims at: "be back by" is a promise, and kept a bit better
RANGE = {5: (0.01, 0.15), 10: (0.02, 0.25), 50: (0.35, 0.65), 90: (0.75, 0.99)}


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
    waits = _quantiles(np.concatenate([played.called[:, :known], played.now_taken], axis=1), laws)
    return Forecast(
        now,
        dict(zip(scene.tickets, waits, strict=False)),
        dict(zip(scene.services, waits[known:], strict=True)),
    )


def nothing(state: State, now: Moment) -> Forecast:
    """While the whole office stands still nobody can say."""
    return Forecast(now, {}, {s.id: None for s in state.plan.services})


def _quantiles(called: np.ndarray, laws: Laws) -> list[Wait | None]:
    """Of each column, at the levels that the past has shown to be right."""
    ordered = np.sort(called, axis=0) / MINUTE
    count = len(ordered)
    places = [min(count - 1, max(0, math.ceil(level_of(laws, q) * count) - 1)) for q in QUANTILES]
    found = ordered[places].T
    return [Wait(*map(float, each)) if each[-1] < math.inf else None for each in found]


# --- the conformal layer --------------------------------------------------------------------


def level_of(laws: Laws, quantile: float) -> float:
    """The level at which a published quantile is read off the simulation."""
    return laws.levels.get(_name(quantile), AIMS.get(quantile, quantile))


def adapted(laws: Laws, told: Iterable[tuple[Wait, float]]) -> Laws:
    """The levels after a day: `told` are the forecasts given, each with the wait that came of it, in minutes."""
    scored = list(told)
    if not scored:
        return laws
    days = laws.levels.get("days", 0)
    step = max(STEP, 1 / (FIRST_STEPS + days))
    levels = {"days": days + 1}
    for q in QUANTILES:
        below = sum(wait < getattr(given, _name(q)) for given, wait in scored) / len(scored)
        low, high = RANGE[round(q * 100)]
        levels[_name(q)] = min(high, max(low, level_of(laws, q) + step * (AIMS.get(q, q) - below)))
    return replace(laws, levels=levels)


def _name(quantile: float) -> str:
    return f"p{round(quantile * 100)}"
