"""The hub's beat: one process of all says every two seconds that the hub is there, and what time it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import structlog

from firmware import wire
from hub.clock import now
from hub.link import Broker, Link
from hub.offices import Fleet
from hub.store import Store, StoreError, leases

log = structlog.get_logger()
LEASE = "hub"
RENEWED = 1.0  # seconds: a lease lasts three
BEATS = 2.0  # seconds


class Beat(threading.Thread):
    """Beats while it holds the lease, on a connection of its own, so that its last will is the hub's."""

    def __init__(self, store: Store, fleet: Fleet, broker: Broker, holder: str, working: Callable[[], bool]) -> None:
        super().__init__(name="beat", daemon=True)
        self.store = store
        self.fleet = fleet
        self.broker = broker
        self.holder = holder
        self.working = working  # whether the bridge still does its work
        self.stopping = threading.Event()
        self._due = threading.Event()  # something is to be done before the second is over
        self._link: Link | None = None
        self._term: int | None = None
        self._cleared: int | None = None  # the term in which what is gone was cleared
        self._beats = 0
        self._said = float("-inf")  # when the last beat was, in monotonic seconds

    @property
    def beats(self) -> bool:
        """Whether this is the process that beats."""
        return self._term is not None

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._hold_and_beat()
            except StoreError as error:
                log.warning("no beat: the database is away", reason=str(error))
                self._fall_silent()
            except Exception:
                log.exception("the beat failed")
                self._fall_silent()
            self._due.wait(RENEWED)
            self._due.clear()
        self._say_lost()

    def stop(self) -> None:
        """Says that the hub is gone, frees the lease, and ends the thread."""
        self.stopping.set()
        self._due.set()
        self.join(5)

    def _connected(self) -> None:
        """A beat at once: the broker may know nothing."""
        self._said = float("-inf")
        self._due.set()

    def _hold_and_beat(self) -> None:
        if not self.working():
            self._fall_silent()
        elif self._term is None:
            self._take_over()
        elif not self._renewed():
            self._fall_silent()
        elif self._link and self._link.connected:
            if time.monotonic() - self._said > BEATS - RENEWED / 2:
                self._say("ready")
            if self._cleared != self._term and self._clear_what_is_gone(self._link):
                self._cleared = self._term

    def _take_over(self) -> None:
        self._term = leases.take(self.store, LEASE, self.holder)
        if self._term is not None:
            will = (wire.HUB_TOPIC, wire.encode("hub", {"state": "lost"}))
            self._link = Link(self.broker, "beat", will=will)
            self._link.on_connected(self._connected)
            self._link.start()

    def _renewed(self) -> bool:
        with self.store.begin(write=True) as connection:
            return leases.renew(connection, self.store, LEASE, self.holder, self._term or 0)

    def _say(self, state: str) -> None:
        self._beats, self._said = self._beats + 1, time.monotonic()
        if self._link:
            message = {"state": state, "now": wire.stamp(now()), "beat": self._beats}
            self._link.publish(wire.HUB_TOPIC, wire.encode("hub", message), retain=True)
            self._link.publish(wire.BEAT_TOPIC, wire.encode("beat", message))

    def _clear_what_is_gone(self, link: Link) -> bool:
        """Empties the retained topics that the offices file no longer names; False if the broker took not all.

        Their seq stays in the database: if the file names them again, it grows on.
        """
        gone = set(leases.read_seqs(self.store, "torn/v1/")) - set(topics_of(self.fleet))
        sent = [link.publish(topic, b"", retain=True) for topic in sorted(gone | _unnumbered_of(gone))]
        deadline = time.monotonic() + RENEWED
        for message in filter(None, sent):
            message.wait_for_publish(max(0.0, deadline - time.monotonic()))
        return all(message and message.is_published() for message in sent)

    def _fall_silent(self) -> None:
        """Another process beats now, or nobody may: leaves without the last will."""
        self._term = None
        if self._link:
            self._link.stop()
            self._link = None

    def _say_lost(self) -> None:
        if self._link and self._term is not None:
            sent = self._link.publish(wire.HUB_TOPIC, wire.encode("hub", {"state": "lost"}), retain=True)
            if sent:
                sent.wait_for_publish(3)
            try:
                leases.give_back(self.store, LEASE, self.holder, self._term)
            except StoreError as error:
                log.warning("the lease could not be given back", reason=str(error))
        self._fall_silent()


def topics_of(fleet: Fleet) -> Iterator[str]:
    """Every numbered retained topic of a fleet."""
    for plan in fleet.plans.values():
        yield wire.line_topic(plan.office)
        yield wire.calls_topic(plan.office)
        yield from (wire.desk_topic(plan.office, desk.id) for desk in plan.desks)
    yield from (wire.device_topic(device, "config") for device in fleet.devices)
    yield from (wire.device_topic(d.id, "agenda") for d in fleet.devices.values() if d.kind == "dispenser")


def _unnumbered_of(gone: set[str]) -> set[str]:
    """What else the broker keeps for machines whose config goes, and for offices whose line does."""
    routes = [wire.route(topic) for topic in gone]
    devices = [names[0] for kind, names in routes if kind == "config"]
    forecasts = {wire.forecast_topic(names[0]) for kind, names in routes if kind == "line"}
    return forecasts | {wire.device_topic(device, leaf) for device in devices for leaf in ("stored", "agenda", "state")}
