"""What is there at one moment, as arrays: who waits with which ranks, who is at which desk, who may still come.

`standing` says each one's ranks; here they become numbers that compare as the ranks do:

    class · 2^30 + milliseconds after now + a fraction by place among equals
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hub.line.decide import rejoin_until
from hub.line.evolve import ENDED
from hub.line.model import DeskStage, Rank, Stage, State, Ticket
from hub.line.order import BOUND, DUE, WALK_IN, Hold, held, place_after, standing
from hub.line.plan import MINUTE, Appointment, Moment

CLASS = float(2**30)
NEVER = np.inf
HERE = -CLASS  # the arrival of whoever is here already: long ago
RESUMED = 0.75 * CLASS  # the key of somebody who comes back to a desk: ahead of the line, but for the bound


@dataclass(frozen=True)
class Coming:
    """Somebody with an appointment who has not checked in; without `start`, one who may take a preferential ticket."""

    services: tuple[str, ...]
    start: Moment | None = None
    grace_minutes: int = 0


@dataclass(frozen=True)
class Away:
    """Somebody of today who is not in the line and may come back: parked, or not there when called."""

    ticket: str
    parked: bool
    missed: float  # milliseconds since the call was
    until: float  # milliseconds in which they may rejoin; NEVER: at any time


@dataclass(frozen=True)
class Busy:
    """A desk at the moment: what it does, since how many milliseconds."""

    stage: DeskStage
    service: int | None  # that is done there
    rest: tuple[int, ...]  # the services of the same visit that follow there
    elapsed: float


@dataclass(frozen=True)
class Scene:
    """An office at `now`. People are columns: first those of `line`, then those who may come.

    Those whose ranks never change places stand in queues, one for each service and kind of standing, of
    which only the head can be next. The others are loose: looked at one by one.
    """

    now: Moment
    services: tuple[str, ...]  # those of the plan, then those of people here that it has no more
    desks: tuple[str, ...]
    tickets: tuple[str, ...]  # ids of those who wait
    work: tuple[tuple[int, ...], ...]  # for each column its services
    serves: np.ndarray  # desks × services, 0 where it does, NEVER where it does not
    busy: tuple[Busy, ...]  # for each desk
    bounded: bool  # the last call was made by the bound on unfairness
    longest: float  # milliseconds after which the bound holds; NEVER: no such rule
    queue: np.ndarray  # columns, queue after queue, each with a -1 at its end
    key: np.ndarray  # their keys, NEVER at each end
    over: np.ndarray  # from when the bound holds for each, after now
    first: np.ndarray  # where each queue begins
    queue_service: np.ndarray
    loose: np.ndarray  # columns
    loose_service: np.ndarray
    loose_key: (
        np.ndarray
    )  # holds × loose that have a ticket, as `standing` gives them: a later one that holds comes first
    loose_since: np.ndarray  # the same: from when it holds, after now
    away: tuple[Away, ...]  # the last ones of the loose that have a ticket
    coming: tuple[Coming, ...]  # the loose ones that have none yet; the last ones
    early: float  # milliseconds before its hour from which an appointment is due
    late: float

    @property
    def people(self) -> int:
        """How many columns there are."""
        return len(self.work)


def look(state: State, coming: Iterable[Coming], now: Moment) -> Scene:
    """The scene of an office; `coming` are today's appointments that have not checked in."""
    plan, rules = state.plan, state.plan.rules
    planned = tuple(s.id for s in plan.services)
    services = (*planned, *_lost(state, planned))
    number = {id: i for i, id in enumerate(services)}
    known = [t for t in state.tickets.values() if t.stage is Stage.WAITING]
    away = [t for t in state.tickets.values() if _is_away(state, t, now)]
    holds = {t.id: standing(t, rules) for t in known}
    heads = _heads(state, known, holds, now) if away else []
    holds |= {t.id: standing(_back(state, t, heads, now), rules) for t in away}
    keys = _keys([hold.rank for some in holds.values() for hold in some], now)
    expected = tuple(c for c in coming if c.services and c.services[0] in number)
    loose = [t for t in known if _is_loose(t, holds[t.id])]
    column = {t.id: i for i, t in enumerate([*known, *away])}
    queues = _queues([t for t in known if not _is_loose(t, holds[t.id])], holds, keys, number)
    arrays = _queue_arrays(queues, holds, keys, column, now)
    serves = np.array([[0.0 if s in desk.services else NEVER for s in services] for desk in state.desks.values()])
    loose += away
    everybody: list[Ticket | Coming] = [*known, *away, *expected]
    loosely: list[Ticket | Coming] = [*loose, *expected]
    levels = max([2, *(len(holds[t.id]) for t in loose)])  # whoever is to come holds two
    loose_key = np.array([[keys[_hold(holds[t.id], i).rank] for t in loose] for i in range(levels)])
    since = np.array([[float(_hold(holds[t.id], i).since - now) for t in loose] for i in range(levels)])
    return Scene(
        now=now,
        services=services,
        desks=tuple(state.desks),
        tickets=tuple(t.id for t in known),
        work=tuple(tuple(number[s] for s in who.services if s in number) for who in everybody),
        serves=serves.reshape(len(state.desks), len(services)),
        busy=tuple(_busy(state, id, number, now) for id in state.desks),
        bounded=state.bounded,
        longest=NEVER if rules.walk_in_max_wait_minutes is None else float(rules.walk_in_max_wait_minutes * MINUTE),
        queue_service=np.array([number[service] for service, _ in queues], int),
        **arrays,
        loose=np.array([column[t.id] for t in loose] + [len(column) + i for i in range(len(expected))], int),
        loose_service=np.array([number[who.services[0]] for who in loosely], int),
        loose_key=loose_key.reshape(levels, len(loose)),
        loose_since=since.reshape(levels, len(loose)),
        away=tuple(_away(state, t, now) for t in away),
        coming=expected,
        early=float(rules.early_minutes * MINUTE),
        late=float(rules.late_minutes * MINUTE),
    )


def _lost(state: State, planned: tuple[str, ...]) -> tuple[str, ...]:
    """What people here have come for and the offices file has no more: each desk of the state knows that it does it."""
    here = (t for t in state.tickets.values() if t.stage not in ENDED)
    return tuple(sorted({service for t in here for service in t.services} - set(planned)))


def _is_away(state: State, ticket: Ticket, now: Moment) -> bool:
    """Whether it may still come back into the line, or to a desk."""
    if ticket.stage is Stage.ABSENT:
        return rejoin_until(state, ticket, now) > now
    return ticket.stage is Stage.PARKED


def _away(state: State, ticket: Ticket, now: Moment) -> Away:
    if ticket.stage is Stage.PARKED:
        return Away(ticket.id, True, 0.0, NEVER)
    missed = float(max(0, now - (ticket.missed or now)))
    return Away(ticket.id, False, missed, float(rejoin_until(state, ticket, now) - now))


def _heads(state: State, waiting: Iterable[Ticket], holds: dict[str, tuple[Hold, ...]], now: Moment) -> list[Ticket]:
    """Of each service the first who waits, in the order in which they will be called."""
    found: dict[str, tuple[Rank, Ticket]] = {}
    bound = not state.bounded
    for ticket in waiting:
        rank = held(holds[ticket.id], now, bound).rank
        if ticket.service not in found or rank < found[ticket.service][0]:
            found[ticket.service] = rank, ticket
    return [ticket for _, ticket in sorted(found.values(), key=lambda one: one[0])]


def _back(state: State, ticket: Ticket, heads: Sequence[Ticket], now: Moment) -> Ticket:
    """The ticket as it would stand if it came back now; whoever rejoins later stands behind somebody else by then."""
    first = next((t for t in heads if state.plan.shares_desk(t.service, ticket.service)), None)
    if ticket.stage is Stage.PARKED or first is None:
        return ticket
    return replace(ticket, place=place_after(state, first, now), placed=now)


def _keys(ranks: Sequence[Rank], now: Moment) -> dict[Rank, float]:
    """A number for each rank, in the order of the ranks."""
    ordered = sorted(set(ranks))
    step = 0.25 / (len(ordered) + 1)
    return {rank: rank[0] * CLASS + (rank[1] - now) + step * i for i, rank in enumerate(ordered)}


def arriving(kind: int, moment: np.ndarray, arrives: np.ndarray) -> np.ndarray:
    """The key of somebody who will check in: behind all who are here with the same hour, and by arrival."""
    return kind * CLASS + moment + 0.5 + arrives / 2**29


def _hold(holds: tuple[Hold, ...], level: int) -> Hold:
    """The hold of a level; whoever has fewer keeps the last one."""
    return holds[min(level, len(holds) - 1)]


def _is_loose(ticket: Ticket, holds: tuple[Hold, ...]) -> bool:
    """Whether time changes its place among the others of its kind."""
    return bool(ticket.place) or (len(holds) > 1 and holds[1].rank[0] != BOUND)


Queues = dict[tuple[str, int], list[Ticket]]


def _queues(
    tickets: Iterable[Ticket], holds: dict[str, tuple[Hold, ...]], keys: dict[Rank, float], number: dict[str, int]
) -> Queues:
    found: Queues = {}
    for ticket in sorted(tickets, key=lambda t: holds[t.id][0].rank):
        found.setdefault((ticket.service, holds[ticket.id][0].rank[0]), []).append(ticket)
    return found


def _queue_arrays(
    queues: Queues,
    holds: dict[str, tuple[Hold, ...]],
    keys: dict[Rank, float],
    column: dict[str, int],
    now: Moment,
) -> dict[str, np.ndarray]:
    queue: list[int] = []
    key: list[float] = []
    over: list[float] = []
    first: list[int] = []
    for tickets in queues.values():
        first.append(len(queue))
        queue += [*(column[t.id] for t in tickets), -1]
        key += [*(keys[holds[t.id][0].rank] for t in tickets), NEVER]
        over += [*(_over(holds[t.id], now) for t in tickets), NEVER]
    return {"queue": np.array(queue, int), "key": np.array(key), "over": np.array(over), "first": np.array(first, int)}


def _over(holds: tuple[Hold, ...], now: Moment) -> float:
    return float(holds[1].since - now) if len(holds) > 1 else NEVER


def _busy(state: State, desk: str, number: dict[str, int], now: Moment) -> Busy:
    found = state.desks[desk]
    ticket = state.tickets.get(found.ticket or "")
    if ticket is None:
        return Busy(found.stage, None, (), float(max(0, now - found.since)))
    begun = max(ticket.called or now, ticket.started or 0)
    rest = tuple(number[s] for s in ticket.services[1:])
    return Busy(found.stage, number[ticket.service], rest, float(max(0, now - begun)))


__all__ = [
    "BOUND",
    "CLASS",
    "DUE",
    "HERE",
    "NEVER",
    "RESUMED",
    "WALK_IN",
    "Appointment",
    "Away",
    "Busy",
    "Coming",
    "Scene",
    "arriving",
    "look",
]
