"""A morning with appointments among the walk-ins, through the real processes, with a power cut in the middle."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from firmware import wire
from hub.clock import now
from hub.line.plan import MINUTE, Plan, local
from hub.offices import read_offices
from tests.booking.conftest import dni
from tests.e2e.books import Books
from tests.e2e.desks import Keyboard
from tests.e2e.dispensers import Dispenser
from tests.e2e.house import DISPENSER, OFFICE
from tests.e2e.recorder import Recorder
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto, wait_until

BOOKED, WALK_INS = 40, 120
EARLY = 60  # minutes: some of those who come are due, and some wait among the walk-ins until they are


@pytest.mark.timeout(480)
def test_forty_with_an_appointment_and_a_hundred_and_twenty_without_are_served_once_and_in_turn(tmp_path: Path) -> None:
    with ExitStack() as closing:
        broker = Mosquitto(tmp_path / "mosquitto")
        hub = Hub(tmp_path / "hub", offices=offices_file(tmp_path), broker=broker.url)
        for part in (broker, hub):
            closing.callback(part.stop)
            part.start()
        recorder = Recorder(broker.port)
        closing.callback(recorder.stop)
        recorder.start()
        token = hub.token("clerk")
        documents = [dni(50_000_000 + number) for number in range(BOOKED)]
        booked = book(hub, token, documents)
        agenda = wire.device_topic(DISPENSER, "agenda")
        wait_until(lambda: len(recorder.last(agenda).get("appointments", ())) == BOOKED, 60, "the whole agenda")
        dispenser = Dispenser(DISPENSER, tmp_path / "cards", broker.port, WALK_INS, 7, documents)
        clerks = [Keyboard(hub, token, OFFICE, desk, 7) for desk in ("1", "2", "3", "4")]
        for worker in (*clerks, dispenser):
            closing.callback(worker.stop)
        dispenser.start()
        wait_until(lambda: len(dispenser.papers) > 30, 60, "the first papers")
        for clerk in clerks:
            clerk.start()

        wait_until(lambda: len(dispenser.papers) > 80, 90, "half of the papers")
        dispenser.kill()
        hub.kill()
        dispenser.start()
        hub.start()
        wait_until(lambda: dispenser.finished, 240, "the last paper")
        database = f"sqlite:///{tmp_path / 'hub' / 'torn.db'}"
        wait_until(lambda: called(database) == BOOKED + WALK_INS, 90, "the last call")
        for clerk in clerks:
            clerk.stop()

    books, plan = Books(database), read_offices(tmp_path / "offices.toml").plans[OFFICE]
    arrived = [event["appointment"]["id"] for event in books.issued() if "appointment" in event]
    assert sorted(arrived) == sorted(booked)
    assert {token for _, token in dispenser.papers} == {event["token"] for event in books.issued()}
    assert books.faults() == []
    assert list(out_of_turn(books, plan)) == []
    assert [wrong for clerk in clerks for wrong in clerk.wrong] == []
    assert recorder.faults() == []


def offices_file(folder: Path) -> Path:
    """Offices open round the clock, whose day does not end while anybody of this morning could be expected."""
    text = ROUND_THE_CLOCK.read_text(encoding="utf-8").replace("early_minutes = 30", f"early_minutes = {EARLY}")
    hour = (local(read_offices(ROUND_THE_CLOCK).plans[OFFICE], now()).hour + 12) % 24
    first = f'id = "{OFFICE}"'
    file = folder / "offices.toml"
    file.write_text(text.replace(first, f'{first}\nday_starts = "{hour:02d}:00"'), encoding="utf-8")
    return file


def book(hub: Hub, token: str, documents: list[str]) -> list[str]:
    """An appointment for each, from now on, as close together as the office's rules let them; their ids."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    slots = session.get(hub.url(f"/api/v1/offices/{OFFICE}/slots?service=padro&internal=1"), timeout=20).json()["slots"]
    hours = iter(slot["start"] for slot in slots for _ in range(slot["free"]))
    ids = []
    for number, document in enumerate(documents):
        person = {"name": f"Persona {number}", "document": {"kind": "dni", "number": document}, "internal": True}
        ids.append(_booked(hub, session, hours, {"office": OFFICE, "service": "padro"} | person))
    return ids


def _booked(hub: Hub, session: requests.Session, hours: Iterator[str], body: dict[str, Any]) -> str:
    """In the first hour that is not full by now."""
    for start in hours:
        answer = session.post(hub.url("/api/v1/appointments"), json=body | {"start": start}, timeout=20)
        if answer.status_code == 201:
            return answer.json()["appointment"]
        assert answer.json()["code"] == "slot_taken", answer.text
    raise AssertionError("no place was left")


def called(database: str) -> int:
    """How many were called by now."""
    return len(Books(database).calls())


def out_of_turn(books: Books, plan: Plan) -> Iterator[str]:
    """Every call that took somebody else than whose turn it was, by the rules as they are written down."""
    serves = {desk.id: desk.services for desk in plan.desks}
    waiting: dict[str, dict[str, Any]] = {}
    for event in (event for event in books.events if event["office"] == OFFICE):
        if event["kind"] == "ticket.issued":
            waiting[event["ticket"]] = event
        elif event["kind"] == "ticket.called":
            here = [one for one in waiting.values() if one["services"][0] in serves[event["desk"]]]
            turn = min(here, key=lambda one: rank(one, event["at"]))
            if turn["ticket"] != event["ticket"]:
                yield f"{turn['label']} was next: {json.dumps(event)}"
            del waiting[event["ticket"]]


def rank(one: dict[str, Any], at: int) -> tuple[int, ...]:
    """Appointments that are due by their hour, then by check-in; everybody else by the hour on the paper."""
    start = one["appointment"]["start"] if "appointment" in one else None
    return (0, start, one["at"]) if start is not None and at >= start - EARLY * MINUTE else (1, one["at"])
