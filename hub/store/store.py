"""Reads and writes the offices' logs: one short transaction for each thing that happens.

def call(work):                                # may run again, if another process was quicker
    events = work.do("mont-roig", Next(by="anna", desk="1"), now)
    ...
store.transact(call)
"""

from __future__ import annotations

import random
import select
import sqlite3
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
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
IDLE = 1.0  # seconds after which a connection to PostgreSQL is asked whether it still lives
TURN = 1000  # ms that a writer on PostgreSQL waits for its office's others
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL, appendix A
# PostgreSQL's advisory lock of an office until the transaction ends; 7073 is ours, among whatever else uses them.
_TAKE_TURN = f"""
SET LOCAL lock_timeout = {TURN}; SELECT pg_advisory_xact_lock(7073::bigint << 32 | %d); SET LOCAL lock_timeout = 0"""
LOCKED_FOR = 5.0  # seconds that a writer waits for the others
OVERTAKEN = ("40001", "40P01")  # PostgreSQL's serialization_failure and deadlock_detected: to be tried again


class StoreError(Exception):
    """The database cannot do what was asked; nothing of it was kept."""


class StoreAway(StoreError, ConnectionError):
    """The database does not answer, or its disk is full."""


class TurnMissed(StoreError):
    """Another writer of the office keeps its turn for too long."""


class Conflict(StoreError, RuntimeError):
    """Other processes were quicker too many times."""


class Store:
    """A database, and the offices' states as far as they were read from it."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        # All that an act reads is of one moment, as it is on SQLite: a key answered, and the line as it was then.
        self._one_view: dict[str, Any] = (
            {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        )
        self._states: dict[str, State] = {}
        # SQLite has one writer at a time: this process's threads queue here, where waiting costs nothing.
        sqlite = self.engine.dialect.name == "sqlite"
        self._turn: AbstractContextManager[Any] = threading.Lock() if sqlite else nullcontext()
        # PostgreSQL has many: those of one office queue, in this process and then among all of them.
        self._turns: dict[str, threading.Lock] | None = None if sqlite else defaultdict(threading.Lock)

    @contextmanager
    def begin(self, write: bool = False, office: str = "", **options: Any) -> Iterator[sa.Connection]:
        """A transaction; StoreAway if the database does not answer.

        Who writes the log of an `office` and says so waits for its other writers, instead of losing against them.
        """
        queues = self._turns is not None and office
        own = self._turns[office] if self._turns is not None and office else self._turn if write else nullcontext()
        try:
            with (
                own,
                self.engine.connect().execution_options(write=write, **options) as connection,
                connection.begin(),
            ):
                if queues:
                    connection.exec_driver_sql(_TAKE_TURN % zlib.crc32(office.encode()))
                yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state == LOCK_NOT_AVAILABLE:
                raise TurnMissed(f"another writer of {office} stands still") from error
            if state in OVERTAKEN:
                raise Conflict(f"another process was quicker: {error.orig}") from error
            raise StoreAway(f"the database does not take this now: {error.orig}") from error

    def one_view(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that reads: all of it is of one moment."""
        return self.begin(**self._one_view)

    def transact(self, act: Callable[[Work], T], one_view: bool = True, office: str = "") -> T:
        """Runs `act` in one transaction; again from the start if another process was quicker.

        `office` is whose log it will write, if any: then it takes its turn among that office's writers, and what they
        write stands still meanwhile. Without `one_view` it sees what others commit while it waits for a lock that they
        held.
        """
        view = self._one_view if one_view else {}
        for attempt in range(TRIES):
            try:
                # In its turn each statement has a view of its own: one for all would be of before the wait.
                with self.begin(write=True, office=office, **({} if office else view)) as connection:
                    work = Work(connection, dict(self._states))
                    answer = act(work)
                    work.flush()
                self._keep(work.states)
                return answer
            except TurnMissed:
                office = ""  # turns make writers quick; what makes them right is the log's constraint
            except (IntegrityError, Conflict):
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
        "first_called": ticket.first_called,
        "called": ticket.called,
        "started": ticket.started,
        "finished": ticket.finished,
        "desk": ticket.desk,
        "outcome": ticket.stage.value,
    }


_KEY = ("office", "day", "ticket")
_CHANGING = ("service", "first_called", "called", "started", "finished", "desk", "outcome")
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
        if connection.dialect.name == "postgresql":  # nobody else may change a visit meanwhile; SQLite has one writer
            connection.execute(sa.text("LOCK TABLE visits IN EXCLUSIVE MODE"))
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


def has_log(store: Store, office: str) -> bool:
    """Whether anything ever happened at an office."""
    with store.begin() as connection:
        query = sa.select(schema.log.c.seq).where(schema.log.c.stream == office).limit(1)
        return connection.execute(query).first() is not None


def read_events(connection: sa.Connection, office: str, after: int) -> list[Event]:
    """The office's events with a seq above `after`, in order."""
    return [unpack(text) for text in connection.execute(_EVENTS, {"office": office, "after": after}).scalars()]


def oldest_after(connection: sa.Connection, office: str, seq: int) -> Moment | None:
    """When the first event above `seq` happened; None if there is none."""
    query = sa.select(schema.log.c.at).where(schema.log.c.stream == office, schema.log.c.seq > seq)
    return connection.execute(query.order_by(schema.log.c.seq).limit(1)).scalar()


# Statements that are made once cost half of those made each time.
_EVENTS = (
    sa.select(schema.log.c.event)
    .where(schema.log.c.stream == sa.bindparam("office"), schema.log.c.seq > sa.bindparam("after"))
    .order_by(schema.log.c.seq)
)


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
        engine = sa.create_engine(url, connect_args=_PATIENCE, **_POOL)
        sa.event.listen(engine, "checkin", _put_back)
        sa.event.listen(engine, "checkout", partial(_asked_if_alive, engine))
        return engine
    engine = sa.create_engine(url, connect_args={"timeout": 5, "check_same_thread": False}, **_POOL)
    sa.event.listen(engine, "connect", _durable)
    sa.event.listen(engine, "begin", _immediate)
    return engine


_POOL: dict[str, Any] = {"pool_size": 8, "hide_parameters": True}  # so that an error names no person
# A server that vanishes without a word is noticed within ten seconds, not after the two hours of TCP (libpq, 34.1.2).
_PATIENCE = {
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}


def _put_back(connection: Any, record: Any) -> None:
    record.info["since"] = time.monotonic()


def _asked_if_alive(engine: sa.Engine, connection: Any, record: Any, *_: Any) -> None:
    """Has another connection made if this one is dead. Each write would take a third longer if all were asked.

    A server that ends a connection says so to whoever looks: only one that has been idle may be dead without a word.
    """
    try:
        if _has_come(connection) or time.monotonic() - record.info.get("since", float("inf")) > IDLE:
            engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise sa.exc.DisconnectionError("the database has ended this connection") from error


def _has_come(connection: Any) -> bool:
    """Whether the server has said something that nobody asked for."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _durable(connection: Any, record: Any) -> None:
    """WAL, on the disk before a commit returns, and deleted means gone; BEGIN is ours (below), not the driver's."""
    connection.isolation_level = None
    # Of several processes that open a new file at once, one changes its mode; SQLite lets the others fail, not wait.
    if not _in_turn(connection, "PRAGMA journal_mode = WAL"):
        connection.execute("PRAGMA journal_mode = WAL")  # raises why not
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")


def _immediate(connection: sa.Connection) -> None:
    """A writer takes its turn at BEGIN: a deferred one that reads first fails when it comes to write."""
    if not connection.get_execution_options().get("write"):
        connection.exec_driver_sql("BEGIN")
        return
    database: Any = connection.connection.driver_connection
    database.execute("PRAGMA busy_timeout = 0")
    try:
        if not _in_turn(database, "BEGIN IMMEDIATE"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # raises what SQLAlchemy knows
    finally:
        database.execute("PRAGMA busy_timeout = 5000")


def _in_turn(database: Any, statement: str) -> bool:
    """Runs what takes a lock once the others have let go; False if that does not work, or not in time.

    SQLite's own way of waiting sleeps ever longer, up to 100 ms, for a lock that is held half a millisecond.
    """
    deadline = time.monotonic() + LOCKED_FOR
    while time.monotonic() < deadline:
        try:
            database.execute(statement)
            return True
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                return False
            time.sleep(random.uniform(0.0001, 0.0005))
    return False


__all__ = ["Conflict", "OperationalError", "Store", "StoreAway", "StoreError", "Work", "read_events", "rebuild_visits"]
