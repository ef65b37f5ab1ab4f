"""Appointments: places taken and shown over the API, and checking in at the dispenser."""

import json
import secrets
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from devices.dispenser import Dispenser
from devices.settings import Buttons
from firmware import wire
from tests.bench import limits
from tests.bench.line import WARM_UP
from tests.bench.machines import now, waited
from tests.bench.office import OFFICE, Caller, Office, asking, working
from tests.bench.processes import AT_REST, papers, waiting_dispenser
from tests.bench.table import Row, spread
from tests.booking.conftest import dni
from tests.parts import OFFICES, wait_until

# --- booked, and looked up --------------------------------------------------------------------

MONTH = 30  # days
LOOKS = 200
SERVICE = "padro"


def bookings() -> Iterator[Row]:
    """Books a month three fifths full, by four programs at once, then asks for what is free, for one procedure."""
    with working(OFFICES) as office:
        token, commit = office.hub.token("operator"), limits.durable_commit(office.folder)
        wanted = _wanted(office, token)
        taken = asking(office, token, 4, len(wanted), lambda caller, turn: _book(caller, turn, wanted[turn]))
        looks, bare = _looked(office, _month()), _looked(office, "/healthz")
    commits = {"durable commits, one row each": 1000 / commit}
    yield Row(f"bookings, {len(wanted)} in a month", {"": len(wanted) / taken}, "/s", {"": 100}, commits)
    beside = {"/healthz of the same server p50": bare["p50"]}
    yield Row("free places of a month, 60 % booked", looks, "ms", {"p99": 30}, beside)


def _month(more: str = "") -> str:
    """The address of the free places of a month from today on."""
    first = date.today()  # noqa: DTZ011  # whatever the zone, a month holds a month's places
    last = first + timedelta(days=MONTH)
    return f"/api/v1/offices/{OFFICE}/slots?service={SERVICE}&from={first}&to={last}{more}"


def _wanted(office: Office, token: str) -> list[str]:
    """The hours of 60 % of a month's places: ten in an hour, of the 16.8 that four desks' shares have."""
    caller = Caller(office.hub.http, token)
    twice = [slot["start"] for slot in caller.get(_month("&internal=1"))["slots"] for _ in range(2)]
    caller.close()
    return [start for turn, start in enumerate(twice) if turn % 6]


def _book(caller: Caller, turn: int, start: str) -> None:
    body = {"office": OFFICE, "service": SERVICE, "start": start, "name": f"Persona {turn}", "internal": True}
    caller.post("/api/v1/appointments", json.dumps(body))


def _looked(office: Office, path: str) -> dict[str, float]:
    """Milliseconds of one question after the other over one connection."""
    caller, taken = Caller(office.hub.http), []
    for _ in range(WARM_UP + LOOKS):
        begun = time.perf_counter()
        caller.get(path)
        taken.append(time.perf_counter() - begun)
    caller.close()
    return spread(taken[WARM_UP:])


# --- checked in ---------------------------------------------------------------------------------

AGENDA = 500
FIRST, CHECK_INS = 3, 60  # the agent's very first one reads what it needs for all others
PIN = 21


def checkin() -> Iterator[Row]:
    """From the last key of a DNI to the last byte at the printer, with the network and an agenda of 500."""
    with working() as office:
        dispenser = waiting_dispenser(office, Buttons(appointment=PIN))
        try:
            taken = spread(_checked_in(office, dispenser))
        finally:
            dispenser.stop()
        begun = time.perf_counter()
        wire.digest(KEY, "12345678Z")
        slow = {"one scrypt digest": (time.perf_counter() - begun) * 1000}
    yield Row(f"check-in, last key to paper, agenda of {AGENDA}", taken, "ms", {"p99": 150}, slow)


KEY = secrets.token_urlsafe(16)


def _checked_in(office: Office, dispenser: Dispenser) -> list[float]:
    """Seconds for one person after the other, each with a DNI of their own."""
    dispenser.appointments.came(_agenda(office.line["day"]), True)
    printed, taken = papers(dispenser), []
    for number in range(FIRST + CHECK_INS):
        limits.PAUSE.wait(AT_REST)
        printed.clear()
        dispenser.pins.push(PIN)
        wait_until(lambda: dispenser.checkin.talk is not None, 5, "the question for a document")
        dispenser.pins.let_go(PIN)
        for key in f"{number:08d}":
            dispenser.typed(key)
        begun = time.perf_counter()
        dispenser.typed("\n")
        waited(printed, "the paper")
        taken.append(time.perf_counter() - begun)
    return taken[FIRST:]


def _agenda(day: str) -> dict[str, Any]:
    """Five hundred appointments at this moment; those who come now are among the last."""
    coming = [wire.digest(KEY, dni(number)) for number in range(FIRST + CHECK_INS)]
    others = [secrets.token_hex(16) for _ in range(AGENDA - FIRST - CHECK_INS)]
    rows = [
        {"id": f"a{turn}", "office": OFFICE, "service": SERVICE, "start": now(), "document": document}
        | {"locator": secrets.token_hex(16), "label": None, "ticket": None}
        for turn, document in enumerate(others + coming)
    ]
    return {"seq": 1, "day": day, "key": KEY, "offices": {OFFICE: "OMAC"}, "appointments": rows}
