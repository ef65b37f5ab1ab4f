"""The door: signing in by password or at the provider, signing out, and proving once more who one is."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from threading import BoundedSemaphore
from urllib.parse import quote, unquote

import structlog
from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from hub.clock import now
from hub.store import staff
from hub.store.staff import NoRole, SignInRefused, TooManyTries

from .guard import SESSION_COOKIE, address, asking, exports_until, person, session, signed_in
from .hall import hall
from .problems import Refused
from .provider import NotVouched, Provider, ProviderAway

log = structlog.get_logger()
pages = Blueprint("door", __name__, url_prefix="/staff")
STARTED_COOKIE = "torn_signing_in"
STARTED_FOR = 600  # seconds in which one has to come back from the provider


@pages.get("/sign-in")
def sign_in() -> AnyResponse:
    """Asks for name and password, or leads to the provider."""
    return _asks(_inside(request.args.get("next")), out="out" in request.args)


@pages.post("/sign-in")
def signing_in() -> AnyResponse:
    """Opens a session, or says why not; a wrong name and a wrong password look alike."""
    name, password = request.form.get("name", ""), request.form.get("password", "")
    back = _inside(request.form.get("next"))
    try:
        secret = staff.sign_in(hall().store, name, password, now())
    except TooManyTries as error:
        return _asks(back, HTTPStatus.TOO_MANY_REQUESTS, refused="wait", seconds=error.seconds)
    except SignInRefused:
        log.warning("a sign-in was refused", address=address())
        return _asks(back, HTTPStatus.UNAUTHORIZED, refused="password")
    return _let_in(secret, back)


def _asks(back: str, status: int = HTTPStatus.OK, **said: object) -> AnyResponse:
    words = {"refused": None, "seconds": None, "out": False} | said
    return make_response(render_template("sign_in.html", next=back, provider=hall().provider, **words), status)


def _let_in(secret: str, back: str) -> AnyResponse:
    response = redirect(back, HTTPStatus.SEE_OTHER)
    response.set_cookie(SESSION_COOKIE, secret, httponly=True, samesite="Lax", secure=_secure(), path="/staff")
    return response


def _secure() -> bool:
    return hall().public_url.startswith("https://")


def _inside(target: str | None) -> str:
    """Where to go after sign-in: a staff page of ours and nothing else."""
    fine = target and target.startswith("/staff/") and not target.startswith("/staff/sign-")
    return target if target and fine and target.isprintable() and "\\" not in target else url_for("staff.choose")


# --- at the provider ------------------------------------------------------------------------


def _provider() -> Provider:
    found = hall().provider
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND, "unknown", "there is no sign-in provider")
    return found


@contextmanager
def _one_of_few() -> Iterator[Provider]:
    """The provider, spoken to by a few threads at a time: while it is slow, the others go on with the pages."""
    found = _provider()
    if not _talking.acquire(blocking=False):
        raise ProviderAway("too many sign-ins at once")
    try:
        yield found
    finally:
        _talking.release()


_talking = BoundedSemaphore(4)


def _callback() -> str:
    return f"{hall().public_url}{url_for('door.came_back')}"


@pages.get("/sign-in/provider")
def to_provider() -> AnyResponse:
    """Leads to the provider; `?again` has it ask who it is, even if it knows."""
    back, again, secret = _inside(request.args.get("next")), "again" in request.args, secrets.token_urlsafe(32)
    try:
        with _one_of_few() as provider:
            url = provider.begin(_callback(), secret, again)
    except ProviderAway as error:
        return _away(back, error)
    response = redirect(url, HTTPStatus.SEE_OTHER)
    # Who changes it changes their own sign-in alone: what counts is in the token that the provider signs.
    started = f"{secret}~{'again' if again else ''}~{quote(back, safe='')}"
    wise = {"httponly": True, "samesite": "Lax", "secure": _secure(), "path": "/staff/sign-in"}
    response.set_cookie(STARTED_COOKIE, started, max_age=STARTED_FOR, **wise)  # type: ignore[arg-type]
    return response


def _away(back: str, error: ProviderAway) -> AnyResponse:
    log.warning("the sign-in provider is away", reason=str(error))
    return _asks(back, HTTPStatus.SERVICE_UNAVAILABLE, refused="away")


@pages.get("/sign-in/back")
def came_back() -> AnyResponse:
    """Opens a session for whom the provider vouches, or exports to the one there is; or says why not."""
    secret, again, back, *_ = *request.cookies.get(STARTED_COOKIE, "").split("~"), "", ""
    target, is_again = _inside(unquote(back)), again == "again"
    try:
        if not secret:
            raise NotVouched("state: no sign-in was begun here, or it took too long")
        with _one_of_few() as provider:
            who = provider.finish(_callback(), secret, request.args, is_again)
        response = _confirmed(who, target) if is_again else _welcome(who, target)
    except ProviderAway as error:
        response = _away(target, error)
    except NotVouched as error:
        log.warning("a sign-in was refused", address=address(), reason=str(error))
        response = _asks(target, HTTPStatus.UNAUTHORIZED, refused="provider")
    except NoRole:
        log.warning("a sign-in was refused", address=address(), reason="no role")
        response = _asks(target, HTTPStatus.FORBIDDEN, refused="role")
    response.delete_cookie(STARTED_COOKIE, path="/staff/sign-in")
    return response


def _welcome(who: staff.Identity, target: str) -> AnyResponse:
    """Offices that the provider knows and the offices file does not are passed over."""
    known = tuple((office, role) for office, role in who.roles if office in (staff.EVERYWHERE, *hall().fleet.plans))
    return _let_in(staff.sign_in_by(hall().store, replace(who, roles=known), now()), target)


def _confirmed(who: staff.Identity, target: str) -> AnyResponse:
    mine = asking()
    if mine is None or not staff.is_theirs(hall().store, mine.name, who):
        raise NotVouched("sub: somebody else than who is signed in here")
    staff.open_exports(hall().store, session(), mine.name, now())
    return redirect(target, HTTPStatus.SEE_OTHER)


# --- once more, to export -------------------------------------------------------------------


@pages.get("/confirm")
@signed_in
def confirm() -> AnyResponse:
    """Asks once more who it is, before personal data leave."""
    return _asks_again()


def _asks_again(status: int = HTTPStatus.OK, **said: object) -> AnyResponse:
    words = {"refused": None, "seconds": None} | said
    page = render_template(
        "confirm.html",
        next=_inside(request.values.get("next")),
        is_local=staff.is_local(hall().store, person().name),
        provider=hall().provider,
        person=person(),
        **words,
    )
    return make_response(page, status)


@pages.post("/confirm")
@signed_in
def confirming() -> AnyResponse:
    """Opens exports to this session for ten minutes."""
    try:
        staff.confirm(hall().store, session(), person().name, request.form.get("password", ""), now())
    except TooManyTries as error:
        return _asks_again(HTTPStatus.TOO_MANY_REQUESTS, refused="wait", seconds=error.seconds)
    except SignInRefused:
        return _asks_again(HTTPStatus.UNAUTHORIZED, refused="password")
    return redirect(_inside(request.form.get("next")), HTTPStatus.SEE_OTHER)


@pages.post("/confirm/end")
@signed_in
def close() -> AnyResponse:
    """Ends that before its time."""
    if exports_until() is not None:
        staff.close_exports(hall().store, session(), person().name, now())
    return redirect(_inside(request.form.get("next")), HTTPStatus.SEE_OTHER)


# --- out ------------------------------------------------------------------------------------


@pages.post("/sign-out")
@signed_in
def sign_out() -> AnyResponse:
    """Ends the session; who came by the provider is led there, to sign out of it too."""
    id_token = staff.sign_out(hall().store, session(), now())
    provider = hall().provider
    there = provider.leave(id_token, f"{hall().public_url}{url_for('door.sign_in')}") if provider and id_token else None
    # A page and not a redirect: no form of ours may lead to another site (form-action).
    left = make_response(render_template("signed_out.html", there=there, provider=provider)) if there else None
    response = left or redirect(url_for("door.sign_in", out=1), HTTPStatus.SEE_OTHER)
    response.delete_cookie(SESSION_COOKIE, path="/staff")
    return response
