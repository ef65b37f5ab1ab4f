"""One's own appointment: its page, another hour, giving it up, "I am here", the calendar file.

Whoever has the link with its secret owns it, or whoever knows locator and document. Nobody else learns whether
there is one: a wrong locator, a wrong document and a wrong secret are answered alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import segno
from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from hub.booking.appointments import Appointment, Standing
from hub.booking.calendar_file import calendar_file
from hub.booking.errors import AlreadyCheckedIn, Cancelled, NoAppointment, NotASlot, SlotTaken
from hub.clock import now
from hub.line.plan import MINUTE, Moment, Plan, Service, day_of
from hub.store import Work
from hub.store import appointments as store

from .appointments import give_number
from .hall import hall
from .hours import choice, moment_of
from .language import language, named
from .phone import CITIZEN

pages = Blueprint("mine", __name__, url_prefix="/book")
HERE_FROM = 60 * MINUTE  # before the hour, one can say that one is here


# --- whose it is ----------------------------------------------------------------------------


@pages.get("/mine")
def ask() -> str:
    """Asks for locator and document."""
    return render_template("mine_ask.html", locator="", wrong=False)


@pages.post("/mine")
def find() -> AnyResponse:
    """Opens the appointment of a locator and its document."""
    locator, number = re.sub(r"[\s.-]", "", request.form.get("locator", "")), request.form.get("document", "")
    one = hall().store.transact(lambda work: _owned(work, locator, document=number))[1]
    return redirect(_link("mine.shown", one), HTTPStatus.SEE_OTHER)


@pages.errorhandler(NoAppointment)
def nothing(error: NoAppointment) -> AnyResponse:
    """The same answer to whatever was wrong; the confirmation's code, without a secret, asks for the document."""
    locator = request.form.get("locator") or (request.view_args or {}).get("locator", "")
    asks = request.method == "GET" and "secret" not in request.args and re.fullmatch("[0-9]{9}", locator)
    page = render_template("mine_ask.html", locator=locator, wrong=not asks)
    return make_response(page, HTTPStatus.OK if asks else HTTPStatus.NOT_FOUND)


def _owned(
    work: Work, locator: str, secret: str | None = None, document: str | None = None
) -> tuple[Plan, Appointment]:
    one = store.by_locator(work, locator)
    plan = hall().fleet.plans.get(one.office)
    if plan is None or not store.proves(one, secret, document):
        raise NoAppointment("there is no such appointment, or it is not yours")
    return plan, one


def _own(locator: str) -> tuple[Plan, Appointment]:
    """The appointment of the link that is asked for."""
    secret = request.args.get("secret")
    return hall().store.transact(lambda work: _owned(work, locator, secret))


def _link(page: str, one: Appointment, **more: Any) -> str:
    return url_for(page, locator=one.locator, secret=one.secret, **more)


# --- its page -------------------------------------------------------------------------------


@pages.get("/<locator>")
def shown(locator: str) -> AnyResponse:
    """When and where, what to bring, the locator and its code, and what can be done."""
    plan, one = _own(locator)
    at = now()
    return make_response(
        render_template(
            "mine.html",
            **_facts(plan, one),
            stage=_stage(plan, one, at),
            early=at < one.start - plan.rules.early_minutes * MINUTE,
            late=at > one.start + (plan.rules.late_minutes + one.grace_minutes) * MINUTE,
            token=_token(one),
            qr=segno.make(f"{hall().public_url}/book/{one.locator}", error="m").svg_data_uri(scale=6, border=2),
            said=next((said for said in ("new", "moved", "erased") if said in request.args), None),
        )
    )


def _facts(plan: Plan, one: Appointment) -> dict[str, Any]:
    return {"plan": plan, "one": one, "services": _services(plan, one), "link": lambda page, **m: _link(page, one, **m)}


def _services(plan: Plan, one: Appointment) -> list[Service]:
    return [service for service in plan.services if service.id in one.services]


def _stage(plan: Plan, one: Appointment, at: Moment) -> str:
    """Where it stands: cancelled, arrived, here or late (one can say that one is here), coming, over."""
    today = day_of(plan, at) == day_of(plan, one.start)
    if one.standing is Standing.CANCELLED or (one.standing is Standing.ARRIVED and today):
        return one.standing.value
    if today and at >= one.start - HERE_FROM:
        return "here" if at < one.start else "late"
    return "coming" if at < one.start else "over"


def _token(one: Appointment) -> str | None:
    """Of the number with which it checked in, while its day lasts."""
    if one.standing is not Standing.ARRIVED or one.ticket is None:
        return None
    ticket = hall().state(one.office).tickets.get(one.ticket)
    return ticket.token if ticket else None


@pages.get("/<locator>/calendar")
def calendar(locator: str) -> Response:
    """The appointment as a calendar's entry (RFC 5545); it carries no secret, since calendars are shared."""
    plan, one = _own(locator)
    description = "\n".join(_description(plan, one, _services(plan, one)))
    file = calendar_file(plan, one, request.host, language(), description)
    disposition = {"Content-Disposition": f'attachment; filename="{plan.office}.ics"'}
    return Response(file, content_type="text/calendar; charset=utf-8; method=PUBLISH", headers=disposition)


def _description(plan: Plan, one: Appointment, services: list[Service]) -> Iterator[str]:
    yield f"{_('Locator')}: {one.said_locator}"
    if plan.telephone:
        yield f"{_('Telephone')}: {plan.telephone}"
    for service in services:
        if service.bring:
            yield f"{_('What to bring')} ({named(service.name)}):"
            yield from (f"- {paper}" for paper in named(service.bring))


@pages.post("/<locator>/silence")
def silence(locator: str) -> AnyResponse:
    """Takes the consent back: e-mail and mobile are erased, the appointment stays."""
    plan, one = _own(locator)
    if one.standing is Standing.BOOKED and one.person:
        alone = replace(one.person, email=None, phone=None)
        with suppress(AlreadyCheckedIn, Cancelled):  # then nothing more is sent
            hall().store.transact(lambda work: store.change(work, plan, one, now(), person=alone), one_view=False)
    return redirect(_link("mine.shown", one, erased=1), HTTPStatus.SEE_OTHER)


# --- another hour, or none ------------------------------------------------------------------


@pages.get("/<locator>/move")
def moving(locator: str) -> AnyResponse:
    """Other days and hours; with `start`, asks once more before anything is given up."""
    plan, one = _own(locator)
    start, taken = moment_of(request.args.get("start")), moment_of(request.args.get("taken"))
    if not _changeable(one):
        return redirect(_link("mine.shown", one), HTTPStatus.SEE_OTHER)
    if start is not None:
        return make_response(render_template("mine_move.html", **_facts(plan, one), start=start))
    day, month = request.args.get("day"), request.args.get("month")

    def link(**more: Any) -> str:
        return _link("mine.moving", one, **more, _anchor="hours" if "day" in more else None)

    free = choice(hall().store, plan, one.services, now(), link, day, month, taken)
    facts = _facts(plan, one) | {"link": link, "secret": one.secret}
    return make_response(render_template("mine_when.html", **facts, choice=free, taken=taken))


@pages.post("/<locator>/move")
def moved(locator: str) -> AnyResponse:
    """Gives the hour up for another one, both or neither."""
    plan, one = _own(locator)
    start, at = moment_of(request.form.get("start")), now()
    if start is None or not _changeable(one):
        return redirect(_link("mine.shown", one), HTTPStatus.SEE_OTHER)
    try:
        hall().store.transact(lambda work: store.move(work, plan, one, start, at), one_view=False)
    except (SlotTaken, NotASlot):
        return redirect(_link("mine.moving", one, taken=start, _anchor="nearest"), HTTPStatus.SEE_OTHER)
    except (Cancelled, AlreadyCheckedIn):
        return redirect(_link("mine.shown", one), HTTPStatus.SEE_OTHER)  # which says so
    return redirect(_link("mine.shown", one, moved=1), HTTPStatus.SEE_OTHER)


@pages.get("/<locator>/cancel")
def cancelling(locator: str) -> AnyResponse:
    """Asks whether it is really to be given up."""
    plan, one = _own(locator)
    if not _changeable(one):
        return redirect(_link("mine.shown", one), HTTPStatus.SEE_OTHER)
    return make_response(render_template("mine_cancel.html", **_facts(plan, one)))


@pages.post("/<locator>/cancel")
def cancelled(locator: str) -> AnyResponse:
    """Gives the place up; somebody else may have it at once."""
    plan, one = _own(locator)
    if _changeable(one):
        with suppress(AlreadyCheckedIn):  # then its page says so
            hall().store.transact(lambda work: store.cancel(work, plan, one, now()), one_view=False)
    return redirect(_link("mine.shown", one), HTTPStatus.SEE_OTHER)


def _changeable(one: Appointment) -> bool:
    return one.standing is Standing.BOOKED and one.start > now()


# --- at the door ----------------------------------------------------------------------------


@pages.post("/<locator>/here")
def here(locator: str) -> AnyResponse:
    """Checks in, as reception does; the number's own page is next."""
    plan, one = _own(locator)
    at = now()
    if _stage(plan, one, at) not in ("here", "late"):
        return redirect(_link("mine.shown", one), HTTPStatus.SEE_OTHER)
    try:
        given = hall().transact(plan.office, lambda work: give_number(work, plan, one, CITIZEN, at))
    except AlreadyCheckedIn:
        return redirect(_link("mine.shown", one), HTTPStatus.SEE_OTHER)  # which shows the number
    return redirect(url_for("phone.ticket", token=given["token"]), HTTPStatus.SEE_OTHER)
