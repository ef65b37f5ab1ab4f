"""Who asks, from where, and how often: bearer tokens, sessions, limits per address, headers of every answer."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, redirect, request, url_for
from flask_limiter import Limiter

from hub.booking.documents import plain
from hub.clock import now
from hub.line.plan import MINUTE, Moment
from hub.store import staff
from hub.store.staff import EVERYWHERE, Person

from .hall import hall
from .problems import Refused

SESSION_COOKIE = "torn_session"
BELIEVED = 5.0  # seconds before the owner of a bearer token is looked up again
SAFE = ("GET", "HEAD", "OPTIONS")

READS = "1200 per minute"  # from one address: a whole office may be behind one
WRITES = "120 per minute"
WRONG_TOKENS = "20 per minute"  # from one address for one token, locator or document: so many belong to one person
GUESSES = "300 per minute"  # from one address, whatever for: there are 10^9 locators, and behind it may be a library
SIGN_INS = "20 per minute"
TO_PROVIDER = "60 per minute"  # each asks the provider: a whole office may come at nine
HOLDS = "60 per 10 minutes"  # places kept while forms are filled in: behind one address may be a whole mobile network
BOOKINGS = "60 per hour"

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


def address() -> str:
    """Where the request comes from; a proxy on this machine is believed about it."""
    peer = request.remote_addr or ""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return forwarded.rsplit(",", 1)[-1].strip() if forwarded and peer in ("127.0.0.1", "::1") else peer


def new_limiter() -> Limiter:
    """Limits per address, counted in this process; who has proved who they are is not counted."""
    limiter = Limiter(address, storage_uri="memory://", headers_enabled=False)
    limiter.request_filter(lambda: request.endpoint == "static" or asking() is not None)
    return limiter


def not_found(response: Response) -> bool:
    """Whether somebody guessed a token wrongly."""
    return response.status_code == HTTPStatus.NOT_FOUND


def by_token() -> str:
    """Where from, and for which ticket or appointment: its neighbours' mistakes are not counted."""
    said = (request.view_args or {}).get("token") or (request.view_args or {}).get("locator")
    return _counted(said or request.form.get("locator", ""))


def by_document() -> str:
    """Where from, and for which document: one tried with many locators is counted too."""
    return _counted("document", request.values.get("document", ""))


def _counted(*said: str) -> str:
    """What stands in the counter: a digest, for it may be a document."""
    return f"{address()} {staff.digest(' '.join(map(plain, said)))}"


def done(response: Response) -> bool:
    """Whether a form has had its effect: what was refused is not counted."""
    return response.status_code == HTTPStatus.SEE_OTHER


def other_than(view: str) -> Callable[[], bool]:
    """For a limit that is for one view of its blueprint."""
    return lambda: request.endpoint != view


# --- who asks -------------------------------------------------------------------------------


def asking() -> Person | None:
    """Who sent this request: the owner of its bearer token, or of its session."""
    if "person" not in g:
        g.person = _session() if request.path.startswith("/staff") else _bearer()
    return g.person


def person() -> Person:
    """The same, where somebody must be known."""
    found = asking()
    if found is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "unauthorized", "a bearer token of the staff is needed")
    return found


def _bearer() -> Person | None:
    """The owner of a token, believed for a few seconds: a program may ask hundreds of times in one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    known: dict[str, tuple[float, Person]] = current_app.extensions["bearers"]
    mark, moment = staff.digest(token.strip()), time.monotonic()
    until, owner = known.get(mark, (moment, None))  # once: other threads ask at the same time
    if until <= moment:
        owner = staff.bearer(hall().store, token.strip())
        if owner is None:
            known.pop(mark, None)
            return None
        known[mark] = moment + BELIEVED, owner
    return owner


def _session() -> Person | None:
    secret = request.cookies.get(SESSION_COOKIE)
    return staff.signed_in(hall().store, secret, now()) if secret else None


def for_role(role: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An API view for whoever has at least this role, at the office that the address names."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(**names: str) -> Any:
            may(person(), role, names.get("office"))
            return view(**names)

        guarded.role = role  # type: ignore[attr-defined]  # openapi.py reads it
        return guarded

    return decorate


def may(who: Person, role: str, office: str | None) -> None:
    """Refuses who may not do this here."""
    if not who.may(role, office):
        raise Refused(HTTPStatus.FORBIDDEN, "forbidden", f"{who.name} may not do this here: it needs a {role}")


def signed_in_as(role: str, office: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A staff page for whoever has at least this role, at the office that the address names, or else at `office`.

    Whoever is not signed in is sent to do so; forms must carry the session's own mark.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(**names: str) -> Any:
            if asking() is None:
                back = request.full_path.rstrip("?") if request.method in SAFE else None
                return redirect(url_for("door.sign_in", next=back), HTTPStatus.SEE_OTHER)
            if request.method not in SAFE and not hmac.compare_digest(_mark(), csrf().encode()):
                raise Refused(HTTPStatus.FORBIDDEN, "forged", "the form is not of this session: load the page again")
            may(person(), role, names.get("office") or office)
            return view(**names)

        return guarded

    return decorate


signed_in = signed_in_as("clerk")
administrator = signed_in_as("admin", EVERYWHERE)


def exporting(view: Callable[..., Any]) -> Callable[..., Any]:
    """A page by which personal data leave: for whoever has proved again, a moment ago, who they are."""

    @wraps(view)
    def guarded(**names: str) -> Any:
        if exports_until() is None:
            form = request.path.rpartition("/")[0]  # a POST is not sent again: its form is shown
            back = request.full_path.rstrip("?") if request.method in SAFE else form
            return redirect(url_for("door.confirm", next=back), HTTPStatus.SEE_OTHER)
        return view(**names)

    return guarded


def session() -> str:
    """The secret of the session that asks."""
    return request.cookies.get(SESSION_COOKIE, "")


def minutes_left(until: Moment) -> int:
    """Whole minutes until then, a begun one counted."""
    return max(1, -(-(until - now()) // MINUTE))


def exports_until() -> Moment | None:
    """Until when who asks may export personal data; None if they may not."""
    return staff.exports_until(hall().store, session(), now())


def _mark() -> bytes:
    return request.form.get("csrf", "").encode("utf-8", "replace")


def csrf() -> str:
    """What a form of this session carries; nobody else can make it, and any web process can check it."""
    secret = request.cookies.get(SESSION_COOKIE, "")
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


# --- every request, every answer ------------------------------------------------------------


def register(app: Flask) -> None:
    """Puts the guard before and after every view."""
    app.extensions["bearers"] = {}
    app.before_request(_same_origin)
    app.after_request(_with_headers)
    app.jinja_env.globals.update(csrf=csrf, exports_until=exports_until, minutes_left=minutes_left)


def _same_origin() -> None:
    """A form of another site is refused; a program that says nothing of its origin is not a browser."""
    if request.method in SAFE or request.path.startswith("/api/"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    known = (request.host, urlsplit(hall().public_url).netloc)
    foreign = site in ("cross-site", "same-site") or (origin not in (None, "null") and _site(origin) not in known)
    if foreign:
        raise Refused(HTTPStatus.FORBIDDEN, "forged", "the form is of another site")


def _site(origin: str) -> str | None:
    """Host and port of an origin; None if it cannot be read."""
    try:
        return urlsplit(origin).netloc
    except ValueError:  # such as half an IPv6 address
        return None


def _with_headers(response: Response) -> Response:
    headers = response.headers
    headers["Content-Security-Policy"] = CSP
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    # A ticket's address is its key. Staff forms need the browser to say where they come from.
    headers["Referrer-Policy"] = "same-origin" if request.path.startswith("/staff") else "no-referrer"
    headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if request.endpoint != "static":
        headers["Cache-Control"] = "no-store"
    if request.path.startswith(("/t/", "/book/", "/staff", "/api/")):
        headers["X-Robots-Tag"] = "noindex"
    if hall().public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return response
