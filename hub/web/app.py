"""The pages and the API, put together. One blueprint per audience; each view is parse, decide, store, answer."""

from __future__ import annotations

from flask import Flask

from hub.link import Link
from hub.offices import Fleet
from hub.store import Store

from . import (
    api,
    appointments,
    book,
    booked,
    bookings,
    guard,
    labels,
    language,
    mine,
    ops,
    personal,
    phone,
    problems,
    public,
    scores,
    staff,
    today,
    what_if,
)
from .hall import Hall
from .live import Live

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
    api,
    appointments,
)


def create_app(store: Store, fleet: Fleet, live: Live, link: Link, public_url: str) -> Flask:
    """The WSGI application; serve.py serves the streams beside it."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["hall"] = Hall(store, fleet, live, link, public_url)

    ops.count(app)
    guard.register(app)
    language.register(app)
    problems.register(app)

    limiter = guard.new_limiter()
    limiter.init_app(app)
    for audience in AUDIENCES:
        limiter.limit(guard.READS, methods=["GET", "HEAD"])(audience.pages)
        limiter.limit(guard.WRITES, methods=["POST", "PATCH", "DELETE"])(audience.pages)
    limiter.limit(guard.WRONG_TOKENS, methods=["POST"], deduct_when=guard.not_found)(phone.pages)
    limiter.limit(guard.WRONG_TOKENS, methods=["GET", "PATCH", "DELETE"], deduct_when=guard.not_found)(
        appointments.pages
    )
    limiter.limit(guard.WRONG_TOKENS, methods=["GET", "POST"], deduct_when=guard.not_found)(mine.pages)
    for view, most in (("book.hold", guard.HOLDS), ("book.filled_in", guard.HOLDS), ("book.booked", guard.BOOKINGS)):
        limiter.limit(most, methods=["POST"], exempt_when=guard.other_than(view), deduct_when=guard.done)(book.pages)
    limiter.limit(guard.SIGN_INS, methods=["POST"])(staff.door)

    for audience in (*AUDIENCES, ops):
        app.register_blueprint(audience.pages)
    app.register_blueprint(staff.door)
    return app
