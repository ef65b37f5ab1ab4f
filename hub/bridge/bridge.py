"""The bridge: one loop that takes what machines say, decides it, and publishes what came of it.

Messages wait in a queue that the network thread fills. Facts that came together are stored
together. All work for an office is done only while its lease is held.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from itertools import groupby

import structlog

from firmware import wire
from hub.clock import now
from hub.line import commands as c
from hub.line.plan import HOUR, Moment, day_of
from hub.link import Broker, Link
from hub.offices import Device, Fleet
from hub.store import Store, StoreError, Work, answers, journals, leases

from .health import Health
from .intake import Message, take_facts, take_press
from .presence import Beat
from .relay import LeaseLost, Relay, lease_name

log = structlog.get_logger()

TOGETHER = 200  # messages handled in one round
TICK = 0.5  # seconds
ALIVE = 5.0  # seconds: a loop that has not come round for so long must not beat
ACKNOWLEDGED_AGAIN = 1.0  # seconds at least between two `stored` that say nothing new
KINDS = ("state", "fact", "press")
Came = tuple[str, str, Message]  # kind, device or office, message


class Bridge:
    """One bridge process. `run` returns once `stop` was called."""

    def __init__(self, store: Store, fleet: Fleet, broker: Broker, public_url: str) -> None:
        self.store = store
        self.fleet = fleet
        self.track = f"{public_url}/t/"
        self.holder = secrets.token_hex(8)
        self.link = Link(broker, "bridge")
        self.beat = Beat(store, fleet, broker, self.holder, self._working)
        self.health = Health(store)
        self.relays: dict[str, Relay] = {}
        self.stopping = threading.Event()
        self.ready: Callable[[], None] = lambda: None  # called while every office is worked for, by this process
        self._inbox: queue.SimpleQueue[Came] = queue.SimpleQueue()
        self._round = time.monotonic()
        self._acknowledged: dict[str, float] = {}  # by device: when `stored` went out last
        self._repeat: set[str] = set()  # devices to whom `stored` is said again as soon as it may
        self._forgotten: Moment = 0

    # --- the network's thread -----------------------------------------------------------

    def _came(self, topic: str, payload: bytes, retained: bool) -> None:
        """Judges a message and lines it up; whatever is wrong with it is one line in the log."""
        try:
            kind, names = wire.route(topic)
            if retained and kind != "state":
                raise ValueError("retained: commands never are")
            self._inbox.put((kind, names[0], wire.decode(kind, payload)))
        except ValueError as error:
            if payload or not retained:
                log.warning("a message is refused", topic=topic[:200], reason=str(error))

    def _connected(self) -> None:
        self._inbox.put(("connected", "", {}))

    # --- the loop -----------------------------------------------------------------------

    def run(self) -> None:
        """Works until `stop` is called; no error ends it."""
        for kind in KINDS:
            self.link.on(f"torn/v1/dev/+/{kind}", self._came)
        self.link.on("torn/v1/office/+/appended", self._came)
        self.link.on_connected(self._connected)
        self.link.start()
        self.beat.start()
        next_tick = 0.0
        while not self.stopping.is_set():
            came = self._gather(max(0.0, next_tick - time.monotonic()))
            self._safely(self._handle, came)
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK
                self._safely(self._tick)
            self._round = time.monotonic()
        self._leave()

    def stop(self, *_: object) -> None:
        """Ends `run`; may be called by a signal."""
        self.stopping.set()
        self._inbox.put(("wake", "", {}))

    def _working(self) -> bool:
        return time.monotonic() - self._round < ALIVE and self.link.connected

    def _gather(self, seconds: float) -> list[Came]:
        """What has come: waits for the first message, takes along those that are there."""
        came: list[Came] = []
        try:
            while len(came) < TOGETHER:
                came.append(self._inbox.get_nowait() if came else self._inbox.get(timeout=seconds))
        except queue.Empty:
            pass  # that was all
        return came

    def _safely(self, act: Callable[..., None], *words: object) -> None:
        try:
            act(*words)
        except StoreError as error:
            log.error("the database is away: machines will ask again", reason=str(error))
        except Exception:
            log.exception("a round of the bridge failed")

    def _leave(self) -> None:
        self.beat.stop()
        for office, relay in self.relays.items():
            try:
                leases.give_back(self.store, lease_name(office), self.holder, relay.term)
            except StoreError as error:
                log.warning("a lease could not be given back", office=office, reason=str(error))
        self.link.stop()

    # --- what came ----------------------------------------------------------------------

    def _handle(self, came: list[Came]) -> None:
        """In the order of coming; neighbouring facts of one machine go together."""
        touched: set[str] = set()
        for (kind, name), group in groupby(came, key=lambda each: each[:2]):
            messages = [message for _, _, message in group]
            office = self._handle_some(kind, name, messages)
            if office in self.relays:
                touched.add(office)
        for office in touched:
            self._publish(office)

    def _handle_some(self, kind: str, name: str, messages: list[Message]) -> str:
        """The office that these messages may have changed, or an empty string."""
        if kind == "appended":
            return name
        if kind == "connected":
            self._publish_everything()
            return ""
        device = self.fleet.devices.get(name)
        if kind == "press":
            return self._presses(device, name, messages)
        if device is None:
            log.warning("a message of an unknown machine", device=name, kind=kind)
        elif device.office in self.relays and kind == "fact":
            return self._facts(device, messages)
        elif device.office in self.relays and kind == "state":
            self.health.heard(device, messages, now())
        return ""

    def _presses(self, device: Device | None, name: str, presses: list[Message]) -> str:
        if device and device.office not in self.relays:
            return ""  # another bridge answers
        for press in presses:
            answer = self.store.transact(lambda work, press=press: take_press(work, device, name, press, now()))
            self.link.publish(wire.device_topic(name, "answer"), wire.encode("answer", answer))
        return device.office if device else ""

    def _facts(self, device: Device, facts: list[Message]) -> str:
        if device.kind != "dispenser":
            log.warning("a fact from what is no dispenser", device=device.id, kind=device.kind)
            return ""
        for journal, some in groupby(facts, key=lambda fact: fact["journal"]):
            batch = list(some)
            new, stored = self.store.transact(lambda work, j=journal, b=batch: take_facts(work, device, j, b, now()))
            self._acknowledge(device.id, journal, stored, new > 0)
            self.health.facts_came(device, batch, now())
        return device.office

    def _acknowledge(self, device: str, journal: str, stored: int, news: bool) -> None:
        """Says how far a journal is safe; at most once a second where that is nothing new."""
        if not news and time.monotonic() - self._acknowledged.get(device, 0.0) < ACKNOWLEDGED_AGAIN:
            self._repeat.add(device)
            return
        payload = wire.encode("stored", {"journal": journal, "seq": stored})
        if self.link.publish(wire.device_topic(device, "stored"), payload, retain=True):
            self._acknowledged[device] = time.monotonic()

    # --- documents ----------------------------------------------------------------------

    def _publish(self, office: str) -> None:
        if not self.link.connected:
            return  # everything is published when the broker is back
        try:
            self.relays[office].publish(now())
        except LeaseLost:
            log.warning("another bridge works for the office now", office=office)
            del self.relays[office]

    def _publish_everything(self) -> None:
        """After a new connection, and after taking over: the broker may know nothing."""
        for office in list(self.relays):
            self.relays[office].forget_sent()
            self._publish(office)
            self._acknowledge_all(office)

    def _acknowledge_all(self, office: str) -> None:
        for device in self.fleet.of(office):
            if device.kind == "dispenser":
                self._acknowledge_latest(device.id)

    def _acknowledge_latest(self, device: str) -> None:
        known = self.store.transact(lambda work: journals.latest(work, device))
        if known:
            self._acknowledge(device, *known, news=True)

    # --- time ---------------------------------------------------------------------------

    def _tick(self) -> None:
        moment = now()
        for office in self._taken_over():
            self._acknowledge_all(office)
        for office in list(self.relays):
            if self._renewed(office):
                self._let_time_pass(office, moment)
        for device in self._may_repeat():
            self._repeat.discard(device)
            self._acknowledge_latest(device)
        self.health.look_for_silence(moment)
        if moment - self._forgotten > HOUR:
            self._forgotten = moment
            self.store.transact(lambda work: answers.forget_old(work, moment))

    def _taken_over(self) -> Iterator[str]:
        """Takes every lease that is free; the offices, once all their documents are published."""
        for office in self.fleet.plans:
            if office in self.relays or not self.link.connected:
                continue
            term = leases.take(self.store, lease_name(office), self.holder)
            if term is not None:
                log.info("this bridge works for the office", office=office, term=term)
                adopt(self.store, self.fleet, office)
                self.relays[office] = Relay(self.store, self.link, self.fleet, office, self.holder, term, self.track)
                self._publish(office)
                yield office
        if len(self.relays) == len(self.fleet.plans):
            self.ready()

    def _renewed(self, office: str) -> bool:
        held = self.relays[office].renewed()
        if not held:
            log.warning("another bridge works for the office now", office=office)
            del self.relays[office]
        return held

    def _let_time_pass(self, office: str, moment: Moment) -> None:
        """Days begin, doors open, an early appointment's hour strikes."""
        relay = self.relays[office]
        if relay.state.plan and day_of(relay.state.plan, moment) > relay.state.day:
            self.store.transact(lambda work: work.do(office, c.Tick("hub"), moment))
        self._publish(office)

    def _may_repeat(self) -> list[str]:
        past = time.monotonic() - ACKNOWLEDGED_AGAIN
        return [device for device in self._repeat if self._acknowledged.get(device, 0.0) < past]


def adopt(store: Store, fleet: Fleet, office: str) -> None:
    """Writes the offices file's plan for one office into its log, if it is new there."""

    def act(work: Work) -> None:
        work.do(office, c.Adopt("hub", fleet.plans[office]), now())

    store.transact(act)
