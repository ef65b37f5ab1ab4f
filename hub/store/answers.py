"""What was answered once is answered again: press ids and idempotency keys, with their effect."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from hub.line.plan import HOUR, Moment

from .schema import answers
from .store import Work

KEPT = 24 * HOUR


class Reused(ValueError):
    """The same key came with another request."""


def given(work: Work, scope: str, key: str, request: str, now: Moment) -> Any | None:
    """The answer given before to this key, or None. Reused if it was given to another request."""
    row = work.connection.execute(_GIVEN, {"_scope": scope, "_key": key, "_old": now - KEPT}).first()
    if row is None:
        return None
    if row.request != request:
        raise Reused("this key was used for another request")
    return json.loads(row.answer)


def keep(work: Work, scope: str, key: str, request: str, answer: Any, now: Moment) -> None:
    """Remembers an answer, in the transaction of its effect."""
    work.connection.execute(_FORGET, {"_scope": scope, "_key": key, "_old": now - KEPT})
    row = {"scope": scope, "key": key, "request": request, "answer": json.dumps(answer), "at": now}
    work.connection.execute(answers.insert(), row)


def forget_old(work: Work, now: Moment) -> None:
    """Removes the answers that are older than 24 hours."""
    work.connection.execute(answers.delete().where(answers.c.at <= now - KEPT))


_SAME = (answers.c.scope == sa.bindparam("_scope")) & (answers.c.key == sa.bindparam("_key"))
_GIVEN = sa.select(answers.c.request, answers.c.answer).where(_SAME, answers.c.at > sa.bindparam("_old"))
_FORGET = answers.delete().where(_SAME, answers.c.at <= sa.bindparam("_old"))
