"""Writes into a store as the hub does; run as a program, it is another process that writes.

python -m tests.store.mornings URL NAME COUNT      # takes tickets, and prints the id of each one that is safe
"""

import sys

import sqlalchemy as sa

from hub.line import commands as c
from hub.line.events import Event
from hub.store import Store, schema
from tests.line.office import Office

OFFICE = "mont-roig"
NINE = Office().now  # the hour at which every morning here begins
PLAN = Office().plan


def does(store: Store, command: c.Command, now: int = NINE) -> list[Event]:
    """One command in a transaction of its own."""
    return store.transact(lambda work: work.do(OFFICE, command, now))


def opens(store: Store) -> None:
    """The office begins its day."""
    does(store, c.Adopt("hub", PLAN))


def ticket(id: str, number: int = 1) -> c.Issue:
    """Somebody takes a ticket."""
    return c.Issue("dispenser-1", id, f"token-of-{id}", f"P{number:03d}", ("padro",))


def takes(store: Store, count: int, name: str = "t", now: int = NINE) -> list[str]:
    """So many people take tickets, one after the other."""
    ids = [f"{name}-{number}" for number in range(1, count + 1)]
    for number, id in enumerate(ids, 1):
        does(store, ticket(id, number), now)
    return ids


def rows(store: Store, table: sa.Table) -> list[dict[str, object]]:
    """All that a table holds, in the order of its key."""
    with store.begin() as connection:
        found = connection.execute(sa.select(table).order_by(*table.primary_key.columns))
        return [dict(row) for row in found.mappings()]


def log_of(store: Store) -> list[dict[str, object]]:
    """The office's log, row by row."""
    return [row for row in rows(store, schema.log) if row["stream"] == OFFICE]


def main(url: str, name: str, count: str) -> None:
    """Takes tickets one by one, and says each id only once its ticket is safe."""
    store = Store(url)
    print("here")
    for number in range(1, int(count) + 1):
        does(store, ticket(f"{name}-{number}", number))
        print(f"{name}-{number}")
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
