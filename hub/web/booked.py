"""One appointment, for the telephone: what to read back; moving, cancelling, a note, running late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from http import HTTPStatus

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask_babel import force_locale, format_date, gettext
from werkzeug.wrappers import Response as AnyResponse

from hub.booking.appointments import Appointment, Standing
from hub.booking.errors import BookingError, NotBookable
from hub.booking.slots import STAFF, TELEPHONE, Terms
from hub.clock import now
from hub.line.plan import Moment, Plan, day_of, local
from hub.store import Work, audit
from hub.store import appointments as store

from . import models as m
from .bookings import Hours, capital, first_day, grouped, hours, names, over, own, papers, refusal, sentence
from .guard import person, signed_in_as
from .hall import hall
from .language import clock

pages = Blueprint("booked", __name__, url_prefix="/staff/bookings")
GRACE = 15  # minutes that one press of "running late" adds
Act = Callable[[Work, Plan, Appointment, Moment], Appointment]


@pages.get("/<id>")
@signed_in_as("operator")
def one(id: str) -> AnyResponse:
    """One appointment: what to read back, and what can be done with it."""
    return make_response(_one_page(own(id, "opened")))


def _one_page(one: Appointment, errors: dict[str, str] | None = None) -> str:
    plan, at = hall().plan(one.office), now()
    open = one.standing is Standing.BOOKED
    terms = STAFF if one.public else TELEPHONE
    first = first_day(plan)
    return render_template(
        "bookings_one.html",
        one=one,
        plan=plan,
        today=day_of(plan, one.start) == day_of(plan, at),
        over=over(one, at),
        readback=readback(plan, one),
        papers=_papers(plan, one),
        free=_movable(plan, one, first, terms) if open else None,
        said=request.args.get("said", ""),
        errors=errors or {},
        grace=one.grace_minutes + GRACE,
        more=GRACE,
        longest=m.LONGEST_GRACE,
        person=person(),
    )


def _movable(plan: Plan, one: Appointment, first: date, terms: Terms) -> Hours:
    try:
        return hours(plan, one.services, first, terms)
    except NotBookable:  # the offices file has changed since
        return Hours([], None, None)


def readback(plan: Plan, one: Appointment) -> str:
    """What the operator says aloud, in the language of who calls."""
    with force_locale(one.language):
        day = format_date(local(plan, one.start), gettext("EEEE, d MMMM"))
        return gettext(
            "%(day)s at %(time)s, at the office %(office)s: %(services)s. The locator is %(locator)s.",
            day=capital(day),
            time=clock(plan, one.start),
            office=plan.name,
            services=names(plan, one.services),
            locator=grouped(one.locator),
        )


def _papers(plan: Plan, one: Appointment) -> tuple[str, ...]:
    """What to bring, in the language of who calls."""
    with force_locale(one.language):
        return papers(plan, one.services)


@pages.post("/<id>/move")
@signed_in_as("operator")
def move(id: str) -> AnyResponse:
    """Another hour; if somebody was quicker, the old one stays."""
    start = request.form.get("start", "")
    if not (start.isascii() and start.isdigit() and len(start) < 15):
        page = _one_page(own(id, "opened"), {"start": sentence("start")})
        return make_response(page, HTTPStatus.UNPROCESSABLE_ENTITY)

    def act(work: Work, plan: Plan, one: Appointment, at: Moment) -> Appointment:
        return store.move(work, plan, one, int(start), at, STAFF if one.public else TELEPHONE)

    return _acted(id, act, "moved")


@pages.post("/<id>/cancel")
@signed_in_as("operator")
def cancel(id: str) -> AnyResponse:
    """The place is free at once."""
    return _acted(id, store.cancel, "cancelled")


@pages.post("/<id>/note")
@signed_in_as("operator")
def note(id: str) -> AnyResponse:
    """What the desk should know."""
    text = " ".join(request.form.get("note", "").split())
    if len(text) > 200 or not text.isprintable():
        page = _one_page(own(id, "opened"), {"note": sentence("note")})
        return make_response(page, HTTPStatus.UNPROCESSABLE_ENTITY)

    def act(work: Work, plan: Plan, one: Appointment, at: Moment) -> Appointment:
        who = store.by_id(work, one.id, lock=True).person
        return store.change(work, plan, one, at, person=replace(who, note=text or None)) if who else one

    return _acted(id, act, "noted")


@pages.post("/<id>/late")
@signed_in_as("operator")
def late(id: str) -> AnyResponse:
    """Whoever is running late keeps the appointment for longer."""
    minutes = asked_grace()
    return _acted(id, lambda work, plan, one, at: store.change(work, plan, one, at, grace_minutes=minutes), "late")


def asked_grace() -> int:
    """The grace that a form asks for: the whole of it, so that a press that comes twice adds nothing."""
    return m.Change.model_validate({"grace_minutes": _number(request.form.get("grace", ""))}).grace_minutes or 0


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _acted(id: str, act: Act, said: str) -> AnyResponse:
    one, by, at = own(id, "opened"), person().name, now()
    plan = hall().plan(one.office)

    def noted(work: Work) -> None:
        act(work, plan, one, at)
        audit.note(work, by, said, at, one.office, one.id)

    try:
        hall().store.transact(noted, one_view=False)
    except BookingError as error:
        return make_response(_one_page(own(id, "opened"), refusal(error)), HTTPStatus.CONFLICT)
    return redirect(url_for(".one", id=id, said=said), HTTPStatus.SEE_OTHER)
