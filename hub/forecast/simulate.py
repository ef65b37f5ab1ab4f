"""Plays an office forward, all replications side by side, by the rule that `next_up` follows.

In each step every replication lets its next free desk call: the lowest rank among those who are here
and whom the desk serves. A step costs the same whether ten people wait or a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .scene import CLASS, NEVER, WALK_IN, Scene


@dataclass(frozen=True)
class Draws:
    """What chance has decided beforehand. R replications; milliseconds; times are after `now`."""

    takes: np.ndarray  # R × people: how long each one keeps an average desk
    pace: np.ndarray  # R × desks: by how much longer it takes at this one
    free: np.ndarray  # R × desks: when it can call; NEVER: not today
    rests: np.ndarray  # R × desks: from when on it makes a break, after the visit under way
    rest: np.ndarray  # R × desks: for how long; NEVER: it closes
    arrives: np.ndarray  # R × loose: when they are here
    key: tuple[np.ndarray, ...]  # each R or 1 × loose: their ranks, one for each hold
    since: tuple[np.ndarray, ...]  # from when each one holds; the first one always does

    @property
    def replications(self) -> int:
        """How many mornings are played."""
        return len(self.takes)


@dataclass(frozen=True)
class Played:
    """When it happened, in milliseconds after `now`; NEVER if it did not."""

    called: np.ndarray  # R × people
    now_taken: np.ndarray  # R × services: the call of a ticket taken now
    desk: np.ndarray  # R × people: the desk that called, -1 for nobody


def run(scene: Scene, draws: Draws, everybody: bool = False) -> Played:
    """When each of those waiting, and a ticket of each service taken now, is called; or else everybody who comes."""
    if not len(scene.desks):
        nobody = np.full((draws.replications, scene.people), NEVER)
        return Played(nobody, np.full((draws.replications, len(scene.services)), NEVER), nobody)
    morning = _Morning(scene, draws, scene.people if everybody else len(scene.tickets))
    for _ in range(scene.people + len(scene.desks) * (len(scene.loose) + 3)):  # a desk calls, waits, rests or ends
        if not morning.step():
            break
    return morning.played()


class _Morning:
    """All replications of one office, at whatever moment each has come to.

    Tables of R rows are kept flat: one index a replication is read three times as fast as a pair.
    """

    def __init__(self, scene: Scene, draws: Draws, counted: int) -> None:
        count = draws.replications
        self.scene, self.draws, self.counted = scene, draws, counted
        self.rows = np.arange(count)
        # Where each replication's row begins in tables of desks, people, loose ones and queues.
        self.desks, self.people = self.rows * len(scene.desks), self.rows * scene.people
        self.loose, self.queues = self.rows * draws.arrives.shape[1], self.rows * (len(scene.first) + 1)
        self.free, self.rests, self.arrives = draws.free.copy(), draws.rests.flatten(), draws.arrives.copy()
        self.takes, self.pace, self.rest = draws.takes.ravel(), draws.pace.ravel(), draws.rest.ravel()
        self.free_at, self.comes = self.free.reshape(-1), self.arrives.reshape(-1)  # the same memory
        self.called = np.full(count * scene.people, NEVER)
        self.desk = np.full(count * scene.people, -1)
        self.ghost = np.full((count, len(scene.services)), NEVER)
        # A column without people keeps both parts from being empty.
        self.key = np.append(scene.key, NEVER)
        self.queue = np.append(scene.queue, -1)
        self.over = np.append(scene.over, NEVER)
        self.at = np.tile(np.append(scene.first, len(scene.key)), (count, 1))
        self.head = self.key[self.at]
        self.place, self.head_at = self.at.reshape(-1), self.head.reshape(-1)
        self.bars = np.column_stack([scene.serves[:, scene.queue_service], np.zeros(len(scene.desks))])
        self.loose_bars = scene.serves[:, scene.loose_service]
        self.seen = scene.serves == 0.0
        self.bounded = np.full(count, scene.bounded)
        self.left = np.full(count, counted)
        self.unseen = np.full((count, len(scene.services)), True)
        self.unseen[:, ~self.seen.any(axis=0)] = False

    def played(self) -> Played:
        """What has happened."""
        shape = (len(self.rows), self.scene.people)
        return Played(self.called.reshape(shape), self.ghost, self.desk.reshape(shape))

    def step(self) -> bool:
        """One call, or one desk's waiting, in each replication; False once all is known."""
        desk = self.free.argmin(axis=1)
        which = self.desks + desk
        at = self.free_at[which]
        if at.min() == NEVER:
            return False
        if self._rest(which, at):
            return True
        best, who, queue, loose = self._best(desk, at)
        self._ghosts(desk, at, best)
        calls = best < NEVER
        self._take(np.flatnonzero(calls & (at < NEVER)), desk, at, best, who, queue, loose)
        idle = np.flatnonzero(~calls & (at < NEVER))
        if len(idle):
            self._wait(idle, desk)
        done = (self.left <= 0) & ~self.unseen.any(axis=1)
        self.free[done] = NEVER
        return True

    def _rest(self, which: np.ndarray, at: np.ndarray) -> bool:
        """Desks that had nobody to call when their break began: they are back when it is over."""
        begins = self.rests[which]
        rows = np.flatnonzero((begins <= at) & (at < NEVER))
        if not len(rows):
            return False
        which = which[rows]
        self.free_at[which] = np.maximum(at[rows], begins[rows] + self.rest[which])
        self.rests[which] = NEVER
        return True

    def _best(self, desk: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The lowest key for each desk, whose it is, in which queue, and whether (and where) they are loose."""
        keys = self.head + self.bars[desk]
        if self.scene.longest < NEVER:
            over = (self.over[self.at] <= at[:, None]) & ~self.bounded[:, None]
            keys = np.where(over, keys - WALK_IN * CLASS, keys)
        queue = keys.argmin(axis=1)
        first = self.queues + queue
        best = keys.reshape(-1)[first]
        who = self.queue[self.place[first]]
        if not self.arrives.shape[1]:
            return best, who, queue, np.full(len(desk), -1)
        moment = at[:, None]
        loose = self.draws.key[0]
        for key, since in zip(self.draws.key[1:], self.draws.since[1:], strict=True):
            holds = since <= moment
            if self.scene.longest < NEVER:
                holds = holds & ((key >= 0.5 * CLASS) | ~self.bounded[:, None])
            loose = np.where(holds, key, loose)
        loose = loose + self.loose_bars[desk]
        loose[self.arrives > moment] = NEVER
        place = loose.argmin(axis=1)
        lowest = loose.reshape(-1)[self.loose + place]
        ahead = lowest < best
        return (
            np.where(ahead, lowest, best),
            np.where(ahead, self.scene.loose[place], who),
            queue,
            np.where(ahead, place, -1),
        )

    def _ghosts(self, desk: np.ndarray, at: np.ndarray, best: np.ndarray) -> None:
        """Whoever took a ticket now stands behind all who are here: they are next where nobody better is."""
        key = np.full(len(at), WALK_IN * CLASS + 0.4)
        if self.scene.longest < NEVER:
            key[(at >= self.scene.longest) & ~self.bounded] -= WALK_IN * CLASS
        last = (best > key) & (at < NEVER)
        if not last.any():
            return
        news = last[:, None] & self.seen[desk] & self.unseen
        np.copyto(self.ghost, at[:, None], where=news)
        self.unseen &= ~news

    def _take(
        self,
        rows: np.ndarray,
        desk: np.ndarray,
        at: np.ndarray,
        best: np.ndarray,
        who: np.ndarray,
        queue: np.ndarray,
        loose: np.ndarray,
    ) -> None:
        desk, at, who, queue, loose = desk[rows], at[rows], who[rows], queue[rows], loose[rows]
        which, person = self.desks[rows] + desk, self.people[rows] + who
        self.called[person] = at
        self.desk[person] = desk
        ends = at + np.rint(self.takes[person] * self.pace[which])
        rests = self.rests[which] <= ends
        self.free_at[which] = np.where(rests, ends + self.rest[which], ends)
        self.rests[which[rests]] = NEVER
        self.left[rows] -= who < self.counted
        self.bounded[rows] = best[rows] < 0.5 * CLASS
        queued = loose < 0
        if not queued.all():
            away = ~queued
            self.comes[self.loose[rows[away]] + loose[away]] = NEVER
            rows, queue = rows[queued], queue[queued]
        first = self.queues[rows] + queue
        place = self.place[first] + 1
        self.place[first] = place
        self.head_at[first] = self.key[place]

    def _wait(self, rows: np.ndarray, desk: np.ndarray) -> None:
        """Nobody is here whom the desk serves: it looks again when somebody comes."""
        desk = desk[rows]
        comes = NEVER
        if self.arrives.shape[1]:
            comes = (self.arrives[rows] + self.loose_bars[desk]).min(axis=1)
        self.free_at[self.desks[rows] + desk] = comes
