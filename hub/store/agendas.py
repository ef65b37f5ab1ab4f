"""The key of each day's agenda, and the digests made with it. They are slow to make: each is made once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from .schema import agendas, calendar, digests
from .store import Store, Work

Digests = tuple[str, str | None]  # of the locator, and of the document's number


def key_of(work: Work, day: str) -> str:
    """The day's key, made when it is first asked for; older ones and their digests are forgotten."""
    key = work.connection.execute(sa.select(agendas.c.key).where(agendas.c.day == day)).scalar()
    if key is None:
        key = secrets.token_urlsafe(16)
        work.connection.execute(agendas.delete().where(agendas.c.day < day))
        work.connection.execute(digests.delete().where(digests.c.day < day))
        work.connection.execute(agendas.insert().values(day=day, key=key))
    return key


def known(connection: sa.Connection, day: str) -> dict[str, Digests]:
    """The digests made for a day so far, by appointment."""
    rows = connection.execute(sa.select(digests).where(digests.c.day == day))
    return {row.appointment: (row.locator, row.document) for row in rows}


def keep(work: Work, day: str, made: Mapping[str, Digests]) -> None:
    """Writes new digests down; what another process has made meanwhile stays."""
    there = known(work.connection, day)
    rows = [
        {"day": day, "appointment": id, "locator": locator, "document": document}
        for id, (locator, document) in made.items()
        if id not in there
    ]
    if rows:
        work.connection.execute(digests.insert(), rows)


def changes(store: Store, days: Iterable[str]) -> int:
    """A number that grows with every change to an appointment of these calendar days, at any office."""
    with store.begin() as connection:
        query = sa.select(sa.func.sum(calendar.c.bookings)).where(calendar.c.day.in_(list(days)))
        return int(connection.execute(query).scalar() or 0)
