"""Whatever goes wrong becomes a sentence: problem details (RFC 9457) for programs, a page for people."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, json, make_response, render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from hub.booking.errors import BookingError, NoAppointment
from hub.line.errors import ByAppointment, LineError, Unknown
from hub.store import StoreError
from hub.store.answers import Reused

from .hall import hall
from .once import WrongKey

log = structlog.get_logger()
RETRY_AFTER = {503: 5, 429: 60}  # seconds


class Refused(Exception):
    """Asked in a way that cannot be answered; becomes problem details or a page."""

    def __init__(self, status: int, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field


def register(app: Flask) -> None:
    """Has every error answered here; no traceback ever reaches a page."""
    app.register_error_handler(Exception, _any)


def _any(error: Exception) -> Response:
    refused = understood(error)
    if refused.status >= 500:
        log.error("a request failed", at=safe_path(), code=refused.code, reason=str(error), exc_info=_unforeseen(error))
    else:
        log.info("a request was refused", at=safe_path(), status=int(refused.status), code=refused.code)
    response = as_problem(refused) if wants_json() else _as_page(refused)
    if isinstance(error, HTTPException):
        response.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
    if refused.status in RETRY_AFTER:
        response.headers["Retry-After"] = str(RETRY_AFTER[refused.status])
    if refused.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _unforeseen(error: Exception) -> Exception | None:
    return None if isinstance(error, StoreError | Refused | HTTPException) else error


def understood(error: Exception) -> Refused:
    """Any exception as what is said of it."""
    match error:
        case Refused():
            return error
        case Unknown():
            return Refused(404, error.code, str(error))
        case ByAppointment():
            return Refused(422, error.code, str(error), "service")
        case NoAppointment():
            return Refused(404, error.code, str(error))
        case BookingError():
            status = 409 if isinstance(error, RuntimeError) else 422
            return Refused(status, error.code, str(error), error.field)
        case LineError():
            return Refused(409, error.code, str(error))
        case ValidationError():
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(map(str, first["loc"]))
            return Refused(422, "invalid", f"{field}: {_plainly(first)}" if field else _plainly(first), field or None)
        case Reused():
            return Refused(422, "key_reused", "Idempotency-Key: it was used with another body", "Idempotency-Key")
        case WrongKey():
            return Refused(422, "invalid", str(error), "Idempotency-Key")
        case StoreError():
            return Refused(503, "away", "the database does not answer now; try again shortly")
        case HTTPException():
            status = HTTPStatus(error.code or 500)
            return Refused(
                int(status),
                _CODES.get(status, status.phrase.lower().replace(" ", "_")),
                error.description or status.phrase,
            )
    return Refused(500, "failed", "something went wrong here; it has been written down")


def _plainly(fault: Mapping[str, Any]) -> str:
    """What is wrong with a value, without the words of the library that found it."""
    if fault["type"] == "string_pattern_mismatch":
        return "is not written as it must be"
    return fault["msg"].removeprefix("Value error, ")


_CODES = {HTTPStatus.NOT_FOUND: "unknown", HTTPStatus.TOO_MANY_REQUESTS: "too_many"}


def wants_json() -> bool:
    """Whether a program asks."""
    if request.path.startswith("/api/"):
        return True
    best = request.accept_mimetypes.best_match(("text/html", "application/json"), default="text/html")
    return best == "application/json"


def as_problem(refused: Refused) -> Response:
    """The error as `application/problem+json`."""
    status = HTTPStatus(refused.status)
    problem = {"type": "about:blank", "title": status.phrase, "status": refused.status, "detail": refused.detail}
    problem |= {"code": refused.code} | ({"field": refused.field} if refused.field else {})
    return Response(json.dumps(problem), refused.status, content_type="application/problem+json")


def _as_page(refused: Refused) -> Response:
    return make_response(render_template("error.html", status=refused.status, code=refused.code), refused.status)


def safe_path() -> str:
    """The request's method and route, with its office: what else was typed could be a token, a locator, a document."""
    route = request.url_rule.rule if request.url_rule else "an unknown address"
    office = str((request.view_args or {}).get("office"))
    return f"{request.method} {route.replace('<office>', office) if office in hall().fleet.plans else route}"
