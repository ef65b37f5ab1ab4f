"""Reads and writes the offices' logs: one short transaction for each thing that happens.

def call(work):                                # may run again, if another process was quicker
    events = work.do("mont-roig", Next(by="anna", desk="1"), now)
    ...
store.transact(call)
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from hub.line.commands import Command
from hub.line.decide import decide
from hub.line.events import DayOpened, Event, pack, unpack
from hub.line.evolve import evolve, fold
from hub.line.model import State, Ticket
from hub.line.plan import Moment

from . import schema

T = TypeVar("T")
TRIES = 50


class StoreError(Exception):
    """The database cannot do what was asked; nothing of it was kept."""


class StoreAway(StoreError, ConnectionError):
    """The database does not answer, or its disk is full."""


class Conflict(StoreError, RuntimeError):
    """Other processes were quicker too many times."""


class Store:
    """A database, and the offices' states as far as they were read from it."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._states: dict[str, State] = {}

    @contextmanager
    def begin(self, write: bool = False) -> Iterator[sa.Connection]:
        """A transaction; StoreAway if the database does not answer."""
        try:
            with self.engine.connect().execution_options(write=write) as connection, connection.begin():
                yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise StoreAway(f"the database does not take this now: {error.orig}") from error

    def transact(self, act: Callable[[Work], T]) -> T:
        """Runs `act` in one transaction; again from the start if another process was quicker."""
        for attempt in range(TRIES):
            try:
                with self.begin(write=True) as connection:
                    work = Work(connection, dict(self._states))
                    answer = act(work)
                    work.flush()
                self._keep(work.states)
                return answer
            except IntegrityError:
                time.sleep(random.uniform(0, 0.001 * min(attempt, 20)))
        raise Conflict(f"another process was quicker {TRIES} times")

    def state(self, office: str) -> State:
        """The office as the log has it now."""
        with self.begin() as connection:
            work = Work(connection, dict(self._states))
            state = work.state(office)
        self._keep(work.states)
        return state

    def events(self, office: str, after: int) -> list[Event]:
        """The office's events with a seq above `after`, in order."""
        with self.begin() as connection:
            return read_events(connection, office, after)

    def answers(self) -> None:
        """Asks the database for a sign of life; StoreAway if it gives none."""
        with self.begin() as connection:
            connection.execute(sa.text("SELECT 1"))

    def dispose(self) -> None:
        """Closes the connections."""
        self.engine.dispose()

    def _keep(self, states: dict[str, State]) -> None:
        for office, state in states.items():
            if state.seq >= self._states.get(office, state).seq:
                self._states[office] = state


class Work:
    """One transaction's work: what it reads is current, what it writes goes together or not at all."""

    def __init__(self, connection: sa.Connection, states: dict[str, State]) -> None:
        self.connection = connection
        self.states = states
        self._read: set[str] = set()
        self._log: list[dict[str, Any]] = []
        self._known: set[tuple[str, ...]] = set()
        self._visits: dict[tuple[str, ...], dict[str, Any]] = {}

    def state(self, office: str) -> State:
        """The office as the log has it now."""
        if office not in self._read:
            self._read.add(office)
            self.states[office] = _current(self.connection, office, self.states.get(office))
        return self.states[office]

    def do(self, office: str, command: Command, now: Moment) -> list[Event]:
        """Decides `command` and writes down what it leads to. LineError: nothing is written."""
        state = self.state(office)
        events = decide(state, command, now)
        for event in events:
            after = evolve(state, event)
            self._log.append(_row(office, after.seq, event))
            if not isinstance(event, DayOpened):
                self._project(office, state, after)
            state = after
        self.states[office] = state
        return events

    def _project(self, office: str, before: State, after: State) -> None:
        if before.tickets is after.tickets:
            return
        for id, ticket in after.tickets.items():
            old = before.tickets.get(id)
            if ticket is not old:
                key = (office, after.day, id)
                if old is not None and key not in self._visits:
                    self._known.add(key)
                self._visits[key] = visit(office, after.day, ticket)

    def flush(self) -> None:
        """Sends what was decided to the database; IntegrityError if another process was quicker."""
        new = [row for key, row in self._visits.items() if key not in self._known]
        changed = [_renamed(row) for key, row in self._visits.items() if key in self._known]
        if self._log:
            self.connection.execute(schema.log.insert(), self._log)
        if new:
            self.connection.execute(schema.visits.insert(), new)
        if changed:
            self.connection.execute(_UPDATE_VISIT, changed)
        self._log, self._visits, self._known = [], {}, set()


def visit(office: str, day: str, ticket: Ticket) -> dict[str, Any]:
    """A ticket as its row of `visits`."""
    return {
        "ticket": ticket.id,
        "office": office,
        "day": day,
        "token": ticket.token,
        "label": ticket.label,
        "service": ticket.service,
        "origin": ticket.origin,
        "priority": ticket.priority,
        "appointment": ticket.appointment.id if ticket.appointment else None,
        "issued": ticket.issued,
        "called": ticket.called,
        "started": ticket.started,
        "finished": ticket.finished,
        "desk": ticket.desk,
        "outcome": ticket.stage.value,
    }


_KEY = ("office", "day", "ticket")
_CHANGING = ("service", "called", "started", "finished", "desk", "outcome")
_UPDATE_VISIT = (
    schema.visits.update()
    .where(*(schema.visits.c[name] == sa.bindparam(f"_{name}") for name in _KEY))
    .values({name: sa.bindparam(f"_{name}") for name in _CHANGING})
)


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    return {f"_{name}": row[name] for name in (*_KEY, *_CHANGING)}


def rebuild_visits(store: Store) -> int:
    """Makes `visits` again from the log alone; the number of rows. What was forecast is not kept there."""
    with store.begin(write=True) as connection:
        connection.execute(schema.visits.delete())
        offices = connection.execute(sa.select(schema.log.c.stream).distinct()).scalars().all()
        rows = [row for office in offices for row in _visits_of(office, read_events(connection, office, 0))]
        if rows:
            connection.execute(schema.visits.insert(), rows)
        return len(rows)


def _visits_of(office: str, events: Iterable[Event]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    state = State(office)
    for event in events:
        after = evolve(state, event)
        if not isinstance(event, DayOpened):
            touched = (t for t in after.tickets.values() if t.touched == after.seq)
            rows |= {(after.day, ticket.id): visit(office, after.day, ticket) for ticket in touched}
        state = after
    return list(rows.values())


def read_events(connection: sa.Connection, office: str, after: int) -> list[Event]:
    """The office's events with a seq above `after`, in order."""
    log = schema.log.c
    query = sa.select(log.event).where(log.stream == office, log.seq > after).order_by(log.seq)
    return [unpack(text) for text in connection.execute(query).scalars()]


def _current(connection: sa.Connection, office: str, known: State | None) -> State:
    """`known` carried on to the end of the log; without it, the last day folded from its beginning."""
    if known is None:
        log = schema.log.c
        query = sa.select(sa.func.max(log.seq)).where(log.stream == office, log.kind == DayOpened.kind)
        known = State(office, seq=(connection.execute(query).scalar() or 1) - 1)
    return fold(known, read_events(connection, office, known.seq))


def _row(office: str, seq: int, event: Event) -> dict[str, Any]:
    return {"stream": office, "seq": seq, "at": event.at, "kind": event.kind, "event": pack(event)}


def _engine(url: str) -> sa.Engine:
    if not url.startswith("sqlite"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1).replace(
            "postgres://", "postgresql+psycopg://", 1
        )
        return sa.create_engine(url, pool_pre_ping=True, pool_size=8, connect_args={"connect_timeout": 3})
    engine = sa.create_engine(url, connect_args={"timeout": 5, "check_same_thread": False}, pool_size=8)
    sa.event.listen(engine, "connect", _durable)
    sa.event.listen(engine, "begin", _immediate)
    return engine


def _durable(connection: Any, record: Any) -> None:
    """WAL, and on the disk before a commit returns; BEGIN is ours (below), not the driver's."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _immediate(connection: sa.Connection) -> None:
    """A writer takes its turn at BEGIN: a deferred one that reads first fails when it comes to write."""
    write = connection.get_execution_options().get("write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


__all__ = ["Conflict", "OperationalError", "Store", "StoreAway", "StoreError", "Work", "read_events", "rebuild_visits"]
