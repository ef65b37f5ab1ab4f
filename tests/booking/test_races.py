"""The last places, and two hundred who want them at once, through two processes of the hub."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.clock import now
from hub.line.plan import MINUTE, local
from hub.offices import read_offices
from hub.store import Store
from hub.store import appointments as store_of
from tests.booking.conftest import dni
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto

ATTEMPTS = 200


@pytest.fixture
def hubs(tmp_path: Path, database: str, mosquitto: Mosquitto) -> Iterator[list[Hub]]:
    """Two web processes on one database."""
    running = [Hub(tmp_path / "hub", part="web", broker=mosquitto.url, database=database) for _ in range(2)]
    for each in running:
        each.start()
    yield running
    for each in running:
        each.stop()


def tomorrow() -> str:
    """A day whose places are all ahead, in the office's own calendar."""
    plan = read_offices(ROUND_THE_CLOCK).plans["mont-roig"]
    return local(plan, now() + 24 * 60 * MINUTE).date().isoformat()


def last_places(hub: Hub) -> list[dict[str, Any]]:
    """Three neighbouring hours of tomorrow, as they are offered."""
    query = {"service": "padro", "from": tomorrow(), "to": tomorrow()}
    found = requests.get(hub.url("/api/v1/offices/mont-roig/slots"), params=query, timeout=20).json()["slots"]
    return [slot for slot in found if "T10:0" in slot["start"] or "T10:1" in slot["start"] or "T10:2" in slot["start"]]


def all_at_once(acts: list[Any]) -> list[Any]:
    """What each act gives; none begins before all stand ready."""
    gate = threading.Barrier(len(acts))

    def run(act: Any) -> Any:
        gate.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [each.result() for each in [pool.submit(run, act) for act in acts]]


def booking(hub: Hub, token: str, start: str, number: int) -> Any:
    """One attempt, over a connection that stands before the gate opens."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    document = {"kind": "dni", "number": dni(number)}
    body = {"office": "mont-roig", "service": "padro", "start": start, "name": "Persona", "document": document}
    return lambda: session.post(hub.url("/api/v1/appointments"), json=body, timeout=60)


def test_of_two_hundred_at_once_exactly_as_many_get_a_place_as_there_are(hubs: list[Hub], database: str) -> None:
    token, offered = hubs[0].token("operator"), last_places(hubs[0])
    attempts = [
        booking(hubs[number % 2], token, offered[number % 3]["start"], 10_000 + number) for number in range(ATTEMPTS)
    ]

    answers = all_at_once(attempts)

    booked = Counter(answer.json()["start"] for answer in answers if answer.status_code == 201)
    refused = [answer.json()["code"] for answer in answers if answer.status_code != 201]
    assert {slot["start"] for slot in offered} == set(booked)
    assert all(booked[slot["start"]] == slot["free"] for slot in offered)
    assert set(refused) == {"slot_taken"}
    assert {answer.status_code for answer in answers} == {201, 409}
    assert last_places(hubs[1]) == []
    assert kept(database) == sum(booked.values())


def kept(database: str) -> int:
    """How many appointments the database has."""
    plan, store = read_offices(ROUND_THE_CLOCK).plans["mont-roig"], Store(database)
    with store.begin() as connection:
        found = store_of.of_day(connection, plan, tomorrow())
    store.dispose()
    return len(found)


def test_a_place_that_fifty_book_and_give_up_again_is_whole_in_the_end(hubs: list[Hub]) -> None:
    token, (slot, *_) = hubs[0].token("operator"), last_places(hubs[0])

    def books_and_cancels(number: int) -> None:
        hub = hubs[number % 2]
        for _ in range(3):
            answer = booking(hub, token, slot["start"], 20_000 + number)()
            if answer.status_code == 201:
                path, proof = f"/api/v1/appointments/{answer.json()['locator']}", {"secret": answer.json()["secret"]}
                gone = requests.delete(hub.url(path), params=proof, timeout=60)
                assert gone.json()["state"] == "cancelled"
            else:
                assert answer.json()["code"] == "slot_taken"

    all_at_once([lambda number=number: books_and_cancels(number) for number in range(50)])

    assert last_places(hubs[0])[0] == slot
