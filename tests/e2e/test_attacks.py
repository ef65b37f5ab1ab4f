"""Garbage, oversized, replayed and future messages while a morning runs: nothing changes."""

import random
import socket
import threading
from pathlib import Path

import pytest
import requests

from firmware import wire
from tests.e2e import attacks
from tests.e2e.attacks import DESK, DISPENSER, OFFICE, Attack, Request
from tests.e2e.books import Books
from tests.e2e.house import House, token_of
from tests.e2e.morning import Morning
from tests.parts import wait_until


@pytest.fixture
def at_work(house: House) -> House:
    """P001 is at desk 1, I001 waits."""
    tokens = [token_of(house.take_paper(service)) for service in ("padro", "idcat")]
    wait_until(lambda: house.ticket(tokens[1]), what="the second ticket")
    house.hand("press", DESK, "next")
    wait_until(lambda: house.recorder.last(wire.desk_topic(OFFICE, "1")).get("label") == "P001", what="the call")
    return house


def database(house: House) -> str:
    """The address of the hub's."""
    return f"sqlite:///{house.hub.folder / 'torn.db'}"


def events(house: House) -> list[dict]:
    """The log."""
    return Books(database(house)).events


def attack(house: House, messages: list[Attack]) -> list[dict]:
    """Says them all; the events that they led to, once a ticket that came after them is in the log."""
    before = len(events(house))
    for each in messages:
        house.recorder.say(*each)
    token = token_of(house.take_paper("tributs"))
    wait_until(lambda: house.ticket(token), 20, "the ticket after the attack")
    return [event for event in events(house)[before:] if event.get("token") != token]


def test_garbage_on_any_topic_changes_nothing_and_stops_nobody(at_work):
    messages = list(attacks.garbage())

    assert attack(at_work, messages) == []

    assert at_work.all_here()
    assert at_work.recorder.faults({message.payload for message in messages}) == []
    assert not [line for line in at_work.hub.lines + at_work.bench.lines if "Traceback" in line]
    assert [line for line in at_work.hub.lines if DISPENSER in line and "reason=" in line], "one line says why"


def test_presses_of_another_time_version_or_machine_change_nothing(at_work):
    version = at_work.recorder.last(wire.desk_topic(OFFICE, "1"))["version"]

    assert attack(at_work, list(attacks.presses(version))) == []

    whys = [answer["why"] for answer in at_work.recorder.of(wire.device_topic(DESK, "answer")) if not answer["ok"]]
    assert sorted(whys) == ["out_of_date"] * 2 + ["too_late"] * 3 + [
        "unknown"
    ]  # the last one of what asks nothing known
    assert [a["why"] for a in at_work.recorder.of(wire.device_topic(attacks.NOBODY, "answer"))] == ["unknown"]


def test_facts_out_of_order_of_other_days_and_of_strangers_give_no_tickets(at_work):
    stored = at_work.recorder.last(wire.device_topic(DISPENSER, "stored"))
    known = at_work.recorder.of(wire.device_topic(DISPENSER, "fact"))[0]

    assert attack(at_work, list(attacks.facts(stored, known))) == []


def test_what_machines_said_before_has_no_effect_when_it_is_said_again(at_work):
    messages = list(attacks.replays(at_work.recorder))

    assert {message.topic.rpartition("/")[2] for message in messages} == {"fact", "press"}
    assert attack(at_work, messages * 3) == []
    assert Books(database(at_work)).faults() == [], "nor is a fact written down twice"
    answers = at_work.recorder.of(wire.device_topic(DESK, "answer"))
    assert [answer["label"] for answer in answers] == ["P001"] * 4


def test_requests_that_make_no_sense_are_refused_with_a_reason_and_change_nothing(at_work):
    before = events(at_work)

    answers = [(request, ask(at_work, request)) for request in attacks.REQUESTS]

    wrong = [
        f"{a.status_code}: {r.method} {r.path[:60]} {r.body[:40]!r}" for r, a in answers if a.status_code not in r.right
    ]
    assert wrong == []
    assert [r.path for r, a in answers if r.path.startswith("/api/") and not is_problem(a)] == []
    assert [r.path for r, a in answers if "Traceback" in a.text or "root:" in a.text] == []
    assert events(at_work) == before


def ask(house: House, request: Request) -> requests.Response:
    """The answer to a request."""
    headers = (house.header if request.signed else {}) | request.headers
    return requests.request(
        request.method,
        house.hub.url(request.path),
        data=request.body,
        headers=headers,
        timeout=20,
        allow_redirects=False,
    )


def is_problem(answer: requests.Response) -> bool:
    """Whether it is a problem document (RFC 9457) that says what was wrong."""
    fine = answer.headers["Content-Type"] == "application/problem+json"
    return fine and {"title", "status", "detail", "code"} <= answer.json().keys()


def test_bytes_that_are_no_http_are_refused_and_others_served(at_work):
    idle = [socket.create_connection(("127.0.0.1", at_work.hub.http)) for _ in range(50)]
    try:
        answers = [attacks.spoken_raw(at_work.hub.http, words) for words in attacks.NO_HTTP]
        status = at_work.ready()
    finally:
        for sock in idle:
            sock.close()

    assert [answer[:60] for answer in answers if answer and not answer.startswith(b"HTTP/1.1 4")] == []
    assert not [answer for answer in answers if b"Traceback" in answer]
    assert status == 200


@pytest.mark.timeout(240)
def test_a_morning_goes_well_while_somebody_attacks_without_pause(tmp_path: Path):
    ending = threading.Event()
    with Morning(tmp_path, seed=20, tickets=90) as morning:
        attackers = [
            threading.Thread(target=attack_broker, args=(morning, ending)),
            threading.Thread(target=attack_pages, args=(morning, ending)),
        ]
        try:
            for attacker in attackers:
                attacker.start()
            morning.until_everybody_was_called()
        finally:
            ending.set()
            for attacker in attackers:
                attacker.join(30)

        assert morning.faults() == []
        assert len(morning.made_up) > 100


def attack_broker(morning: Morning, ending: threading.Event) -> None:
    """A hundred messages a second."""
    for message in attacks.shuffled(random.Random(20), morning.recorder):
        if ending.wait(0.01):
            return
        morning.made_up.append(message.payload)
        morning.recorder.say(*message)


def attack_pages(morning: Morning, ending: threading.Event) -> None:
    """Fifty requests a second, without any right."""
    chance = random.Random(20)
    while not ending.wait(0.02):
        request = chance.choice(attacks.REQUESTS)
        requests.request(
            request.method, morning.hub.url(request.path), data=request.body, headers=request.headers, timeout=20
        )
