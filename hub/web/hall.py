"""What every page stands on: the store, the offices, the broker and the clock, handed in once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from flask import current_app

from firmware import wire
from hub.clock import now
from hub.forecaster.expected import fresh
from hub.forecaster.replay import Replays
from hub.line import views
from hub.line.commands import Command
from hub.line.errors import Unknown
from hub.line.events import Event
from hub.line.model import State
from hub.line.order import ahead
from hub.line.plan import Moment, Plan
from hub.link import Link
from hub.messages.push import Push
from hub.offices import Fleet
from hub.store import Store, StoreError, Work
from hub.store.visits import find_visit

if TYPE_CHECKING:
    from .live import Live
    from .provider import Provider

log = structlog.get_logger()
T = TypeVar("T")


class NotReady(StoreError, RuntimeError):
    """The office's log is still empty: the bridge has not begun its first day yet."""


@dataclass(frozen=True)
class Seen:
    """A ticket found by its token; `state` is its office's if the ticket is of today."""

    seq: int
    document: dict[str, Any]  # what its phone is told, but for `seq`
    office: str
    state: State | None = None
    id: str = ""


@dataclass(frozen=True)
class Hall:
    """The parts that the pages work with."""

    store: Store
    fleet: Fleet
    live: Live
    link: Link
    public_url: str
    push: Push
    replays: Replays
    provider: Provider | None = None

    def plan(self, office: str) -> Plan:
        """The office as its file describes it; Unknown if there is none."""
        try:
            return self.fleet.plans[office]
        except KeyError:
            raise Unknown(f"there is no office {office}") from None

    def state(self, office: str) -> State:
        """The office as the log has it now; Unknown, or NotReady before its first day."""
        self.plan(office)
        state = self.store.state(office)
        if state.plan is None:
            raise NotReady(f"office {office} has not begun its day yet")
        return state

    def transact(self, office: str, act: Callable[[Work], T], one_view: bool = True) -> T:
        """Runs `act` in one transaction (Store.transact), then tells the bridges if the office's log has grown."""
        self.plan(office)
        grown: list[int] = []

        def noticed(work: Work) -> T:
            before = work.state(office).seq
            answer = act(work)
            grown[:] = [work.states[office].seq] * (work.states[office].seq > before)
            return answer

        answer = self.store.transact(noticed, one_view, office)
        for seq in grown:
            said = self.link.publish(wire.appended_topic(office), wire.encode("appended", {"seq": seq}))
            if (
                said is None
            ):  # no broker, so no bridge says it either: this process's own phones hear of it all the same
                self.live.note(office)
        return answer

    def expected(self, office: str, at: Moment) -> views.Expected:
        """What the forecaster expects of the office, while that is fresh."""
        return fresh(self.live.expected(office), at)

    def wait(self, office: str, service: str, at: Moment) -> views.Wait | None:
        """The wait of a ticket of this service taken now, as far as anybody knows."""
        return self.expected(office, at).services.get(service)

    def look(self, token: str, at: Moment) -> Seen | None:
        """The ticket with this token, with its wait; None if none is known."""
        return look(self.store, token, at, self.live.expected)

    def do(self, office: str, command: Command) -> list[Event]:
        """Does one thing at an office; LineError if the line refuses it."""
        return self.transact(office, lambda work: work.do(office, command, now()))

    def line(self, office: str) -> dict[str, Any]:
        """The line as the log has it now, under the seq of the document published last.

        So whoever has just changed something reads it, however quick they are.
        """
        at = now()
        line = line_of(self.state(office), at, self.expected(office, at))
        published = self.live.line(office)
        return line | {"seq": published["seq"]} if published else line


def hall() -> Hall:
    """The hall of the application that answers this request."""
    return current_app.extensions["hall"]


def line_of(state: State, at: Moment, expected: views.Expected = views.UNEXPECTED) -> dict[str, Any]:
    """The line document worked out from the log: its `seq` is below all that will be published."""
    return {"seq": 0, **views.line_document(state, at, wire.stamp, expected)}


def look(store: Store, token: str, at: Moment, expected: Callable[[str], views.Expected]) -> Seen | None:
    """The ticket with this token, of today or of a day that is over; None if none is known."""
    visit = find_visit(store, token)
    if visit is None:
        return None
    state = store.state(visit.office)
    ticket = state.tickets.get(visit.ticket) if state.day == visit.day else None
    if ticket is None:
        return Seen(state.seq, past(visit.label, visit.outcome), visit.office)
    waits = fresh(expected(visit.office), at)
    document = views.ticket_document(state, ticket, ahead(state, at).get(ticket.id), wire.stamp, waits)
    return Seen(state.seq, document, visit.office, state, ticket.id)


ENDS = ("done", "left", "closed")


def past(label: str | None, outcome: str) -> dict[str, Any]:
    """What a phone is told of a ticket whose day is over: whoever was still there is closed."""
    return {**UNKNOWN, "label": label, "state": outcome if outcome in ENDS else "closed"}


UNKNOWN: dict[str, Any] = {
    "label": None,
    "state": "unknown",
    "ahead": None,
    "wait": None,
    "back_by": None,
    "desk": None,
    "paused": None,
}
