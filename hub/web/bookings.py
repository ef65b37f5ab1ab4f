"""The telephone: the whole booking while talking, and who calls again.

Personal data never stand in an address: what is searched or written down comes by POST, and an
appointment's page is found by its id. Each look at a person's data is written down.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from itertools import groupby
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask_babel import format_date, gettext
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from hub.booking.appointments import Appointment, Document, Person, Standing
from hub.booking.documents import document as read_document
from hub.booking.documents import plain
from hub.booking.errors import (
    AlreadyBooked,
    AlreadyCheckedIn,
    BadDocument,
    BookingError,
    Cancelled,
    NoAppointment,
    NotASlot,
    NotBookable,
    SlotTaken,
)
from hub.booking.slots import STAFF, TELEPHONE, Terms, bookable
from hub.clock import now
from hub.line.plan import Moment, Plan, day_of, local
from hub.store import Work, audit, people
from hub.store import appointments as store

from . import models as m
from .appointments import clock as on_clock
from .guard import may, person, signed_in_as
from .hall import hall
from .language import clock, named
from .once import done_once
from .problems import Refused

pages = Blueprint("bookings", __name__, url_prefix="/staff/bookings")
SHOWN_DAYS = 5  # with free hours, side by side
LOOKED_THROUGH = 9  # calendar days, to find them
MOST_FOUND = 30  # shown
MOST_LOOKED_THROUGH = 200


# --- what is free ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Hour:
    """An hour that can be booked; `own`: the web does not offer it, it is kept for the telephone."""

    start: Moment
    free: int
    own: bool


@dataclass(frozen=True)
class Hours:
    """The next days that have free hours, and where the pages before and after them begin."""

    days: list[tuple[date, list[Hour]]]
    earlier: date | None
    later: date | None

    @property
    def own(self) -> bool:
        """Whether some of them are kept for the telephone."""
        return any(hour.own for _, some in self.days for hour in some)

    @property
    def first(self) -> Moment | None:
        """The soonest of them."""
        return self.days[0][1][0].start if self.days else None


def hours(plan: Plan, services: tuple[str, ...], first: date, terms: Terms = TELEPHONE) -> Hours:
    """What is free for `services` from the day `first` on."""
    at, last = now(), first + timedelta(days=LOOKED_THROUGH - 1)
    found = store.free_slots(hall().store, plan, services, first, last, at, terms)
    public = {slot.start for slot in store.free_slots(hall().store, plan, services, first, last, at, STAFF)}
    free = [Hour(slot.start, slot.free, slot.start not in public) for slot in found]
    days = [(day, list(some)) for day, some in groupby(free, lambda hour: local(plan, hour.start).date())]
    today = local(plan, at).date()
    horizon = today + timedelta(days=plan.rules.horizon_days)
    following = days[SHOWN_DAYS][0] if len(days) > SHOWN_DAYS else last + timedelta(days=1)
    earlier = max(today, first - timedelta(days=LOOKED_THROUGH - 2)) if first > today else None
    return Hours(days[:SHOWN_DAYS], earlier, following if following <= horizon else None)


def day_named(day: date, form: str = "EEE d MMM") -> str:
    """A day in the reader's language, short: dj. 26 nov."""
    return format_date(day, form)


def when(plan: Plan, at: Moment) -> str:
    """The same with the hour: dj. 26 nov., 10:20."""
    return f"{day_named(local(plan, at).date())}, {clock(plan, at)}"


def covered(role: str = "operator") -> list[Plan]:
    """The offices at which who asks may do what this role may."""
    return [plan for id, plan in hall().fleet.plans.items() if person().may(role, id)]


# --- the operator's page --------------------------------------------------------------------


@pages.get("")
@signed_in_as("operator")
def desk() -> AnyResponse:
    """The whole booking on one page; `?part=1` gives the free hours alone, `?like=ID` fills in who called before."""
    plan = _chosen_office()
    like = own(request.args["like"], "fills in a booking") if "like" in request.args else None
    services = tuple(request.args.getlist("service"))
    if like is not None and not services:
        services = tuple(id for id in like.services if (found := plan.service(id)) and found.bookable)
    return make_response(_desk_page(plan, services, _typed(like)))


def _chosen_office() -> Plan:
    """The office that the request names, if it is one of ours; else the first of ours."""
    office = request.values.get("office")
    if office:
        may(person(), "operator", office)
        return hall().plan(office)
    if not covered():
        raise Refused(HTTPStatus.FORBIDDEN, "forbidden", "no office is covered")
    return covered()[0]


def _desk_page(
    plan: Plan, services: tuple[str, ...], typed: dict[str, str], errors: dict[str, str] | None = None, **more: Any
) -> str:
    first, offices = first_day(plan), covered()
    return render_template(
        "bookings_hours.html" if "part" in request.args else "bookings.html",
        plan=plan,
        offices=offices,
        offered={service.id: service for each in reversed(offices) for service in each.services},
        services=services,
        typed=typed,
        errors=errors or {},
        key=secrets.token_urlsafe(16),
        lines={each.office: hall().line(each.office) for each in offices},
        person=person(),
        **_free(plan, services, first),
        **more,
    )


def first_day(plan: Plan) -> date:
    today = local(plan, now()).date()
    try:
        asked = date.fromisoformat(request.values.get("from", ""))
    except ValueError:
        return today
    return min(max(today, asked), today + timedelta(days=plan.rules.horizon_days))


def _free(plan: Plan, services: tuple[str, ...], first: date) -> dict[str, Any]:
    """The free hours here, and the soonest one at each office; none while no procedure is chosen."""
    free, soonest = None, []
    for each in covered():
        try:
            bookable(each, services)
        except NotBookable:
            continue
        found = hours(each, services, first)
        free = found if each.office == plan.office else free
        soonest.append((each, found.first))
    return {"free": free, "soonest": soonest, "first": first}


def _typed(like: Appointment | None) -> dict[str, str]:
    """What the form says at first: nothing, or who called before."""
    who = like.person if like else None
    if like is None or who is None:
        return {"language": "ca"}
    known = who.document
    kind = "passport" if known and known.kind == "passport" else ""
    words = {"name": who.name, "phone": who.phone, "email": who.email, "number": known.number if known else None}
    return {name: text for name, text in words.items() if text} | {"kind": kind, "language": like.language}


@pages.post("")
@signed_in_as("operator")
def book() -> AnyResponse:
    """Takes the place; sent twice it takes one. What cannot be is said beside its field, and nothing typed is lost."""
    plan = _chosen_office()
    services = tuple(request.form.getlist("service"))
    asked, errors = _read(plan)
    if asked is None:
        return _again(plan, services, errors, HTTPStatus.UNPROCESSABLE_ENTITY)

    def act(work: Work, at: Moment) -> tuple[int, dict[str, Any]]:
        one = store.book(work, plan, asked, at, TELEPHONE)
        audit.note(work, person().name, "booked", at, plan.office, one.id)
        return HTTPStatus.SEE_OTHER, {"appointment": one.id}

    body = hashlib.sha256(request.get_data()).hexdigest()
    try:
        answer, _ = done_once(plan.office, person().name, act, request.form.get("key"), body, one_view=False)
    except BookingError as error:
        same = _same(asked) if isinstance(error, AlreadyBooked) else None
        return _again(plan, services, refusal(error), HTTPStatus.CONFLICT, same=same)
    return redirect(url_for("booked.one", id=answer[1]["appointment"], said="booked"), HTTPStatus.SEE_OTHER)


def _again(plan: Plan, services: tuple[str, ...], errors: dict[str, str], status: int, **more: Any) -> AnyResponse:
    names = ("name", "phone", "email", "kind", "number", "language", "note", "start")
    typed = {name: request.form.get(name, "") for name in names}
    return make_response(_desk_page(plan, services, typed, errors, **more), status)


def _read(plan: Plan) -> tuple[Appointment | None, dict[str, str]]:
    """The appointment that the form asks for, or what is wrong with each field."""
    form, errors = request.form, {}
    words = {name: form.get(name, "").strip() or None for name in ("name", "phone", "email", "note")}
    said: dict[str, Any] = {**words, "name": words["name"] or "", "language": form.get("language", "ca")}
    start = form.get("start", "")
    if start.isascii() and start.isdigit() and len(start) < 15:
        said["start"] = on_clock(plan, int(start))
    document = None
    try:
        document = typed_document(form.get("kind", ""), form.get("number", ""))
    except BadDocument:
        errors["document"] = sentence("passport" if form.get("kind") == "passport" else "document")
    try:
        body = m.NewAppointment.model_validate({"office": plan.office, "service": form.getlist("service"), **said})
    except ValidationError as error:
        errors |= {str(each["loc"][0]): sentence(str(each["loc"][0])) for each in error.errors()}
        return None, errors
    if errors:
        return None, errors
    whose = Person(body.name, document, body.email, body.phone, body.note)
    wanted = {"public": False, "language": body.language, "person": whose}
    return store.new(plan.office, tuple(body.service), int(start), **wanted), {}


def typed_document(kind: str, number: str) -> Document | None:
    """The document as it is said on the telephone; whether it is a DNI or a NIE, its first letter tells."""
    if not plain(number):
        return None
    told = "nie" if plain(number)[0] in "XYZ" else "dni"
    return read_document("passport" if kind == "passport" else told, number)


def sentence(code: str) -> str:
    """What is wrong, in the reader's language; each stands beside its field."""
    return {
        "name": gettext("Write the name of who will come."),
        "phone": gettext("A telephone has 6 digits or more."),
        "email": gettext("This is no e-mail address."),
        "note": gettext("A note has at most 200 characters."),
        "start": gettext("Choose an hour."),
        "taken": gettext("This hour is not free any more: choose another one."),
        "document": gettext("This is no DNI or NIE: check the digits and the letter."),
        "passport": gettext("A passport has 5 to 15 letters and digits."),
        "already": gettext("This document has an open appointment for this procedure."),
        "cancelled": gettext("This appointment was cancelled meanwhile."),
        "arrived": gettext("Has checked in already: the appointment cannot be changed any more."),
    }.get(code, gettext("Choose a procedure that can be booked here."))


def refusal(error: BookingError) -> dict[str, str]:
    """The sentence of an error under the field that it belongs to."""
    match error:
        case AlreadyBooked():
            return {"document": sentence("already")}
        case SlotTaken() | NotASlot():
            return {"start": sentence("taken")}
        case Cancelled():
            return {"now": sentence("cancelled")}
        case AlreadyCheckedIn():
            return {"now": sentence("arrived")}
    return {"service": sentence("service")}


def _same(asked: Appointment) -> Appointment | None:
    """The open appointment that stands in the way, if it is at an office of ours."""
    document = asked.person.document if asked.person else None
    if document is None:
        return None
    found = hall().store.transact(lambda work: store.by_document(work, document.number))
    open = (one for one in found if one.standing is Standing.BOOKED and set(one.services) & set(asked.services))
    return next((one for one in open if one.start >= now() and person().may("operator", one.office)), None)


# --- who calls again ------------------------------------------------------------------------


@pages.post("/find")
@signed_in_as("operator")
def find() -> AnyResponse:
    """One field for everything: a document, a telephone, a locator, a name, or the number on a ticket."""
    text = request.form.get("text", "").strip()[:200]
    label = re.fullmatch(r"([a-z])[ -]?([0-9]{3,4})", text, re.IGNORECASE)
    if label:
        return redirect(url_for("labels.number", label="".join(label.groups()).upper()), HTTPStatus.SEE_OTHER)
    at, who = now(), person().name
    mine = {plan.office for plan in covered()}

    def read(work: Work) -> list[Appointment]:
        some = [store.by_id(work, id) for id in people.find(work, text, at)[:MOST_LOOKED_THROUGH]] if text else []
        some = [one for one in some if one.office in mine and one.standing is not Standing.HELD][:MOST_FOUND]
        people.looked(work, who, "found by search", some, at)
        return some

    found = hall().store.transact(read)
    coming = sorted((one for one in found if not over(one, at)), key=lambda one: one.start)
    past = sorted((one for one in found if over(one, at)), key=lambda one: -one.start)
    page = render_template(
        "bookings_found.html", text=text, coming=coming, past=past, plans=hall().fleet.plans, at=at, person=person()
    )
    return make_response(page)


def over(one: Appointment, at: Moment) -> bool:
    """Whether it belongs to the past: it was cancelled, or its day is over."""
    plan = hall().fleet.plans[one.office]
    return one.standing is Standing.CANCELLED or day_of(plan, one.start) < day_of(plan, at)


# --- what all of them need ------------------------------------------------------------------


def own(id: str, what: str) -> Appointment:
    """An appointment of an office of ours, with its owner; NoAppointment otherwise. The look is written down."""
    who, at = person(), now()

    def read(work: Work) -> Appointment:
        found = store.by_id(work, id)
        known = found.office in hall().fleet.plans and found.standing is not Standing.HELD
        if not (known and who.may("operator", found.office)):
            raise NoAppointment("there is no such appointment at an office of yours")
        people.looked(work, who.name, what, [found], at)
        return found

    return hall().store.transact(read)


def capital(text: str) -> str:
    """The text with a capital letter before."""
    return text[:1].upper() + text[1:]


def grouped(locator: str) -> str:
    """A locator as it is said: 123 456 789."""
    return " ".join(re.findall(".{1,3}", locator))


def names(plan: Plan, services: Sequence[str]) -> str:
    """The procedures by name, in the reader's language."""
    return ", ".join(named(found.name) if (found := plan.service(id)) else id for id in services)


def papers(plan: Plan, services: Sequence[str]) -> tuple[str, ...]:
    """What the procedures need, in the reader's language, each once."""
    known = (plan.service(id) for id in services)
    found = (paper for service in known if service and service.bring for paper in named(service.bring))
    return tuple(dict.fromkeys(found))


def masked(document: Document | None) -> str:
    """Enough of a document's number to compare it with what is said: its end."""
    return "•••• " + document.number[-4:] if document else ""


# What the templates, their macros too, may call.
pages.record_once(
    lambda setup: setup.app.jinja_env.globals.update(
        when=when, day_named=day_named, masked=masked, procedures=names, grouped=grouped
    )
)
