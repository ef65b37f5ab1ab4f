"""Something is away or broken for a while: it is said, what was acknowledged stays, and all comes back by itself."""

import resource
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pgserver
import psutil
import pytest
import requests

from firmware import wire
from tests.e2e.books import Books
from tests.e2e.cable import Cable
from tests.e2e.desks import Button
from tests.e2e.house import DESK, DISPENSER, OFFICE, House, a_house, token_of
from tests.e2e.phones import Phones
from tests.e2e.recorder import Recorder
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto, Postgres, wait_until

WITHIN = 5.0  # seconds until calls go on when a hub dies


def books(house: House) -> Books:
    """The house's database."""
    return Books(f"sqlite:///{house.hub.folder / 'torn.db'}")


def problem(answer: requests.Response) -> tuple[int, str, bool]:
    """Status, code, and whether it is a clean problem document (RFC 9457)."""
    clean = answer.headers["Content-Type"] == "application/problem+json" and "Traceback" not in answer.text
    return answer.status_code, answer.json()["code"], clean


# --- the cable ------------------------------------------------------------------------------


@pytest.fixture
def cable(mosquitto: Mosquitto) -> Iterator[Cable]:
    """Between the machines and mosquitto."""
    laid = Cable(mosquitto.port)
    yield laid
    laid.stop()


@pytest.fixture
def wired_house(tmp_path: Path, mosquitto: Mosquitto, cable: Cable) -> Iterator[House]:
    """A house whose machines hang on the cable."""
    with a_house(tmp_path, mosquitto, machines_at=cable.port) as working:
        yield working


def test_facts_whose_acknowledgement_gets_lost_are_in_the_log_once(wired_house, cable):
    cable.deaf_to = "fact"
    tokens = [token_of(wired_house.take_paper(service)) for service in ("padro", "idcat", "tributs")]
    wait_until(lambda: cable.lost >= 3, what="three lost acknowledgements")
    cable.deaf_to, cable.cut_after = None, "fact"
    tokens += [token_of(wired_house.take_paper(service)) for service in ("padro", "idcat")]

    wait_until(lambda: wired_house.ticket(tokens[-1]), 20, "the last ticket")

    assert cable.cuts == 1
    assert [event["token"] for event in books(wired_house).issued()] == tokens
    assert books(wired_house).faults() == []


@pytest.mark.parametrize("fault", ["deaf_to", "cut_after"])
def test_a_press_whose_acknowledgement_gets_lost_has_one_effect(fault, wired_house, cable):
    first, second = (token_of(wired_house.take_paper(service)) for service in ("padro", "idcat"))
    wait_until(lambda: wired_house.ticket(second), what="the second ticket")
    setattr(cable, fault, "press")

    wired_house.hand("press", DESK, "next")
    wait_until(lambda: wired_house.ticket(first)["state"] == "called", what="the call")
    wait_until(lambda: cable.lost + cable.cuts == 1, what="the fault")
    connections = wired_house.recorder.last(wire.device_topic(DESK, "state"))["conn"]
    wired_house.hand("break", DESK, "network")
    wired_house.hand("mend", DESK, "network")
    wait_until(
        lambda: wired_house.recorder.last(wire.device_topic(DESK, "state"))["conn"] > connections, 20, "the desk"
    )
    third = token_of(wired_house.take_paper("tributs"))
    wait_until(lambda: wired_house.ticket(third), what="the third ticket, after whatever the desk said")

    assert len(wired_house.recorder.of(wire.device_topic(DESK, "press"))) == 1
    assert [call["label"] for call in wired_house.recorder.of(wire.call_topic(OFFICE))] == ["P001"]
    assert wired_house.ticket(second)["state"] == "waiting"


# --- the broker -----------------------------------------------------------------------------


def everything_retained() -> set[str]:
    """The topics that a broker keeps while all is well."""
    topics = {wire.HUB_TOPIC}
    for office, short, desks in (("mont-roig", "montroig", "1234"), ("miami-platja", "miamiplatja", "123")):
        topics |= {wire.line_topic(office), wire.calls_topic(office)}
        topics |= {wire.desk_topic(office, desk) for desk in desks}
        machines = [f"{short}-dispenser-1", f"{short}-board-1", *(f"{short}-desk-{desk}" for desk in desks)]
        topics |= {wire.device_topic(machine, leaf) for machine in machines for leaf in ("config", "state")}
    return topics | {wire.device_topic(DISPENSER, "stored")}


def test_a_broker_that_lost_everything_is_told_everything_again(house, mosquitto):
    waiting = [token_of(house.take_paper(service)) for service in ("padro", "idcat")][1]
    wait_until(lambda: house.ticket(waiting), what="the second ticket")
    house.hand("press", DESK, "next")
    wait_until(lambda: house.recorder.last(wire.line_topic(OFFICE))["calls"], what="the call on the line")
    before = house.recorder.last(wire.line_topic(OFFICE))

    mosquitto.restart_empty()
    heard = len(house.recorder.said)
    wait_until(lambda: everything_retained() <= {s.topic for s in house.recorder.said[heard:]}, 30, "all documents")
    late = Recorder(mosquitto.port).start()
    try:
        wait_until(lambda: everything_retained() <= {s.topic for s in late.said if s.retained}, what="all retained")
        after = late.last(wire.line_topic(OFFICE))
        stored = late.last(wire.device_topic(DISPENSER, "stored"))
    finally:
        late.stop()
    wait_until(house.all_here, 20, "the machines' connection")
    house.hand("press", DESK, "next")

    wait_until(lambda: house.ticket(waiting)["state"] == "called", what="the next call")
    assert after["seq"] > before["seq"]
    assert of_the_log(after) == of_the_log(before)
    assert stored["seq"] == 2
    assert house.recorder.faults() == []


def of_the_log(line: dict[str, Any]) -> dict[str, Any]:
    """What a line document says but for its number, its time, and the forecast, which goes on meanwhile."""
    counts = {id: service["waiting"] for id, service in line["services"].items()}
    return {**line, "seq": 0, "at": "", "services": counts}


def test_without_a_broker_calls_by_api_and_phones_go_on_and_machines_say_so(house, mosquitto):
    token = token_of(house.take_paper("padro"))
    wait_until(lambda: house.ticket(token), what="the ticket")
    phones = Phones(house.hub.http, lambda: [token])
    phones.start()
    try:
        mosquitto.kill()
        wait_until(lambda: house.ready() == 503, what="not ready")
        called = house.at_desk("next").json()["label"]
        wait_until(lambda: phones.states()[token] == "called", what="the call on the phone")
    finally:
        phones.stop()
    line = requests.get(house.hub.url(f"/api/v1/offices/{OFFICE}/line"), timeout=5).json()
    wait_until(lambda: not house.view(DESK)["connected"], what="no connection at the desk")
    later = token_of(house.take_paper("idcat"))
    mosquitto.start()

    wait_until(lambda: house.ready() == 200, 20, "ready again")
    wait_until(lambda: house.ticket(later), 20, "the ticket taken meanwhile")
    wait_until(house.all_here, 20, "the machines' connection")
    assert called == "P001"
    assert [call["label"] for call in line["calls"]] == ["P001"]
    assert house.recorder.last(wire.desk_topic(OFFICE, "1"))["label"] == "P001"


# --- the database ---------------------------------------------------------------------------


class Stoppable(Postgres):
    """A PostgreSQL server that can be away."""

    def halt(self) -> None:
        """Stops it at once, as a crash would."""
        pgserver.pg_ctl(["-w", "stop", "-m", "immediate"], pgdata=self.server.pgdata, user=self.server.system_user)

    def resume(self) -> None:
        """Starts it again."""
        self.server.ensure_postgres_running()


@pytest.fixture
def own_postgres() -> Iterator[Stoppable]:
    """A server of this test's own."""
    server = Stoppable()
    yield server
    server.stop()


def test_without_the_database_pages_say_so_and_all_goes_on_when_it_is_back(own_postgres, mosquitto, tmp_path):
    with a_house(tmp_path, mosquitto, database=own_postgres.database()) as house:
        address = house.take_paper("padro")
        wait_until(lambda: house.ticket(token_of(address)), what="the ticket")

        own_postgres.halt()
        wait_until(lambda: house.ready() == 503, what="not ready")
        refused = house.at_desk("next")
        page = requests.get(address, headers={"Accept": "text/html", "Accept-Language": "ca"}, timeout=10)
        later = token_of(house.take_paper("idcat"))
        own_postgres.resume()

        wait_until(lambda: house.ready() == 200, 20, "ready again")
        wait_until(lambda: house.ticket(later), 30, "the ticket taken meanwhile")
        wait_until(house.all_here, 20, "the hub's beat")
        house.hand("press", DESK, "next")
        wait_until(lambda: house.ticket(token_of(address))["state"] == "called", what="the call")
        assert problem(refused) == (503, "away", True)
        assert (page.status_code, "<html" in page.text, "Traceback" in page.text) == (503, True, False)
        assert house.recorder.faults() == []


def fill_disk(hub: Hub, full: bool) -> None:
    """No process of the hub can make a file longer, or all can again; what is there can be read."""
    for part in psutil.Process(hub.pid).children():
        _, most = part.rlimit(resource.RLIMIT_FSIZE)
        part.rlimit(resource.RLIMIT_FSIZE, (4096 if full else most, most))


def test_a_full_disk_refuses_clearly_and_loses_nothing_that_was_acknowledged(house):
    kept = [house.give_ticket().json()["token"] for _ in range(3)]
    fill_disk(house.hub, full=True)

    refusals = [problem(house.give_ticket()), problem(house.at_desk("next"))]
    house.hand("press", DESK, "next")
    paper = token_of(house.take_paper("padro"))
    readable = requests.get(house.hub.url(f"/t/{kept[0]}"), timeout=10).status_code
    full = books(house)
    fill_disk(house.hub, full=False)

    wait_until(lambda: house.ticket(paper), 30, "the paper's ticket")
    wait_until(house.all_here, 20, "the hub's beat")
    house.hand("press", DESK, "next")
    wait_until(lambda: house.ticket(kept[0])["state"] == "called", what="the call")
    assert refusals == [(503, "away", True), (503, "away", True)]
    assert readable == 200
    assert [event["token"] for event in full.issued()] == kept
    assert [event["token"] for event in books(house).issued()] == [*kept, paper]
    assert books(house).faults() == []
    assert not [line for line in house.hub.lines if "Traceback" in line]
    assert [line for line in house.hub.lines if "the database is away" in line]


# --- a program's answer ---------------------------------------------------------------------


def posted_and_gone(house: House, path: str, body: bytes, key: str) -> None:
    """Posts, and hangs up before any answer."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    head += f"Authorization: {house.header['Authorization']}\r\nIdempotency-Key: {key}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", house.hub.http), timeout=10) as sock:
        sock.sendall(head.encode() + body)


def test_what_a_program_posts_again_because_no_answer_came_has_one_effect(house):
    ticket = (f"/api/v1/offices/{OFFICE}/tickets", b'{"service":"padro"}', "ticket.issued")
    call = (f"/api/v1/offices/{OFFICE}/desks/1/next", b"{}", "ticket.called")
    for path, body, done in (ticket, ticket, call):
        before, key = len(books(house).events), uuid.uuid4().hex
        posted_and_gone(house, path, body, key)
        wait_until(lambda n=before, done=done: done in [e["kind"] for e in books(house).events[n:]], what=done)

        headers = house.header | {"Idempotency-Key": key, "Content-Type": "application/json"}
        again = requests.post(house.hub.url(path), data=body, headers=headers, timeout=10)

        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json()["label"] is not None
    assert [event["label"] for event in books(house).issued()] == ["P900", "P901"]
    assert len(books(house).calls()) == 1


# --- two hubs -------------------------------------------------------------------------------


@pytest.fixture
def two_hubs(tmp_path: Path, mosquitto: Mosquitto, postgres_url: str) -> Iterator[list[tuple[Hub, Hub]]]:
    """Two machines with a bridge and a web process each; the first one's bridge works, the other one waits."""
    where = {"offices": ROUND_THE_CLOCK, "broker": mosquitto.url, "database": postgres_url}
    hubs = [tuple(Hub(tmp_path / name, part=part, **where) for part in ("bridge", "web")) for name in ("one", "two")]
    try:
        for bridge, web in hubs:
            bridge.start()
            wait_until(lambda web=web: works_for_all(hubs[0][0]), 20, "the first bridge")
            web.start()
        yield hubs
    finally:
        for part in (part for hub in hubs for part in hub):
            part.stop()


def works_for_all(bridge: Hub) -> bool:
    """Whether this bridge holds the leases of both offices."""
    return sum("this bridge works for the office" in line for line in bridge.lines) == 2


def test_when_one_of_two_hubs_dies_calls_go_on_within_five_seconds(two_hubs, mosquitto):
    (bridge, web), (other_bridge, other_web) = two_hubs
    token = other_web.token("clerk")
    header, office = {"Authorization": f"Bearer {token}"}, other_web.url(f"/api/v1/offices/{OFFICE}")
    given = [requests.post(f"{office}/tickets", json={"service": "padro"}, headers=header).json() for _ in range(3)]
    tokens = [ticket["token"] for ticket in given]
    phones = Phones(other_web.http, lambda: tokens)
    button = Button(mosquitto.port, OFFICE, "1", DESK)
    try:
        phones.start()
        wait_until(lambda: list(phones.states().values()) == ["waiting"] * 3, what="the phones")
        assert button.press("next") == given[0]["label"]
        assert not works_for_all(other_bridge)

        bridge.kill()
        web.kill()
        died = time.monotonic()
        by_api = requests.post(f"{office}/desks/2/next", headers=header, timeout=WITHIN).json()["label"]
        by_press = wait_until(lambda: button.press("next"), WITHIN, "a call by the button")
        wait_until(lambda: phones.states()[tokens[2]] == "called", WITHIN, "the call on the phone")
        gone_on = time.monotonic() - died
        wait_until(lambda: works_for_all(other_bridge), what="the other office's lease")
    finally:
        button.stop()
        phones.stop()

    assert (by_api, by_press) == (given[1]["label"], given[2]["label"])
    assert phones.states() == dict(zip(tokens, ["done", "called", "called"], strict=True))
    assert gone_on < WITHIN
