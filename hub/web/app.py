"""The pages and the API, put together. One blueprint per audience; each view is parse, decide, store, answer."""

from __future__ import annotations

from flask import Flask

from hub.forecaster.replay import Replays
from hub.link import Link
from hub.messages.push import from_environment
from hub.offices import Fleet
from hub.store import Store

from . import (
    accounts,
    api,
    appointments,
    book,
    booked,
    bookings,
    door,
    guard,
    labels,
    language,
    metrics,
    mine,
    ops,
    personal,
    phone,
    problems,
    public,
    scores,
    staff,
    today,
    trail,
    what_if,
)
from .hall import Hall
from .live import Live
from .provider import Provider

MOST_BYTES = 64 * 1024  # of a request's body
AUDIENCES = (
    public,
    book,
    mine,
    phone,
    staff,
    scores,
    what_if,
    bookings,
    booked,
    labels,
    today,
    personal,
    accounts,
    trail,
    api,
    appointments,
)


def create_app(
    store: Store, fleet: Fleet, live: Live, link: Link, public_url: str, provider: Provider | None = None
) -> Flask:
    """The WSGI application; serve.py serves the streams beside it."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    push, replays = from_environment(), Replays(store)
    hall = app.extensions["hall"] = Hall(store, fleet, live, link, public_url, push, replays, provider)

    metrics.count(app, hall)
    guard.register(app)
    language.register(app)
    problems.register(app)

    limiter = guard.new_limiter()
    limiter.init_app(app)
    for audience in AUDIENCES:
        limiter.limit(guard.READS, methods=["GET", "HEAD"])(audience.pages)
        limiter.limit(guard.WRITES, methods=["POST", "PATCH", "DELETE"])(audience.pages)
    guessed = (
        (phone, ["POST", "DELETE"]),
        (appointments, ["GET", "PATCH", "DELETE"]),
        (mine, ["GET", "POST"]),
    )
    for audience, methods in guessed:
        for most, key in ((guard.GUESSES, guard.address), (guard.WRONG_TOKENS, guard.by_token)):
            limiter.limit(most, key_func=key, methods=methods, deduct_when=guard.not_found)(audience.pages)
    for audience, methods in guessed[1:]:
        limiter.limit(guard.WRONG_TOKENS, key_func=guard.by_document, methods=methods, deduct_when=guard.not_found)(
            audience.pages
        )
    for view, most in (("book.hold", guard.HOLDS), ("book.filled_in", guard.HOLDS), ("book.booked", guard.BOOKINGS)):
        limiter.limit(most, methods=["POST"], exempt_when=guard.other_than(view), deduct_when=guard.done)(book.pages)
    limiter.limit(guard.SIGN_INS, methods=["POST"])(door.pages)
    for view in ("door.to_provider", "door.came_back"):
        limiter.limit(guard.TO_PROVIDER, methods=["GET"], exempt_when=guard.other_than(view))(door.pages)

    for audience in (*AUDIENCES, ops):
        app.register_blueprint(audience.pages)
    app.register_blueprint(door.pages)
    return app
