"""From the booking to the call, through the hub's real processes and a real broker."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from firmware import wire
from hub.clock import now
from hub.line.plan import Plan, day_of
from hub.link import Broker, Link
from hub.offices import read_offices
from tests.booking.conftest import dni
from tests.contract import validate
from tests.parts import Hub, Mosquitto, wait_until, where_it_is_noon

DISPENSER = "montroig-dispenser-1"
AGENDA = wire.device_topic(DISPENSER, "agenda")
STORED = wire.device_topic(DISPENSER, "stored")
OFFICE = "/api/v1/offices/mont-roig"


class Morning:
    """An office at work: its API, and all that passes over its broker."""

    def __init__(self, hub: Hub, link: Link) -> None:
        self.hub, self.link = hub, link
        self.heard: list[tuple[str, bytes]] = []
        self.token = hub.token("clerk")
        self.plan: Plan = read_offices(hub.offices).plans["mont-roig"]
        link.on("#", lambda topic, payload, retained: self.heard.append((topic, payload)))
        self._seq = 0

    def api(self, verb: str, path: str, expected: int = 200, **more: Any) -> dict[str, Any]:
        """The answer to a member of the staff."""
        head = {"Authorization": f"Bearer {self.token}"}
        answer = requests.request(verb, self.hub.url(path), headers=head, timeout=20, **more)
        assert answer.status_code == expected, answer.text
        return answer.json()

    def book(self, number: int, start: str = "", **more: Any) -> dict[str, Any]:
        """A new appointment, for now unless said otherwise."""
        start = start or self.api("get", f"{OFFICE}/slots?service=padro")["slots"][0]["start"]
        document = {"kind": "dni", "number": dni(number)}
        body = {"office": "mont-roig", "service": "padro", "start": start, "name": f"Persona{number}"} | more
        return self.api("post", "/api/v1/appointments", 201, json=body | {"document": document})

    def newest(self, topic: str) -> dict[str, Any] | None:
        """What a topic holds."""
        return next((json.loads(payload) for name, payload in reversed(self.heard) if name == topic), None)

    def listed(self, one: dict[str, Any]) -> dict[str, Any]:
        """The appointment in the dispenser's agenda, once it is there."""

        def found() -> dict[str, Any] | None:
            listed = (self.newest(AGENDA) or {}).get("appointments", ())
            return next((entry for entry in listed if entry["id"] == one["appointment"]), None)

        return wait_until(found, 30, "the appointment in the agenda")

    def tell(self, kind: str, **more: Any) -> None:
        """A fact of the dispenser, once it is stored."""
        self._seq += 1
        fact = {"journal": "j", "seq": self._seq, "at": wire.stamp(now()), "day": day_of(self.plan, now())}
        fact |= {"fact": kind, "ticket": str(uuid.uuid4()), "token": uuid.uuid4().hex} | more
        self.link.publish(wire.device_topic(DISPENSER, "fact"), wire.encode("fact", fact))
        wait_until(lambda: self.newest(STORED) == {"journal": "j", "seq": self._seq}, 20, "the fact to be stored")

    def call(self) -> dict[str, Any]:
        """Who is called next at desk 1."""
        return self.api("post", f"{OFFICE}/desks/1/next", json={})


@contextmanager
def at_work(hub: Hub, mosquitto: Mosquitto) -> Iterator[Morning]:
    """The two offices open, and a dispenser that is this test; all that passes is judged at the end."""
    link = Link(Broker("127.0.0.1", mosquitto.port), "test")
    running = Morning(hub, link)
    link.start()
    wait_until(lambda: link.connected)
    yield running
    link.stop()
    faults = [fault for fault in (judged(*message) for message in running.heard) if fault]
    assert faults == []


@pytest.fixture
def hub(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Hub]:
    """The whole hub, at offices where it is noon."""
    running = Hub(tmp_path / "hub", offices=where_it_is_noon(tmp_path), broker=mosquitto.url).start()
    yield running
    running.stop()


@pytest.fixture
def morning(hub: Hub, mosquitto: Mosquitto) -> Iterator[Morning]:
    """An office at work."""
    with at_work(hub, mosquitto) as running:
        yield running


def judged(topic: str, payload: bytes) -> str:
    """What the contract says against a message."""
    try:
        validate(topic, payload)
        return ""
    except ValueError as error:
        return str(error)


def test_who_booked_and_checks_in_at_the_dispenser_is_called_ahead_of_walk_ins(morning: Morning) -> None:
    morning.tell("ticket.issued", service="padro", label="P001")
    one = morning.book(12345678)
    entry = morning.listed(one)
    key = morning.newest(AGENDA)["key"]
    assert entry["document"] == wire.digest(key, dni(12345678))

    morning.tell("appointment.checked_in", appointment=entry["id"], label="C001")

    assert [morning.call()["label"] for _ in range(2)] == ["C001", "P001"]
    wait_until(lambda: morning.listed(one)["label"] == "C001", 10, "the number in the agenda")


def test_who_checks_in_at_reception_is_called_ahead_of_walk_ins(morning: Morning) -> None:
    morning.tell("ticket.issued", service="padro", label="P001")
    morning.book(1)
    given = morning.api("post", f"{OFFICE}/check-ins", 201, json={"document": {"kind": "dni", "number": dni(1)}})

    assert [morning.call()["label"] for _ in range(2)] == [given["label"], "P001"]


def test_a_cancelled_appointments_check_in_is_stored_as_refused_and_nobody_is_called(morning: Morning) -> None:
    one = morning.book(1)
    morning.listed(one)
    morning.api("delete", f"/api/v1/appointments/{one['locator']}")

    morning.tell("appointment.checked_in", appointment=one["appointment"], label="C001")

    assert morning.call()["label"] is None
    wait_until(lambda: morning.newest(AGENDA)["appointments"] == [], 10, "the agenda without it")
