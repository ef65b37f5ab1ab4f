"""One office's documents, from its log to the broker, in order, while this process holds its lease."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from firmware import wire
from hub.line import views
from hub.line.decide import highest_numbers
from hub.line.events import Event, TicketCalled, TicketRecalled
from hub.line.evolve import evolve
from hub.line.model import State
from hub.line.order import next_change
from hub.line.plan import Moment, coming_doors
from hub.link import Link
from hub.offices import Device, Fleet
from hub.store import Store, leases

RENEWED = 1.0  # seconds: a lease renewed later than this is renewed again
ANNOUNCED = 10_000  # ms: an older call is not chimed
DOORS_AHEAD = 21  # days of opening hours that a dispenser knows
Document = dict[str, Any]


class LeaseLost(Exception):
    """Another process works for the office now; nothing was published."""


def lease_name(office: str) -> str:
    """The lease under which a bridge works for an office."""
    return f"office {office}"


class Relay:
    """Publishes what has changed at one office since it last did."""

    def __init__(self, store: Store, link: Link, fleet: Fleet, office: str, holder: str, term: int, track: str) -> None:
        self.store = store
        self.link = link
        self.fleet = fleet
        self.office = office
        self.holder = holder
        self.term = term
        self.track = track  # the beginning of every tracking address
        self.state = store.state(office)
        self.next_change: Moment | None = None
        self._renewed_at = time.monotonic()
        self._sent: dict[str, Document] = {}
        self._seqs = leases.read_seqs(store, "torn/v1/")
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
        self._sent = {}

    def publish(self, now: Moment) -> None:
        """Publishes each document that has changed, and each new call. LeaseLost: nothing was published."""
        calls = self._carry_on(self.store.events(self.office, self.state.seq))
        due = self.next_change is not None and now >= self.next_change
        self.next_change = next_change(self.state, now)
        changed = self._changed(now, bool(calls is not None) or due)
        if changed:
            self._number(changed)
        for topic, (kind, document) in changed.items():
            self._retain(topic, kind, document)
        for seq, event in calls or ():
            self._announce(seq, event, now)

    def _carry_on(self, events: list[Event]) -> list[tuple[int, Any]] | None:
        """Folds new events; those that are calls, with their seq. None where there is nothing new."""
        calls = []
        for event in events:
            self.state = evolve(self.state, event)
            if isinstance(event, TicketCalled | TicketRecalled):
                calls.append((self.state.seq, event))
        return calls if events else None

    def _changed(self, now: Moment, line_too: bool) -> dict[str, tuple[str, Document]]:
        """Documents that differ from what was published; the line also at every event and change of order."""
        line = wire.line_topic(self.office)
        return {
            topic: (kind, document)
            for topic, kind, document in self.documents(now)
            if _body(document) != self._sent.get(topic) or (line_too and topic == line)
        }

    def _number(self, changed: Mapping[str, tuple[str, Document]]) -> None:
        """Gives each document the next seq of its topic, in the transaction that renews the lease."""
        seqs = {topic: self._seqs.get(topic, 0) + 1 for topic in changed}
        with self.store.begin(write=True) as connection:
            if not leases.renew(connection, self.store, lease_name(self.office), self.holder, self.term):
                raise LeaseLost(self.office)
            leases.write_seqs(connection, seqs, self._known)
        self._renewed_at = time.monotonic()
        self._seqs |= seqs
        self._known |= set(seqs)

    def _retain(self, topic: str, kind: str, document: Document) -> None:
        payload = wire.encode(kind, {"seq": self._seqs[topic]} | document)
        if self.link.publish(topic, payload, retain=True):
            self._sent[topic] = _body(document)
        else:
            self._sent.pop(topic, None)

    def _announce(self, seq: int, event: TicketCalled | TicketRecalled, now: Moment) -> None:
        if now - event.at < ANNOUNCED:
            label = self.state.tickets[event.ticket].label if event.ticket in self.state.tickets else None
            call = {"seq": seq, "label": label, "desk": event.desk, "at": wire.stamp(event.at)}
            call["recall"] = isinstance(event, TicketRecalled)
            if label:
                self.link.publish(wire.call_topic(self.office), wire.encode("call", call))

    def documents(self, now: Moment) -> Iterable[tuple[str, str, Document]]:
        """Every retained document of the office with its topic and kind, but for its seq."""
        state = self.state
        yield wire.line_topic(self.office), "line", views.line_document(state, now, wire.stamp)
        calls = views.calls(state, wire.stamp)[: views.SIGN_CALLS]
        yield wire.calls_topic(self.office), "calls", {"calls": calls}
        for desk in state.desks.values():
            document = views.desk_document(state, desk, wire.stamp)
            yield wire.desk_topic(self.office, desk.id), "desk", document
        for device in self.fleet.of(self.office):
            yield wire.device_topic(device.id, "config"), "config", config_document(state, device, now, self.track)


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
    if device.kind == "board":
        return common
    begins = plan.day_starts
    had = [s for s in plan.services if s.by_appointment_reason is None]
    # Whole days of doors, so that the document changes once a day and not with every passing hour.
    doors = coming_doors(plan, now, DOORS_AHEAD)
    return common | {
        "timezone": plan.timezone,
        "day_starts": f"{begins // 60:02d}:{begins % 60:02d}",
        "telephone": plan.telephone,
        "track": track,
        "hours": [{"opens": wire.stamp(opens), "closes": wire.stamp(closes)} for opens, closes in doors],
        "services": [{"id": s.id, "letter": s.letter, "name": dict(s.name)} for s in had],
        "appointment_letter": plan.appointment_letter,
        "first_number": device.first_number,
        "last_number": device.last_number,
        "numbers": highest_numbers(state, device.first_number, device.last_number),
        "priority": plan.rules.preferential,
        "rejoin_minutes": plan.rules.rejoin_minutes,
    }
