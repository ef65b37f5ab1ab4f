"""A manager's page: a day that was, with other desks, other hours or more appointments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from flask import Blueprint, render_template, request
from flask_babel import gettext

from hub.clock import now
from hub.line.plan import Plan, day_of, local
from hub.offices import minutes as minutes_of
from hub.store import forecasts

from .guard import person, signed_in_as
from .hall import hall
from .language import tenths
from .scores import of_manager

pages = Blueprint("what_if", __name__, url_prefix="/staff")


@dataclass(frozen=True)
class Asked:
    """The form as it was sent; hours as 09:00, empty for as it was."""

    day: str
    desks: int = 0
    begins: str = ""
    ends: str = ""
    opens: str = ""
    closes: str = ""
    booked: str = ""


@pages.get("/what-if")
@signed_in_as("manager")
def what_if() -> str:
    """Waits and idle time as they were, and as they would have been."""
    mine, plan = of_manager(request.args.get("office"))
    yesterday = date.fromisoformat(day_of(plan, now())) - timedelta(days=1)
    words = {name: request.args.get(name, "") for name in ("begins", "ends", "opens", "closes", "booked")}
    try:
        asked = Asked(_day(request.args.get("day"), yesterday), int(request.args.get("desks") or 0), **words)
        shown = _played(plan, asked) if request.args else {}
    except (ValueError, OverflowError):
        asked, shown = Asked(yesterday.isoformat()), {"trouble": gettext("That is no day or hour that can be played.")}
    return render_template(
        "what_if.html", person=person(), plans=mine, plan=plan, asked=asked, minutes=_minutes, **_NOTHING | shown
    )


_NOTHING: dict[str, object] = {"was": None, "again": None, "changed": None, "trouble": None}


def _day(text: str | None, otherwise: date) -> str:
    return (date.fromisoformat(text) if text else otherwise).isoformat()


def _minutes(figure: float) -> str:
    return "–" if math.isnan(figure) else tenths(figure)


def _played(plan: Plan, asked: Asked) -> dict[str, object]:
    """What happened, the same day played, and the day with the change."""
    from hub.forecast.laws import before_history, for_plan, unpacked  # numpy: this page alone needs it here
    from hub.forecast.whatif import Changes, past_day, play

    with hall().store.begin() as connection:
        begun, events = forecasts.one_day(connection, plan.office, asked.day)
        body = forecasts.newest_laws(connection, plan.office)
    if not events or asked.day >= day_of(plan, now()):
        return {"trouble": gettext("There is no such day that is over in this office's log.")}
    laws = for_plan(unpacked(body) if body else before_history(plan), plan)
    past = past_day(begun, events, laws)
    if not past.visitors:
        return {"trouble": gettext("Nobody came on that day.")}
    opened = local(plan, past.at)
    offset = _offset(opened.hour * 60 + opened.minute)
    changes = Changes(
        desks=max(-2, min(2, asked.desks)),
        begins=offset(asked.begins, 0.0),
        ends=offset(asked.ends, past.closes),
        opens=offset(asked.opens, 0.0),
        closes=offset(asked.closes, past.closes),
        booked=min(100, max(0, int(asked.booked))) / 100 if asked.booked else None,
    )
    if changes.ends <= changes.begins:
        raise ValueError("the end is before the beginning")
    again, changed = play(past, laws, Changes()), play(past, laws, changes)
    return {"was": asdict(past.outcome), "again": asdict(again), "changed": asdict(changed)}


def _offset(opened: int) -> Callable[[str, float], float]:
    """Reads an hour as minutes after the doors opened; ValueError for what is none."""
    return lambda hour, otherwise: float(minutes_of(hour) - opened) if hour else otherwise
