"""A POST with an Idempotency-Key has one effect and one answer, however often it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request

from hub.clock import now
from hub.line.plan import Moment
from hub.store import Work, answers
from hub.store.staff import digest

from .hall import hall

LONGEST_KEY = 200
Answer = tuple[int, dict[str, Any]]  # status and body


class WrongKey(ValueError):
    """The Idempotency-Key cannot be used."""


def once(office: str, who: str, act: Callable[[Work, Moment], Answer], one_view: bool = True) -> Response:
    """Answers a POST of a program; the header Idempotency-Key is its key.

    Args:
        office: where it happens.
        who: whose key it is: keys of different people never meet.
        act: does it, and says what to answer; LineError leaves nothing behind.
        one_view: as for Store.transact.

    Raises:
        WrongKey: the key is too long or has characters that cannot be printed.
        answers.Reused: the key was used with another body.
    """
    asked = hashlib.sha256(request.get_data()).hexdigest()
    (status, body), replayed = done_once(office, who, act, request.headers.get("Idempotency-Key"), asked, one_view)
    response = jsonify(body)
    response.status_code = status
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def done_once(
    office: str,
    who: str,
    act: Callable[[Work, Moment], Answer],
    key: str | None,
    asked: str,
    one_view: bool = True,
) -> tuple[Answer, bool]:
    """Runs `act` in one transaction, or finds the answer that this key was given before (then True)."""
    at = now()
    if key is None:
        return hall().transact(office, lambda work: act(work, at), one_view), False
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise WrongKey(f"Idempotency-Key: must be 1 to {LONGEST_KEY} printable characters")
    scope = digest(f"{who} {request.path}")

    def first_or_again(work: Work) -> tuple[Answer, bool]:
        before = answers.given(work, scope, key, asked, at)
        if before is not None:
            return (before[0], before[1]), True
        answer = act(work, at)
        answers.keep(work, scope, key, asked, answer, at)
        return answer, False

    return hall().transact(office, first_or_again, one_view)
