"""A number on paper, told over the telephone: a landline does what a smartphone does."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask_babel import force_locale, gettext
from werkzeug.wrappers import Response as AnyResponse

from hub.clock import now
from hub.line import commands as c
from hub.line.errors import LineError, Unknown
from hub.line.model import Ticket
from hub.line.plan import Moment
from hub.store import Work

from .bookings import covered
from .guard import person, signed_in_as
from .hall import Seen, hall
from .once import done_once
from .problems import understood

pages = Blueprint("labels", __name__, url_prefix="/staff/bookings/number")
ACTS: Mapping[str, Callable[[str, str], c.TicketCommand]] = {"later": c.LetPass, "rejoin": c.Rejoin}


@pages.get("/<label>")
@signed_in_as("operator")
def number(label: str) -> AnyResponse:
    """The ticket of that number, at each office of ours that has one today: its state, and how many are ahead."""
    return make_response(_page(label))


def _page(label: str, refused: str = "") -> str:
    return render_template(
        "bookings_number.html",
        label=label,
        found=[(plan, ticket, seen, spoken(ticket, seen)) for plan in covered() for ticket, seen in _seen(plan, label)],
        refused=refused,
        key=secrets.token_urlsafe(16),
        person=person(),
    )


def _seen(plan: Any, label: str) -> list[tuple[Ticket, Seen]]:
    """Today's tickets of that number at an office, each as its phone is told."""
    tickets = [each for each in hall().state(plan.office).tickets.values() if each.label == label]
    looks = [(ticket, hall().look(ticket.token, now())) for ticket in tickets]
    return [(ticket, seen) for ticket, seen in looks if seen is not None]


def spoken(ticket: Ticket, seen: Seen) -> str:
    """What can be said aloud to who waits, in the language of the ticket."""
    ahead, wait = seen.document["ahead"], seen.document["wait"]
    if ahead is None:
        return ""
    with force_locale(ticket.language):
        first = gettext("You are next.") if ahead == 0 else gettext("People ahead of you: %(count)s.", count=ahead)
        if wait is None:
            return first
        more = gettext("It will take %(few)s to %(many)s minutes.", few=wait["p10"], many=wait["p90"])
        return f"{first} {more}"


@pages.post("/<office>/<ticket>/<act>")
@signed_in_as("operator")
def act(office: str, ticket: str, act: str) -> AnyResponse:
    """Lets some pass, or is back after a missed call; the form sent twice does it once."""
    found = hall().state(office).tickets.get(ticket)
    if found is None or act not in ACTS:
        raise Unknown(f"there is no ticket {ticket} at {office} today, or it cannot {act}")
    command = ACTS[act](person().name, ticket)

    def done(work: Work, at: Moment) -> tuple[int, dict[str, Any]]:
        work.do(office, command, at)
        return HTTPStatus.SEE_OTHER, {"ticket": ticket}

    try:
        done_once(office, person().name, done, request.form.get("key"), act)
    except LineError as error:
        return make_response(_page(found.label, understood(error).code), HTTPStatus.CONFLICT)
    return redirect(url_for(".number", label=found.label, said=act), HTTPStatus.SEE_OTHER)
