"""The phone's page for one ticket. Its address is its key: who has the paper, or its QR, may act."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from firmware import wire
from hub.clock import now
from hub.line import commands as c
from hub.line import views
from hub.line.errors import DayOver, LineError, Unknown
from hub.line.model import State, Ticket
from hub.line.order import ahead
from hub.line.plan import MINUTE, Moment
from hub.messages.alerts import beginning, is_over
from hub.messages.push import BadAddress
from hub.store import Work, keys, subscriptions

from . import models as m
from .api import body_as, known_service
from .hall import UNKNOWN, Seen, hall
from .language import language
from .once import Answer, once
from .problems import Refused, understood, wants_json

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
        signer=_signer() if found and not is_over(found) else "",
    )


def _signer() -> str:
    """By what phones know us when we push to them; empty if that cannot be."""
    try:
        return subscriptions.signer(hall().store) if hall().push.on else ""
    except keys.KeyMissing:
        return ""


def _walk() -> int:
    """How many minutes the way back takes, as the person has set it; 0 if they have not."""
    text = request.args.get("walk", "")
    return min(int(text), LONGEST_WALK) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _ticket(seen: Seen | None) -> Ticket | None:
    return seen.state.tickets[seen.id] if seen and seen.state else None


@pages.get("/worker.js")
def worker() -> AnyResponse:
    """What shows on a locked phone what is pushed to it. Its place makes it responsible for these pages alone."""
    return current_app.send_static_file("worker.js")


@pages.post("/<token>/push")
def push(token: str) -> AnyResponse:
    """A phone is told from now on even when it is locked; or its person has changed what for."""
    body, (office, ticket, state) = body_as(m.PushTo), _today(token)
    if not hall().push.on:
        raise Refused(HTTPStatus.CONFLICT, "not_now", "this hub pushes nothing (TORN_PUSH)")
    try:
        address = hall().push.address(body.endpoint, body.keys.p256dh, body.keys.auth)
    except BadAddress as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", str(error), error.field) from None
    id = subscriptions.name(ticket.id, body.endpoint)
    told = beginning(state).packed()
    one = subscriptions.Subscription(id, office, ticket.id, language(), body.walk, body.warn, told)
    try:
        hall().store.transact(lambda work: subscriptions.keep(work, one, address, now()), one_view=False)
    except subscriptions.TooMany as error:
        raise Refused(HTTPStatus.CONFLICT, "too_many_phones", str(error)) from None
    return Response(status=HTTPStatus.NO_CONTENT)


@pages.delete("/<token>/push")
def silence(token: str) -> AnyResponse:
    """A phone is told no more."""
    body, (_, ticket, _) = body_as(m.PushEndpoint), _today(token)
    id = subscriptions.name(ticket.id, body.endpoint)
    hall().store.transact(lambda work: subscriptions.forget(work, id), one_view=False)
    return Response(status=HTTPStatus.NO_CONTENT)


def _today(token: str) -> tuple[str, Ticket, State]:
    """A ticket of today and its office; Unknown, or DayOver if it has ended."""
    seen = hall().look(token, now())
    if seen is None:
        raise Unknown("there is no ticket with this token, or its dispenser has not been heard yet")
    found = _ticket(seen)
    if found is None or seen.state is None or is_over(found):
        raise DayOver("this ticket has ended: nobody is told of it any more")
    return seen.office, found, seen.state


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
