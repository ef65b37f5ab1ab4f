"""The streams that phones, boards and staff pages hold, against the real hub and a real broker."""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.parts import Hub, Mosquitto

from .listening import OFFICE, Clerk, Stream, dispenser, issued

TOKEN = "A" * 22


@pytest.fixture
def clerk(hub: Hub) -> Clerk:
    return Clerk(hub)


@pytest.fixture
def listen(hub: Hub) -> Iterator[object]:
    open_streams: list[Stream] = []

    def opened(path: str) -> Stream:
        open_streams.append(Stream(hub, path))
        return open_streams[-1]

    yield opened
    for stream in open_streams:
        stream.close()


def test_a_phone_is_told_at_once_and_at_each_change_and_nothing_else(clerk: Clerk, listen) -> None:
    first, second = clerk.give(), clerk.give()
    phone = listen(f"/t/{second['token']}/events")

    told = [phone.event()]
    clerk.desk("next")
    told.append(phone.event())
    clerk.desk("recall")  # of the other one
    for verb in ("next", "start", "done"):
        clerk.desk(verb)
        told.append(phone.event())

    assert [(event["state"], event["ahead"], event["desk"]) for event in told] == [
        ("waiting", 1, None),
        ("waiting", 0, None),
        ("called", None, "1"),
        ("serving", None, "1"),
        ("done", None, None),
    ]
    assert [event["seq"] for event in told] == sorted({event["seq"] for event in told})
    assert {event["label"] for event in told} == {second["label"]}
    assert first["token"] not in str(told)


def test_a_phone_that_comes_before_its_ticket_turns_live_with_the_dispensers_fact(
    mosquitto: Mosquitto, clerk: Clerk, listen
) -> None:
    day = requests.get(clerk.hub.url(f"{OFFICE}/line"), timeout=10).json()["day"]
    phone = listen(f"/t/{TOKEN}/events")
    before = phone.event()

    with dispenser(mosquitto) as device:
        device.publish("torn/v1/dev/montroig-dispenser-1/fact", issued(TOKEN, day), qos=1)
        after = phone.event()

    assert (before["state"], before["label"]) == ("unknown", None)
    assert (after["state"], after["label"], after["ahead"]) == ("waiting", "P001", 0)


def test_a_board_is_told_the_line_as_the_bridge_published_it(clerk: Clerk, listen) -> None:
    board = listen("/line/mont-roig/events")
    given = clerk.give()
    clerk.desk("next")

    line = board.until(waiting=0)
    while not line["calls"]:
        line = board.event()

    assert line["event"] == "line"
    assert (line["calls"][0]["label"], line["calls"][0]["desk"]) == (given["label"], "1")
    assert line["desks"]["1"] == {"state": "calling", "label": given["label"]}
    assert given["token"] not in str(line)


def test_phones_are_told_when_the_whole_office_stands_still(clerk: Clerk, listen) -> None:
    phone = listen(f"/t/{clerk.give()['token']}/events")

    before = phone.event()["paused"]
    clerk.post(f"{OFFICE}/pause", message="Simulacre")
    during = phone.event()["paused"]
    clerk.post(f"{OFFICE}/resume")

    assert (before, during, phone.event()["paused"]) == (None, "Simulacre", None)


def test_two_phones_of_one_ticket_are_both_told(clerk: Clerk, listen) -> None:
    token = clerk.give()["token"]
    phones = [listen(f"/t/{token}/events") for _ in range(2)]

    phones[0].event()
    phones[1].event()
    clerk.desk("next")

    assert [phone.event()["state"] for phone in phones] == ["called", "called"]


def test_a_phone_that_comes_back_is_told_the_newest_at_once(clerk: Clerk, listen) -> None:
    token = clerk.give()["token"]
    phone = listen(f"/t/{token}/events")
    phone.event()
    phone.close()
    clerk.desk("next")

    again = listen(f"/t/{token}/events")

    first = again.event()
    assert (first["state"], first["desk"]) == ("called", "1")


def test_the_first_event_is_what_the_log_says_when_the_stream_is_opened(clerk: Clerk, listen) -> None:
    token = clerk.give()["token"]
    listen(f"/t/{token}/events").event()
    states = []

    for verb in ("next", "start", "done"):
        clerk.desk(verb)
        states.append(listen(f"/t/{token}/events").event()["state"])

    assert states == ["called", "serving", "done"]


def test_a_waiting_room_that_comes_at_once_is_told_its_own_tickets_and_then_each_call(clerk: Clerk, listen) -> None:
    given = [clerk.give() for _ in range(40)]
    clerk.desk("next")
    with ThreadPoolExecutor(len(given)) as together:
        phones = list(together.map(lambda ticket: listen(f"/t/{ticket['token']}/events"), given))
    first = [phone.event() for phone in phones]
    clerk.desk("next")

    assert [event["label"] for event in first] == [ticket["label"] for ticket in given]
    assert [(event["state"], event["ahead"]) for event in first] == [
        ("called", None),
        *(("waiting", ahead) for ahead in range(39)),
    ]
    assert [phone.event()["ahead"] for phone in phones[2:]] == list(range(38))


def test_a_phone_is_told_each_state_however_quickly_they_follow(clerk: Clerk, listen) -> None:
    given = clerk.give()
    phone = listen(f"/t/{given['token']}/events")

    for verb in ("next", "start", "park"):
        clerk.desk(verb)
    clerk.desk("resume", ticket=given["ticket"])
    clerk.desk("done")

    told = [phone.event() for _ in range(6)]
    assert [event["state"] for event in told] == ["waiting", "called", "serving", "waiting", "called", "done"]
    assert [event["seq"] for event in told] == sorted({event["seq"] for event in told})


def test_a_stream_hears_that_the_hub_is_lost_and_is_right_again_when_it_is_back(
    mosquitto: Mosquitto, clerk: Clerk, listen
) -> None:
    token = clerk.give()["token"]
    phone = listen(f"/t/{token}/events")
    phone.event()

    mosquitto.kill()
    while phone.comment() != ": hub lost":
        pass
    clerk.desk("next")  # the database is there, so that a clerk goes on working
    mosquitto.restart_empty()
    told = phone.until(state="called")
    while phone.comment() != ": hub here":
        pass

    assert told["desk"] == "1"


def test_nobody_follows_an_office_that_is_not_there(hub: Hub) -> None:
    assert requests.get(hub.url("/line/nowhere/events"), timeout=10).status_code == 404


def test_the_hub_ends_in_time_though_streams_are_open(hub: Hub, listen) -> None:
    stream = listen("/line/mont-roig/events")
    stream.event()

    status = hub.stop(5)

    assert status == 0
    with pytest.raises(ConnectionError):
        while True:
            stream.block()


def test_a_body_that_is_too_large_is_refused_before_it_is_read(hub: Hub) -> None:
    with socket.create_connection(("127.0.0.1", hub.http), timeout=10) as raw:
        head = f"POST {OFFICE}/pause HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        raw.sendall(head.encode() + b"Content-Length: 80000\r\n\r\n" + b"x" * 80_000)
        answer = raw.recv(65536).decode()

    assert answer.startswith("HTTP/1.1 4")
    assert "Traceback" not in answer


@pytest.mark.parametrize(
    "words", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"]
)
def test_what_is_no_http_is_refused_and_the_next_request_is_answered(hub: Hub, words: bytes) -> None:
    with socket.create_connection(("127.0.0.1", hub.http), timeout=10) as raw:
        raw.sendall(words)
        answer = raw.recv(65536)

    assert b" 400 " in answer
    assert requests.get(hub.url("/healthz"), timeout=10).status_code == 200
    assert not [line for line in hub.lines if "Traceback" in line]


OFFICES = b"POST /api/v1/offices HTTP/1.1\r\nHost: x\r\n"  # it is not to be posted to: 405
ANOTHER = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def answered(hub: Hub, words: bytes) -> list[str]:
    """The statuses of all answers, until the hub hangs up."""
    with socket.create_connection(("127.0.0.1", hub.http), timeout=20) as raw:
        raw.sendall(words)
        said = b"".join(iter(lambda: raw.recv(65536), b""))
    return re.findall(r"HTTP/1\.1 (\d+)", said.decode())


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 0\r\nContent-Length: 60\r\n",
        b"Content-Length: 60\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 1_0\r\n",
    ],
)
def test_a_request_whose_end_can_be_read_in_two_ways_is_refused_with_all_that_follows_it(hub: Hub, head: bytes) -> None:
    words = OFFICES + head + b"\r\n0\r\n\r\n" + ANOTHER

    assert answered(hub, words) == ["400"]


def test_a_form_whose_body_comes_in_parts_is_read(hub: Hub) -> None:
    answer = requests.post(
        hub.url("/staff/sign-in"), files={"name": (None, "nobody"), "password": (None, "x")}, timeout=10
    )

    assert answer.status_code == 401


def test_an_upgrade_that_nobody_offers_does_not_swallow_the_next_request(hub: Hub) -> None:
    words = OFFICES + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n{}"

    assert answered(hub, words + ANOTHER) == ["405", "200"]


@pytest.mark.parametrize("host", [b".", b"x" * 64])
def test_a_host_of_which_no_address_can_be_made_is_refused(hub: Hub, host: bytes) -> None:
    words = b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"

    assert answered(hub, words) == ["400"]
    assert not [line for line in hub.lines if "Traceback" in line]


def test_a_body_that_never_comes_ends_the_connection(hub: Hub) -> None:
    words = OFFICES + b"Content-Length: 1000\r\n\r\n{"

    assert answered(hub, words) == ["408"]


def test_the_stream_of_a_session_that_is_ended_elsewhere_ends(hub: Hub) -> None:
    hub.account("anna", "clerk", "una contrasenya llarga")
    browser = requests.Session()
    browser.post(hub.url("/staff/sign-in"), data={"name": "anna", "password": "una contrasenya llarga"}, timeout=10)
    stream = browser.get(hub.url("/staff/mont-roig/events"), stream=True, timeout=20)
    lines = stream.iter_lines()
    assert next(lines) == b"event: line"

    hub.command_line("user", "end", "anna")

    for _ in lines:  # the stream's last words; it ends, or the time limit of 20 s raises
        pass
    assert browser.get(hub.url("/staff/mont-roig/events"), timeout=10).status_code == 401


def test_a_staff_stream_is_for_who_has_signed_in_alone(hub: Hub) -> None:
    assert requests.get(hub.url("/staff/mont-roig/events"), timeout=10).status_code == 401
    assert requests.get(hub.url("/staff/nowhere/events"), timeout=10).status_code == 404
