"""An office at work for a while: mosquitto, the hub's own processes, and the machines that speak to them."""

import json
import resource
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from firmware import wire
from tests.bench.machines import Machines, waited
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto

OFFICE, OTHER_OFFICE = "mont-roig", "miami-platja"
DISPENSER, DESK = "montroig-dispenser-1", "montroig-desk-1"
TEN_DISPENSERS = ["miamiplatja-dispenser-1", *(f"miamiplatja-dispenser-{n}" for n in range(2, 11))]


@dataclass(frozen=True)
class Office:
    """What is running."""

    folder: Path
    broker: Mosquitto
    hub: Hub
    machines: Machines
    line: dict[str, Any]  # the line document of OFFICE at the beginning

    @property
    def web(self) -> psutil.Process:
        """The web process: the one that listens at the hub's port."""
        return next(p for p in psutil.Process(self.hub.pid).children() if _listens(p, self.hub.http))


def _listens(process: psutil.Process, port: int) -> bool:
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in process.net_connections("tcp"))


@contextmanager
def working(offices: Path | None = None) -> Iterator[Office]:
    """An office at work, in a folder of its own, by default open round the clock; nothing of it is left afterwards."""
    more_files()
    with folder() as place:
        broker = Mosquitto(place / "mosquitto").start()
        hub = Hub(place / "hub", offices=offices or offices_file(place), broker=broker.url)
        try:
            hub.start()
            with closing(Machines(broker.port)) as machines:
                yield Office(place, broker, hub, machines, first_line(machines))
        finally:
            hub.stop()
            broker.stop()


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder on the disk where databases would be."""
    place = Path(tempfile.mkdtemp(prefix="torn-bench-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def offices_file(place: Path) -> Path:
    """The offices of `make run`, the last of them with ten dispensers."""
    more = "".join(
        f'\n  [[office.device]]\n  id = "{device}"\n  kind = "dispenser"\n  first_number = {number * 75}\n'
        for number, device in enumerate(TEN_DISPENSERS[1:], 3)
    )
    file = place / "offices.toml"
    file.write_text(ROUND_THE_CLOCK.read_text(encoding="utf-8") + more, encoding="utf-8")
    return file


def more_files() -> None:
    """As many open files as this machine allows, for this process and those it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def first_line(machines: Machines, office: str = OFFICE) -> dict[str, Any]:
    """The line document of an office as it is now."""
    came, documents = threading.Event(), []

    def heard(topic: str, payload: bytes) -> None:
        documents.append(wire.decode("line", payload))
        came.set()

    machines.hear(wire.line_topic(office), heard)
    waited(came, "the line document")
    return documents[0]


class Caller:
    """A program that uses the API over one connection that stays open."""

    def __init__(self, port: int, token: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"

    def post(self, path: str, body: str = "{}") -> dict[str, Any]:
        """The JSON answer of a POST; raises RuntimeError unless it is 2xx."""
        return self._ask(f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n{body}")

    def get(self, path: str) -> dict[str, Any]:
        """The JSON answer of a GET; raises RuntimeError unless it is 2xx."""
        return self._ask(f"GET {path} HTTP/1.1\r\n{self._head}\r\n")

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()

    def _ask(self, words: str) -> dict[str, Any]:
        self._socket.sendall(words.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, body = answer.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self._more()
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{words.splitlines()[0]}: {head.splitlines()[0]!r} {body[:300]!r}")
        return json.loads(body)

    def _more(self) -> bytes:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise ConnectionError("the server hung up")
        return chunk


def asking(office: Office, token: str, clients: int, times: int, ask: Callable[[Caller, int], object]) -> float:
    """Seconds for `times` questions asked by so many programs at once; those of one program one after the other.

    `ask(caller, turn)` asks one; the turns count from 0 through all programs.
    """
    turns, callers = count(), [Caller(office.hub.http, token) for _ in range(clients)]

    def ask_on(caller: Caller) -> None:
        while (turn := next(turns)) < times:
            ask(caller, turn)

    threads = [threading.Thread(target=ask_on, args=(caller,)) for caller in callers]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - begun
    for caller in callers:
        caller.close()
    return taken
