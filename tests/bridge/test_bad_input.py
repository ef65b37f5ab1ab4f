"""Malformed, oversized, unknown and strange: nothing changes, one line in the log, and the work goes on."""

import json
from collections.abc import Callable

import pytest
import structlog

from firmware import wire
from hub.bridge.bridge import MOST_WAITING, Bridge
from hub.link import Broker
from hub.offices import Fleet
from hub.store import Store
from tests.bridge.conftest import URL, Running
from tests.bridge.witness import DISPENSER, LINE, OFFICE, Witness, issued, told

FACT = wire.device_topic(DISPENSER, "fact")
PRESS = wire.device_topic("montroig-desk-1", "press")
STATE = wire.device_topic(DISPENSER, "state")
GOOD_PRESS = {"id": "p-1", "press": "next", "version": 0, "now": wire.stamp(0)}

MALFORMED = [
    (FACT, b"", "JSON"),
    (FACT, b"\x00\xff\xfe binary \x80", "JSON in UTF-8"),
    (FACT, b"{", "JSON"),
    (FACT, b"null", "object"),
    (FACT, b"[]", "object"),
    (FACT, b"[" * 1000, "JSON"),
    (FACT, b'{"a":' * 150 + b"1" + b"}" * 150, "is missing"),
    (FACT, b"9" * 1024, "JSON"),
    (FACT, b"x" * 1025, "at most 1024"),
    (FACT, b"x" * 300_000, "at most 1024"),
    (FACT, json.dumps(issued(1) | {"seq": True}).encode(), "seq"),
    (FACT, json.dumps(issued(1) | {"seq": 1.5}).encode(), "seq"),
    (FACT, json.dumps(issued(1) | {"seq": -1}).encode(), "seq"),
    (FACT, json.dumps(issued(1) | {"seq": 2**53}).encode(), "seq"),
    (FACT, json.dumps(issued(1) | {"journal": "a b"}).encode(), "journal"),
    (FACT, json.dumps(issued(1) | {"label": "P12"}).encode(), "label"),
    (FACT, json.dumps(issued(1) | {"token": "short"}).encode(), "token"),
    (FACT, json.dumps(issued(1) | {"ticket": "P001"}).encode(), "ticket"),
    (FACT, json.dumps(issued(1) | {"at": "yesterday"}).encode(), "at"),
    (FACT, json.dumps(issued(1) | {"day": "2026-02-30"}).encode(), "day"),
    (FACT, json.dumps(issued(1) | {"fact": "ticket.eaten"}).encode(), "fact"),
    (FACT, json.dumps(issued(1) | {"fact": ["ticket.issued"]}).encode(), "fact"),
    (FACT, json.dumps(issued(1) | {"service": "Padró"}).encode(), "service"),
    (FACT, json.dumps(issued(1) | {"priority": "yes"}).encode(), "priority"),
    (FACT, json.dumps(told(1, "printer.changed", paper="wet")).encode(), "paper"),
    (PRESS, json.dumps(GOOD_PRESS | {"id": ""}).encode(), "id"),
    (PRESS, json.dumps(GOOD_PRESS | {"id": {"p": 1}}).encode(), "id"),
    (PRESS, b"[" * 1000, "JSON"),
    (PRESS, json.dumps({"press": "next"}).encode(), "is missing"),
    (STATE, json.dumps({"state": "ready"}).encode(), "boot"),
    (STATE, json.dumps({"state": "on fire", "boot": "b", "conn": 1}).encode(), "state"),
    (wire.device_topic("Montroig", "fact"), json.dumps(issued(1)).encode(), "not one of"),
    (wire.device_topic("a" * 65, "press"), json.dumps(GOOD_PRESS).encode(), "not one of"),
]


@pytest.fixture
def bridge(store: Store, fleet: Fleet) -> Bridge:
    """A bridge whose door one can knock at without a broker."""
    return Bridge(store, fleet, Broker("127.0.0.1", 1), URL)


@pytest.mark.parametrize(("topic", "payload", "reason"), MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_malformed_is_one_line_with_the_machine_and_the_reason(
    bridge: Bridge, topic: str, payload: bytes, reason: str
) -> None:
    with structlog.testing.capture_logs() as lines:
        bridge.came(topic, payload, False)

    (line,) = lines
    assert line["log_level"] == "warning"
    assert line["topic"] == topic
    assert reason in line["reason"]
    assert len(line["reason"]) < 300
    assert bridge.waiting == 0


def test_malformed_messages_change_nothing_and_what_is_right_behind_them_is_done(hall: Witness) -> None:
    since = hall.here()

    for topic, payload, _ in MALFORMED:
        hall.say(topic, payload)
    hall.tell(issued(1))

    hall.stored("j1", 1)
    assert hall.until(LINE, lambda m: m["waiting"] == 1)
    assert [each.topic for each in hall.heard[since:] if each.topic.endswith("/answer")] == []


@pytest.mark.parametrize(
    "wrong", [{"press": "eject"}, {"press": None}, {"version": None}, {"version": "1"}, {"now": "noon"}, {"now": 7}]
)
def test_a_press_that_asks_nothing_known_is_answered_and_changes_nothing(hall: Witness, wrong: dict) -> None:
    hall.tell(issued(1))
    hall.stored("j1", 1)

    answer = hall.press(id="p-9", **wrong)

    assert answer == {"ok": False, "why": "unknown"}
    assert hall.newest(LINE)["desks"]["1"]["state"] == "closed"


@pytest.mark.parametrize("kind", ["fact", "state"])
def test_an_unknown_machine_is_one_line_and_changes_nothing(
    start: Callable[[], Running], witness: Witness, kind: str
) -> None:
    start()
    message = issued(1) if kind == "fact" else {"state": "ready", "boot": "b", "conn": 1}

    with structlog.testing.capture_logs() as lines:
        witness.say(wire.device_topic("stranger", kind), message)
        witness.tell(issued(1))
        witness.stored("j1", 1)

    assert [(line["device"], line["kind"]) for line in lines if "unknown" in line["event"]] == [("stranger", kind)]
    assert witness.until(LINE, lambda m: m["waiting"] == 1)


def test_a_desk_that_tells_facts_is_not_believed(start: Callable[[], Running], witness: Witness) -> None:
    start()

    with structlog.testing.capture_logs() as lines:
        witness.tell(issued(1), device="montroig-desk-1")
        witness.tell(issued(1))
        witness.stored("j1", 1)

    assert [line["device"] for line in lines if "no dispenser" in line["event"]] == ["montroig-desk-1"]
    assert witness.until(LINE, lambda m: m["waiting"] == 1)
    assert witness.of(wire.device_topic("montroig-desk-1", "stored")) == []


def test_what_the_hub_itself_says_is_not_taken_from_others(hall: Witness) -> None:
    line = hall.newest(LINE)

    hall.say(wire.desk_topic(OFFICE, "1"), {"label": "P666"})
    hall.say(wire.appended_topic("nowhere"), {"seq": 9})
    hall.say(wire.appended_topic(OFFICE), {"seq": 2**52})
    hall.tell(issued(1))

    hall.stored("j1", 1)
    assert hall.until(LINE, lambda m: m["waiting"] == 1)["seq"] == line["seq"] + 1


def test_a_flood_is_refused_before_it_eats_the_memory(bridge: Bridge) -> None:
    payload = wire.encode("fact", issued(1))

    with structlog.testing.capture_logs() as lines:
        for _ in range(MOST_WAITING + 2):
            bridge.came(FACT, payload, False)

    assert bridge.waiting == MOST_WAITING
    assert {line["reason"] for line in lines} == {"too many messages wait already"}


def test_the_end_of_the_calendar_is_a_moment_like_any_other(hall: Witness) -> None:
    end = "9999-12-31T23:59:59.999Z"
    first = issued(1, at=end, back_by=end)

    hall.tell(first, told(2, "ticket.rejoined", ticket=first["ticket"], at=end), issued(3, at="1970-01-01T00:00:00Z"))

    hall.stored("j1", 3)
    assert hall.until(LINE, lambda m: m["waiting"] == 2)
