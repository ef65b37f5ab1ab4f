"""The phone's page for one ticket. Its address is its key: who has the paper, or its QR, may act."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from firmware import wire
from hub.clock import now
from hub.line import commands as c
from hub.line import views
from hub.line.errors import DayOver, LineError, Unknown
from hub.line.model import State, Ticket
from hub.line.order import ahead
from hub.line.plan import MINUTE, Moment
from hub.store import Work

from . import models as m
from .api import body_as, known_service
from .hall import UNKNOWN, Seen, hall
from .once import Answer, once
from .problems import understood, wants_json

pages = Blueprint("phone", __name__, url_prefix="/t")
CITIZEN = "citizen"
LONGEST_WALK = 120  # minutes


@pages.get("/<token>")
def ticket(token: str) -> AnyResponse:
    """One ticket, live; a token that is not known yet says so and turns live by itself."""
    return make_response(_page(token, hall().look(token, now())))


def _page(token: str, seen: Seen | None, refusal: str | None = None) -> str:
    found = _ticket(seen)
    g.ticket_language = found.language if found else None
    document, walk = seen.document if seen else UNKNOWN, _walk()
    back_by = wire.instant(document["back_by"]) if document["back_by"] else None
    return render_template(
        "phone.html",
        token=token,
        document=document,
        back_by=back_by,
        walk=walk,
        leave_at=back_by - walk * MINUTE if back_by and walk else None,
        moment=now(),
        plan=hall().fleet.plans.get(seen.office) if seen else None,
        ticket=found,
        refusal=refusal,
        hub_here=hall().live.hub_here,
    )


def _walk() -> int:
    """How many minutes the way back takes, as the person has set it; 0 if they have not."""
    text = request.args.get("walk", "")
    return min(int(text), LONGEST_WALK) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _ticket(seen: Seen | None) -> Ticket | None:
    return seen.state.tickets[seen.id] if seen and seen.state else None


@pages.post("/<token>/leave")
def leave(token: str) -> AnyResponse:
    """The place is given up."""
    return _act(token, lambda seen: c.Leave(CITIZEN, seen.id))


@pages.post("/<token>/later")
def later(token: str) -> AnyResponse:
    """Some are let pass."""
    return _act(token, lambda seen: c.LetPass(CITIZEN, seen.id))


@pages.post("/<token>/rejoin")
def rejoin(token: str) -> AnyResponse:
    """Back after a missed call."""
    return _act(token, lambda seen: c.Rejoin(CITIZEN, seen.id))


@pages.post("/<token>/reassign")
def reassign(token: str) -> AnyResponse:
    """The procedure was chosen wrongly; the time is kept."""
    body = body_as(m.Reassign) if request.is_json else m.Reassign.model_validate(request.form.to_dict())

    def wanted(seen: Seen) -> c.Command:
        return c.Reassign(CITIZEN, seen.id, known_service(seen.office, body.service).id)

    return _act(token, wanted)


def _act(token: str, command: Callable[[Seen], c.Command]) -> AnyResponse:
    """Does what the citizen asks: a program gets the ticket, a browser its page again."""
    seen = hall().look(token, now())
    if seen is None:
        raise Unknown("there is no ticket with this token, or its dispenser has not been heard yet")

    asked = command(seen)

    def act(work: Work, at: Moment) -> Answer:
        if seen.state is None:
            raise DayOver("this ticket is of a day that is closed: take a new one")
        work.do(seen.office, asked, at)
        return HTTPStatus.OK, _document(work.state(seen.office), seen.id, at)

    if wants_json():
        return once(seen.office, token, act)
    try:
        once(seen.office, token, act)
    except LineError as error:
        return _refused(token, understood(error).code)
    return redirect(url_for("phone.ticket", token=token), HTTPStatus.SEE_OTHER)


def _document(state: State, id: str, at: Moment) -> dict[str, Any]:
    expected = hall().expected(state.office, at)
    document = views.ticket_document(state, state.tickets[id], ahead(state, at).get(id), wire.stamp, expected)
    return {"seq": state.seq, **document}


def _refused(token: str, code: str) -> Response:
    """The page as it is now, with a sentence of why nothing was done."""
    page = _page(token, hall().look(token, now()), refusal=code)
    return make_response(page, HTTPStatus.CONFLICT)
