"""One office's documents, from its log to the broker, in order, while this process holds its lease."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from firmware import wire
from hub.forecaster.expected import fresh
from hub.line import views
from hub.line.decide import highest_numbers
from hub.line.events import Event, TicketCalled, TicketRecalled
from hub.line.evolve import evolve
from hub.line.model import State
from hub.line.order import next_change
from hub.line.plan import MINUTE, Moment, Plan, Service, coming_doors
from hub.link import Link
from hub.offices import Device, Fleet
from hub.store import Store, leases
from hub.store.store import read_events

log = structlog.get_logger()

RENEWED = 1.0  # seconds: a lease renewed later than this is renewed again
RESERVED = 100  # seqs of a topic taken from the database at once: a commit for each document would cost too much
ANNOUNCED = 10_000  # ms: an older call is not chimed
LAST_EVENTS = 100  # looked through for calls when taking over
DOORS_AHEAD = 21  # days of opening hours that a dispenser knows
Document = dict[str, Any]
Call = TicketCalled | TicketRecalled


class LeaseLost(Exception):
    """Another process works for the office now; nothing was published."""


def lease_name(office: str) -> str:
    """The lease under which a bridge works for an office."""
    return f"office {office}"


class Relay:
    """Publishes what has changed at one office since it last did."""

    def __init__(
        self,
        store: Store,
        link: Link,
        fleet: Fleet,
        office: str,
        holder: str,
        term: int,
        track: str,
        agenda: Callable[[str], Document | None] = lambda day: None,
    ) -> None:
        self.store = store
        self.link = link
        self.fleet = fleet
        self.office = office
        self.holder = holder
        self.term = term
        self.track = track  # the beginning of every tracking address
        self.agenda = agenda  # of a day, as far as it is ready
        self.state = store.state(office)
        self.next_change: Moment | None = None
        self.expected = views.UNEXPECTED  # what the forecaster said last
        self._line_due = True
        self._calls = _last_calls(store, office, self.state.seq)  # to be announced: the last holder may not have
        self._renewed_at = time.monotonic()
        self._sent: dict[str, Document] = {}
        self._configured: tuple[Any, ...] = ()  # what the machines' configurations were worked out from
        self._seqs = leases.read_seqs(store, "torn/v1/")
        self._before = dict(self._seqs)  # whoever had the office before published nothing above
        self._reserved = dict(self._seqs)  # how far each topic's numbers are written down as used
        self._known = set(self._seqs)

    def renewed(self) -> bool:
        """Holds the lease on; False once another process has taken over. It lasts three seconds."""
        if time.monotonic() - self._renewed_at < RENEWED:
            return True
        with self.store.begin(write=True) as connection:
            held = leases.renew(connection, self.store, lease_name(self.office), self.holder, self.term)
        self._renewed_at = time.monotonic()
        return held

    def forget_sent(self) -> None:
        """The broker may have lost everything: the next round publishes all documents."""
        self._sent, self._configured = {}, ()

    def say_again(self, topic: str) -> None:
        """The broker has lost this document: the next round publishes it."""
        self._sent.pop(topic, None)
        self._configured = ()

    def is_undone_by(self, topic: str, seq: int) -> bool:
        """Whether the broker lost our document of this topic to one with this seq, from before we took over.

        Who had the office then may have stood still between its look at the lease and its saying, or says again
        what was on its way when its connection broke (MQTT 3.1.1, 4.4).
        """
        return seq <= self._before.get(topic, 0) < self._seqs.get(topic, 0)

    def publish(self, now: Moment) -> None:
        """Publishes each document that has changed, and each new call. LeaseLost: nothing was published."""
        self._carry_on(self._news())
        self._look_at_the_clock(now)
        changed = self._changed(now)
        if changed:
            self._number(changed)
        self._configured = self._basis(now)
        for topic, (kind, document) in changed.items():
            self._retain(topic, kind, document)
        self._line_due = False
        self._calls = [call for call in self._calls if now - call[1].at < ANNOUNCED and not self._announce(*call)]

    def _news(self) -> list[Event]:
        """What is new in the log, while the office is ours."""
        if self.renewed():
            with self.store.begin() as connection:
                if leases.is_held(connection, lease_name(self.office), self.holder, self.term):
                    return read_events(connection, self.office, self.state.seq)
        raise LeaseLost(self.office)

    def _carry_on(self, events: list[Event]) -> None:
        """Folds new events. What is to be said of them is kept until it is said, whatever fails meanwhile."""
        for event in events:
            self.state = evolve(self.state, event)
            self._line_due = True
            if isinstance(event, Call):
                self._calls.append((self.state.seq, event))

    def _look_at_the_clock(self, now: Moment) -> None:
        """The order may change by the passing of time alone."""
        if self.next_change is not None and now >= self.next_change:
            self._line_due = True
        self.next_change = next_change(self.state, now)

    def _changed(self, now: Moment) -> dict[str, tuple[str, Document]]:
        """Documents that differ from what was published; the line also at every event and change of order."""
        line = wire.line_topic(self.office)
        return {
            topic: (kind, document)
            for topic, kind, document in self.documents(now)
            if _body(document) != self._sent.get(topic) or (self._line_due and topic == line)
        }

    def _number(self, changed: Mapping[str, tuple[str, Document]]) -> None:
        """Gives each document the next seq of its topic."""
        seqs = {topic: self._seqs.get(topic, 0) + 1 for topic in changed}
        used_up = {topic: seq + RESERVED for topic, seq in seqs.items() if seq > self._reserved.get(topic, 0)}
        if used_up:
            self._reserve(used_up)
        self._seqs |= seqs

    def _reserve(self, seqs: dict[str, int]) -> None:
        """Whoever takes over begins above what is reserved, and so above all that was published."""
        with self.store.begin(write=True) as connection:
            if not leases.renew(connection, self.store, lease_name(self.office), self.holder, self.term):
                raise LeaseLost(self.office)
            leases.write_seqs(connection, seqs, self._known)
        self._renewed_at = time.monotonic()
        self._reserved |= seqs
        self._known |= set(seqs)

    def _retain(self, topic: str, kind: str, document: Document) -> None:
        payload = _encoded(kind, topic, {"seq": self._seqs[topic]} | document)
        if payload is None or self.link.publish(topic, payload, retain=True):
            self._sent[topic] = _body(document)
        else:
            self.say_again(topic)

    def _announce(self, seq: int, event: Call) -> bool:
        """Says one call; False while the broker is away."""
        ticket = self.state.tickets.get(event.ticket)
        if ticket is None:
            return True  # it was of the day before
        call = {"seq": seq, "label": ticket.label, "desk": event.desk, "at": wire.stamp(event.at)}
        call["recall"] = isinstance(event, TicketRecalled)
        topic = wire.call_topic(self.office)
        payload = _encoded("call", topic, call)
        return payload is None or bool(self.link.publish(topic, payload))

    def documents(self, now: Moment) -> Iterable[tuple[str, str, Document]]:
        """Every retained document of the office with its topic and kind, but for its seq."""
        state = self.state
        yield (
            wire.line_topic(self.office),
            "line",
            views.line_document(state, now, wire.stamp, fresh(self.expected, now)),
        )
        calls = views.calls(state, wire.stamp)[: views.SIGN_CALLS]
        yield wire.calls_topic(self.office), "calls", {"calls": calls}
        count = views.waiting_by_service(state)
        for desk in views.desks(state):
            document = views.desk_document(state, desk, wire.stamp, count)
            yield wire.desk_topic(self.office, desk.id), "desk", document
        if self._basis(now) != self._configured:
            for device in self.fleet.of(self.office):
                yield wire.device_topic(device.id, "config"), "config", config_document(state, device, now, self.track)
        agenda = self.agenda(state.day)
        if agenda:
            dispensers = (device for device in self.fleet.of(self.office) if device.kind == "dispenser")
            yield from ((wire.device_topic(device.id, "agenda"), "agenda", agenda) for device in dispensers)

    def _basis(self, now: Moment) -> tuple[Any, ...]:
        """Configurations change with the plan, the day, the passing of doors and each number given; they are long."""
        return self.state.plan, self.state.day, now // MINUTE, len(self.state.tickets)


def _last_calls(store: Store, office: str, last: int) -> list[tuple[int, Call]]:
    """The calls among the last events, with their seq; a call that is said twice chimes once."""
    first = max(0, last - LAST_EVENTS)
    events = enumerate(store.events(office, first), first + 1)
    return [(seq, event) for seq, event in events if isinstance(event, Call) and seq <= last]


def _encoded(kind: str, topic: str, document: Document) -> bytes | None:
    """The payload; None, and a line in the log, for what no machine could read: the other documents must go out."""
    try:
        return wire.encode(kind, document)
    except ValueError as error:
        log.error("a document cannot be published", topic=topic, reason=str(error))
        return None


def _body(document: Document) -> Document:
    return {key: value for key, value in document.items() if key != "at"}


def config_document(state: State, device: Device, now: Moment, track: str) -> Document:
    """What a machine of this kind needs to know of its office."""
    plan = state.plan
    common = {
        "kind": device.kind,
        "office": plan.office,
        "name": plan.name,
        "day": state.day,
        "languages": list(plan.languages),
    }
    if device.kind == "desk":
        return common | {"desk": device.desk}
    begins = plan.day_starts
    common |= {"timezone": plan.timezone, "day_starts": f"{begins // 60:02d}:{begins % 60:02d}"}
    if device.kind == "board":
        return common
    had = [s for s in plan.services if s.by_appointment_reason is None]
    # Whole days of doors, so that the document changes once a day and not with every passing hour.
    doors = coming_doors(plan, now, DOORS_AHEAD)
    return common | {
        "telephone": plan.telephone,
        "track": track,
        "hours": [{"opens": wire.stamp(opens), "closes": wire.stamp(closes)} for opens, closes in doors],
        "services": [_button(plan, service) for service in had],
        "appointment_letter": plan.appointment_letter,
        "first_number": device.first_number,
        "last_number": device.last_number,
        "numbers": highest_numbers(state, device.first_number, device.last_number),
        "priority": plan.rules.preferential,
        "rejoin_minutes": plan.rules.rejoin_minutes,
        "early_minutes": plan.rules.early_minutes,
        "late_minutes": plan.rules.late_minutes,
    }


def _button(plan: Plan, service: Service) -> Document:
    """A service as a dispenser needs it; `shares` are those at whose desks it is served, itself included."""
    shares = [other.id for other in plan.services if plan.shares_desk(service.id, other.id)]
    return {"id": service.id, "letter": service.letter, "name": dict(service.name), "shares": shares}
