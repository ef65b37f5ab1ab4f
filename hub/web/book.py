"""Booking on the web: what for, where and when, who comes, a last look, and it is booked.

What has been chosen stands in the page's address. Who comes never does: it is kept with the place. Choosing an
hour keeps the place for ten minutes; once they are over, it is booked all the same if it is still free. Every
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
from hub.booking.slots import bookable
from hub.clock import now
from hub.line.plan import Moment, Plan, Service
from hub.store import Work
from hub.store import appointments as store

from .hall import hall
from .hours import choice, earliest, moment_of
from .language import language
from .visitor import judged, typed, typed_before

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
    )


def _offered() -> list[Service]:
    """What can be booked at some office, each once, as the first office that has it calls it."""
    found: dict[str, Service] = {}
    for plan in hall().fleet.plans.values():
        for service in plan.services:
            if service.bookable and plan.serving(service.id):
                found.setdefault(service.id, service)
    return list(found.values())


@pages.get("/where")
def where() -> AnyResponse:
    """All offices side by side, each with its first free hours."""
    wanted, at = wish(), now()
    services = [service for service in _offered() if service.id in wanted.services]
    if not services:
        return make_response(_start(wrong=True), HTTPStatus.UNPROCESSABLE_ENTITY)
    wanted = Wish(tuple(service.id for service in services), hold=wanted.hold)
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
        return _choose_again(wanted)
    next_page = "book.review" if kept.person else "book.who"
    return redirect(url_for(next_page, **replace(wanted, hold=kept.id).words), HTTPStatus.SEE_OTHER)


def _hold(wanted: Wish) -> Appointment:
    """Keeps a place; who comes, if that was filled in for another hour, stays filled in."""
    plan, at = wanted.plan, now()

    def act(work: Work) -> Appointment:
        asked, known = _new(wanted), _known(work, wanted.hold)
        if known and known.standing is Standing.HELD:
            asked = replace(asked, id=known.id, locator=known.locator)
        kept = store.hold(work, plan, asked, at)
        return replace(kept, person=known.person if known and known.id == kept.id else None)

    return hall().store.transact(act, one_view=False)


def _new(wanted: Wish) -> Appointment:
    if wanted.start is None:
        raise NotASlot("start: choose an hour")
    return store.new(wanted.office, wanted.services, wanted.start)


def _known(work: Work, id: str, lock: bool = True) -> Appointment | None:
    """The place of that id; None once it is forgotten."""
    try:
        return store.by_id(work, id, lock) if id else None
    except NoAppointment:
        return None


def _choose_again(wanted: Wish) -> AnyResponse:
    """Somebody else has the place, or it cannot be booked any more: the nearest ones."""
    here = replace(wanted, start=None).words
    return redirect(url_for("book.when", **here, taken=wanted.start, _anchor="nearest"), HTTPStatus.SEE_OTHER)


# --- who comes ------------------------------------------------------------------------------


@pages.get("/who")
def who() -> AnyResponse:
    """Asks who will come; what was filled in before stands there."""
    wanted = wish()
    if wanted.start is None:
        return redirect(url_for("book.start"), HTTPStatus.SEE_OTHER)
    kept = _kept(wanted)
    return make_response(_page("book_who.html", wanted, kept, said=typed_before(kept), wrong={}))


@pages.post("/who")
def filled_in() -> AnyResponse:
    """Keeps who will come, for a last look; `act` is "edit" where only the language of the form was changed."""
    wanted, said = wish(), typed(request.form)
    person, wrong = judged(said)
    if request.form.get("act") == "edit" or person is None:
        wrong = {} if request.form.get("act") == "edit" else wrong
        page = _page("book_who.html", wanted, _kept(wanted), said=said, wrong=wrong)
        return make_response(page, HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK)
    kept = _fill_in(wanted, person)
    wanted = replace(wanted, hold=kept.id)
    if not (wanted.is_of(kept) and kept.takes_place(now())):
        try:
            _hold(wanted)
        except (SlotTaken, NotASlot):
            return _choose_again(wanted)
    return redirect(url_for("book.review", **wanted.words), HTTPStatus.SEE_OTHER)


def _fill_in(wanted: Wish, person: Person) -> Appointment:
    """Writes down who will come for the place that is kept; for a new one, not kept yet, if that is forgotten."""
    office, at = wanted.plan.office, now()

    def act(work: Work) -> Appointment:
        kept = _known(work, wanted.hold)
        if kept is None or kept.standing is not Standing.HELD:
            kept = replace(_new(wanted), office=office, standing=Standing.HELD, held_until=at)
        return store.fill_in(work, kept, person, at)

    return hall().store.transact(act, one_view=False)


@pages.get("/review")
def review() -> AnyResponse:
    """A last look before it is booked."""
    wanted = wish()
    kept = _kept(wanted)
    if kept and kept.standing is not Standing.HELD:
        return redirect(url_for("mine.ask"), HTTPStatus.SEE_OTHER)
    if kept is None or kept.person is None:
        return redirect(url_for("book.who", **wanted.words), HTTPStatus.SEE_OTHER)
    return make_response(_page("book_review.html", wanted, kept, person=kept.person))


@pages.post("/review")
def booked() -> AnyResponse:
    """Books it. The form says the document again, so that what was sent twice leads to the same appointment."""
    wanted, number, at = wish(), request.form.get("document"), now()
    plan = wanted.plan
    try:
        one = hall().store.transact(lambda work: _book(work, plan, wanted, number, at), one_view=False)
    except (SlotTaken, NotASlot):
        return _choose_again(wanted)
    except AlreadyBooked:
        kept = _kept(wanted)
        page = _page("book_who.html", wanted, kept, said=typed_before(kept), wrong={}, already=True)
        return make_response(page, HTTPStatus.CONFLICT)
    if one is None:
        return redirect(url_for("book.who", **wanted.words), HTTPStatus.SEE_OTHER)
    return redirect(url_for("mine.shown", locator=one.locator, secret=one.secret, new=1), HTTPStatus.SEE_OTHER)


def _book(work: Work, plan: Plan, wanted: Wish, number: str | None, at: Moment) -> Appointment | None:
    """Makes the kept place somebody's; None if it is not the one that was looked at, or nobody's."""
    kept = _known(work, wanted.hold)
    if kept is None or kept.person is None or not (wanted.is_of(kept) and store.proves(kept, None, number)):
        return None
    if kept.standing is Standing.HELD:
        return store.confirm(work, plan, kept.id, kept.person, at, language())
    return kept


def _kept(wanted: Wish) -> Appointment | None:
    return hall().store.transact(lambda work: _known(work, wanted.hold, lock=False))


def _page(template: str, wanted: Wish, kept: Appointment | None, **more: Any) -> str:
    plan, at = wanted.plan, now()
    holds = kept and kept.standing is Standing.HELD and wanted.is_of(kept) and kept.takes_place(at)
    return render_template(
        template,
        wish=wanted,
        plan=plan,
        services=[service for service in plan.services if service.id in wanted.services],
        until=kept.held_until if kept and holds else None,
        at=at,
        fleet=hall().fleet,
        **more,
    )
