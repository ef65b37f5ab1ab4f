"""Microcontrollers: the board's own files, compiled, under MicroPython's unix port, over TLS to mosquitto."""

import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import limits
from tests.bench.machines import Dispenser, Machines
from tests.bench.office import DISPENSER, first_line, folder, more_files
from tests.bench.table import Row
from tests.firmware import heap
from tests.firmware.board import LAPTOP, Board, broker_settings, compiled, interpreter, settings
from tests.parts import ROOT, ROUND_THE_CLOCK, Authority, Hub, Mosquitto, wait_until


@dataclass(frozen=True)
class Site:
    """A broker with TLS, the hub on it, and the board's files."""

    place: Path
    files: Path
    authority: Authority
    broker: Mosquitto
    hub: Hub

    @property
    def secure(self) -> dict[str, object]:
        """How a board reaches the broker."""
        return broker_settings(self.broker, self.authority, "micropython")


@contextmanager
def site(offices: Path = ROUND_THE_CLOCK) -> Iterator[Site]:
    """All of it at work for a while."""
    more_files()
    with folder() as place:
        authority = Authority(place / "authority")
        broker = Mosquitto(place / "mosquitto", config=LOUD, authority=authority).start()
        hub = Hub(place / "hub", offices=offices, broker=broker.url)
        try:
            yield Site(place, compiled(place / "files"), authority, broker, hub.start("ready", 60))
        finally:
            hub.stop()
            broker.stop()


LOUD = "allow_anonymous true\nlog_type all\nlog_timestamp true\nconnection_messages true"

# --- from the finger to the sign ------------------------------------------------------------------

PRESSES, WARM_UP, AT_REST = 100, 10, 0.3
FOUR = {"next": 10, "recall": 11, "absent": 12, "done": 13}  # with four buttons a press is told at once


def button() -> Iterator[Row]:
    """From the contact of a button to the new number on its sign, by way of the hub; 20 ms of it a contact settles."""
    with site() as here, closing(Machines(here.broker.port)) as machines:
        line = first_line(machines)
        Dispenser(machines, DISPENSER, line["day"]).give(PRESSES + WARM_UP + 5)
        board = Board(
            here.place / "board",
            settings("desk", "montroig-desk-1", broker=here.secure, pins=FOUR),
            firmware=here.files,
        ).start()
        try:
            board.wait_for("en espera", 30)
            taken = sorted([_pressed(board) for _ in range(PRESSES + WARM_UP)][WARM_UP:])
        finally:
            board.stop()
        raw = limits.round_trip(machines, AT_REST / 5)
    figures = {"p50": taken[len(taken) // 2] * 1000, "p95": taken[-(-len(taken) * 95 // 100) - 1] * 1000}
    yield Row("board's button to its sign", figures, "ms", {"p95": 150}, {"QoS 1 round trip p50": raw})


def _pressed(board: Board) -> float:
    """Seconds until the sign has another number."""
    before = len(board.signs)
    shown = board.signs[-1]["sign"][0]
    begun = time.perf_counter()
    board.do(f"down {FOUR['next']}")
    wait_until(lambda: any(each["sign"][0] != shown for each in board.signs[before:]), 10, "the next number")
    told = next(at for at, each in zip(board.at, board.told, strict=False) if _is_new(each, at, begun, shown))
    board.do(f"up {FOUR['next']}")
    limits.PAUSE.wait(AT_REST)
    return told - begun


def _is_new(told: dict, at: float, begun: float, shown: str) -> bool:
    return at > begun and "sign" in told and told["sign"][0] != shown


# --- heap -------------------------------------------------------------------------------------------


def least_heap() -> Iterator[Row]:
    """The smallest heap in which a board does its work, the laptop's stand-ins not counted."""
    with folder() as place:
        authority = Authority(place / "authority")
        broker, files = Mosquitto(place / "mosquitto", authority=authority).start(), compiled(place / "files")
        try:
            for kind in ("desk", "board"):
                least = heap.least(files, place / kind, broker, authority, kind) / 1024
                kept = heap.works_in(200 * 1024, files, place / kind, broker, authority, kind)[1]
                beside = {"kept at rest": (kept - heap.stand_ins(files)) / 1024}
                yield Row(f"least heap of a {kind} on MicroPython", {"": least}, "KiB", {"": 100}, beside)
        finally:
            broker.stop()


# --- 500 buttons and a broker that restarts -----------------------------------------------------------

CROWD, TOGETHER, AWAY = 500, 25, 10.0  # desks; in one process; seconds that the broker is away


def crowd() -> Iterator[Row]:
    """500 desks of one office, 25 in a MicroPython process, whose broker is away for ten seconds."""
    with folder() as place, site(_offices(place)) as here:
        config = settings("desk", "crowd-0", broker=here.secure)
        (here.place / "config.json").write_text(json.dumps(config))
        desks = Crowd(here)
        try:
            wait_until(lambda: desks.here == CROWD, 120, "the first connection of all")
            here.broker.stop()
            limits.PAUSE.wait(AWAY)
            before = len(_connections(here.broker))
            begun = time.perf_counter()
            here.broker.start()
            wait_until(lambda: desks.here < CROWD, 20, "their noticing")
            wait_until(lambda: desks.here == CROWD, 120, "the return of all")
            back = time.perf_counter() - begun
            busiest = Counter(_connections(here.broker)[before:]).most_common(1)[0][1]
        finally:
            desks.stop()
    yield Row("500 boards back after a broker's restart", {"": back}, "s", {"": 60}, {"the broker was away": AWAY})
    yield Row("new connections in the busiest second of it", {"": busiest}, "", {"": 200}, {"all at once": CROWD})


def _offices(place: Path) -> Path:
    """The offices of `make run`, the last of them with a crowd of desks."""
    more = "".join(
        f'\n  [[office.desk]]\n  id = "c{n}"\n  services = ["*"]\n'
        f'\n  [[office.device]]\n  id = "crowd-{n}"\n  kind = "desk"\n  desk = "c{n}"\n'
        for n in range(CROWD)
    )
    file = place / "offices.toml"
    file.write_text(ROUND_THE_CLOCK.read_text(encoding="utf-8") + more, encoding="utf-8")
    return file


class Crowd:
    """All of them; `here` is how many could be pressed now."""

    def __init__(self, here: Site) -> None:
        self._here = dict.fromkeys(range(0, CROWD, TOGETHER), 0)
        self._running = [self._started(here, first) for first in self._here]

    @property
    def here(self) -> int:
        """How many show their desk and hear the hub."""
        return sum(self._here.values())

    def stop(self) -> None:
        """Takes their power away."""
        for running in self._running:
            running.kill()
            running.wait(10)

    def _started(self, here: Site, first: int) -> "subprocess.Popen[str]":
        command = [*interpreter("micropython", 16 * 1024 * 1024), str(LAPTOP / "many.py"), str(here.files)]
        command += [str(here.place), str(first), str(TOGETHER)]
        running = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, args=(running, first), daemon=True).start()
        return running

    def _read(self, running: "subprocess.Popen[str]", first: int) -> None:
        for line in running.stdout or ():
            if line.startswith("{"):
                self._here[first] = json.loads(line)["here"]


def _connections(broker: Mosquitto) -> list[str]:
    """The second of each connection that the broker has taken, as it wrote it down."""
    log = (broker.folder / "mosquitto.log").read_text()
    return re.findall(r"^(\d+): New connection from", log, re.MULTILINE)
