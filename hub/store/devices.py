"""What each machine last said of itself."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from hub.line.plan import Moment

from .schema import devices
from .store import Store, Work

SILENT = 180_000  # ms: the bridge writes an unchanged word down every minute or two


def remember(store: Store, device: str, health: dict[str, Any], now: Moment) -> None:
    """Writes down the health of one machine: its last state document."""
    row = {"health": json.dumps(health), "at": now}

    def written(work: Work) -> None:
        if work.connection.execute(devices.update().where(devices.c.device == device).values(row)).rowcount == 0:
            work.connection.execute(devices.insert().values(device=device, **row))

    store.transact(written)


def all_health(store: Store) -> dict[str, tuple[dict[str, Any], Moment]]:
    """Every machine's last word, and when it was heard."""
    with store.begin() as connection:
        rows = connection.execute(sa.select(devices)).all()
    return {row.device: (json.loads(row.health), row.at) for row in rows}


def is_silent(heard: Moment, now: Moment) -> bool:
    """Whether what was heard then counts for nothing any more: no bridge has written anything of it since."""
    return now - heard > SILENT
