"""An office's appointments of a day: the live list of who is expected, the sheet on paper, reception's check-in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

import segno
from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask_babel import format_date, gettext
from werkzeug.wrappers import Response as AnyResponse

from hub.booking.appointments import Appointment
from hub.booking.documents import plain
from hub.booking.errors import AlreadyCheckedIn, BadDocument, BookingError, NoAppointment
from hub.booking.slots import FURTHEST
from hub.clock import now
from hub.line.errors import LineError, Unknown
from hub.line.evolve import ENDED
from hub.line.model import State
from hub.line.plan import MINUTE, Moment, Plan, day_of
from hub.store import Work, audit, people
from hub.store import appointments as store

from . import models as m
from .appointments import give_number, presence
from .booked import GRACE, asked_grace
from .bookings import capital, names, papers, refusal, typed_document
from .guard import may, person, signed_in
from .hall import hall

pages = Blueprint("today", __name__, url_prefix="/staff/bookings/day")
LOCATOR_DIGITS = 9
PRESENCES = ("expected", "late", "absent", "arrived")
SOON = 60_000  # ms: a list that is looked at is never older; a booking by somebody else is not in the line's stream


@dataclass(frozen=True)
class Row:
    """One appointment of the day; `name` only while somebody needs it."""

    one: Appointment
    presence: str
    services: str
    name: str
    papers: tuple[str, ...]
    note: str


@pages.get("/<office>")
@signed_in
def day(office: str) -> AnyResponse:
    """Who comes, who is here, who is late; on paper, the day's sheet. `?part=1` gives what changes alone."""
    return make_response(_page(office))


def _page(office: str, errors: dict[str, str] | None = None, typed: str = "") -> str:
    plan, at = hall().plan(office), now()
    today = day_of(plan, at)
    day = _day(today)
    if day != today:
        may(person(), "operator", office)
    rows = _rows(plan, day, at)
    return render_template(
        "bookings_day_part.html" if "part" in request.args else "bookings_day.html",
        plan=plan,
        is_today=day == today,
        title=capital(format_date(date.fromisoformat(day), gettext("EEEE, d MMMM yyyy"))),
        before=_shifted(day, -1),
        after=_shifted(day, 1),
        rows=rows,
        counts={each: sum(row.presence == each for row in rows) for each in PRESENCES},
        grace=GRACE,
        longest=m.LONGEST_GRACE,
        changes=_changes(plan, rows, at) - at,
        errors=errors or {},
        typed=typed,
        person=person(),
    )


def _day(today: str) -> str:
    try:
        asked = date.fromisoformat(request.args.get("day", ""))
    except ValueError:
        return today
    near = abs((asked - date.fromisoformat(today)).days) <= FURTHEST
    return asked.isoformat() if near else today


def _shifted(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def _rows(plan: Plan, day: str, at: Moment) -> list[Row]:
    who = person().name

    def read(work: Work) -> tuple[list[Appointment], State]:
        some = store.of_day(work.connection, plan, day)
        people.looked(work, who, "list of the day", some, at)
        return some, work.state(plan.office)

    some, state = hall().store.transact(read)
    return [_row(plan, one, state, at) for one in some]


def _row(plan: Plan, one: Appointment, state: State, at: Moment) -> Row:
    """Whose visit is over needs no name any more."""
    ticket = state.tickets.get(one.ticket or "")
    over = one.ticket is not None and (ticket is None or ticket.stage in ENDED)
    who = None if over else one.person
    said = presence(state, one, at)
    name, note = (who.name, who.note or "") if who else ("", "")
    return Row(one, said, names(plan, one.services), name, papers(plan, one.services), note)


def _changes(plan: Plan, rows: list[Row], at: Moment) -> Moment:
    """When the list will be another one by the passing of time, or may be by a booking."""
    starts = [row.one.start for row in rows if row.presence == "expected"]
    ends = [
        row.one.start + (plan.rules.late_minutes + row.one.grace_minutes) * MINUTE
        for row in rows
        if row.presence == "late"
    ]
    return max(at + 1000, min([each + 1 for each in starts + ends] + [at + SOON]))


# --- reception ------------------------------------------------------------------------------


@pages.post("/<office>/check-in")
@signed_in
def check_in(office: str) -> AnyResponse:
    """By one press in the list, or by what is said at the counter: a document or a locator."""
    plan, by, at = hall().plan(office), person().name, now()
    said = request.form.get("said", "").strip()[:40]

    def act(work: Work) -> str:
        id = request.form.get("appointment")
        one = store.for_today([store.by_id(work, id)] if id else _meant(work, said), plan, at)
        try:
            return str(give_number(work, plan, one, by, at)["ticket"])
        except AlreadyCheckedIn:  # says the number again
            return store.by_id(work, one.id).ticket or ""

    try:
        ticket = hall().transact(office, act)
    except NoAppointment:
        errors = {"said": gettext("There is no appointment here today for this document or locator.")}
        return make_response(_page(office, errors, said), HTTPStatus.NOT_FOUND)
    except LineError:
        errors = {"said": gettext("The line does not take this appointment now: give a ticket instead.")}
        return make_response(_page(office, errors, said), HTTPStatus.CONFLICT)
    return redirect(url_for(".slip", office=office, ticket=ticket), HTTPStatus.SEE_OTHER)


def _meant(work: Work, said: str) -> list[Appointment]:
    document, locator = which(said)
    return store.by_document(work, document) if document else [store.by_locator(work, locator or "")]


def which(said: str) -> tuple[str | None, str | None]:
    """What was said at the counter, as a document or as a locator: nine digits are a locator."""
    written = plain(said)
    if written.isascii() and written.isdigit() and len(written) == LOCATOR_DIGITS:
        return None, written
    try:
        document = typed_document("", said)
    except BadDocument:  # a passport, then
        document = None
    return (document.number if document else written) or None, None


@pages.get("/<office>/slip/<ticket>")
@signed_in
def slip(office: str, ticket: str) -> AnyResponse:
    """The number of who has just checked in, with the code for the phone, to show or to print."""
    state = hall().state(office)
    found = state.tickets.get(ticket)
    if found is None or found.appointment is None:
        raise Unknown(f"there is no ticket of an appointment {ticket} at {office} today")
    track = f"{hall().public_url}/t/{found.token}"
    early = found.appointment.start - now() > state.plan.rules.early_minutes * MINUTE
    shown: dict[str, Any] = {"ticket": found, "early": early, "track": track}
    qr = segno.make(track, error="m").svg_data_uri(scale=6, border=2)
    return make_response(render_template("bookings_slip.html", state=state, qr=qr, person=person(), **shown))


@pages.post("/<office>/late")
@signed_in
def late(office: str) -> AnyResponse:
    """Somebody has called: they will be late, and keep the appointment for longer."""
    plan, minutes, at = hall().plan(office), asked_grace(), now()

    def act(work: Work) -> None:
        one = store.by_id(work, request.form.get("appointment", ""))
        store.change(work, plan, store.for_today([one], plan, at), at, grace_minutes=minutes)
        audit.note(work, person().name, "late", at, office, one.id)

    try:
        hall().store.transact(act, one_view=False)
    except NoAppointment:
        raise
    except BookingError as error:
        return make_response(_page(office, refusal(error)), HTTPStatus.CONFLICT)
    return redirect(url_for(".day", office=office), HTTPStatus.SEE_OTHER)
