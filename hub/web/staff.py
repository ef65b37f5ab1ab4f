"""For the staff: the desk by keyboard, reception, the machines. Every form works without script."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import segno
from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from hub.clock import now
from hub.line import commands as c
from hub.line.errors import LineError, OutOfDate, Unknown
from hub.line.model import Stage, State
from hub.line.order import ordered, overdue
from hub.line.plan import MINUTE
from hub.offices import Device
from hub.store.devices import all_health, is_silent
from hub.store.staff import digest

from . import models as m
from .api import VERBS, give
from .appointments import visitor
from .guard import person, signed_in
from .hall import hall
from .once import done_once
from .problems import Refused, understood

pages = Blueprint("staff", __name__, url_prefix="/staff")
PAPER_URGENCY = {"out": 0, "low": 1, "unknown": 2}
STATE_URGENCY = {"lost": 0, "degraded": 1}


# --- offices --------------------------------------------------------------------------------


@pages.get("/")
@signed_in
def choose() -> str:
    """Which desk, which office."""
    mine = [id for id in hall().fleet.plans if person().may("clerk", id)]
    states = [hall().state(id) for id in mine]
    alerts = {state.office: len(overdue(state, now())) for state in states}
    return render_template("choose.html", states=states, alerts=alerts, person=person())


@pages.post("/<office>/pause")
@signed_in
def pause(office: str) -> AnyResponse:
    """The whole office stands still."""
    message = request.form.get("message", "").strip() or gettext("One moment, please.")
    body = m.Pause.model_validate({"message": message})
    hall().do(office, c.PauseOffice(person().name, body.message))
    return redirect(url_for("staff.choose"), HTTPStatus.SEE_OTHER)


@pages.post("/<office>/resume")
@signed_in
def resume(office: str) -> AnyResponse:
    """The office goes on."""
    hall().do(office, c.ResumeOffice(person().name))
    return redirect(url_for("staff.choose"), HTTPStatus.SEE_OTHER)


# --- the desk -------------------------------------------------------------------------------


@pages.get("/<office>/desk/<desk>")
@signed_in
def desk(office: str, desk: str) -> str:
    """The desk: who is here, who is next and why, who waits. `?part=1` gives what changes alone."""
    return _desk_page(office, desk)


def _desk_page(office: str, desk: str, said: str | None = None) -> str:
    state, at = hall().state(office), now()
    if desk not in state.desks:
        raise Unknown(f"office {office} has no desk {desk}")
    here = state.desks[desk]
    late = {ticket.id for ticket in overdue(state, at)}
    return render_template(
        "desk_part.html" if "part" in request.args else "desk.html",
        state=state,
        desk=here,
        ticket=state.tickets[here.ticket] if here.ticket else None,
        visitor=visitor(state, desk),
        waiting=[(ticket, why, ticket.id in late) for ticket, why in ordered(state, at, here.services)],
        elsewhere=_elsewhere(state, here.services),
        parked=[ticket for ticket in state.tickets.values() if ticket.stage is Stage.PARKED],
        at=at,
        said=said,
        person=person(),
    )


def _elsewhere(state: State, services: tuple[str, ...]) -> int:
    """How many wait for what this desk does not serve."""
    return sum(t.stage is Stage.WAITING and t.service not in services for t in state.tickets.values())


@pages.post("/<office>/desk/<desk>/<verb>")
@signed_in
def at_desk(office: str, desk: str, verb: str) -> AnyResponse:
    """One press; the page always says which version of the desk it showed."""
    command = _command(desk, verb)
    try:
        events = hall().do(office, command)
    except LineError as error:
        if isinstance(error, Unknown):
            raise
        code = OutOfDate.code if isinstance(error, OutOfDate) else understood(error).code
        return make_response(_desk_page(office, desk, code), HTTPStatus.CONFLICT)
    said = "nobody_waiting" if verb == "next" and hall().state(office).desks[desk].ticket is None else None
    if "part" in request.args or said or not events:
        return make_response(_desk_page(office, desk, said))
    return redirect(url_for("staff.desk", office=office, desk=desk), HTTPStatus.SEE_OTHER)


def _command(desk: str, verb: str) -> c.DeskCommand:
    command, model = (c.Next, m.Verb) if verb == "next" else VERBS.get(verb, (None, m.Verb, ""))[:2]
    if command is None:
        raise Refused(HTTPStatus.NOT_FOUND, "unknown", f"a desk cannot {verb}")
    words: dict[str, Any] = {name: request.form[name] for name in model.model_fields if name in request.form}
    read: dict[str, Callable[[str], Any]] = {"version": int, "to_line": lambda text: text == "1"}
    try:
        words = {name: read.get(name, str)(value) for name, value in words.items()}
    except ValueError:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "version: must be a number", "version") from None
    return command(person().name, desk, **model.model_validate(words).model_dump())


# --- reception and machines -----------------------------------------------------------------


@pages.get("/<office>/reception")
@signed_in
def reception(office: str) -> str:
    """Gives paper, or a QR, to whoever cannot use the machine."""
    return render_template("reception.html", state=hall().state(office), given=None, key=_new_key(), person=person())


@pages.post("/<office>/reception")
@signed_in
def give_ticket(office: str) -> AnyResponse:
    """A ticket of reception's own numbers, with its QR on the screen; loading the page again gives no second one."""
    asked = m.NewTicket.model_validate(
        {
            "service": request.form.get("service", ""),
            "priority": "priority" in request.form,
            "language": request.form.get("language", "ca"),
        }
    )
    by, key = person().name, request.form.get("key")
    asked_for = digest(asked.model_dump_json())
    answer, _ = done_once(office, by, lambda work, at: (201, give(work, office, asked, by, at)), key, asked_for)
    given, state = answer[1], hall().state(office)
    track = f"{hall().public_url}/t/{given['token']}"
    qr = segno.make(track, error="m").svg_data_uri(scale=6, border=2)
    shown = {"given": given, "asked": asked, "track": track, "qr": qr, "key": _new_key(), "at": now()}
    page = render_template("reception.html", state=state, person=person(), **shown)
    return make_response(page, HTTPStatus.CREATED)


def _new_key() -> str:
    return secrets.token_urlsafe(16)


@pages.get("/devices")
@signed_in
def devices() -> str:
    """What each machine last said; those without paper first, then those that are silent."""
    heard, at = all_health(hall().store), now()
    mine = [device for device in hall().fleet.devices.values() if person().may("clerk", device.office)]
    rows = [_device(device, heard.get(device.id, ({}, 0)), at) for device in mine]
    rows.sort(key=lambda row: (row["urgency"], row["device"].office, row["device"].id))
    return render_template("devices.html", rows=rows, plans=hall().fleet.plans, person=person(), minute=MINUTE)


def _device(device: Device, said: tuple[dict[str, Any], int], at: int) -> dict[str, Any]:
    health, heard = said
    state = "lost" if is_silent(heard, at) else health.get("state", "lost")
    paper = health.get("paper", "unknown") if device.kind == "dispenser" else None
    urgency = (PAPER_URGENCY.get(paper, 3) if paper else 3, STATE_URGENCY.get(state, 2))
    return {"device": device, "state": state, "paper": paper, "heard": heard, "health": health, "urgency": urgency}
