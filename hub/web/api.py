"""The JSON API: what programs, the boards' makers and the telephone exchange talk to."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import UnsupportedMediaType

from firmware import wire
from hub.clock import now
from hub.line import commands as c
from hub.line import views
from hub.line.errors import ByAppointment, Unknown
from hub.line.events import TicketCalled
from hub.line.model import DeskStage, State
from hub.line.plan import Moment, Plan, Service, coming_doors, is_open
from hub.offices import RECEPTION_FIRST
from hub.store import Work

from . import models as m
from .guard import for_role, person
from .hall import hall
from .once import Answer, once
from .openapi import described
from .problems import Refused

pages = Blueprint("api", __name__, url_prefix="/api/v1")
Model = TypeVar("Model", bound=m.Body)
DAYS_AHEAD = 14  # in which an office's next opening is looked for


def body_as(model: type[Model]) -> Model:
    """The request's body, checked; none counts as an empty object."""
    if not request.get_data():
        return model.model_validate({})
    if not request.is_json:
        raise UnsupportedMediaType("the body must be application/json")
    try:
        value = json.loads(request.get_data())
    except (ValueError, RecursionError):  # the latter: nested deeper than the reader's stack
        value = None
    if not isinstance(value, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "malformed", "the body must be a JSON object in UTF-8")
    return model.model_validate(value)


# --- for everybody --------------------------------------------------------------------------


@pages.get("/offices")
@described("All offices: services, desks, and whether the doors are open.", m.Offices)
def offices() -> Response:
    """Every office of the fleet."""
    return jsonify(offices=[office_document(plan, now()) for plan in hall().fleet.plans.values()])


def office_document(plan: Plan, at: Moment) -> dict[str, Any]:
    """An office as its file describes it, with its next opening while it is closed."""
    opened = is_open(plan, at)
    doors = () if opened else coming_doors(plan, at, DAYS_AHEAD)
    return {
        "id": plan.office,
        "name": plan.name,
        "telephone": plan.telephone,
        "timezone": plan.timezone,
        "open": opened,
        "opens": wire.stamp(doors[0][0]) if doors else None,
        "services": [
            {
                "id": service.id,
                "letter": service.letter,
                "name": dict(service.name),
                "bookable": service.bookable,
                "walk_in": service.by_appointment_reason is None,
            }
            for service in plan.services
        ],
        "desks": [desk.id for desk in plan.desks],
    }


@pages.get("/offices/<office>/line")
@described("The office's line: who waits for what, what the desks do, the last calls.", m.Line)
def line(office: str) -> Response:
    """The line document, as boards get it."""
    return jsonify(hall().line(office))


@pages.get("/tickets/<token>")
@described("One ticket, as its phone is told; 404 for a token not known.", m.Ticket)
def ticket(token: str) -> Response:
    """One ticket by the token on its paper."""
    seen = hall().look(token, now())
    if seen is None:
        raise Unknown("there is no ticket with this token, or its dispenser has not been heard yet")
    return jsonify({"seq": seen.seq, **seen.document})


# --- for the staff --------------------------------------------------------------------------


@pages.post("/offices/<office>/pause")
@for_role("clerk")
@described("The whole office stands still: nobody is called, and nobody becomes late.", m.OfficeState, m.Pause)
def pause(office: str) -> Response:
    """Fire alarm, power cut."""
    body = body_as(m.Pause)
    return _change_office(office, c.PauseOffice(person().name, body.message))


@pages.post("/offices/<office>/resume")
@for_role("clerk")
@described("The office goes on, in the order it had.", m.OfficeState, m.Body)
def resume_office(office: str) -> Response:
    """All clear."""
    body_as(m.Body)
    return _change_office(office, c.ResumeOffice(person().name))


def _change_office(office: str, command: c.Command) -> Response:
    def act(work: Work, at: Moment) -> Answer:
        work.do(office, command, at)
        paused = work.state(office).paused
        return HTTPStatus.OK, {"office": office, "paused": paused.message if paused else None}

    return once(office, command.by, act)


@pages.post("/offices/<office>/tickets")
@for_role("clerk")
@described("Reception gives a ticket.", m.GivenTicket, m.NewTicket, status=HTTPStatus.CREATED)
def give_ticket(office: str) -> Response:
    """For whoever cannot use the machine."""
    body, by = body_as(m.NewTicket), person().name
    return once(office, by, lambda work, at: (HTTPStatus.CREATED, give(work, office, body, by, at)))


def give(work: Work, office: str, asked: m.NewTicket, by: str, at: Moment) -> dict[str, Any]:
    """Issues a ticket of reception's own range of numbers; ByAppointment, or Refused for an unknown service."""
    service = known_service(office, asked.service)
    if service.by_appointment_reason:
        raise ByAppointment(f"{service.id} is had by appointment only: {service.by_appointment_reason}")
    command = c.Issue(
        by=by,
        ticket=str(uuid.uuid4()),
        token=secrets.token_urlsafe(16),
        label="",
        services=(service.id,),
        first_number=RECEPTION_FIRST,
        language=asked.language,
        priority=asked.priority,
    )
    work.do(office, command, at)
    label = work.state(office).tickets[command.ticket].label
    # The forecast is of ordinary tickets; a preferential one passes them.
    wait = None if asked.priority else hall().wait(office, service.id, at)
    return {"ticket": command.ticket, "label": label, "token": command.token, "wait": wait}


def known_service(office: str, id: str) -> Service:
    """The service that a body names; Refused with its field if the office has none of that id."""
    service = hall().plan(office).service(id)
    if service is None:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown", f"service: {office} has no service {id}", "service")
    return service


# --- desks ----------------------------------------------------------------------------------


def desk_document(state: State, desk: str) -> dict[str, Any]:
    """What a desk shows, and whether it is only paused."""
    found = state.desks[desk]
    return {**views.desk_document(state, found, wire.stamp), "paused": found.stage is DeskStage.PAUSED}


@pages.post("/offices/<office>/desks/<desk>/next")
@for_role("clerk")
@described("Finishes whoever is at the desk and calls the next person.", m.Called, m.Verb)
def desk_next(office: str, desk: str) -> Response:
    """Who is called, and by which rule."""
    command = c.Next(person().name, desk, body_as(m.Verb).version)

    def act(work: Work, at: Moment) -> Answer:
        events = work.do(office, command, at)
        state = work.state(office)
        called = [state.tickets[event.ticket] for event in events if isinstance(event, TicketCalled)]
        found = called[0] if called else None
        names = ("label", "id", "service", "reason")
        label, id, service, reason = (getattr(found, name) if found else None for name in names)
        said = {"label": label, "ticket": id, "service": service, "reason": reason}
        return HTTPStatus.OK, {**said, "version": state.desks[desk].version}

    return once(office, command.by, act)


Verbs = Mapping[str, tuple[type[c.DeskCommand], type[m.Verb], str]]
VERBS: Verbs = {
    "open": (c.Open, m.Verb, "The desk opens."),
    "close": (c.Close, m.Verb, "The desk closes; whoever is at it is done."),
    "pause": (c.PauseDesk, m.Verb, "The desk makes a pause; whoever is at it is done."),
    "recall": (c.Recall, m.Verb, "Whoever was called is called again."),
    "absent": (c.MarkAbsent, m.Verb, "Whoever was called did not come."),
    "start": (c.Start, m.Verb, "Whoever was called has come to the desk."),
    "done": (c.Done, m.Verb, "The visit is over; the next of several services goes on."),
    "undo": (c.Undo, m.Verb, "Takes the desk's last step back; 409 once somebody else has gone on from it."),
    "park": (c.Park, m.Park, "Whoever is at the desk waits in a room, and keeps the time they have."),
    "transfer": (c.Transfer, m.Transfer, "Whoever is at the desk waits for another service, with the time they have."),
    "resume": (c.Resume, m.Resume, "A parked ticket comes back to this desk, or returns to the line."),
}


def _add_verb(verb: str, command: type[c.DeskCommand], model: type[m.Verb], summary: str) -> None:
    @for_role("clerk")
    @described(summary, m.Desk, model)
    def view(office: str, desk: str) -> Response:
        words = body_as(model).model_dump()
        if "service" in words:
            known_service(office, words["service"])
        asked = command(person().name, desk, **words)
        return once(office, asked.by, lambda work, at: at_desk(work, office, asked, at))

    pages.add_url_rule(f"/offices/<office>/desks/<desk>/{verb}", f"desk_{verb}", view, methods=["POST"])


def at_desk(work: Work, office: str, command: c.DeskCommand, at: Moment) -> Answer:
    """Does one thing at a desk, and says what the desk shows then."""
    work.do(office, command, at)
    return HTTPStatus.OK, desk_document(work.state(office), command.desk)


for _verb, _parts in VERBS.items():
    _add_verb(_verb, *_parts)
