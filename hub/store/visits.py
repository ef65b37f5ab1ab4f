"""Finds a visit of any day by the token on its paper."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from .schema import visits
from .store import Store


class Visit(NamedTuple):
    """Where a ticket was, and how its visit stands."""

    office: str
    day: str
    ticket: str
    label: str
    outcome: str


def find_visit(store: Store, token: str) -> Visit | None:
    """The newest visit with this token, or None."""
    if not (token.isascii() and token.isprintable()):  # PostgreSQL takes no NUL, and nobody has such a token
        return None
    columns = (visits.c[name] for name in Visit._fields)
    query = sa.select(*columns).where(visits.c.token == token).order_by(visits.c.issued.desc()).limit(1)
    with store.begin() as connection:
        row = connection.execute(query).first()
    return Visit(*row) if row else None
