"""The signs on the wall: pages to print, in the office's languages, from the offices file alone.

    signs(fleet)          # {"mont-roig/door.html": …, "mont-roig/buttons.html": …, …}

Each is a web page laid out in millimetres, for A4: any browser prints it. Braille and large figures are drawn in their
true size, to be raised by whoever makes the plates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import segno
from jinja2 import Environment, PackageLoader, StrictUndefined

from provisioning.fleet import Fleet, Office
from provisioning.keys import public_host
from provisioning.words import KEYS, WORDS

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PAGES = ("door", "buttons", "desks", "clerk")

# Braille: the dots of a to j; k to t add dot 3, u to z dots 3 and 6 (w, which came later, has its own). Figures are
# a to j after the sign for numbers.
FIRST_TEN = dict(zip("abcdefghij", ("1", "12", "14", "145", "15", "124", "1245", "125", "24", "245"), strict=True))
NUMBER_SIGN = "3456"
DOT, APART, CELL = 0.8, 2.5, 6.0  # mm: radius of a dot, from dot to dot, from cell to cell (Marburg medium)


def signs(fleet: Fleet) -> dict[str, bytes]:
    """Every page by its path."""
    pages = Environment(loader=PackageLoader("provisioning"), autoescape=True, undefined=StrictUndefined)
    pages.globals.update(braille=braille, hours=hours)
    return {
        f"{office.id}/{page}.html": pages.get_template(f"{page}.html").render(_values(fleet, office)).encode()
        for office in fleet.offices
        for page in PAGES
    }


def _values(fleet: Fleet, office: Office) -> dict[str, Any]:
    address = f"{fleet.public_url or 'https://' + public_host(fleet)}/line/{office.id}"
    code = segno.make(address, error="m", micro=False).svg_inline(scale=1, border=0, omitsize=True)
    first = office.languages[0]
    return {
        "office": office,
        "languages": [(language, WORDS[language]) for language in office.languages],
        "first": first,
        "words": WORDS[first],
        "keys": KEYS[first],
        "code": code,
        "address": address.split("://", 1)[1],
        "rows": list(button_rows(office)),
        "height": height(office),
    }


@dataclass(frozen=True)
class Button:
    """A button of the dispenser: its letter, empty for those that are no service's, and its name by language."""

    letter: str
    names: tuple[tuple[str, str], ...]  # (language, name), without repeating one


def button_rows(office: Office) -> Iterator[Button]:
    """The dispenser's buttons: the services, and those with a meaning of their own. Who has fewer cuts out fewer."""
    for service in office.service:
        yield Button(service.letter, _different((lang, service.named(lang)) for lang in office.languages))
    for word in ("appointment", "preferential"):
        yield Button("", _different((lang, WORDS[lang][word]) for lang in office.languages))
    yield Button("", _different((lang, WORDS[lang]["language"]) for lang in office.languages))


def _different(names: Iterator[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for language, name in names:
        found.setdefault(name, language)
    return tuple((language, name) for name, language in found.items())


def height(office: Office) -> int:
    """How many lines the office's hours take, its seasons' heads included: the door's letters go by it."""
    weeks = [office.hours, *(season.hours for season in office.season)]
    return sum(1 + len(hours(week, [("ca", WORDS["ca"])])) for week in weeks) - 1


@dataclass(frozen=True)
class Hours:
    """Days that have the same hours: said in each language, and when the doors are open."""

    days: tuple[tuple[str, str], ...]
    times: tuple[str, ...]


def hours(week: dict[str, str], languages: list[tuple[str, dict[str, Any]]]) -> list[Hours]:
    """A week in lines; a closed day has none."""
    lines = []
    for text, group in groupby(range(7), lambda day: week.get(DAYS[day], "").strip()):
        days = list(group)
        if text:
            said = tuple((language, _said(days, words)) for language, words in languages)
            lines.append(Hours(said, tuple(part.strip().replace("-", "–") for part in text.split(","))))
    return lines


def _said(days: list[int], words: dict[str, Any]) -> str:
    first, last = words["days"][days[0]], words["days"][days[-1]]
    return first if len(days) == 1 else words["and" if len(days) == 2 else "to"].format(first, last)


def braille(text: str) -> list[tuple[float, float]]:
    """The centres of the dots of a text of letters and figures, in mm from the upper left corner of its first dot."""
    dots, number = [], False
    cells: list[str] = []
    for sign in text.lower():
        if sign.isdigit() and not number:
            cells.append(NUMBER_SIGN)
        number = sign.isdigit()
        cells.append(_cell(sign))
    for place, cell in enumerate(cells):
        dots += [(place * CELL + (int(dot) > 3) * APART, (int(dot) - 1) % 3 * APART) for dot in cell]
    return dots


def _cell(sign: str) -> str:
    if sign.isdigit():
        return FIRST_TEN["jabcdefghi"[int(sign)]]
    if sign in FIRST_TEN:
        return FIRST_TEN[sign]
    if "k" <= sign <= "t":
        return FIRST_TEN["abcdefghij"["klmnopqrst".index(sign)]] + "3"
    if sign == "w":
        return "2456"
    return FIRST_TEN["abcde"["uvxyz".index(sign)]] + "36" if sign in "uvxyz" else ""
