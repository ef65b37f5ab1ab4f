"""Who works for an office: a row with a term that grows, held for three seconds by the database's clock."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hub.line.plan import Moment

from .schema import leases, topics
from .store import Store

SECONDS = 3


def take(store: Store, name: str, holder: str) -> int | None:
    """The term of a lease that was free, or None while somebody else holds it."""
    now = _CLOCKS[store.engine.dialect.name]
    until = now + SECONDS * 1000
    try:
        with store.begin(write=True) as connection:
            free = (leases.c.name == name) & ((leases.c.until < now) | (leases.c.holder == holder))
            taken = leases.update().where(free).values(holder=holder, term=leases.c.term + 1, until=until)
            if connection.execute(taken).rowcount == 0:
                if connection.execute(sa.select(leases.c.name).where(leases.c.name == name)).first():
                    return None  # asked first: PostgreSQL writes every refused INSERT into its log
                connection.execute(leases.insert().values(name=name, holder=holder, term=1, until=until))
            return connection.execute(sa.select(leases.c.term).where(leases.c.name == name)).scalar()
    except IntegrityError:
        return None


def renew(connection: sa.Connection, store: Store, name: str, holder: str, term: int) -> bool:
    """Three more seconds; False once another process has taken over."""
    own = {"_name": name, "_holder": holder, "_term": term}
    return connection.execute(_RENEW[store.engine.dialect.name], own).rowcount == 1


def is_held(connection: sa.Connection, name: str, holder: str, term: int) -> bool:
    """Whether nobody else has taken the lease. It may have run out: who asks has renewed it lately."""
    return connection.execute(_HELD, {"_name": name, "_holder": holder, "_term": term}).first() is not None


def give_back(store: Store, name: str, holder: str, term: int) -> None:
    """Frees the lease at once, for a clean exit."""
    own = (leases.c.name == name) & (leases.c.holder == holder) & (leases.c.term == term)
    with store.begin(write=True) as connection:
        connection.execute(leases.update().where(own).values(until=0))


# The database's own clock in milliseconds, whatever the machines' clocks say.
_CLOCKS: dict[str, sa.ColumnElement[int]] = {
    "sqlite": sa.cast((sa.func.julianday("now") - 2440587.5) * 86400000, sa.BigInteger),
    "postgresql": sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()) * 1000, sa.BigInteger),
}


def database_time(connection: sa.Connection) -> Moment:
    """Now, by the one clock that all processes share."""
    return int(connection.execute(sa.select(_CLOCKS[connection.dialect.name])).scalar_one())


_OWN = [leases.c[name] == sa.bindparam(f"_{name}") for name in ("name", "holder", "term")]
_HELD = sa.select(leases.c.term).where(*_OWN)
_RENEW = {name: leases.update().where(*_OWN).values(until=clock + SECONDS * 1000) for name, clock in _CLOCKS.items()}


# --- the seq of retained documents, which only the holder of a lease writes ------------------


def read_seqs(store: Store, beginning: str) -> dict[str, int]:
    """The seq of each retained topic that begins so."""
    with store.begin() as connection:
        query = sa.select(topics.c.topic, topics.c.seq).where(topics.c.topic.startswith(beginning, autoescape=True))
        return {row.topic: row.seq for row in connection.execute(query)}


def write_seqs(connection: sa.Connection, seqs: dict[str, int], known: set[str]) -> None:
    """Writes the seqs of the topics down; `known` are those that have a row."""
    old = [{"_topic": topic, "_seq": seq} for topic, seq in seqs.items() if topic in known]
    new = [{"topic": topic, "seq": seq} for topic, seq in seqs.items() if topic not in known]
    if old:
        connection.execute(_UPDATE_SEQ, old)
    if new:
        connection.execute(topics.insert(), new)


_UPDATE_SEQ = topics.update().where(topics.c.topic == sa.bindparam("_topic")).values(seq=sa.bindparam("_seq"))
