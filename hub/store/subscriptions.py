"""Phones that asked to be told of their ticket while they are locked, and what each is to be told now.

A row is a phone and a ticket, and at once its own outbox of one message: the newest takes the place of what was
not sent yet. To claim a row is to put off its next try, as in outbox.py. Where the phone is reached is encrypted,
in no backup, and gone once the ticket has ended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from hub.line.plan import HOUR, Moment

from . import keys, leases
from .schema import subscriptions
from .store import Store, StoreError, Work

MOST = 3  # phones of one ticket
OLDEST = 36 * HOUR  # whatever became of its ticket
CLAIMED = 30_000  # ms: longer than any sending takes (hub/messages/push.py)
FIRST_WAIT = 2_000  # ms, doubled each time


class TooMany(StoreError, RuntimeError):
    """As many phones follow this ticket as may."""


@dataclass(frozen=True)
class Address:
    """Where a phone's browser has its messages brought, and its keys (RFC 8030, RFC 8291)."""

    endpoint: str = field(repr=False)
    p256dh: bytes = field(repr=False)  # an uncompressed point
    auth: bytes = field(repr=False)


@dataclass(frozen=True)
class Subscription:
    """One phone of one ticket. `told` belongs to whoever decides what is told."""

    id: str
    office: str
    ticket: str
    language: str
    walk: int  # minutes
    warn: int  # people
    told: str
    notice: str | None = None
    due: Moment = 0
    tries: int = 0


def name(ticket: str, endpoint: str) -> str:
    """A row's id."""
    return hashlib.sha256(f"{ticket} {endpoint}".encode()).hexdigest()[:40]


def keep(work: Work, one: Subscription, address: Address, at: Moment) -> None:
    """Writes a phone down, or what it has changed; TooMany if the ticket has enough."""
    ring = keys.of(work.connection)
    keys.hold(work.connection)
    parcel = json.dumps([address.endpoint, address.p256dh.hex(), address.auth.hex()]).encode()
    row = {
        "key": ring.newest.name,
        "parcel": ring.seal(one.id, parcel),
        "language": one.language,
        "walk": one.walk,
        "warn": one.warn,
    }
    own = subscriptions.c.id == one.id
    before = work.connection.execute(sa.select(subscriptions.c.walk, subscriptions.c.warn).where(own)).first()
    if before:
        again = {"told": one.told} if tuple(before) != (one.walk, one.warn) else {}
        work.connection.execute(subscriptions.update().where(own).values(row | again))
        return
    of_ticket = (subscriptions.c.office == one.office) & (subscriptions.c.ticket == one.ticket)
    if len(work.connection.execute(sa.select(subscriptions.c.id).where(of_ticket)).all()) >= MOST:
        raise TooMany(f"{MOST} phones follow this ticket already")
    new = row | {"id": one.id, "office": one.office, "ticket": one.ticket, "told": one.told, "at": at, "tries": 0}
    work.connection.execute(subscriptions.insert().values(new))


def signer(store: Store) -> str:
    """The key by which phones know who sends (keys.Key.signer). KeyMissing if there is none."""
    with store.begin() as connection:
        return keys.of(connection).newest.signer


def forget(work: Work, id: str) -> None:
    """Removes a phone."""
    work.connection.execute(subscriptions.delete().where(subscriptions.c.id == id))


def forget_old(work: Work, before: Moment) -> None:
    """Removes what is older than a day can be."""
    work.connection.execute(subscriptions.delete().where(subscriptions.c.at < before - OLDEST))


def of(store: Store, offices: Collection[str]) -> list[Subscription]:
    """The phones of some offices."""
    with store.begin() as connection:
        query = sa.select(subscriptions).where(subscriptions.c.office.in_(offices))
        return [_read(row) for row in connection.execute(query)]


def tell(work: Work, one: Subscription, told: str, notice: str | None) -> bool:
    """Notes what a phone was told, and has `notice` pushed to it; False if somebody else did so just before."""
    values: dict[str, object] = {"told": told}
    if notice:
        now = leases.database_time(work.connection)
        values |= {"notice": notice, "due": now, "next_at": now, "tries": 0}
    as_read = (subscriptions.c.id == one.id) & (subscriptions.c.told == one.told)
    return work.connection.execute(subscriptions.update().where(as_read).values(values)).rowcount == 1


def is_due(store: Store) -> bool:
    """Whether there is something to be pushed now; costs no turn among the writers."""
    with store.begin() as connection:
        return connection.execute(_due(leases.database_time(connection)).limit(1)).first() is not None


def claim(work: Work, most: int) -> list[tuple[Subscription, Moment]]:
    """Some of what is to be pushed now, with how long each is due; nobody else is given it for a while."""
    now = leases.database_time(work.connection)
    rows = work.connection.execute(_due(now).limit(most).with_for_update(skip_locked=True)).all()
    for row in rows:
        claimed = {"tries": row.tries + 1, "next_at": now + CLAIMED}
        work.connection.execute(subscriptions.update().where(subscriptions.c.id == row.id).values(claimed))
    return [(_read(row), now - row.due) for row in rows]


def _due(now: Moment) -> sa.Select[tuple[object, ...]]:
    return sa.select(subscriptions).where(subscriptions.c.next_at <= now).order_by(subscriptions.c.next_at)


def address(store: Store, id: str) -> tuple[Address, keys.Key] | None:
    """Where a phone is reached, and what signs for it; None if it is gone. KeyMissing or Damaged."""
    with store.begin() as connection:
        row = connection.execute(sa.select(subscriptions).where(subscriptions.c.id == id)).first()
        if row is None:
            return None
        ring = keys.of(connection)
        endpoint, p256dh, auth = json.loads(ring.open(id, row.key, row.parcel))
        return Address(endpoint, bytes.fromhex(p256dh), bytes.fromhex(auth)), ring.by_name[row.key]


def settle(work: Work, one: Subscription, again: bool = False) -> None:
    """Writes down what came of a try, unless there is something newer to say: it is over, or to be tried again."""
    values: dict[str, object] = {"notice": None, "due": None, "next_at": None}
    if again:
        values = {"next_at": leases.database_time(work.connection) + FIRST_WAIT * 2**one.tries}
    same = (subscriptions.c.id == one.id) & (subscriptions.c.notice == one.notice) & (subscriptions.c.due == one.due)
    work.connection.execute(subscriptions.update().where(same).values(values))


def _read(row: sa.Row[tuple[object, ...]]) -> Subscription:
    same = {name: getattr(row, name) for name in Subscription.__dataclass_fields__}
    return Subscription(**same | {"due": row.due or 0})
