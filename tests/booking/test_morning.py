"""From the booking to the call, through the hub's real processes and a real broker."""

import json
import sqlite3
import uuid
from collections.abc import Iterator
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
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto, wait_until

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
        self.plan: Plan = read_offices(ROUND_THE_CLOCK).plans["mont-roig"]
        link.on("torn/#", lambda topic, payload, retained: self.heard.append((topic, payload)))
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


@pytest.fixture
def morning(hub: Hub, mosquitto: Mosquitto) -> Iterator[Morning]:
    """The two offices open, and a dispenser that is this test."""
    link = Link(Broker("127.0.0.1", mosquitto.port), "test")
    running = Morning(hub, link)
    link.start()
    wait_until(lambda: link.connected)
    yield running
    link.stop()
    faults = [fault for fault in (judged(*message) for message in running.heard) if fault]
    assert faults == []


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


def test_neither_broker_nor_log_nor_log_files_ever_have_a_persons_data(morning: Morning, tmp_path: Path) -> None:
    later = morning.api("get", f"{OFFICE}/slots?service=padro")["slots"][30:]
    numbers = range(70_000_001, 70_000_061)
    today = [morning.book(number, email=f"p{number}@example.cat", phone=f"6{number}") for number in numbers[:6]]
    for number, slot in zip(numbers[6:], later, strict=False):
        morning.book(number, slot["start"], email=f"p{number}@example.cat", phone=f"6{number}")
    for label, one in enumerate(today[:3], 1):
        morning.tell("appointment.checked_in", appointment=morning.listed(one)["id"], label=f"C{label:03d}")
    morning.api("post", f"{OFFICE}/check-ins", 201, json={"document": {"kind": "dni", "number": dni(numbers[3])}})
    morning.api("post", f"{OFFICE}/check-ins", 404, json={"document": {"kind": "dni", "number": dni(1)}})
    assert [morning.call()["label"][0] for _ in range(4)] == ["C"] * 4
    morning.api("get", f"{OFFICE}/expected")

    said = b"\n".join(topic.encode() + payload for topic, payload in morning.heard).decode()
    said += "\n".join(morning.hub.lines) + log_of(tmp_path / "hub" / "torn.db")

    assert "C001" in said
    assert [number for number in numbers if str(number) in said] == []
    assert "Persona" not in said


def log_of(database: Path) -> str:
    """All events and refusals, as text."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT event FROM log UNION ALL SELECT refused FROM facts WHERE refused IS NOT NULL")
        return "\n".join(row[0] for row in rows)
