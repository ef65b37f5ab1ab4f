"""For everybody: the offices, their waits, and a board for a television."""

from __future__ import annotations

from flask import Blueprint, render_template

from hub.clock import now
from hub.line.plan import Moment, coming_doors, is_open

from .api import DAYS_AHEAD
from .hall import hall

pages = Blueprint("public", __name__)


@pages.get("/")
def home() -> str:
    """The offices: open or not, and how many wait."""
    at = now()
    offices = []
    for plan in hall().fleet.plans.values():
        doors = coming_doors(plan, at, DAYS_AHEAD)
        opens = doors[0][0] if doors else None
        offices.append({"plan": plan, "open": is_open(plan, at), "opens": opens, "closes": closing(doors)})
    lines = {office: hall().live.line(office) for office in hall().fleet.plans}
    return render_template("home.html", offices=offices, lines=lines)


def closing(doors: list[tuple[Moment, Moment]]) -> Moment | None:
    """When the first opening ends; None if it goes on into the one after it, as round the clock."""
    if not doors or (len(doors) > 1 and doors[0][1] == doors[1][0]):
        return None
    return doors[0][1]


@pages.get("/line/<office>")
def line(office: str) -> str:
    """The live waits of one office."""
    return render_template("line.html", plan=hall().plan(office), line=hall().line(office))


@pages.get("/board/<office>")
def board(office: str) -> str:
    """The last calls, full screen."""
    return render_template("board.html", plan=hall().plan(office), line=hall().line(office))
