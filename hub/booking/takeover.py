"""Appointments of an old system, from a CSV file: read and judged row by row.

    office;service;start;document_kind;document;name;email;phone;language;note
    mont-roig;padro;2026-11-24T09:10;dni;12345678Z;Maria Vidal;;;ca;

`service` may name several with "+" between; `start` is on the office's clock; from `document_kind` on,
what is not known stays empty. The separator may be a comma, a semicolon or a tab.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from hub.line.plan import Moment, Plan

from .appointments import Person
from .documents import document
from .errors import BookingError

NEEDED = ("office", "service", "start", "name")
COLUMNS = (*NEEDED, "document_kind", "document", "email", "phone", "language", "note")
LONGEST = {"name": 200, "email": 254, "phone": 40, "note": 500}


class BadRow(BookingError, ValueError):
    """A row, or the file, that cannot be read; the message names the column and no person."""


@dataclass(frozen=True)
class Row:
    """One appointment of the old system."""

    office: str
    services: tuple[str, ...]
    start: Moment
    person: Person
    language: str


def rows(text: str, plans: Mapping[str, Plan]) -> Iterator[tuple[int, Row | BadRow]]:
    """Each row with the number of its line in the file, or what is wrong with it; BadRow for the file itself."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=_separator(text), strict=True)
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise BadRow(f"the first line must name the columns: {', '.join(missing)} is missing")
    reader.fieldnames = names
    try:
        for cells in reader:
            yield reader.line_num, _judged(cells, plans)
    except csv.Error as error:
        raise BadRow(f"line {reader.line_num}: {error}") from None


def _separator(text: str) -> str:
    head = text.splitlines()[0] if text.strip() else ""
    return max(";,\t", key=head.count)


def _judged(cells: Mapping[str | None, str | None], plans: Mapping[str, Plan]) -> Row | BadRow:
    try:
        return _row({name: (cells.get(name) or "").strip() for name in COLUMNS}, plans)
    except BadRow as error:
        return error
    except BookingError as error:
        return BadRow(str(error))


def _row(cells: Mapping[str, str], plans: Mapping[str, Plan]) -> Row:
    plan = plans.get(cells["office"])
    if plan is None:
        raise BadRow("office: there is none of that id")
    for name, most in LONGEST.items():
        if len(cells[name]) > most or not cells[name].isprintable():
            raise BadRow(f"{name}: must be at most {most} printable characters")
    if not cells["name"]:
        raise BadRow("name: is empty")
    services = tuple(part.strip() for part in cells["service"].split("+"))
    language = cells["language"] or plan.languages[0]
    if language not in plan.languages:
        raise BadRow(f"language: must be one of {', '.join(plan.languages)}")
    return Row(plan.office, services, _start(cells["start"], plan), _person(cells), language)


def _start(text: str, plan: Plan) -> Moment:
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow("start: must be like 2026-11-24T09:10") from None
    return round((wall if wall.tzinfo else wall.replace(tzinfo=ZoneInfo(plan.timezone))).timestamp() * 1000)


def _person(cells: Mapping[str, str]) -> Person:
    known = document(cells["document_kind"].lower() or "dni", cells["document"]) if cells["document"] else None
    return Person(cells["name"], known, cells["email"] or None, cells["phone"] or None, cells["note"] or None)
