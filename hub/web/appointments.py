"""The JSON API of appointments: free hours, booking, moving, cancelling, checking in at reception.

None of it gives personal data away, but for two routes of the clerk: who is at the desk, and who is
expected today. Each look is written down.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.booking.appointments import Appointment, Document, Person, Standing
from hub.booking.documents import document as read_document
from hub.booking.errors import BadDocument, NoAppointment
from hub.booking.slots import PUBLIC, STAFF, TELEPHONE, Terms, length
from hub.clock import now
from hub.line import commands as c
from hub.line.decide import standstill
from hub.line.errors import Unknown
from hub.line.model import State
from hub.line.plan import MINUTE, Moment, Plan, day_of, local
from hub.offices import RECEPTION_FIRST
from hub.store import Work, audit, people
from hub.store import appointments as store

from . import models as m
from .api import body_as
from .guard import address, asking, for_role, person
from .hall import hall
from .once import Answer, once
from .openapi import described
from .problems import Refused

pages = Blueprint("appointments", __name__, url_prefix="/api/v1")
DAYS = 7  # that are listed where nobody says until when
PROOFS = ("secret", "document")


# --- what is said of one --------------------------------------------------------------------


def clock(plan: Plan, at: Moment) -> str:
    """A moment on the office's clock: 2026-11-24T09:10:00+01:00."""
    return local(plan, at).isoformat(timespec="seconds")


def shown(plan: Plan, one: Appointment) -> dict[str, Any]:
    """An appointment without its owner."""
    return {
        "appointment": one.id,
        "locator": one.locator,
        "office": one.office,
        "services": list(one.services),
        "start": clock(plan, one.start),
        "minutes": length(plan, one.services),
        "state": one.standing.value,
        "language": one.language,
        "grace_minutes": one.grace_minutes,
        "label": one.label,
    }


def moment_of(start: str) -> Moment:
    """A time with its offset as milliseconds since 1970."""
    return round(datetime.fromisoformat(start).timestamp() * 1000)


def is_staff(office: str) -> bool:
    """Whether somebody asks who works at this office."""
    who = asking()
    return who is not None and who.may("clerk", office)


def terms_for(office: str, internal: bool) -> Terms:
    """By which of the rules who asks may book."""
    if not is_staff(office):
        return PUBLIC
    return TELEPHONE if internal else STAFF


# --- for everybody --------------------------------------------------------------------------


@pages.get("/offices/<office>/slots")
@described(
    "The hours that can be booked for one service, or for several (with commas between) in one visit.",
    m.Slots,
    query=("service", "from", "to", "internal"),
)
def slots(office: str) -> Response:
    """The hours at which a visit can begin."""
    plan, at = hall().plan(office), now()
    first = _day("from", local(plan, at).date())
    last = _day("to", first + timedelta(days=DAYS - 1))
    services = tuple(filter(None, ",".join(request.args.getlist("service")).split(",")))
    terms = terms_for(office, request.args.get("internal") == "1")
    found = store.free_slots(hall().store, plan, services, first, last, at, terms)
    return jsonify(slots=[{"start": clock(plan, slot.start), "free": slot.free} for slot in found])


def _day(name: str, default: date) -> date:
    text = request.args.get(name)
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        detail = f"{name}: must be a date like 2026-11-24"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, name) from None


@pages.post("/appointments")
@described("Books a place.", m.BookedAppointment, m.NewAppointment, status=HTTPStatus.CREATED)
def book() -> Response:
    """Takes a place for somebody."""
    body = body_as(m.NewAppointment)
    plan = hall().fleet.plans.get(body.office)
    if plan is None:
        detail = f"office: there is no office {body.office}"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown", detail, "office")
    staff, terms = is_staff(plan.office), terms_for(plan.office, body.internal)
    whose = _person(body, staff)

    def act(work: Work, at: Moment) -> Answer:
        asked = store.new(
            plan.office,
            tuple(body.service),
            moment_of(body.start),
            public=not terms.internal,
            language=body.language,
            person=whose,
        )
        one = store.book(work, plan, asked, at, terms)
        _note(work, "booked", one, at)
        return HTTPStatus.CREATED, {**shown(plan, one), "secret": one.secret}

    who = asking()
    return once(plan.office, who.name if who else f"public {address()}", act, one_view=False)


def _person(body: m.NewAppointment, staff: bool) -> Person:
    if body.document is None and not staff:
        raise BadDocument("document: is needed, so that you can check in with it")
    document = _document(body.document) if body.document else None
    return Person(body.name, document, body.email, body.phone, body.note if staff else None)


def _document(said: m.Document) -> Document:
    return read_document(said.kind, said.number)


@pages.get("/appointments/<locator>")
@described("One appointment, for the staff and its owner.", m.Appointment, query=PROOFS)
def appointment(locator: str) -> Response:
    """An appointment, for the staff and its owner."""
    return _with_own(locator, lambda work, plan, one, at: one)


@pages.patch("/appointments/<locator>")
@described(
    "Moves an appointment; if the new place is taken, the old one stays. Staff may say that somebody is running late.",
    m.Appointment,
    m.Change,
    query=PROOFS,
)
def move(locator: str) -> Response:
    """Another hour, and if it is taken, the old one stays; or more grace."""
    body = body_as(m.Change)

    def act(work: Work, plan: Plan, one: Appointment, at: Moment) -> Appointment:
        staff = is_staff(one.office)
        if body.grace_minutes is not None and not staff:
            raise Refused(HTTPStatus.FORBIDDEN, "forbidden", "grace_minutes: is for the staff", "grace_minutes")
        if body.start is not None:
            one = store.move(work, plan, one, moment_of(body.start), at, STAFF if staff else PUBLIC)
            _note(work, "moved", one, at)
        if body.grace_minutes is not None:
            one = store.change(work, plan, one, at, grace_minutes=body.grace_minutes)
            _note(work, "late", one, at)
        return one

    return _with_own(locator, act)


@pages.delete("/appointments/<locator>")
@described("Cancels an appointment; its place is free at once.", m.Appointment, query=PROOFS)
def cancel(locator: str) -> Response:
    """The place is free at once."""

    def act(work: Work, plan: Plan, one: Appointment, at: Moment) -> Appointment:
        one = store.cancel(work, plan, one, at)
        _note(work, "cancelled", one, at)
        return one

    return _with_own(locator, act)


def _note(work: Work, what: str, one: Appointment, at: Moment) -> None:
    """Writes down what the staff did with an appointment; what its owner does is nobody else's."""
    who = asking()
    if who is not None and is_staff(one.office):
        audit.note(work, who.name, what, at, one.office, one.id)


def _with_own(locator: str, act: Callable[[Work, Plan, Appointment, Moment], Appointment]) -> Response:
    """Does something with an appointment, if who asks has proved that it is theirs."""

    def acted(work: Work) -> tuple[Plan, Appointment]:
        one = store.by_locator(work, locator)
        secret, document = (request.args.get(proof) for proof in PROOFS)
        plan = hall().fleet.plans.get(one.office)
        if plan is None or not (is_staff(one.office) or store.proves(one, secret, document)):
            raise NoAppointment("there is no such appointment, or it is not yours")
        return plan, act(work, plan, one, now())

    return jsonify(shown(*hall().store.transact(acted, one_view=False)))


# --- for the staff --------------------------------------------------------------------------


@pages.post("/offices/<office>/check-ins")
@for_role("clerk")
@described("Reception checks somebody in.", m.GivenTicket, m.CheckIn, status=HTTPStatus.CREATED)
def check_in(office: str) -> Response:
    """Reception gives paper to whoever has an appointment."""
    body, by, plan = body_as(m.CheckIn), person().name, hall().plan(office)
    number = _document(body.document).number if body.document else None

    def act(work: Work, at: Moment) -> Answer:
        found = store.by_document(work, number) if number else [store.by_locator(work, body.locator or "")]
        return HTTPStatus.CREATED, give_number(work, plan, store.for_today(found, plan, at), by, at)

    return once(office, by, act)


def give_number(work: Work, plan: Plan, one: Appointment, by: str, at: Moment) -> dict[str, Any]:
    """Puts who has an appointment into the line, with a number of reception's own range."""
    ticket, token = str(uuid.uuid4()), secrets.token_urlsafe(16)
    command = c.Issue(by, ticket, token, "", (), first_number=RECEPTION_FIRST, language=one.language)
    store.check_in(work, plan, one, command, at)
    label = work.state(plan.office).tickets[ticket].label
    return {"ticket": ticket, "label": label, "token": token, "wait": None}


@pages.get("/offices/<office>/expected")
@for_role("clerk")
@described("Who has an appointment today; the look is written down.", m.ExpectedToday)
def expected(office: str) -> Response:
    """Who comes today, who is here, who is late."""
    plan, at, who = hall().plan(office), now(), person().name
    day = day_of(plan, at)

    def read(work: Work) -> tuple[list[Appointment], State]:
        some = store.of_day(work.connection, plan, day)
        people.looked(work, who, "expected today", some, at)
        return some, work.state(office)

    found, state = hall().store.transact(read)
    return jsonify(day=day, appointments=[{**shown(plan, one), **_expected(state, one, at)} for one in found])


def _expected(state: State, one: Appointment, at: Moment) -> dict[str, Any]:
    return {"presence": presence(state, one, at), **_name(one)}


def _name(one: Appointment) -> dict[str, Any]:
    return {"name": one.person.name, "note": one.person.note} if one.person else {"name": None, "note": None}


def presence(state: State, one: Appointment, at: Moment) -> str:
    """Whether who has an appointment is here: "absent" means that they would now join the walk-ins.

    While the whole office stands still nobody becomes late.
    """
    if one.standing is Standing.ARRIVED:
        return "arrived"
    if at <= one.start:
        return "expected"
    allowed = (state.plan.rules.late_minutes + one.grace_minutes) * MINUTE
    late = at - one.start - standstill(state, one.start, at)
    return "expected" if late <= 0 else "late" if late <= allowed else "absent"


@pages.get("/offices/<office>/desks/<desk>/person")
@for_role("clerk")
@described("Who is at a desk with an appointment; the look is written down.", m.AtDesk)
def at_desk(office: str, desk: str) -> Response:
    """Who is at the desk, if they came with an appointment."""
    state = hall().state(office)
    if desk not in state.desks:
        raise Unknown(f"office {office} has no desk {desk}")
    one = visitor(state, desk)
    if one is None:
        raise NoAppointment(f"nobody with an appointment is at desk {desk}")
    said = {"label": one.label, "start": clock(state.plan, one.start), "services": list(one.services)}
    return jsonify({**said, **_name(one)})


def visitor(state: State, desk: str) -> Appointment | None:
    """The appointment of who is at a desk, with their name; that who asks has seen it is written down."""
    ticket, who = state.tickets.get(state.desks[desk].ticket or ""), person().name
    if ticket is None or ticket.appointment is None:
        return None
    id = ticket.appointment.id

    def read(work: Work) -> Appointment:
        one = store.by_id(work, id)
        people.looked(work, who, "at the desk", [one], now())
        return one

    return hall().store.transact(read)
