"""What an office's past says of its days. Before there is a past: the planned minutes, with honest width.

Durations are minutes. "Offsets" are minutes after the first opening of the doors on that day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hub.line.plan import Plan

NEVER = math.inf
QUANTILES = (0.05, 0.10, 0.50, 0.90)


THIRDS = 3


def third_of_day(offset: float, hours: float) -> int:
    """In which third of a day of so many hours an offset lies: 0, 1 or 2."""
    through = offset / 60 / hours if hours > 0 else 0.0
    return min(THIRDS - 1, max(0, int(THIRDS * through)))


@dataclass(frozen=True)
class Effect:
    """A mean on the scale of logarithms, and how sure we are of it (a standard deviation)."""

    mean: float
    sd: float


@dataclass(frozen=True)
class DeskDay:
    """One desk on one day: when it opened, stood still and closed, as offsets; NEVER if it did not."""

    desk: str
    opened: float
    breaks: tuple[tuple[float, float], ...] = ()  # begin, length: with people waiting, or said to be a pause
    closed: float = NEVER  # before the end of the day

    def breaks_until(self, offset: float) -> int:
        """How many breaks had begun."""
        return sum(begin <= offset for begin, _ in self.breaks)


@dataclass(frozen=True)
class Laws:
    """The laws of one office.

    A visit's minutes are lognormal: log t = service + desk + day + spread of the service (Brown et al.
    2005 found so in a bank's calls). Whatever has no simple shape is kept as a sample and drawn from.
    """

    services: Mapping[str, Effect]
    spreads: Mapping[str, float]  # standard deviation of log t within a service
    desks: Mapping[str, Effect]
    day: float = 0.1  # standard deviation of a day's effect
    absent: float = 0.04  # of those called
    rejoin: float = 0.3  # of those absent
    back: tuple[float, ...] = ()  # how soon those of them who rejoin do
    again: float = 0.01  # of services ended, after which the same person is soon at a desk again: parked, transferred
    parked: tuple[float, ...] = ()  # until whoever is parked is back; NEVER: not on that day
    resumed: float = 0.8  # of those back, whom a desk takes at once; the others stand in the line
    gaps: tuple[float, ...] = ()  # how long a desk that did not call at once let somebody wait
    holds: tuple[float, ...] = ()  # how long a desk waits for whoever does not come
    punctuality: tuple[float, ...] = ()  # check-in after the booked hour; NEVER: did not come
    desk_days: tuple[DeskDay, ...] = ()
    priority: float = 0.0  # preferential tickets an hour, by service's share of all
    shares: Mapping[str, float] = field(default_factory=dict)
    visits: int = 0  # learned from
    until: str = ""  # the last day learned from
    levels: Mapping[str, float] = field(default_factory=dict)  # the conformal layer's: see quantiles.py


SPREAD, SPREAD_WEIGHT = 0.65, 12  # of log t before anything is known, and how many visits that counts for
UNSURE = 0.35  # standard deviation of a service's effect around the planned minutes
DESKS = 0.2  # standard deviation between desks
AT_ONCE = 0.1  # minutes: a desk that calls so soon calls at once
GAPS = (0.2, 0.3, 0.5, 1.0, 15.0, 20.0)
HOLDS = (1.0, 1.5, 2.0, 3.0)
BACK = (1.0, 2.0, 3.0, 5.0, 8.0)
PARKED = (5.0, 10.0, 15.0, 20.0, 30.0, NEVER)
PUNCTUAL = (-25.0, -15.0, -10.0, -8.0, -6.0, -4.0, -2.0, 0.0, 3.0, 8.0, NEVER, NEVER)
# Three of eight desks make a break; the doors' first minutes pass before a desk calls.
DESK_DAYS = (
    *(DeskDay("", opened) for opened in (0.0, 1.0, 2.0, 4.0, 8.0)),
    *(DeskDay("", 1.0, ((begin, 20.0),)) for begin in (75.0, 105.0, 135.0)),
)


def before_history(plan: Plan) -> Laws:
    """What is known of an office that has just opened: its plan."""
    services = {s.id: Effect(math.log(max(1, s.minutes)) - SPREAD**2 / 2, UNSURE) for s in plan.services}
    return Laws(
        services=services,
        spreads=dict.fromkeys(services, SPREAD),
        desks={desk.id: Effect(0.0, DESKS) for desk in plan.desks},
        back=BACK,
        parked=PARKED,
        gaps=GAPS,
        holds=HOLDS,
        punctuality=PUNCTUAL,
        desk_days=DESK_DAYS,
        shares={id: 1 / len(services) for id in services},
    )


def for_plan(laws: Laws, plan: Plan) -> Laws:
    """The laws with services and desks that the plan has and the past does not know."""
    known = before_history(plan)
    return replace(
        laws,
        services={**known.services, **laws.services},
        spreads={**known.spreads, **laws.spreads},
        desks={**known.desks, **laws.desks},
    )


def mean_minutes(laws: Laws) -> float:
    """The mean of a visit, services taken as often as people come for them."""
    means = {id: math.exp(law.mean + laws.spreads[id] ** 2 / 2) for id, law in laws.services.items()}
    weights = {id: laws.shares.get(id, 0.0) for id in means}
    total = sum(weights.values())
    return sum(means[id] * weights[id] for id in means) / total if total else sum(means.values()) / max(1, len(means))


# --- as JSON --------------------------------------------------------------------------------


def packed(laws: Laws) -> dict[str, Any]:
    """As a JSON object; NEVER becomes null."""
    return _swapped(asdict(laws), NEVER, None)


def unpacked(body: Mapping[str, Any]) -> Laws:
    """What `packed` wrote."""
    found = _swapped(dict(body), None, NEVER)
    return Laws(
        **found
        | {
            "services": {id: Effect(**effect) for id, effect in found["services"].items()},
            "desks": {id: Effect(**effect) for id, effect in found["desks"].items()},
            "back": tuple(found.get("back", ())),
            "parked": tuple(found.get("parked", ())),
            "gaps": tuple(found["gaps"]),
            "holds": tuple(found["holds"]),
            "punctuality": tuple(found["punctuality"]),
            "desk_days": tuple(
                DeskDay(d["desk"], d["opened"], tuple((b, n) for b, n in d["breaks"]), d["closed"])
                for d in found["desk_days"]
            ),
        }
    )


def _swapped(value: Any, old: Any, new: Any) -> Any:
    if isinstance(value, dict):
        return {key: _swapped(item, old, new) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_swapped(item, old, new) for item in value]
    return new if value == old else value
