"""One office as the forecaster knows it: its day so far, its laws, and what people were told."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np

from firmware import wire
from hub.forecast.draws import today
from hub.forecast.laws import Laws, before_history, for_plan, mean_minutes, unpacked
from hub.forecast.quantiles import Forecast, Wait, forecast
from hub.forecast.scene import Coming
from hub.forecast.score import Simple
from hub.forecast.watch import Day, Watch
from hub.line.events import TicketCalled, TicketIssued
from hub.line.model import State
from hub.line.plan import Moment, Plan
from hub.store import Store, forecasts
from hub.store.store import read_events

from .odd import Odd
from .past import booked


class Said(NamedTuple):
    """A forecast that was published, as the document says it."""

    at: Moment
    services: Mapping[str, Mapping[str, int] | None]


class Followed:
    """One office as the forecaster knows it."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self.store = store
        self.plan = plan
        self.laws = before_history(plan)
        self.watch: Watch | None = None
        self.said: list[Said] = []  # the last ones, oldest first
        self.forecast_at = float("-inf")  # monotonic
        self.rest_until = 0.0
        self.due = True
        self.untaught: str | None = None  # a day that is over and not learned from yet
        self.odd: set[Odd] = set()  # of which a line is in the log
        self.simple = Simple(10.0)
        self._new: list[tuple[TicketIssued, dict[str, float]]] = []  # with what simple estimators say

    def begin(self) -> bool:
        """Reads the day from its beginning; False before the office's first."""
        with self.store.begin() as connection:
            began = forecasts.day_began(connection, self.plan.office)
        if began < 0:
            return False
        self.laws = self._known_laws()
        self.watch = Watch(State(self.plan.office, seq=began), self._day_over)
        self.read()
        self._new = []
        yesterday = (date.fromisoformat(self.day) - timedelta(days=1)).isoformat()
        self.untaught = yesterday if self.laws.until < yesterday else None
        return True

    @property
    def day(self) -> str:
        """The office's present day; empty before its first."""
        return self.watch.state.day if self.watch else ""

    def _day_over(self, day: Day) -> None:
        self.untaught = day.day

    def read(self) -> bool:
        """Takes in what is new in the log; whether there was anything."""
        assert self.watch is not None
        with self.store.begin() as connection:
            events = read_events(connection, self.plan.office, self.watch.state.seq)
        for event in events:
            state = self.watch.state
            if isinstance(event, TicketIssued):
                self._new.append((event, self.simple.say(state, event.services[0])))
            elif isinstance(event, TicketCalled):
                self.simple.heard(state, event)
            self.watch.see(event)
        return bool(events)

    def expect(self, at: Moment) -> Forecast:
        """Plays the office forward from now."""
        assert self.watch is not None
        state = self.watch.state
        laws = for_plan(self.laws, state.plan)
        self.simple.mean = mean_minutes(laws)
        rng = np.random.default_rng(zlib.crc32(f"{state.office} {state.day}".encode()))  # the same all day: no flicker
        return forecast(state, laws, today(self.watch, laws, at), self._coming(state, at), at, rng)

    def _known_laws(self) -> Laws:
        with self.store.begin() as connection:
            body = forecasts.newest_laws(connection, self.plan.office)
        return unpacked(body) if body else before_history(self.plan)

    def _coming(self, state: State, at: Moment) -> list[Coming]:
        here = {t.appointment.id for t in state.tickets.values() if t.appointment}
        some = booked(self.store, state.plan, state.day)
        return [Coming(b.services, b.start, b.grace_minutes) for b in some if not b.arrived and b.id not in here]

    # --- what people were told --------------------------------------------------------------

    def told(self, waits: Mapping[str, Wait | None], at: Moment) -> dict[str, dict[str, Any]]:
        """What those who have a ticket since the last time were told: paper says what the line said just before."""
        found: dict[str, dict[str, Any]] = {}
        for event, others in self._new:
            wait = waits.get(event.ticket)
            if event.appointment is None and not event.priority:
                said = next((s for s in reversed(self.said) if s.at <= event.at), None)
                if said and event.at - said.at <= wire.FORECAST_COUNTS and said.services.get(event.services[0]):
                    found[event.ticket] = {
                        "at": wire.stamp(said.at),
                        **(said.services[event.services[0]] or {}),
                        "others": {name: round(minutes, 1) for name, minutes in others.items()},
                    }
            elif wait:
                found[event.ticket] = {"at": wire.stamp(at), **wait.whole()}
        self._new = []
        return found
