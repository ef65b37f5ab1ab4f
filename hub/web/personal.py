"""One person's data on their request: what is kept, who looked, a copy, and the erasure."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, Response, json, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from hub.booking.appointments import Appointment
from hub.booking.errors import NoAppointment
from hub.clock import now
from hub.store import Work, people, rights
from hub.store.people import Look

from .bookings import covered
from .guard import exporting, person, signed_in_as
from .hall import hall
from .today import which

pages = Blueprint("personal", __name__, url_prefix="/staff/bookings/person")


@dataclass(frozen=True)
class Kept:
    """All that is kept of one person: their appointments, and who was shown them."""

    some: list[Appointment]
    looks: list[Look]


@pages.get("")
@signed_in_as("manager")
def ask() -> AnyResponse:
    """Whose data, by a document or a locator."""
    return make_response(_page())


@pages.post("")
@signed_in_as("manager")
def show() -> AnyResponse:
    """What is kept, and who looked at it when; this look is written down too. Erasing is asked for once more."""
    said, who = _said(), person().name

    def read(work: Work) -> Kept:
        some = _theirs(work, said)
        people.noted(work, who, "shown on request", (one.id for one in some), now())
        return Kept(some, people.looks_at(work, some))

    try:
        kept = hall().store.transact(read)
    except NoAppointment:
        return _nothing(said)
    return make_response(_page(said, kept, asks="erase" in request.form))


@pages.post("/export")
@signed_in_as("manager")
@exporting
def export() -> AnyResponse:
    """All of it as a JSON file, for the person."""
    said, who = _said(), person().name
    try:
        kept = hall().store.transact(lambda work: rights.export(work, _theirs(work, said), who, now()))
    except NoAppointment:
        return _nothing(said)
    response = Response(json.dumps(kept, ensure_ascii=False, indent=2), content_type="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="personal-data.json"'
    return response


@pages.post("/erase")
@signed_in_as("manager")
def erase() -> AnyResponse:
    """Forgets who it was; appointments still to come are cancelled, and the bare hours stay for statistics."""
    said, who = _said(), person().name

    def act(work: Work) -> int:
        some = _theirs(work, said)
        rights.erase(work, hall().fleet.plans, some, who, now())
        return len(some)

    try:
        count = hall().store.transact(act, one_view=False)
    except NoAppointment:
        return _nothing(said)
    return redirect(url_for(".ask", erased=count), HTTPStatus.SEE_OTHER)


def _said() -> str:
    return request.form.get("said", "").strip()[:40]


def _theirs(work: Work, said: str) -> list[Appointment]:
    """The appointments of whom is meant, at offices of ours, whose owner is not forgotten yet; or NoAppointment."""
    mine = {plan.office for plan in covered("manager")}
    found = [one for one in rights.theirs(work, *which(said)) if one.office in mine]
    if not found:
        raise NoAppointment("nothing is kept of them at an office of yours")
    return found


def _nothing(said: str) -> AnyResponse:
    errors = {"said": gettext("Nothing is kept for this document or locator at your offices.")}
    return make_response(_page(said, errors=errors), HTTPStatus.NOT_FOUND)


def _page(said: str = "", kept: Kept | None = None, asks: bool = False, errors: dict[str, str] | None = None) -> str:
    return render_template(
        "bookings_person.html",
        said=said,
        kept=kept,
        asks=asks,
        errors=errors or {},
        erased=request.args.get("erased", ""),
        plans=hall().fleet.plans,
        places=places(),
        person=person(),
    )


def places() -> dict[str, str]:
    """Where somebody looked, in the reader's language."""
    return {
        "at the desk": gettext("at the desk"),
        "expected today": gettext("list of the day, over the API"),
        "list of the day": gettext("list of the day"),
        "found by search": gettext("found by search"),
        "opened": gettext("the appointment's page"),
        "fills in a booking": gettext("booked again"),
        "shown on request": gettext("data shown on request"),
        "exported": gettext("data exported"),
        "erased": gettext("data erased"),
    }
