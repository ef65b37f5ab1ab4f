"""The bridge: one loop that takes what machines say, decides it, and publishes what came of it.

Messages wait in a queue that the network thread fills. Facts that came together are stored
together. All work for an office is done only while its lease is held.
"""

from __future__ import annotations

import json
import queue
import secrets
import time
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any

import structlog

from firmware import wire
from hub.clock import now
from hub.forecaster.expected import fresh, read_expected
from hub.line import commands as c
from hub.line.plan import HOUR, Moment, day_of
from hub.line.views import UNEXPECTED, Expected
from hub.link import Broker, Link
from hub.messages.post import Ways
from hub.messages.push import Push
from hub.messages.pusher import Pusher
from hub.messages.sender import Sender
from hub.offices import Device, Fleet
from hub.store import Store, StoreError, Work, answers, appointments, audit, journals, leases, people

from .agenda import Agenda
from .health import Health
from .intake import Message, take_facts, take_press
from .presence import Beat
from .relay import LeaseLost, Relay, lease_name

log = structlog.get_logger()

TOGETHER = 200  # messages handled in one round
MOST_WAITING = 10_000  # messages lined up: more are refused, so that a flood does not eat the memory
TICK = 0.5  # seconds
CALM = 0.05  # seconds between two rounds of an office's documents: nobody sees it, and a rush costs little
REST = 3  # times what a round took, but not above CALM: in a rush documents take about a quarter of the processor
BREATH = 0.005  # seconds from what happened to its documents: whoever pressed, and phones, are told first
ALIVE = 5.0  # seconds: a loop that has not come round for so long must not beat
ACKNOWLEDGED_AGAIN = 1.0  # seconds at least between two `stored` that say nothing new
KINDS = ("state", "fact", "press")
DOCUMENTS = (
    wire.line_topic("+"),
    wire.calls_topic("+"),
    wire.desk_topic("+", "+"),
    wire.device_topic("+", "config"),
    wire.device_topic("+", "agenda"),
)
Came = tuple[str, str, Message]  # kind, device or office, message


class Bridge:
    """One bridge process. `run` returns once `stop` was called."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        broker: Broker,
        public_url: str,
        ways: Ways | None = None,
        push: Push | None = None,
    ) -> None:
        self.store = store
        self.fleet = fleet
        self.track = f"{public_url}/t/"
        self.holder = secrets.token_hex(8)
        self.link = Link(broker, "bridge")
        self.beat = Beat(store, fleet, broker, self.holder, self._working)
        self.health = Health(store)
        self.relays: dict[str, Relay] = {}
        self.expected: dict[str, Expected] = {}  # by office
        self.agenda = Agenda(store, fleet, lambda: bool(self.relays))
        self.sender = Sender(store, fleet, ways or Ways(), public_url)
        self.pusher = Pusher(store, push or Push(), public_url, lambda: list(self.relays), self._expects)
        self.stopping = False  # no Event: a signal may set it at any moment
        self.ready: Callable[[], None] = lambda: None  # called while every office is worked for
        self._inbox: queue.SimpleQueue[Came] = queue.SimpleQueue()
        self._round = time.monotonic()
        self._acknowledged: dict[str, float] = {}  # by device: when `stored` went out last
        self._repeat: dict[str, str | None] = {}  # to whom `stored` is said again, of which journal (None: the last)
        self._next_tick = 0.0
        self._began = time.monotonic()
        self._due: dict[str, float] = {}  # offices that have changed, and when their documents go out
        self._published: dict[str, float] = {}  # when they went out last
        self._rested = 0.0  # from when on documents may go out again
        self._forgotten: Moment = 0

    # --- the network's thread -----------------------------------------------------------

    def came(self, topic: str, payload: bytes, retained: bool) -> None:
        """Judges a message and lines it up; whatever is wrong with it is one line in the log."""
        try:
            kind, names = wire.route(topic)
            if retained and kind != "state":
                raise ValueError("retained: commands never are")
            if self.waiting >= MOST_WAITING:
                raise ValueError("too many messages wait already")
            self._inbox.put((kind, names[0], wire.decode(kind, payload)))
        except ValueError as error:
            if payload or not retained:
                log.warning("a message is refused", topic=topic[:200], reason=str(error))
            if not retained:
                self._line_up_to_be_refused(topic, payload)

    def _line_up_to_be_refused(self, topic: str, payload: bytes) -> None:
        """Whoever sent a press with a legible id, but nothing else to the contract, is waiting for an answer."""
        id = press_id(topic, payload)
        if id and self.waiting < MOST_WAITING:
            self._inbox.put(("press", topic.split("/")[3], {"id": id}))

    def _expected(self, topic: str, payload: bytes, retained: bool) -> None:
        """What the forecaster says of an office: only the newest counts, so that none wait in line."""
        office = topic.split("/")[3]
        if office not in self.fleet.plans:
            return
        try:
            self.expected[office] = read_expected(payload)
        except ValueError as error:
            log.warning("a forecast is refused", office=office, reason=str(error))
        if self.waiting < MOST_WAITING:
            self._inbox.put(("forecast", office, {}))

    def _expects(self, office: str) -> Expected:
        """The forecast of an office, while it counts."""
        return fresh(self.expected.get(office, UNEXPECTED), now())

    def _document(self, topic: str, payload: bytes, retained: bool) -> None:
        """What goes out is heard again: the broker must not keep anything else in its place."""
        place, office = topic.split("/")[2:4]
        if place == "dev":
            device = self.fleet.devices.get(office)
            office = device.office if device else ""
        relay = self.relays.get(office)
        if relay and not retained and relay.is_undone_by(topic, seq_of(payload)) and self.waiting < MOST_WAITING:
            self._inbox.put(("undone", office, {"topic": topic}))

    @property
    def waiting(self) -> int:
        """How many messages are lined up."""
        return self._inbox.qsize()

    def _connected(self) -> None:
        self._inbox.put(("connected", "", {}))

    # --- the loop -----------------------------------------------------------------------

    def run(self) -> None:
        """Works until `stop` is called; no error ends it."""
        for kind in KINDS:
            self.link.on(f"torn/v1/dev/+/{kind}", self.came)
        self.link.on("torn/v1/office/+/appended", self.came)
        self.link.on(wire.forecast_topic("+"), self._expected)
        for document in DOCUMENTS:
            self.link.on(document, self._document)
        self.link.on_connected(self._connected)
        self.link.start()
        self.beat.start()
        self.agenda.start()
        self.sender.start()
        self.pusher.start()
        while not self.stopping:
            self._handle(self._gather(max(0.0, self._next_round() - time.monotonic())))
            self._publish_due()
            if time.monotonic() >= self._next_tick:
                self._next_tick = time.monotonic() + TICK
                self._tick()
            self._round = time.monotonic()
        self._leave()

    def stop(self, *_: object) -> None:
        """Ends `run`; may be called by a signal."""
        self.stopping = True
        self._inbox.put(("wake", "", {}))

    def _next_round(self) -> float:
        """When the loop comes round again, if nothing comes before."""
        return min(self._next_tick, max(self._rested, min(self._due.values(), default=float("inf"))))

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

    def _safely(self, act: Callable[..., Any], *words: object) -> Any:
        """What `act` returns; None, and a line in the log, if it fails: the rest of the work goes on."""
        try:
            return act(*words)
        except StoreError as error:
            log.error("the database is away: machines will ask again", reason=str(error))
        except Exception:
            log.exception("a piece of the bridge's work failed", act=act.__name__)
        return None

    def _leave(self) -> None:
        self.sender.stop()
        self.pusher.stop()
        self.beat.stop()
        self.agenda.stop()
        for office, relay in self.relays.items():
            try:
                leases.give_back(self.store, lease_name(office), self.holder, relay.term)
            except StoreError as error:
                log.warning("a lease could not be given back", office=office, reason=str(error))
        self.link.stop()

    # --- what came ----------------------------------------------------------------------

    def _handle(self, came: list[Came]) -> None:
        """In the order of coming; neighbouring facts of one machine go together."""
        for (kind, name), group in groupby(came, key=lambda each: each[:2]):
            messages = [message for _, _, message in group]
            office = self._safely(self._handle_some, kind, name, messages)
            if office in self.relays:
                due = max(self._published.get(office, 0.0) + CALM, time.monotonic() + BREATH)
                self._due.setdefault(office, due)

    def _handle_some(self, kind: str, name: str, messages: list[Message]) -> str:
        """The office that these messages may have changed, or an empty string."""
        match kind:
            case "appended" | "forecast":
                return name
            case "undone" if name in self.relays:
                for topic in {message["topic"] for message in messages}:
                    log.warning("an older document came: the newest is said again", office=name, topic=topic)
                    self.relays[name].say_again(topic)
                return name
            case "connected":
                self._say_everything_again()
            case "press":
                return self._presses(self.fleet.devices.get(name), name, messages)
            case "fact" | "state":
                return self._told(kind, name, messages)
        return ""

    def _told(self, kind: str, name: str, messages: list[Message]) -> str:
        device = self.fleet.devices.get(name)
        if device is None:
            log.warning("a message of an unknown machine", device=name, kind=kind)
        elif self._holds(device.office) and kind == "fact":
            return self._facts(device, messages)
        elif self._holds(device.office):
            self.health.heard(device, messages, now())
        return ""

    def _presses(self, device: Device | None, name: str, presses: list[Message]) -> str:
        """Answers each; strangers are answered by the process that beats."""
        if not (self._holds(device.office) if device else self.beat.beats):
            return ""  # another bridge answers
        for press in presses:
            self._answer(device, name, press)
        return device.office if device else ""

    def _answer(self, device: Device | None, name: str, press: Message) -> None:
        answer = self.store.transact(
            lambda work: take_press(work, device, name, press, now()), office=device.office if device else ""
        )
        self.link.publish(wire.device_topic(name, "answer"), wire.encode("answer", answer))

    def _facts(self, device: Device, facts: list[Message]) -> str:
        if device.kind != "dispenser":
            log.warning("a fact from what is no dispenser", device=device.id, kind=device.kind)
            return ""
        for journal, some in groupby(facts, key=lambda fact: fact["journal"]):
            self._store(device, journal, list(some))
        return device.office

    def _store(self, device: Device, journal: str, facts: list[Message]) -> None:
        new, stored = self.store.transact(
            lambda work: take_facts(work, device, journal, facts, now()), office=device.office
        )
        self._acknowledge(device.id, journal, stored, bool(new))
        self.health.facts_came(device, new, now())

    # --- how far a journal is safe ------------------------------------------------------

    def _acknowledge(self, device: str, journal: str, stored: int, news: bool) -> None:
        """Says how far a journal is safe; at most once a second where that is nothing new."""
        if not news and not self._may_repeat(device):
            self._repeat[device] = journal
            return
        self._repeat.pop(device, None)
        payload = wire.encode("stored", {"journal": journal, "seq": stored})
        if self.link.publish(wire.device_topic(device, "stored"), payload, retain=True):
            self._acknowledged[device] = time.monotonic()

    def _may_repeat(self, device: str) -> bool:
        return time.monotonic() - self._acknowledged.get(device, float("-inf")) >= ACKNOWLEDGED_AGAIN

    def _acknowledge_again(self, device: str, journal: str | None) -> None:
        def read(work: Work) -> tuple[str, int] | None:
            return (journal, journals.stored(work, device, journal)) if journal else journals.latest(work, device)

        known = self.store.transact(read)
        if known:
            self._acknowledge(device, *known, news=False)
        else:
            self._repeat.pop(device, None)  # it has never told anything

    # --- documents ----------------------------------------------------------------------

    def _publish_due(self) -> None:
        moment = time.monotonic()
        due = [office for office, due in self._due.items() if due <= moment] if self._rested <= moment else []
        for office in due:
            del self._due[office]
            if office in self.relays:
                self._safely(self._publish, office)
                self._published[office] = time.monotonic()
        if due:
            over = time.monotonic()
            self._rested = over + min(CALM, REST * (over - moment))

    def _publish(self, office: str) -> None:
        if not self.link.connected:
            return  # everything is published when the broker is back
        try:
            self.relays[office].expected = self.expected.get(office, UNEXPECTED)
            self.relays[office].publish(now())
            self.pusher.wake()
        except LeaseLost:
            self._lose(office)

    def _say_everything_again(self) -> None:
        """After a new connection the broker may know nothing. It is said in the tick that comes now."""
        for office, relay in self.relays.items():
            relay.forget_sent()
            self._acknowledge_all(office)
        self._next_tick = 0.0

    def _acknowledge_all(self, office: str) -> None:
        self._repeat |= {device.id: None for device in self.fleet.of(office) if device.kind == "dispenser"}

    # --- whose office -------------------------------------------------------------------

    def _holds(self, office: str) -> bool:
        """Whether this process works for the office; after a long stop another one may."""
        if office in self.relays and not self.relays[office].renewed():
            self._lose(office)
        return office in self.relays

    def _lose(self, office: str) -> None:
        log.warning("another bridge works for the office now", office=office)
        del self.relays[office]
        machines = self.fleet.of(office)
        self.health.end(machines)
        for device in machines:
            self._repeat.pop(device.id, None)

    def _take_over(self, office: str) -> None:
        """Works for the office from now on, if its lease is free; publishes all of its documents."""
        term = leases.take(self.store, lease_name(office), self.holder)
        if term is None:
            return
        log.info("this bridge works for the office", office=office, term=term)
        adopt(self.store, self.fleet, office)
        self.health.begin(self.fleet.of(office), now())
        self.relays[office] = Relay(
            self.store, self.link, self.fleet, office, self.holder, term, self.track, self.agenda.of
        )
        self._acknowledge_all(office)

    # --- time ---------------------------------------------------------------------------

    def _tick(self) -> None:
        """Without the broker nothing is held on to: another bridge may still have it."""
        moment = now()
        for office in self.fleet.plans if self.link.connected else ():
            self._safely(self._tick_office, office, moment)
        if self._all_worked_for():
            self.ready()
        for device, journal in list(self._repeat.items()):
            if self._may_repeat(device):
                self._safely(self._acknowledge_again, device, journal)
        self._safely(self.health.look_for_silence, moment)
        if moment - self._forgotten > HOUR:
            self._safely(self._forget_what_is_old, moment)

    def _all_worked_for(self) -> bool:
        """By this process, or by another: a lease that it could not take while one runs out is of one that lives."""
        waited = time.monotonic() - self._began > leases.SECONDS + TICK
        return self.link.connected and (waited or len(self.relays) == len(self.fleet.plans))

    def _tick_office(self, office: str, moment: Moment) -> None:
        """Days begin, doors open, an early appointment's hour strikes."""
        if office not in self.relays:
            self._take_over(office)
        if self._holds(office):
            state = self.relays[office].state
            if state.plan and day_of(state.plan, moment) > state.day:
                self.store.transact(lambda work: work.do(office, c.Tick("hub"), moment), office=office)
            self._publish(office)

    def _forget_what_is_old(self, moment: Moment) -> None:
        self.store.transact(lambda work: answers.forget_old(work, moment))
        self.store.transact(lambda work: appointments.forget_holds(work, moment))
        self.store.transact(lambda work: audit.forget_old(work, moment))
        for plan in self.fleet.plans.values():
            self.store.transact(partial(people.erase_old, plan=plan, now=moment))
        self._forgotten = moment


def press_id(topic: str, payload: bytes) -> str | None:
    """The id of a press, if it can be answered, whatever else is wrong with it."""
    try:
        if wire.route(topic)[0] != "press" or len(payload) > wire.SMALL:
            return None
        id = json.loads(payload)["id"]
        wire.encode("answer", {"id": id, "ok": False, "why": "unknown"})
        return id
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def seq_of(payload: bytes) -> int:
    """The seq of a document; 0 for what is none."""
    try:
        seq = json.loads(payload)["seq"]
        return seq if isinstance(seq, int) else 0
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0


def adopt(store: Store, fleet: Fleet, office: str) -> None:
    """Writes the offices file's plan for one office into its log, if it is new there."""

    def act(work: Work) -> None:
        work.do(office, c.Adopt("hub", fleet.plans[office]), now())

    store.transact(act)
