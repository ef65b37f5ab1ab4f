"""How far each dispenser's journal is stored."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hub.line.plan import Moment

from .schema import facts, journals
from .store import Work


def stored(work: Work, device: str, journal: str) -> int:
    """The number up to which every fact of the journal is safe; 0 for a new journal."""
    return work.connection.execute(_STORED, {"_device": device, "_journal": journal}).scalar() or 0


def latest(work: Work, device: str) -> tuple[str, int] | None:
    """The journal heard of last, and how far it is stored."""
    query = sa.select(journals.c.journal, journals.c.stored).where(journals.c.device == device)
    row = work.connection.execute(query.order_by(journals.c.at.desc()).limit(1)).first()
    return (row.journal, row.stored) if row else None


def store_facts(work: Work, device: str, journal: str, rows: list[dict[str, Any]], now: Moment) -> None:
    """Writes the facts of one journal down, each with why it was refused, and moves its number on.

    IntegrityError if another process stored one of them meanwhile.
    """
    work.connection.execute(facts.insert(), [{"device": device, "journal": journal, "at": now} | row for row in rows])
    last = {"stored": rows[-1]["seq"], "at": now}
    if work.connection.execute(_MOVE_ON, last | {"_device": device, "_journal": journal}).rowcount == 0:
        work.connection.execute(journals.insert(), last | {"device": device, "journal": journal})


_OWN = (journals.c.device == sa.bindparam("_device")) & (journals.c.journal == sa.bindparam("_journal"))
_STORED = sa.select(journals.c.stored).where(_OWN)
_MOVE_ON = journals.update().where(_OWN).values(stored=sa.bindparam("stored"), at=sa.bindparam("at"))
