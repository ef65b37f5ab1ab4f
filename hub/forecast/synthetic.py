"""An office that never was: days with known laws, lived through `decide` and `evolve` themselves.

    world = World(messy=True)
    events = live(world, seed, day)      # one day's events, as the log would have them

Its days are what the forecast is scored on where there is no past yet, beside the same forecast that
knows the true laws: nobody can do better than that one.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import count

import numpy as np

from hub.line import commands as c
from hub.line.decide import decide
from hub.line.errors import LineError
from hub.line.events import Event
from hub.line.evolve import fold
from hub.line.model import Stage, State
from hub.line.plan import HOUR, MINUTE, Appointment, DeskPlan, Moment, Plan, Service, doors, moment

from .laws import NEVER, DeskDay, Effect, Laws
from .scene import Coming

FIRST_DAY = date(2026, 1, 7)  # a Wednesday after the feasts
_ALL = ("padro", "registre", "tributs", "informacio")
BACK_IN = (1.0, 9.0)  # minutes: between these whoever missed the call rejoins, if at all
LONGEST_EVENING = 10 * HOUR  # after the doors have closed: whoever still waits then goes home
MORNINGS = (((540, 840),),) * 5 + ((),) * 2


@dataclass(frozen=True)
class World:
    """The true laws of an office. Minutes; chances between 0 and 1."""

    messy: bool = False  # breaks, slow days, desks that open late, people who do not answer, or come late
    medians: tuple[float, ...] = (10.0, 6.0, 14.0, 4.0)
    spreads: tuple[float, ...] = (0.6, 0.7, 0.65, 0.8)
    shares: tuple[float, ...] = (0.35, 0.25, 0.2, 0.2)
    desks: tuple[float, ...] = (-0.2, 0.05, 0.2, 0.0)  # effects on log t
    an_hour: float = 22.0  # tickets without an appointment, at the busiest hour
    booked: int = 18  # appointments a day
    absent: float = 0.02
    rejoin: float = 0.3
    no_show: float = 0.08
    punctual: tuple[float, float] = (-8.0, 5.0)  # mean and standard deviation of check-in after the hour
    day: float = 0.06  # standard deviation of the day's effect
    slow: tuple[float, float] = (0.0, 0.0)  # chance of a slow day, and by how much
    a_break: float = 0.5  # chance that a desk makes one, of
    break_minutes: float = 15.0
    opens_late: float = 0.0
    stays_shut: float = 0.0
    priority: float = 0.03
    parks: float = 0.0  # chance that a visit is interrupted: the person is parked, and comes back
    parked_minutes: tuple[float, float] = (5.0, 20.0)  # between these
    resumed: float = 0.8  # chance that whoever is back goes to the desk at once, not into the line

    @property
    def plan(self) -> Plan:
        """The office as its file would describe it: the minutes planned are not quite the true ones."""
        minutes = (10, 5, 15, 5)
        services = tuple(Service(id, id[0].upper(), {"ca": id}, m) for id, m in zip(_ALL, minutes, strict=True))
        some = (("1", _ALL), ("2", _ALL), ("3", _ALL), ("4", ("registre", "informacio", "padro")))
        desks = tuple(DeskPlan(id, served) for id, served in some)
        return Plan("synthetic", "An office", "Europe/Madrid", services, desks, MORNINGS)


CLEAN = World()
MESSY = World(
    messy=True,
    an_hour=19.0,
    absent=0.07,
    no_show=0.2,
    punctual=(-5.0, 10.0),
    day=0.09,
    slow=(0.2, 0.25),
    a_break=0.85,
    break_minutes=25.0,
    opens_late=0.2,
    stays_shut=0.08,
    parks=0.04,
)


@dataclass(frozen=True)
class Lived:
    """One day: what happened, what was booked, and what only the world knew beforehand."""

    day: str
    events: tuple[Event, ...]
    coming: dict[str, Coming]  # by appointment
    pace: float  # the day's true effect on log t
    desk_days: tuple[DeskDay, ...]


def working_day(number: int) -> date:
    """The how many-th working day of this office."""
    weeks, day = divmod(number, 5)
    return FIRST_DAY - timedelta(days=2) + timedelta(weeks=weeks, days=day)


def live(world: World, seed: int, number: int, begun: State | None = None) -> Lived:
    """The office's day of that number, the same for the same seed."""
    return _Office(world, seed, number, begun).live()


def desk_day(world: World, desk: str, chance: np.random.Generator) -> DeskDay:
    """When a desk opens and makes its break: true law and drawn day alike."""
    opened = abs(chance.normal(0, 1.0)) + (chance.uniform(10, 40) if chance.random() < world.opens_late else 0.0)
    opened = NEVER if chance.random() < world.stays_shut else opened
    begin, length = chance.uniform(60, 180), _break_length(world, chance)
    return DeskDay(desk, opened, ((begin, length),) if chance.random() < world.a_break else ())


def true_laws(world: World, draws: int = 300) -> Laws:
    """What the world knows, as the laws that the forecast reads; of each day's chances it knows the odds only."""
    chance = np.random.default_rng(0)
    odds, slow = world.slow
    offsets = [NEVER if chance.random() < world.no_show else chance.normal(*world.punctual) for _ in range(draws)]
    return Laws(
        services={
            id: Effect(math.log(median) + odds * slow, 0.0) for id, median in zip(_ALL, world.medians, strict=True)
        },
        spreads=dict(zip(_ALL, world.spreads, strict=True)),
        desks={str(i): Effect(effect, 0.0) for i, effect in enumerate(world.desks, 1)},
        day=math.sqrt(world.day**2 + odds * (1 - odds) * slow**2),
        absent=world.absent,
        rejoin=world.rejoin,
        back=tuple(np.linspace(*BACK_IN, 20)),
        again=world.parks / (1 - world.parks),
        parked=tuple(np.linspace(*world.parked_minutes, 20)),
        resumed=world.resumed,
        gaps=tuple(_break_length(world, chance) for _ in range(draws)),
        holds=tuple(_hold(chance) for _ in range(draws)),
        punctuality=tuple(offsets),
        desk_days=tuple(desk_day(world, "", chance) for _ in range(draws)),
        priority=world.priority * world.an_hour * float(np.mean([_crowd(part) for part in np.linspace(0, 1, 100)])),
        shares=dict(zip(_ALL, world.shares, strict=True)),
    )


def _crowd(through: float) -> float:
    """How many come at this part of the day, of as many as at the busiest hour."""
    return 0.55 + 0.45 * math.exp(-(((through - 0.3) / 0.22) ** 2))


def _break_length(world: World, chance: np.random.Generator) -> float:
    return world.break_minutes * math.exp(chance.normal(0, 0.3))


def _hold(chance: np.random.Generator) -> float:
    return chance.uniform(1.0, 3.0)


class _Office:
    """One day as it goes, moment by moment."""

    def __init__(self, world: World, seed: int, number: int, begun: State | None) -> None:
        self.world = world
        self.chance = np.random.default_rng([seed, number])
        self.day = working_day(number)
        self.state = begun or State("synthetic")
        self.events: list[Event] = []
        self.todo: list[tuple[Moment, int, Callable[[], None]]] = []
        self.turn = count()
        self.now: Moment = moment(world.plan, self.day, world.plan.day_starts)
        (self.opens, self.closes), *_ = doors(world.plan, self.day)
        slow = world.slow[1] if self.chance.random() < world.slow[0] else 0.0
        self.pace = self.chance.normal(0, world.day) + slow
        self.desk_days = {str(i): desk_day(world, str(i), self.chance) for i in range(1, len(world.desks) + 1)}
        self.rests = {id: list(d.breaks) for id, d in self.desk_days.items()}
        self.free: set[str] = set()
        self.back_at: dict[str, list[str]] = {id: [] for id in self.desk_days}  # who is back from being parked
        self.coming: dict[str, Coming] = {}

    def live(self) -> Lived:
        self.does(c.Adopt("hub", self.world.plan))
        self._arrivals()
        self._appointments()
        for id, day in self.desk_days.items():
            if day.opened < NEVER:
                self.at(self.opens + day.opened * MINUTE, partial(self.opens_desk, id))
            for begin, _ in day.breaks:
                self.at(self.opens + begin * MINUTE, partial(self.break_is_due, id))
        ends = self.closes + LONGEST_EVENING
        while self.todo and self.todo[0][0] < ends:
            self.now, _, act = heapq.heappop(self.todo)
            act()
        return Lived(self.day.isoformat(), tuple(self.events), self.coming, self.pace, tuple(self.desk_days.values()))

    def at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.todo, (round(when), next(self.turn), act))

    def does(self, command: c.Command) -> list[Event]:
        events = decide(self.state, command, self.now)
        self.state = fold(self.state, events)
        self.events += events
        return events

    # --- people -------------------------------------------------------------------------

    def _arrivals(self) -> None:
        """A Poisson process, busiest after an hour and a half (thinned)."""
        at, length = float(self.opens - 5 * MINUTE), self.closes - self.opens
        for number in count(1):
            at += self.chance.exponential(60 * MINUTE / self.world.an_hour)
            if at >= self.closes - 15 * MINUTE:
                return
            through = (at - self.opens) / length
            if self.chance.random() < _crowd(through):
                self.at(at, partial(self.takes, number))

    def takes(self, number: int) -> None:
        service = _ALL[self.chance.choice(len(_ALL), p=self.world.shares)]
        label = f"{service[0].upper()}{number:03d}"
        priority = self.chance.random() < self.world.priority
        self.does(c.Issue("dispenser", f"t{number}", f"token-{number}", label, (service,), priority=priority))
        self.wake()

    def _appointments(self) -> None:
        slots = self.chance.choice(np.arange(0, 27), self.world.booked, replace=True)
        for number, slot in enumerate(sorted(slots)):
            service = _ALL[self.chance.choice(3)]
            start = self.opens + int(slot) * 10 * MINUTE
            self.coming[f"a{number}"] = Coming((service,), start)
            came = start + self.chance.normal(*self.world.punctual) * MINUTE
            if self.chance.random() >= self.world.no_show:
                self.at(max(came, self.opens - 10 * MINUTE), partial(self.checks_in, number, service, start))

    def checks_in(self, number: int, service: str, start: Moment) -> None:
        booked = Appointment(f"a{number}", start)
        label = f"C{number + 1:03d}"
        self.does(c.Issue("dispenser", f"c{number}", f"token-c{number}", label, (service,), appointment=booked))
        self.wake()

    # --- desks --------------------------------------------------------------------------

    def opens_desk(self, desk: str) -> None:
        self.does(c.Open("clerk", desk))
        self.ready(desk)

    def wake(self) -> None:
        """Somebody has come: the desks that are free look up, one after the other."""
        for desk in sorted(self.free):
            self.ready(desk)

    def ready(self, desk: str) -> None:
        """A desk is free: its break, if that is due, or else the next person."""
        rests = self.rests[desk]
        if rests and (self.now - self.opens) / MINUTE >= rests[0][0] and self.now < self.closes:
            self.free.discard(desk)
            _, length = rests.pop(0)
            said = self.chance.random() < 0.5  # some press pause, some just go
            if said:
                self.does(c.PauseDesk("clerk", desk))
            self.at(self.now + length * MINUTE, partial(self.back, desk, said))
            return
        if self.back_at[desk]:
            self.does(c.Resume("clerk", desk, ticket=self.back_at[desk].pop(0)))
            self.serves(desk)
            return
        if self.state.desks[desk].ticket is None and not any(
            t.stage is Stage.WAITING and t.service in self.state.desks[desk].services
            for t in self.state.tickets.values()
        ):
            self.free.add(desk)
            return
        self.calls(desk)

    def break_is_due(self, desk: str) -> None:
        if desk in self.free:
            self.ready(desk)

    def back(self, desk: str, said: bool) -> None:
        if said:
            self.does(c.Open("clerk", desk))
        self.ready(desk)

    def calls(self, desk: str) -> None:
        self.does(c.Next("clerk", desk))
        id = self.state.desks[desk].ticket
        if id is None:
            self.free.add(desk)
        elif self.chance.random() < self.world.absent:
            self.free.discard(desk)
            self.at(self.now + _hold(self.chance) * MINUTE, partial(self.misses, desk, id))
        else:
            self.serves(desk)

    def serves(self, desk: str) -> None:
        self.free.discard(desk)
        which = _ALL.index(self.state.tickets[self.state.desks[desk].ticket or ""].service)
        log_mean = math.log(self.world.medians[which]) + self.world.desks[int(desk) - 1] + self.pace
        minutes = math.exp(self.chance.normal(log_mean, self.world.spreads[which]))
        self.at(self.now + minutes * MINUTE, partial(self.done, desk))

    def done(self, desk: str) -> None:
        """Ends the visit before a break or when nobody waits; otherwise `next` does."""
        id = self.state.desks[desk].ticket or ""
        if self.chance.random() < self.world.parks:
            self.does(c.Park("clerk", desk, room="1"))
            self.at(
                self.now + self.chance.uniform(*self.world.parked_minutes) * MINUTE, partial(self.returns, desk, id)
            )
        else:
            self.does(c.Done("clerk", desk))
        self.ready(desk)

    def returns(self, desk: str, id: str) -> None:
        """Whoever was parked is back, at the desk or in the line."""
        if self.chance.random() < self.world.resumed or not self.state.desks[desk].is_open:
            self.back_at[desk].append(id)
            if desk in self.free:
                self.ready(desk)
            return
        self.does(c.Resume("clerk", desk, ticket=id, to_line=True))
        self.wake()

    def misses(self, desk: str, id: str) -> None:
        self.does(c.MarkAbsent("clerk", desk))
        if self.chance.random() < self.world.rejoin:
            self.at(self.now + self.chance.uniform(*BACK_IN) * MINUTE, partial(self.rejoins, id))
        self.ready(desk)

    def rejoins(self, id: str) -> None:
        try:
            self.does(c.Rejoin("citizen", id))
        except LineError:
            return  # too late
        self.wake()
