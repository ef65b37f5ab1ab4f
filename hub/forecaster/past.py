"""An office's past, as the log has it: what its days teach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hub.forecast.laws import NEVER, Laws
from hub.forecast.learn import DAYS, learn
from hub.forecast.quantiles import Came, Wait, adapted
from hub.forecast.scene import Coming
from hub.forecast.watch import Day, Watch
from hub.line.events import DayOpened, Event
from hub.line.evolve import fold
from hub.line.model import State
from hub.line.plan import HOUR, Plan, day_begins
from hub.store import Store, forecasts
from hub.store.store import read_events


def taught(store: Store, plan: Plan, known: Laws | None, yesterday: str) -> Laws:
    """What the log's days teach; the levels of the forecast follow what yesterday was told.

    The laws come from events alone, the levels from forecasts scored after the fact: nothing is learned
    from what was forecast about itself.
    """
    days = past_days(store, plan)
    laws = replace(learn(plan, days), levels=known.levels if known else {}, until=yesterday)
    with store.begin() as connection:
        told = forecasts.told(connection, plan.office, yesterday, yesterday)
    watch = Watch(State(plan.office, plan=plan, day=yesterday))
    return adapted(laws, [Came(watch.third(t.issued), wait_of(t.said), t.wait) for t in told if t.said["p90"] > 0])


def wait_of(said: Mapping[str, Any]) -> Wait:
    """The quantiles that were told."""
    return Wait(*(float(said[name]) for name in ("p5", "p10", "p50", "p90")))


def past_days(store: Store, plan: Plan, most: int = DAYS) -> list[Day]:
    """What each of an office's last days has taught, today not among them."""
    found: list[Day] = []
    with store.begin() as connection:
        before = forecasts.days_from(connection, plan.office, most + 1)
        events = read_events(connection, plan.office, before)
    watch = Watch(State(plan.office, seq=before), found.append)
    for event in events:
        watch.see(event)
    return [with_absent(store, plan, day) for day in found if day.calls]


def with_absent(store: Store, plan: Plan, day: Day) -> Day:
    """The day, with those who had an appointment and did not come."""
    absent = sum(not one.arrived for one in booked(store, plan, day.day))
    return replace(day, punctuality=day.punctuality + (NEVER,) * absent)


def booked(store: Store, plan: Plan, day: str) -> list[forecasts.Booked]:
    """The appointments of one of the office's days."""
    begins = day_begins(plan, day)
    with store.begin() as connection:
        return forecasts.booked(connection, plan.office, begins, begins + 24 * HOUR)


def expected_on(store: Store, plan: Plan, day: str) -> dict[str, Coming]:
    """The same as the forecast knows them, by their ids."""
    return {one.id: Coming(one.services, one.start, one.grace_minutes) for one in booked(store, plan, day)}


def days_of(store: Store, office: str) -> Iterator[tuple[str, State, list[Event]]]:
    """Each day of a log: the state it begins from, and its events from `day.opened` on."""
    state, day, events = State(office), "", list[Event]()
    with store.begin() as connection:
        every = read_events(connection, office, 0)
    for event in every:
        if isinstance(event, DayOpened):
            if day:
                yield day, state, events
            state, day, events = fold(state, events), event.day, []
        events.append(event)
    if day:
        yield day, state, events
