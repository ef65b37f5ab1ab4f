"""A manager's page: a day that was, with other desks, other hours or more appointments."""

from __future__ import annotations

import math
from datetime import date, timedelta

import structlog
from flask import Blueprint, render_template, request
from flask_babel import gettext

from hub.clock import now
from hub.forecaster.replay import NO_DAY, NOBODY, Asked, Busy, Failed, Unplayable
from hub.line.plan import Plan, day_of

from .guard import person, signed_in_as
from .hall import hall
from .language import tenths
from .scores import of_manager

log = structlog.get_logger()
pages = Blueprint("what_if", __name__, url_prefix="/staff")


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
    """What happened, the same day played, and the day with the change; or a sentence of why not."""
    if asked.day >= day_of(plan, now()):
        return {"trouble": gettext("There is no such day that is over in this office's log.")}
    try:
        return hall().replays.played(plan, asked)
    except Busy:
        return {"trouble": gettext("A day is being played for somebody else just now. Try again in a moment.")}
    except Failed as error:
        log.warning("a day was not played", office=plan.office, day=asked.day, reason=str(error))
        return {"trouble": gettext("That took too long to play. Try again, or take a quieter day.")}
    except Unplayable as error:
        return {"trouble": _why(error.why)}


def _why(why: str) -> str:
    if why == NO_DAY:
        return gettext("There is no such day that is over in this office's log.")
    if why == NOBODY:
        return gettext("Nobody came on that day.")
    return gettext("That is no day or hour that can be played.")
