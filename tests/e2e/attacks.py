"""What somebody says who means no good, or whose program is broken: none of it may change anything."""

import errno
import json
import random
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from firmware import wire
from tests.e2e.recorder import Recorder

HOUR = 3_600_000  # ms
OFFICE, DISPENSER, DESK = "mont-roig", "montroig-dispenser-1", "montroig-desk-1"
NOBODY = "nobody-1"

GARBAGE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"next"',
    b"\xff\xfe\x00",
    b"NaN",
    b"{}",
    b'{"seq":' + b"9" * 400 + b"}",
    b'{"id":"\\ud800","press":"next","version":1,"now":"x"}',
    b'{"journal":"a","seq":1e9,"at":1,"day":[],"fact":{}}',
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b"A" * 300_000,
]
TOPICS = [
    *(wire.device_topic(device, leaf) for device in (DISPENSER, DESK, NOBODY) for leaf in wire.DEVICE_LEAVES),
    *(f"torn/v1/office/{OFFICE}/{leaf}" for leaf in wire.OFFICE_LEAVES),
    wire.desk_topic(OFFICE, "1"),
    wire.desk_topic(OFFICE, "nine"),
    wire.HUB_TOPIC,
    "torn/v1/dev/NOT A SLUG/fact",
    "torn/v1/dev//press",
    "torn/v2/dev/montroig-desk-1/press",
    "torn/v1/office/mont-roig/desk/1/more",
]


class Attack(NamedTuple):
    """One message to the broker."""

    topic: str
    payload: bytes


def garbage() -> Iterator[Attack]:
    """Everything that is no message, everywhere."""
    for topic in TOPICS:
        for payload in GARBAGE:
            yield Attack(topic, payload)


def presses(version: int, desk: str = DESK) -> Iterator[Attack]:
    """Presses in due form that must have no effect at a desk which shows `version`."""
    now = time.time_ns() // 1_000_000
    for device, change in [
        (desk, {"now": now - 6_000}),
        (desk, {"now": now + HOUR}),
        (desk, {"now": 0}),
        (desk, {"version": version + 1}),
        (desk, {"version": max(0, version - 1)}),
        (desk, {"press": "dance"}),
        (DISPENSER, {}),
        (NOBODY, {}),
    ]:
        press: dict[str, Any] = {"press": "next", "version": version, "now": now} | change
        yield Attack(wire.device_topic(device, "press"), _json(press | {"id": _id(), "now": wire.stamp(press["now"])}))


def facts(stored: dict[str, Any], known: dict[str, Any]) -> Iterator[Attack]:
    """Facts that must give nobody a ticket: gaps, numbers that are none, days that are over, tokens given before.

    Args:
        stored: the dispenser's last `stored`.
        known: a `ticket.issued` that is in the log.
    """
    now = time.time_ns() // 1_000_000
    fresh = known | {"journal": stored["journal"], "ticket": str(uuid.uuid4()), "token": uuid.uuid4().hex}
    for change in [
        {"seq": stored["seq"] + 2},
        {"seq": 0},
        {"seq": -1},
        {"seq": 2**53},
        {"seq": str(stored["seq"] + 1)},
        {"seq": stored["seq"] + 1, "label": "p1"},
        {"seq": stored["seq"] + 1, "ticket": "not a uuid"},
        {"seq": stored["seq"] + 1, "at": "tomorrow"},
        {"seq": stored["seq"] + 1, "fact": "ticket.invented"},
    ]:
        yield Attack(wire.device_topic(DISPENSER, "fact"), _json(fresh | change))
    foreign = {"journal": _id(), "seq": 1, "at": wire.stamp(now + HOUR)}
    yield Attack(wire.device_topic(DESK, "fact"), _json(fresh | foreign))
    yield Attack(wire.device_topic(NOBODY, "fact"), _json(fresh | foreign))
    yield Attack(wire.device_topic("miamiplatja-dispenser-1", "fact"), _json(fresh | foreign | {"service": "nothing"}))
    yield Attack(wire.device_topic("miamiplatja-dispenser-1", "fact"), _json(fresh | foreign | {"day": "2020-01-01"}))


def replays(recorder: Recorder) -> Iterator[Attack]:
    """All that machines have said to the hub so far, once more."""
    for said in list(recorder.said):
        if said.topic.endswith(("/fact", "/press")) and said.payload:
            yield Attack(said.topic, said.payload)


def _json(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


def _id() -> str:
    return uuid.uuid4().hex


# --- HTTP -----------------------------------------------------------------------------------

API = f"/api/v1/offices/{OFFICE}"
KEYS = {"Content-Type": "application/json"}


class Request(NamedTuple):
    """One request, and the statuses of which one is right."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012  # a NamedTuple's default, never changed
    signed: bool = True  # with the clerk's token
    right: tuple[int, ...] = (400, 404, 405, 413, 415, 422)


REQUESTS = [
    Request("POST", f"{API}/tickets", b"{", KEYS),
    Request("POST", f"{API}/tickets", b"[]", KEYS),
    Request("POST", f"{API}/tickets", b"\xff\xfe", KEYS),
    Request("POST", f"{API}/tickets", b"[" * 60_000, KEYS),
    Request("POST", f"{API}/tickets", b'{"service":"padro"}', {"Content-Type": "text/plain"}),
    Request("POST", f"{API}/tickets", b'{"service":["padro"]}', KEYS),
    Request("POST", f"{API}/tickets", b'{"service":"padro\\u0000"}', KEYS),
    Request("POST", f"{API}/tickets", b'{"service":"padro; DROP TABLE log"}', KEYS),
    Request("POST", f"{API}/tickets", b'{"service":"padro","priority":"perhaps"}', KEYS),
    Request("POST", f"{API}/tickets", b'{"service":"' + b"p" * 100_000 + b'"}', KEYS),
    Request("POST", f"{API}/tickets", b'{"service":"padro"}', KEYS | {"Idempotency-Key": "k" * 5_000}),
    Request("POST", f"{API}/tickets", b'{"service":"padro"}', KEYS, signed=False, right=(401,)),
    Request("POST", f"{API}/tickets", b'{"service":"padro"}', KEYS | {"Authorization": "Bearer x"}, False, (401,)),
    Request("POST", f"{API}/tickets", b'{"service":"padro"}', KEYS | {"Authorization": "Basic eDp5"}, False, (401,)),
    Request("POST", f"{API}/desks/nine/next", b"{}", KEYS),
    Request("POST", f"{API}/desks/1/dance", b"{}", KEYS),
    Request("POST", f"{API}/desks/1/next", b'{"version":"two"}', KEYS),
    Request("POST", f"{API}/desks/1/next", b'{"version":999}', KEYS, right=(409,)),
    Request("POST", f"{API}/desks/2/done", b"{}", KEYS, right=(409,)),
    Request("POST", f"{API}/desks/1/transfer", b'{"service":"nothing"}', KEYS),
    Request("POST", "/api/v1/offices/nowhere/tickets", b'{"service":"padro"}', KEYS),
    Request("POST", "/api/v1/offices/..%2f..%2fetc/tickets", b'{"service":"padro"}', KEYS),
    Request("GET", f"{API}/desks/1/next"),
    Request("DELETE", f"{API}/line"),
    Request("GET", "/api/v1/tickets/" + "A" * 22),
    Request("GET", "/api/v1/tickets/%00%ff"),
    Request("POST", "/t/" + "A" * 22 + "/leave", signed=False),
    Request("GET", "/static/..%2f..%2f..%2fetc%2fpasswd"),
    Request("GET", "/board/nowhere"),
    Request("POST", f"/staff/{OFFICE}/desk/1/next", signed=False, right=(303, 400, 401, 403)),
    Request("POST", f"/staff/{OFFICE}/pause", b"message=x", signed=False, right=(303, 400, 401, 403)),
]
NO_HTTP = [
    b"\x00\x01\x02\x03\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET\r\n\r\n",
    b"POST /api/v1/offices HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/v1/offices HTTP/1.1\r\nHost: x\r\nContent-Length: twelve\r\n\r\n",
    b"POST /api/v1/offices HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-More: " + b"y" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-More: y\r\n" * 5_000 + b"\r\n",
]
HUNG_UP = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)  # the last: it did while we were still speaking


def spoken_raw(port: int, words: bytes) -> bytes:
    """What the server says to bytes that are no request; empty if it just hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        try:
            sock.sendall(words)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b""))
        except OSError as error:
            if error.errno not in HUNG_UP:
                raise
            return b""


def shuffled(chance: random.Random, recorder: Recorder) -> Iterator[Attack]:
    """Without end: garbage, and what was said before."""
    rubbish = [attack for attack in garbage() if len(attack.payload) < 100_000]
    while True:
        yield chance.choice(rubbish)
        said = list(replays(recorder))
        if said:
            yield chance.choice(said)
