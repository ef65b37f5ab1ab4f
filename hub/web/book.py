"""Booking on the web: what for, where and when, who comes, a last look, and it is booked.

What has been chosen stands in the page's address; who comes is only ever in the body of a form. Choosing an
hour keeps the place for ten minutes. Once they are over, it is booked all the same if it is still free. Every
step is a plain form; what has been done is answered with a redirect, so that loading again does nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from hub.booking.appointments import Appointment, Person, Standing
from hub.booking.errors import AlreadyBooked, NoAppointment, NotASlot, NotBookable, SlotTaken
from hub.booking.slots import bookable, length
from hub.clock import now
from hub.line.plan import Moment, Plan, Service
from hub.store import Work
from hub.store import appointments as store

from .hall import hall
from .hours import choice, earliest, moment_of
from .language import language
from .visitor import Typed, judged, typed

pages = Blueprint("book", __name__, url_prefix="/book")


@dataclass(frozen=True)
class Wish:
    """What has been chosen so far; none of it says for whom."""

    services: tuple[str, ...] = ()
    office: str = ""
    start: Moment | None = None
    hold: str = ""  # the id of the place that is kept meanwhile

    @property
    def words(self) -> dict[str, Any]:
        """As it stands in an address."""
        said = {"service": list(self.services), "office": self.office, "start": self.start, "hold": self.hold}
        return {name: value for name, value in said.items() if value}

    @property
    def plan(self) -> Plan:
        """Its office, if what is wanted can be booked there: Unknown or NotBookable if not."""
        plan = hall().plan(self.office)
        bookable(plan, self.services)
        return plan

    def is_of(self, one: Appointment) -> bool:
        """Whether a place is the one that was wanted."""
        return (one.office, one.services, one.start) == (self.office, self.services, self.start)


def wish() -> Wish:
    """What this request says is wanted."""
    said = request.values
    return Wish(
        tuple(dict.fromkeys(said.getlist("service"))),
        said.get("office", ""),
        moment_of(said.get("start")),
        said.get("hold", ""),
    )


# --- what for, where and when ---------------------------------------------------------------


@pages.get("")
def start() -> str:
    """What one comes for; and the offices, for who would rather call."""
    return _start()


def _start(wrong: bool = False) -> str:
    return render_template(
        "book.html",
        services=_offered(),
        plans=list(hall().fleet.plans.values()),
        chosen=wish().services,
        wrong=wrong,
        gone="gone" in request.args,
    )


def _offered() -> list[Service]:
    """What can be booked at some office, each once."""
    plans = hall().fleet.plans.values()
    every = (s for plan in plans for s in plan.services if s.bookable and plan.serving(s.id))
    return list({service.id: service for service in reversed(list(every))}.values())[::-1]


@pages.get("/where")
def where() -> AnyResponse:
    """All offices side by side, each with its first free hours."""
    wanted, at = wish(), now()
    services = [service for service in _offered() if service.id in wanted.services]
    if not services:
        return make_response(_start(wrong=True), HTTPStatus.UNPROCESSABLE_ENTITY)
    wanted = replace(wanted, services=tuple(service.id for service in services), start=None)
    offices = [(plan, _earliest(plan, wanted, at)) for plan in hall().fleet.plans.values()]
    return make_response(render_template("book_where.html", wish=wanted, services=services, offices=offices))


def _earliest(plan: Plan, wanted: Wish, at: Moment) -> list[Moment] | None:
    """The first free hours of an office; None where it cannot be booked."""
    try:
        return earliest(hall().store, plan, wanted.services, at)
    except NotBookable:
        return None


@pages.get("/when")
def when() -> str:
    """One office's days and hours; `taken` is an hour for which somebody else was quicker."""
    wanted, taken = replace(wish(), start=None), moment_of(request.args.get("taken"))
    plan = wanted.plan
    day, month = request.args.get("day"), request.args.get("month")

    def link(**more: Any) -> str:
        return url_for("book.when", **wanted.words, **more, _anchor="hours" if "day" in more else None)

    shown = choice(hall().store, plan, wanted.services, now(), link, day, month, taken)
    return render_template("book_when.html", wish=wanted, plan=plan, choice=shown, link=link, taken=taken)


@pages.post("/hold")
def hold() -> AnyResponse:
    """Keeps the place of the hour that was chosen; who had another one kept gives that up."""
    wanted = wish()
    try:
        kept = _hold(wanted)
    except (SlotTaken, NotASlot):
        here = replace(wanted, start=None).words
        return redirect(url_for("book.when", **here, taken=wanted.start, _anchor="nearest"), HTTPStatus.SEE_OTHER)
    return redirect(url_for("book.who", **replace(wanted, hold=kept.id).words), HTTPStatus.SEE_OTHER)


def _hold(wanted: Wish) -> Appointment:
    plan, at = wanted.plan, now()
    if wanted.start is None:
        raise NotASlot("start: choose an hour")
    start = wanted.start

    def act(work: Work) -> Appointment:
        asked, known = store.new(plan.office, wanted.services, start), _known(work, wanted.hold, lock=True)
        if known and known.standing is Standing.HELD:
            asked = replace(asked, id=known.id, locator=known.locator)
        return store.hold(work, plan, asked, at)

    return hall().store.transact(act, one_view=False)


def _known(work: Work, id: str, lock: bool = False) -> Appointment | None:
    """The place of that id; None once it is forgotten."""
    try:
        return store.by_id(work, id, lock) if id else None
    except NoAppointment:
        return None


# --- who comes ------------------------------------------------------------------------------


@pages.get("/who")
def who() -> AnyResponse:
    """Asks who will come."""
    return _who(wish(), Typed())


@pages.post("/who")
def filled_in() -> AnyResponse:
    """A last look at what was typed, or the booking itself; `act` is the button that was pressed."""
    wanted, said, act = wish(), typed(request.form), request.form.get("act")
    person, wrong = judged(said)
    if act == "edit" or person is None:
        return _who(wanted, said, {} if act == "edit" else wrong)
    try:
        if act == "book":
            return _booked(wanted, person)
        if act == "hold":
            wanted = replace(wanted, hold=_hold(wanted).id)
    except (SlotTaken, NotASlot):
        return _elsewhere(wanted, said)
    except AlreadyBooked:
        return _who(wanted, said, already=True)
    return make_response(_page("book_review.html", wanted, said))


def _booked(wanted: Wish, person: Person) -> AnyResponse:
    plan, at = wanted.plan, now()
    one = hall().store.transact(lambda work: _book(work, plan, wanted, person, at), one_view=False)
    return redirect(url_for("mine.shown", locator=one.locator, secret=one.secret, new=1), HTTPStatus.SEE_OTHER)


def _book(work: Work, plan: Plan, wanted: Wish, person: Person, at: Moment) -> Appointment:
    """Books the place that is kept, or one like it if nothing is kept any more; a form sent twice books once."""
    known = _known(work, wanted.hold, lock=True)
    if known and wanted.is_of(known):
        if known.standing is Standing.HELD:
            return store.confirm(work, plan, known.id, person, at, language())
        if known.standing is Standing.BOOKED and known.person and known.person.document == person.document:
            return known
    if wanted.start is None:
        raise NotASlot("start: choose an hour")
    asked = store.new(plan.office, wanted.services, wanted.start, person=person, language=language())
    return store.book(work, plan, asked, at)


def _who(wanted: Wish, said: Typed, wrong: dict[str, str] | None = None, already: bool = False) -> AnyResponse:
    if wanted.start is None:
        return redirect(url_for("book.start"), HTTPStatus.SEE_OTHER)
    page = _page("book_who.html", wanted, said, wrong=wrong or {}, already=already)
    fine = HTTPStatus.CONFLICT if already else HTTPStatus.OK
    return make_response(page, HTTPStatus.UNPROCESSABLE_ENTITY if wrong else fine)


def _elsewhere(wanted: Wish, said: Typed) -> AnyResponse:
    """Somebody else has the place: other hours, with all that was typed kept."""
    plan, taken = wanted.plan, wanted.start
    shown = choice(hall().store, plan, wanted.services, now(), lambda **_: "", taken=taken)
    hours = [(start, url_for("book.filled_in", **replace(wanted, start=start).words)) for start in shown.nearest]
    return make_response(_page("book_elsewhere.html", wanted, said, hours=hours), HTTPStatus.CONFLICT)


def _page(template: str, wanted: Wish, said: Typed, **more: Any) -> str:
    plan, at = wanted.plan, now()
    kept = hall().store.transact(lambda work: _known(work, wanted.hold))
    holds = kept is not None and kept.standing is Standing.HELD and wanted.is_of(kept) and kept.takes_place(at)
    return render_template(
        template,
        wish=wanted,
        plan=plan,
        services=[service for service in plan.services if service.id in wanted.services],
        minutes=length(plan, wanted.services),
        said=said,
        until=kept.held_until if kept and holds else None,
        fleet=hall().fleet,
        **more,
    )
