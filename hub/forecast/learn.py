"""The fit: from days that were watched to laws. One way for every office, night and start alike.

log t = service + desk + day + noise is a model of mixed effects, fitted by shrunken means in turns
(backfitting; each is the posterior mean under a normal prior: Robinson 1991, "That BLUP is a good
thing"). How far desks and days differ is learned beside it, pulled towards what the field reports.
Odds are shrunken counts. Samples (breaks, punctuality, holds) are the days' own beside the few that
an office begins with, so that nothing seen once is taken for a law.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hub.line.plan import Plan

from . import laws as prior
from .laws import Effect, Laws
from .watch import Day

DAYS = 120  # the last so many working days are learned from
ROUNDS = 12  # of shrunken means in turn: the rest is below a thousandth
OUTLIER = 4.0  # standard deviations: a visit further off was no visit
SAMPLE = 400  # of each sample the newest so many


def learn(plan: Plan, days: Sequence[Day]) -> Laws:
    """The laws that these days obey, oldest first."""
    laws = prior.before_history(plan)
    days = [day for day in days if day.calls][-DAYS:]
    if not days:
        return laws
    calls, absent = sum(d.calls for d in days), sum(len(d.holds) for d in days)
    hours = sum(d.hours for d in days)
    return replace(
        _times(plan, laws, days),
        absent=(absent + 100 * laws.absent) / (calls + 100),
        rejoin=(sum(len(d.back) for d in days) + 10 * laws.rejoin) / (absent + 10),
        back=_sample(laws.back, [minutes for d in days for minutes in d.back]),
        again=(sum(d.again for d in days) + 100 * laws.again) / (calls + 100),
        parked=_sample(laws.parked, [minutes for d in days for minutes in d.parked]),
        resumed=(sum(d.resumed for d in days) + 10 * laws.resumed) / (sum(len(d.parked) for d in days) + 10),
        gaps=_sample(laws.gaps, [gap for d in days for gap in d.gaps]),
        holds=_sample(laws.holds, [hold for d in days for hold in d.holds]),
        punctuality=_sample(laws.punctuality, [off for d in days for off in d.punctuality]),
        desk_days=_sample(laws.desk_days, [desk for d in days for desk in d.desk_days]),
        priority=sum(d.priority for d in days) / hours if hours else 0.0,
        shares=_shares(plan, days),
        until=days[-1].day,
    )


def _sample(first: Sequence, seen: Sequence) -> tuple:
    """The newest of what was seen, beside what one begins with while there is little of it."""
    newest = tuple(seen[-SAMPLE:])
    return newest if len(newest) >= 10 * len(first) else (*first, *newest)


def _shares(plan: Plan, days: Sequence[Day]) -> dict[str, float]:
    count = {s.id: 1.0 + sum(d.issued.get(s.id, 0) for d in days) for s in plan.services}
    total = sum(count.values())
    return {id: number / total for id, number in count.items()}


def _times(plan: Plan, laws: Laws, days: Sequence[Day]) -> Laws:
    """Service, desk and day effects, and the spread of each service."""
    services, desks = list(laws.services), list(laws.desks)
    rows = [
        (services.index(v.service), desks.index(v.desk), number, math.log(v.minutes))
        for number, day in enumerate(days)
        for v in day.visits
        if v.service in laws.services and v.desk in laws.desks
    ]
    if not rows:
        return laws
    s, d, n = (np.array([row[i] for row in rows]) for i in range(3))
    y = np.array([row[3] for row in rows])
    base = np.array([laws.services[id].mean for id in services])
    fit = _Fit(base, len(desks), len(days))
    for _ in range(2):
        keep = np.abs(y - fit.expected(s, d, n)) <= OUTLIER * fit.spread[s] if fit.rounds else np.full(len(y), True)
        for _ in range(ROUNDS):
            fit.turn(s[keep], d[keep], n[keep], y[keep])
    return replace(
        laws,
        services={id: Effect(float(fit.service[i]), float(fit.service_sd[i])) for i, id in enumerate(services)},
        spreads={id: float(fit.spread[i]) for i, id in enumerate(services)},
        desks={id: Effect(float(fit.desk[i]), float(fit.desk_sd[i])) for i, id in enumerate(desks)},
        day=float(fit.day_spread),
        visits=len(y),
    )


class _Fit:
    """Effects on log t as they are brought closer, turn by turn."""

    def __init__(self, base: np.ndarray, desks: int, days: int) -> None:
        self.base = base
        self.service, self.service_sd = base.copy(), np.full(len(base), prior.UNSURE)
        self.spread = np.full(len(base), prior.SPREAD)
        self.desk, self.desk_sd, self.desk_spread = np.zeros(desks), np.full(desks, prior.DESKS), prior.DESKS
        self.day, self.day_spread = np.zeros(days), 0.1
        self.rounds = 0

    def expected(self, s: np.ndarray, d: np.ndarray, n: np.ndarray) -> np.ndarray:
        """The mean of log t of each visit."""
        return self.service[s] + self.desk[d] + self.day[n]

    def turn(self, s: np.ndarray, d: np.ndarray, n: np.ndarray, y: np.ndarray) -> None:
        """Each effect once, given the others."""
        weight = 1 / self.spread[s] ** 2
        shift, self.service_sd = _shrunken(
            s, y - self.desk[d] - self.day[n] - self.base[s], weight, prior.UNSURE, self.service
        )
        self.service = self.base + shift
        self.desk, self.desk_sd = _shrunken(d, y - self.service[s] - self.day[n], weight, self.desk_spread, self.desk)
        self.day, day_sd = _shrunken(n, y - self.service[s] - self.desk[d], weight, self.day_spread, self.day)
        self.desk_spread = _between(self.desk, self.desk_sd, prior.DESKS, 4)
        self.day_spread = _between(self.day, day_sd, 0.1, 10)
        off = (y - self.expected(s, d, n)) ** 2
        seen, squares = np.bincount(s, minlength=len(self.base)), np.bincount(s, off, len(self.base))
        k = prior.SPREAD_WEIGHT
        self.spread = np.sqrt((k * prior.SPREAD**2 + squares) / (k + seen))
        self.rounds += 1


def _shrunken(
    index: np.ndarray, rest: np.ndarray, weight: np.ndarray, spread: float, like: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The posterior mean and standard deviation of each effect under N(0, spread²)."""
    precision = np.bincount(index, weight, len(like)) + 1 / spread**2
    return np.bincount(index, weight * rest, len(like)) / precision, 1 / np.sqrt(precision)


def _between(effect: np.ndarray, sd: np.ndarray, first: float, weight: int) -> float:
    """The spread between effects (one step of EM), pulled towards `first` as by so many of them."""
    return float(np.sqrt((weight * first**2 + np.sum(effect**2 + sd**2)) / (weight + len(effect))))
