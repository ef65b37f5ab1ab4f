"""The forecaster: beside the bridge, in a process of its own, it says how long the waits will be.

It follows the offices' logs, plays each office forward after each event and each minute, and publishes
what it expects on one retained topic an office, from which bridges and web processes take the waits.
One forecaster at a time works (a lease); without one, pages say that there is no forecast now, and
everything else goes on. Nothing waits for it: it is nice to the others' processor time, and an office
is played again only after a rest of some times what that took.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from firmware import wire
from hub.clock import now
from hub.forecast.laws import packed
from hub.forecast.quantiles import Forecast
from hub.line.plan import Moment
from hub.link import Broker, Link
from hub.offices import Fleet
from hub.store import Store, StoreError, forecasts, leases
from hub.systemd import give_way

from .followed import Followed, Said
from .odd import MOST_TICKETS, Clock, odd
from .past import taught

log = structlog.get_logger()

LEASE = "forecast"
TURN = 1.0  # seconds between two renewals of the lease, and two looks at the minute
EACH = 60.0  # seconds: so old a forecast is made again, whatever happened
BREATH = 0.05  # seconds after an event: answers and calls go first
REST, SHARE = 0.5, 8.0  # seconds at least between two forecasts of an office, and times what the last one took
NICENESS = 10


class Forecaster:
    """One forecaster process. `run` returns once `stop` was called."""

    def __init__(self, store: Store, fleet: Fleet, broker: Broker) -> None:
        self.store = store
        self.fleet = fleet
        self.holder = secrets.token_hex(8)
        self.link = Link(broker, "forecaster")
        self.offices = {id: Followed(store, plan) for id, plan in fleet.plans.items()}
        self.term: int | None = None
        self.stopping = False  # no Event: a signal may set it at any moment
        self.ready: Callable[[], None] = lambda: None  # called while it works, or another one does
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._next_turn = 0.0
        self._clock = Clock()
        self._learner: threading.Thread | None = None

    def run(self) -> None:
        """Works until `stop` is called; no error ends it."""
        give_way(NICENESS)
        self.link.on(wire.line_topic("+"), self._changed)
        self.link.on(wire.appended_topic("+"), self._changed)
        self.link.on_connected(self._all_due)
        self.link.start()
        while not self.stopping:
            self._gather()
            if time.monotonic() >= self._next_turn:
                self._next_turn = time.monotonic() + TURN
                self._safely(self._turn)
                if self.link.connected:
                    self.ready()
            if self.term is not None and self.link.connected:
                self._work()
        self._safely(self._give_back)
        self.link.stop()

    def stop(self, *_: object) -> None:
        """Ends `run`; may be called by a signal."""
        self.stopping = True
        self._news.put("")

    # --- from the network's thread ----------------------------------------------------------

    def _changed(self, topic: str, payload: bytes, retained: bool) -> None:
        """Something was published of an office, so its log may have grown."""
        self._news.put(topic.split("/")[3])

    def _all_due(self) -> None:
        for office in self.offices:
            self._news.put(office)

    # --- the loop -----------------------------------------------------------------------

    def _gather(self) -> None:
        """Notes which offices have news; waits for some until the next turn, or until an office has rested."""
        moment = time.monotonic()
        resting = [o.rest_until for o in self.offices.values() if o.due]
        seconds = max(0.0, min([self._next_turn, *resting]) - moment) if self.term is not None else TURN
        names: set[str] = set()
        try:
            names.add(self._news.get(timeout=seconds))
            while True:
                names.add(self._news.get_nowait())
        except queue.Empty:
            pass  # that was all
        if self.term is not None:
            for name in names & self.offices.keys():
                office = self.offices[name]
                if not office.due:
                    office.due, office.rest_until = True, max(office.rest_until, time.monotonic() + BREATH)

    def _safely(self, act: Callable[..., Any], *words: Any) -> Any:
        """What `act` returns; None, and a line in the log, if it fails."""
        try:
            return act(*words)
        except StoreError as error:
            log.warning("no forecast: the database is away", reason=str(error))
        except Exception:
            log.exception("a forecast failed", act=act.__name__)
        return None

    def _turn(self) -> None:
        """Holds the lease on, or takes one that is free."""
        self._look_at_the_clock(now(), time.monotonic())
        if self.term is not None:
            with self.store.begin(write=True) as connection:
                if leases.renew(connection, self.store, LEASE, self.holder, self.term):
                    return
            log.warning("another forecaster works now")
            self.term = None
        self.term = leases.take(self.store, LEASE, self.holder)
        if self.term is not None:
            log.info("this forecaster works", term=self.term)
            for id, plan in self.fleet.plans.items():
                self.offices[id] = Followed(self.store, plan)

    def _look_at_the_clock(self, at: Moment, seconds: float) -> None:
        """One line when it has jumped, and every office anew: what was said of before counts for nothing."""
        if minutes := self._clock.jumped(at, seconds):
            log.warning("this machine's clock has jumped: every office is forecast anew", minutes=round(minutes, 1))
            for office in self.offices.values():
                office.forecast_at = float("-inf")

    def _give_back(self) -> None:
        if self.term is not None:
            leases.give_back(self.store, LEASE, self.holder, self.term)

    def _work(self) -> None:
        """Forecasts what is due; with nothing due, begins to learn from a day that is over."""
        moment = time.monotonic()
        for office in sorted(self.offices.values(), key=lambda office: office.forecast_at):
            old = moment - office.forecast_at >= EACH
            if (office.due or old) and moment >= office.rest_until:
                self._safely(self._forecast, office)
                if time.monotonic() >= self._next_turn:
                    return  # the lease comes first
        if not any(office.due for office in self.offices.values()):
            waiting = next((o for o in self.offices.values() if o.untaught is not None), None)
            if waiting and not (self._learner and self._learner.is_alive()):
                self._learn(waiting)

    def _forecast(self, office: Followed) -> None:
        """One office: what is expected, and what people were told."""
        begun = time.monotonic()
        office.due, office.rest_until = False, begun + REST
        if office.watch is None:
            if not office.begin():
                return
        elif not office.read() and begun - office.forecast_at < EACH:
            return  # what was published of it is this process's own forecast, passed on
        office.forecast_at = begun - EACH + 1  # if this fails, again in a second
        at = now()
        expected = office.expect(at)
        self._publish(office, expected)
        if told := office.told(expected.tickets, at):
            forecasts.keep_told(self.store, office.plan.office, office.day, told)
        self._mark_odd(office, at)
        office.forecast_at = begun
        office.rest_until = begun + max(REST, SHARE * (time.monotonic() - begun))

    def _publish(self, office: Followed, expected: Forecast) -> None:
        services = {id: wait.whole() if wait else None for id, wait in expected.services.items()}
        tickets = {id: wait.whole() if wait else None for id, wait in list(expected.tickets.items())[:MOST_TICKETS]}
        assert office.watch is not None
        seq = office.watch.state.seq
        document = {"seq": seq, "at": wire.stamp(expected.at), "services": services, "tickets": tickets}
        topic = wire.forecast_topic(office.plan.office)
        if self.link.publish(topic, wire.encode("forecast", document), retain=True):
            office.said = [*office.said[-20:], Said(expected.at, services)]

    def _mark_odd(self, office: Followed, at: Moment) -> None:
        """One line for each thing that is odd, once."""
        assert office.watch is not None
        found = odd(office.watch, office.laws, at)
        for line, about in sorted(found - office.odd):
            log.warning(line, office=office.plan.office, **dict(about))
        office.odd = found

    # --- nightly ------------------------------------------------------------------------

    def _learn(self, office: Followed) -> None:
        """Learns beside the loop: neither the lease nor a forecast waits for the seconds that it takes."""
        yesterday, office.untaught = office.untaught or "", None
        act = (self._learned, office, yesterday)
        self._learner = threading.Thread(target=self._safely, args=act, name="learner", daemon=True)
        self._learner.start()

    def _learned(self, office: Followed, yesterday: str) -> None:
        """The laws anew from the log, and what yesterday's forecasts say of their own levels."""
        laws = taught(self.store, office.plan, office.laws, yesterday)
        version = forecasts.keep_laws(self.store, office.plan.office, laws.until, packed(laws), now())
        office.laws, office.due = laws, True
        log.info("learned", office=office.plan.office, version=version, visits=laws.visits, until=laws.until)
