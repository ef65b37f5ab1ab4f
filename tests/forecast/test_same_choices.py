"""The simulation calls whom the office calls: the same morning through `decide`, choice by choice."""

import heapq
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from hub.forecast.scene import DUE, HERE, WALK_IN, Coming, Scene, arriving, look
from hub.forecast.simulate import Draws, run
from hub.line import commands as c
from hub.line.errors import NotNow
from hub.line.model import Stage
from hub.line.plan import MINUTE, Appointment, Plan, Rules
from tests.line.office import EVERY, PLAN, Office

NEVER = np.inf
Call = tuple[int, str, str]  # when, which desk, whom


def morning(seed: int, plan: Plan) -> tuple[Office, list[tuple[Coming, int | None]]]:
    """An office in the middle of a morning, and those with an appointment who are still to come, with their arrival."""
    chance = random.Random(seed)
    office = Office(plan)
    for number in range(chance.randint(5, 40)):
        office.later(chance.uniform(0, 4))
        _somebody(office, chance, number)
        _something(office, chance)
    starts = [office.now + chance.randint(-20, 60) * MINUTE for _ in range(chance.randint(0, 12))]
    coming = [Coming((chance.choice(EVERY),), start) for start in starts]
    return office, [(one, _arrival(one, office.now, chance)) for one in coming]


def _somebody(office: Office, chance: random.Random, number: int) -> None:
    label, service = f"P{number:03d}", chance.choice(EVERY)
    kind = chance.random()
    if kind < 0.25:
        booked = Appointment(f"a{number}", office.now + chance.randint(-30, 60) * MINUTE)
        office.takes(label, service, appointment=booked)
    else:
        office.takes(label, service, priority=kind < 0.35)


def _something(office: Office, chance: random.Random) -> None:
    desk, act = chance.choice(list(office.state.desks)), chance.random()
    if act < 0.45:
        called = office.calls(desk)
        if called and act < 0.1:
            office.misses(desk)
            if act < 0.07:
                office.does(c.Rejoin("citizen", called))
    elif act < 0.55:
        waiting = [t.id for t in office.state.tickets.values() if t.stage is Stage.WAITING]
        behind = office.line()[:-1]
        if waiting and behind:
            with suppress(NotNow):  # nobody was behind
                office.does(c.LetPass("citizen", chance.choice(waiting)))


def _arrival(one: Coming, now: int, chance: random.Random) -> int | None:
    return None if chance.random() < 0.2 else max(now + 1, one.start + chance.randint(-40, 25) * MINUTE)


def drawn(scene: Scene, arrivals: list[int | None], seed: int) -> Draws:
    """Every duration of the morning decided, in whole seconds and a few milliseconds, so that no two end at once."""
    chance = np.random.default_rng(seed)
    people, desks, here = scene.people, len(scene.desks), scene.loose_key.shape[1]
    takes = chance.integers(60_000, 1_500_000, (1, people)).astype(float)
    free = chance.permutation(np.arange(1, desks + 1)).reshape(1, desks) * 7_001.0
    came = np.array([NEVER if a is None else float(a - scene.now) for a in arrivals])
    start = np.array([float(one.start - scene.now) for one in scene.coming])
    seen = np.where(came < NEVER, came, 0.0)
    by_arrival, by_hour = arriving(WALK_IN, came, seen), arriving(DUE, start, seen)
    late = came > start + scene.late
    later = np.where(late, by_arrival, by_hour)
    key = [np.append(scene.loose_key[0], by_arrival)] + [np.append(row, later) for row in scene.loose_key[1:]]
    begins = np.where(late, NEVER, start - scene.early)
    since = [np.append(row, begins) for row in scene.loose_since]
    return Draws(
        takes=takes,
        pace=chance.choice([0.8, 1.0, 1.3], (1, desks)),
        free=free,
        rests=np.full((1, desks), NEVER),
        rest=np.zeros((1, desks)),
        arrives=np.append(np.full(here, HERE), came).reshape(1, -1),
        key=tuple(row.reshape(1, -1) for row in key),
        since=tuple(row.reshape(1, -1) for row in since),
    )


def office_calls(office: Office, scene: Scene, draws: Draws, coming: list[tuple[Coming, int | None]]) -> Iterator[Call]:
    """The same morning at the office itself: each desk presses `next` when it is free and somebody is there."""
    for desk in office.state.desks:  # whoever is at a desk leaves without another step of the morning
        if office.desk(desk).ticket:
            office.does(c.Done("anna", desk))
    began = office.now
    events: list[tuple[float, int, str]] = [(draws.free[0, i], 1, id) for i, id in enumerate(scene.desks)]
    known = len(scene.tickets)
    column = {id: i for i, id in enumerate(scene.tickets)}
    for i, (_, arrival) in enumerate(coming):
        if arrival is not None:
            events.append((float(arrival - began), 0, f"{i}"))
    heapq.heapify(events)
    idle: set[str] = set()
    while events:
        at, kind, who = heapq.heappop(events)
        office.now = began + int(at)
        if kind == 0:
            one = coming[int(who)][0]
            office.takes(f"C{who}", *one.services, appointment=Appointment(f"of-{who}", one.start))
            column[f"C{who}"] = known + int(who)
            wakes = sorted((d for d in idle if one.services[0] in office.desk(d).services), key=scene.desks.index)
            idle -= set(wakes)
            for desk in wakes:
                heapq.heappush(events, (at, 1 + scene.desks.index(desk), desk))
            continue
        called = office.calls(who)
        if called is None:
            idle.add(who)
            continue
        yield office.now, who, called
        desk = scene.desks.index(who)
        ends = at + float(np.rint(draws.takes[0, column[called]] * draws.pace[0, desk]))
        heapq.heappush(events, (ends, 1 + desk, who))


PLANS = {
    "plain": PLAN,
    "bounded": replace(PLAN, rules=Rules(walk_in_max_wait_minutes=35)),
    "soon due": replace(PLAN, rules=Rules(early_minutes=5, late_minutes=5)),
}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("seed", range(40))
def test_the_simulation_makes_every_choice_that_the_office_makes(plan: str, seed: int) -> None:
    office, coming = morning(seed, PLANS[plan])
    if plan == "bounded":
        coming = [(one, a) for one, a in coming if a is None or a <= one.start + 15 * MINUTE]
    scene = look(office.state, [one for one, _ in coming], office.now)
    draws = drawn(scene, [arrival for _, arrival in coming], seed)

    played = run(scene, draws)

    calls = list(office_calls(office, scene, draws, coming))
    names = [*scene.tickets, *(f"C{i}" for i in range(len(coming)))]
    waiting = set(scene.tickets)
    chosen = {
        (scene.now + int(played.called[0, i]), scene.desks[played.desk[0, i]], names[i])
        for i in range(len(names))
        if played.called[0, i] < NEVER
    }
    last = max((at for at, _, id in calls if id in waiting), default=0)
    assert len(waiting) == sum(id in waiting for _, _, id in calls)
    assert {call for call in chosen if call[0] <= last} == {call for call in calls if call[0] <= last}
