"""The simulation calls whom the office calls: the same morning through `decide`, choice by choice."""

import heapq
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from hub.forecast.scene import DUE, HERE, RESUMED, WALK_IN, Coming, Scene, arriving, look
from hub.forecast.simulate import Draws, run
from hub.line import commands as c
from hub.line.errors import NotNow
from hub.line.model import WAITED_TOO_LONG, Stage
from hub.line.order import next_up
from hub.line.plan import MINUTE, Appointment, Plan, Rules
from tests.line.office import EVERY, PLAN, Office

NEVER = np.inf
Call = tuple[int, str, str]  # when, which desk, whom
Returns = dict[str, tuple[int, bool]]  # who is back from being parked: after how many milliseconds, at a desk at once


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
        if called and act > 0.38:
            office.does(c.Park("anna", desk, room="1"))
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


def back(scene: Scene, seed: int) -> Returns:
    """Most of those who are parked come back, half of them to a desk at once."""
    chance = random.Random(seed)
    parked = [one.ticket for one in scene.away if one.parked and chance.random() < 0.8]
    return {id: (chance.randint(1_000, 2_000_000), chance.random() < 0.5) for id in parked}


def drawn(scene: Scene, arrivals: list[int | None], returns: Returns, seed: int) -> Draws:
    """Every duration of the morning decided, in whole seconds and a few milliseconds, so that no two end at once."""
    chance = np.random.default_rng(seed)
    people, desks = scene.people, len(scene.desks)
    here = scene.loose_key.shape[1] - len(scene.away)
    takes = chance.integers(60_000, 1_500_000, (1, people)).astype(float)
    free = chance.permutation(np.arange(1, desks + 1)).reshape(1, desks) * 7_001.0
    came = np.array([NEVER if a is None else float(a - scene.now) for a in arrivals])
    start = np.array([float(one.start - scene.now) for one in scene.coming])
    seen = np.where(came < NEVER, came, 0.0)
    by_arrival, by_hour = arriving(WALK_IN, came, seen), arriving(DUE, start, seen)
    late = came > start + scene.late
    later = np.where(late, by_arrival, by_hour)
    known = scene.loose_key.copy()
    for place, one in enumerate(scene.away, here):
        if returns.get(one.ticket, (0, False))[1]:
            known[:, place] = RESUMED
    key = [np.append(known[0], by_arrival)] + [np.append(row, later) for row in known[1:]]
    begins = np.where(late, NEVER, start - scene.early)
    since = [np.append(row, begins) for row in scene.loose_since]
    return Draws(
        takes=takes,
        pace=chance.choice([0.8, 1.0, 1.3], (1, desks)),
        free=free,
        rests=np.full((1, desks), NEVER),
        rest=np.zeros((1, desks)),
        arrives=np.array([*[HERE] * here, *(returns.get(o.ticket, (NEVER, False))[0] for o in scene.away), *came])[
            None
        ],
        key=tuple(row.reshape(1, -1) for row in key),
        since=tuple(row.reshape(1, -1) for row in since),
    )


def office_calls(
    office: Office, scene: Scene, draws: Draws, coming: list[tuple[Coming, int | None]], returns: Returns
) -> Iterator[Call]:
    """The same morning at the office itself: each desk presses `next` when it is free and somebody is there."""
    for desk in office.state.desks:  # whoever is at a desk leaves without another step of the morning
        if office.desk(desk).ticket:
            office.does(c.Done("anna", desk))
    began = office.now
    events: list[tuple[float, int, str]] = [(draws.free[0, i], 1, id) for i, id in enumerate(scene.desks)]
    column = {id: i for i, id in enumerate([*scene.tickets, *(one.ticket for one in scene.away)])}
    known = len(column)
    events += [(float(after), 0, id) for id, (after, _) in returns.items()]
    at_desks: list[str] = []
    for i, (_, arrival) in enumerate(coming):
        if arrival is not None:
            events.append((float(arrival - began), 0, f"of-{i}"))
    heapq.heapify(events)
    idle: set[str] = set()
    while events:
        at, kind, who = heapq.heappop(events)
        office.now = began + int(at)
        if kind == 0:
            if who in returns:
                service = office.ticket(who).service
                if returns[who][1]:
                    at_desks.append(who)
                else:
                    office.does(c.Resume("anna", _an_open_desk(office), ticket=who, to_line=True))
            else:
                number = int(who.removeprefix("of-"))
                (service, *_), start = coming[number][0].services, coming[number][0].start
                office.takes(f"C{number}", service, appointment=Appointment(who, start))
                column[f"C{number}"] = known + number
            wakes = sorted((d for d in idle if service in office.desk(d).services), key=scene.desks.index)
            idle -= set(wakes)
            for desk in wakes:
                heapq.heappush(events, (at, 1 + scene.desks.index(desk), desk))
            continue
        called = _calls(office, who, sorted(at_desks, key=column.__getitem__))
        if called in at_desks:
            at_desks.remove(called)
        if called is None:
            idle.add(who)
            continue
        yield office.now, who, called
        desk = scene.desks.index(who)
        ends = at + float(np.rint(draws.takes[0, column[called]] * draws.pace[0, desk]))
        heapq.heappush(events, (ends, 1 + desk, who))


def _an_open_desk(office: Office) -> str:
    desk = next((id for id, desk in office.state.desks.items() if desk.is_open), "1")
    office.does(c.Open("anna", desk))
    return desk


def _calls(office: Office, desk: str, at_desks: list[str]) -> str | None:
    """The next person, or whoever is back from being parked, but for the bound."""
    office.does(c.Open("anna", desk))
    if office.desk(desk).ticket:
        office.does(c.Done("anna", desk))
    found = next_up(office.state, office.desk(desk).services, office.now)
    back = next((id for id in at_desks if office.ticket(id).service in office.desk(desk).services), None)
    if back is None or (found and found[1] == WAITED_TOO_LONG):
        return office.calls(desk)
    office.does(c.Resume("anna", desk, ticket=back))
    return back


PLANS = {
    "plain": PLAN,
    "bounded": replace(PLAN, rules=Rules(walk_in_max_wait_minutes=35)),
    "soon due": replace(PLAN, rules=Rules(early_minutes=5, late_minutes=5)),
}


def without(plan: Plan, service: str) -> Plan:
    """The plan after the offices file has lost a service."""
    desks = tuple(replace(desk, services=tuple(s for s in desk.services if s != service)) for desk in plan.desks)
    return replace(plan, desks=desks, services=tuple(s for s in plan.services if s.id != service))


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("seed", range(40))
def test_the_simulation_makes_every_choice_that_the_office_makes(plan: str, seed: int) -> None:
    office, coming = morning(seed, PLANS[plan])
    if plan == "bounded":
        coming = [(one, a) for one, a in coming if a is None or a <= one.start + 15 * MINUTE]
    same_choices(office, coming, seed)


@pytest.mark.parametrize("seed", range(20))
def test_it_makes_them_for_services_that_the_offices_file_has_no_more(seed: int) -> None:
    office, coming = morning(seed, PLAN)
    office.does(c.Adopt("hub", without(PLAN, "padro")))

    same_choices(office, [(one, a) for one, a in coming if one.services != ("padro",)], seed)


def same_choices(office: Office, coming: list[tuple[Coming, int | None]], seed: int) -> None:
    """Plays the morning both ways and compares."""
    scene = look(office.state, [one for one, _ in coming], office.now)
    returns = back(scene, seed)
    draws = drawn(scene, [arrival for _, arrival in coming], returns, seed)

    played = run(scene, draws)

    calls = list(office_calls(office, scene, draws, coming, returns))
    names = [*scene.tickets, *(one.ticket for one in scene.away), *(f"C{i}" for i in range(len(coming)))]
    waiting = set(scene.tickets)
    chosen = {
        (scene.now + int(played.called[0, i]), scene.desks[played.desk[0, i]], names[i])
        for i in range(len(names))
        if played.called[0, i] < NEVER
    }
    last = max((at for at, _, id in calls if id in waiting), default=0)
    assert len(waiting) == sum(id in waiting for _, _, id in calls)
    assert {call for call in chosen if call[0] <= last} == {call for call in calls if call[0] <= last}
