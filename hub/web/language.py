"""Catalan first, then Spanish, English and French."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Flask, Response, g, request
from flask_babel import Babel, format_date, format_datetime, format_decimal, get_locale, gettext

from hub.line.plan import Moment, Plan, local

LANGUAGES = {"ca": "Català", "es": "Castellano", "en": "English", "fr": "Français"}
COOKIE = "torn_lang"
Said = TypeVar("Said")
A_YEAR = 365 * 24 * 3600


def register(app: Flask) -> None:
    """Has every page speak the language of who reads it."""
    Babel(app, default_locale="ca", default_translation_directories="translations", locale_selector=_choose)
    app.after_request(_remember)
    app.jinja_env.globals.update(
        languages=LANGUAGES,
        in_language=in_language,
        language=language,
        named=named,
        clock=clock,
        weekday=weekday,
        day_of=day_of,
        in_words=in_words,
        day_name=day_name,
        month_name=month_name,
        span=span,
        widest=widest,
        tenths=tenths,
    )


def _choose() -> str:
    """What was chosen now or before; else the ticket's own, the browser's, Catalan."""
    asked = (request.args.get("lang"), request.cookies.get(COOKIE), g.get("ticket_language"))
    accepted = request.accept_languages.best_match(list(LANGUAGES)) or "ca"
    return next((each for each in asked if each in LANGUAGES), accepted)


def _remember(response: Response) -> Response:
    chosen = request.args.get("lang")
    if chosen in LANGUAGES:
        response.set_cookie(COOKIE, chosen, max_age=A_YEAR, samesite="Lax", httponly=True, secure=request.is_secure)
    return response


def language() -> str:
    """The language of this answer: ca, es, en or fr."""
    return str(get_locale() or "ca")


def in_language(code: str) -> str:
    """This page's address in another language, with all else that stands in it."""
    words = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    return "?" + urlencode([*words, ("lang", code)])


def named(names: Mapping[str, Said]) -> Said:
    """What is said in several languages, in the reader's, or in the first there is."""
    return names.get(language()) or names.get("ca") or next(iter(names.values()))


def widest(line: Mapping[str, Any]) -> str:
    """From the shortest to the longest wait of whoever would take a ticket now; empty if none is forecast."""
    waits = [service["wait"] for service in line["services"].values() if service["wait"]]
    if not waits:
        return ""
    return span({"p10": min(wait["p10"] for wait in waits), "p90": max(wait["p90"] for wait in waits)})


def span(wait: Mapping[str, int] | None) -> str:
    """A forecast as one says it: "15 to 25 min", by ones below 10, by fives to the hour, then by tens."""
    if wait is None:
        return gettext("no forecast now")
    step = 1 if wait["p90"] < 10 else 5 if wait["p90"] <= 60 else 10
    low, high = wait["p10"] // step * step, -(-wait["p90"] // step) * step
    return gettext("%(low)s to %(high)s min", low=low, high=high) if low < high else f"{high}\N{NO-BREAK SPACE}min"


def tenths(figure: float, sign: bool = False) -> str:
    """A figure with one decimal, as the reader writes it: 4,7."""
    return str(format_decimal(figure, format="+0.0;-0.0" if sign else "0.0"))


def clock(plan: Plan, at: Moment) -> str:
    """A moment on the office's wall clock: 10:35."""
    return local(plan, at).strftime("%H:%M")


def weekday(plan: Plan, at: Moment) -> str:
    """A coming moment with its day, in the reader's language: dimarts 24, 09:00."""
    return format_datetime(local(plan, at), "EEEE d, HH:mm", rebase=False)


def day_of(plan: Plan, at: Moment) -> date:
    """The calendar day of a moment on the office's clock."""
    return local(plan, at).date()


def in_words(day: date) -> str:
    """A day without its year, in the reader's language: dimarts 24 de novembre."""
    return format_date(day, "EEEE d 'de' MMMM" if language() == "es" else "EEEE d MMMM")


def day_name(day: date, pattern: str = "EEEE") -> str:
    """The day of the week; EEEEEE is as short as it can be."""
    return format_date(day, pattern)


def month_name(day: date) -> str:
    """The month with its year: novembre 2026."""
    return format_date(day, "LLLL y")
