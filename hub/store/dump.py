"""The whole database as lines of JSON, and back: the same from SQLite and PostgreSQL, into either.

The first line says which shape it has, each table has one of its own, then come its rows, and the last line counts
them. Left out is what is worth nothing elsewhere, or goes with the day: leases, sessions, failed sign-ins, phones to
push to.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any

import sqlalchemy as sa

from .schema import log, metadata, topics
from .store import Store, StoreError
from .upgrade import HEAD, shape, upgrade, version_of

LEFT_OUT = ("leases", "sessions", "failures", "subscriptions")
PERSONAL = ("people", "digests", "outbox")  # where an appointment's row says whose it is, or speaks to them
AT_ONCE = 1000  # rows
AHEAD = 1_000_000  # retained documents go on so far above: their watchers have seen later ones than we know of


class DumpError(StoreError, ValueError):
    """What should be restored cannot be, or not here; nothing was changed."""


def lines(store: Store, at: str) -> Iterator[str]:
    """The database of one moment; `at` says when, for whoever reads it."""
    count = 0
    with store.one_view() as connection:
        yield json.dumps({"torn": HEAD, "at": at})
        for table in metadata.sorted_tables:
            if table.name not in LEFT_OUT:
                yield json.dumps({"table": table.name, "columns": [column.name for column in table.columns]})
                for row in connection.execute(sa.select(table).execution_options(yield_per=AT_ONCE)):
                    count += 1
                    yield json.dumps([_plain(value) for value in row], ensure_ascii=False)
    yield json.dumps({"rows": count})


def _plain(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _value(plain: Any) -> Any:
    return base64.b64decode(plain["base64"]) if isinstance(plain, dict) else plain


def fill(store: Store, source: Iterable[str], erased: Collection[str] = ()) -> tuple[int, int]:
    """Puts the lines into an empty database and brings it to the newest shape.

    Whose the appointments in `erased` (ids) were is left out. Returns how many rows were put in, and how many not.
    Raises DumpError if the database is not empty, or the lines are not whole or of a newer program.
    """
    rest = iter(source)
    version = json.loads(next(rest, "{}")).get("torn")
    if version is None or version > HEAD:
        raise DumpError(f"is of a newer program (shape {version}; this one knows {HEAD})" if version else "is empty")
    if version_of(store) not in (None, version):
        raise DumpError("the database has tables of another shape already: restore into a new one")
    shape(store, version)
    with store.begin(write=True) as connection:
        if connection.execute(sa.select(log.c.seq).limit(1)).first():
            raise DumpError("the database is not empty: restore into a new one")
        counts = _fill(connection, rest, frozenset(erased))
        connection.execute(topics.update().values(seq=topics.c.seq + AHEAD))
        _set_counters(connection)
    upgrade(store)
    return counts


def _fill(connection: sa.Connection, rest: Iterator[str], erased: frozenset[str]) -> tuple[int, int]:
    count, left_out, rows = 0, 0, list[dict[str, Any]]()
    table: sa.TableClause | None = None
    names: list[str] = []
    for line in chain(rest, ["{}"]):
        entry = json.loads(line)
        if isinstance(entry, dict) or len(rows) == AT_ONCE:
            if table is not None and rows:
                connection.execute(table.insert(), rows)
            count, rows = count + len(rows), []
        if isinstance(entry, list):
            row = dict(zip(names, map(_value, entry), strict=True))
            if table is not None and table.name in PERSONAL and row["appointment"] in erased:
                left_out += 1
            else:
                rows.append(row)
        elif "table" in entry:
            names = entry["columns"]
            table = sa.table(entry["table"], *map(sa.column, names))
            connection.execute(table.delete())  # what a migration may have put there
        elif entry.get("rows") == count + left_out:
            return count, left_out
        else:
            raise DumpError(f"is not whole: {count + left_out} rows, where its last line should count them")
    raise AssertionError("unreachable: the last line is always an object")


def _set_counters(connection: sa.Connection) -> None:
    """PostgreSQL counts by itself what it numbers by itself; it must go on above what was put in."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        for column in table.primary_key.columns:
            if column is table.autoincrement_column and isinstance(column.type, sa.Integer):
                named = {"table": table.name, "column": column.name}
                sequence = connection.execute(sa.text("SELECT pg_get_serial_sequence(:table, :column)"), named).scalar()
                highest = connection.execute(sa.select(sa.func.max(column))).scalar()
                if sequence and highest:
                    connection.execute(sa.select(sa.func.setval(sequence, highest)))
