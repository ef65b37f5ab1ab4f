"""How good the forecast was, for managers: what people were told, against what came, beside simple estimators."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, render_template, request
from flask_babel import format_date

from hub.clock import now
from hub.line.errors import Unknown
from hub.line.plan import Plan, day_of, local
from hub.store import forecasts
from hub.store.forecasts import Kept

from .guard import person, signed_in_as
from .hall import hall
from .language import named

pages = Blueprint("scores", __name__, url_prefix="/staff")
PERIODS = (7, 30, 90)  # days


@dataclass(frozen=True)
class Measured:
    """Some visits: minutes, and shares of them in hundredths."""

    people: int
    error: float  # mean absolute
    bias: float  # told minus true
    inside: int  # the range
    before: int  # called before "be back by"
    others: dict[str, tuple[float, float]]  # error and bias of simple estimators, on the same visits


def measured(kept: list[Kept]) -> Measured:
    """The measures of some visits; there must be one at least."""
    offs = [one.said["p50"] - one.wait for one in kept]
    inside = sum(one.said["p10"] <= one.wait <= one.said["p90"] for one in kept)
    before = sum(one.wait < one.said["p5"] for one in kept)
    names = [name for name in kept[0].said.get("others", {}) if all(name in o.said.get("others", {}) for o in kept)]
    others = {name: _off([one.said["others"][name] - one.wait for one in kept]) for name in names}
    return Measured(len(kept), *_off(offs), _share(inside, kept), _share(before, kept), others)


def _off(offs: list[float]) -> tuple[float, float]:
    return sum(map(abs, offs)) / len(offs), sum(offs) / len(offs)


def _share(part: int, kept: list[Kept]) -> int:
    return round(100 * part / len(kept))


def by(kept: Iterable[Kept], key: Callable[[Kept], Any]) -> list[tuple[Any, Measured]]:
    """The measures of each group, in the order of the groups."""
    groups: dict[Any, list[Kept]] = {}
    for one in kept:
        groups.setdefault(key(one), []).append(one)
    return [(name, measured(groups[name])) for name in sorted(groups)]


def of_manager(office: str | None) -> tuple[list[Plan], Plan]:
    """The offices of who asks, and of these the one that is meant, or else the first."""
    mine = [plan for id, plan in hall().fleet.plans.items() if person().may("manager", id)]
    if not mine:
        raise Unknown("your account is of an office that the offices file does not name")
    return mine, next((plan for plan in mine if plan.office == office), mine[0])


@pages.get("/forecast")
@signed_in_as("manager")
def forecast() -> str:
    """Error, bias and coverage by service, hour and day."""
    mine, plan = of_manager(request.args.get("office"))
    asked = request.args.get("days", "")
    days = int(asked) if asked.isascii() and asked.isdigit() and int(asked) in PERIODS else PERIODS[0]
    last = day_of(plan, now())
    first = (date.fromisoformat(last) - timedelta(days=days - 1)).isoformat()
    with hall().store.begin() as connection:
        kept = [one for one in forecasts.told(connection, plan.office, first, last) if one.said["p90"] > 0]
    names = {service.id: service.name for service in plan.services}
    return render_template(
        "forecast.html",
        person=person(),
        plans=mine,
        plan=plan,
        days=days,
        periods=PERIODS,
        hour=lambda hour: f"{hour}:00",
        service=lambda id: named(names[id]) if id in names else id,
        day=lambda day: format_date(date.fromisoformat(day), "EEE d MMM"),
        all=measured(kept) if kept else None,
        by_hour=by(kept, lambda one: local(plan, one.issued).hour),
        by_service=by(kept, lambda one: one.service),
        by_day=by(kept, lambda one: one.day),
    )
