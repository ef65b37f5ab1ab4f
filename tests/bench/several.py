"""Two web and two bridge processes on PostgreSQL, beside one of each: calls, phones, and who takes the processor."""

import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import psutil

from tests.bench.line import DESKS
from tests.bench.machines import Dispenser, Machines
from tests.bench.office import DISPENSER, OFFICE, TEN_DISPENSERS, Caller, first_line, folder, more_files, offices_file
from tests.bench.streams import Streams
from tests.bench.table import Row
from tests.parts import Hub, Mosquitto, Postgres

TIMES = 1.6  # so many times what one carries, two should
CLERKS, CALLS, ROUNDS = 16, 240, 4
PHONES, TICKETS, RINGS = 10_000, 500, 5


class Parts:
    """So many web and so many bridge processes, their broker and their database."""

    def __init__(self, many: int, place: Path, postgres: Postgres, closing: ExitStack) -> None:
        self.broker = Mosquitto(place / "mosquitto").start()
        closing.callback(self.broker.stop)
        shared = {"offices": offices_file(place), "broker": self.broker.url, "database": postgres.database()}
        self.parts = [
            Hub(place / f"{part}-{n}", part=part, **shared) for part in ("bridge", "web") for n in range(many)
        ]
        for part in self.parts:
            closing.callback(part.stop)
            part.start()
        self.webs = [part for part in self.parts if part.part == "web"]
        self.machines = Machines(self.broker.port)
        closing.callback(self.machines.close)
        self.line = first_line(self.machines)
        self.server = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
        self.token = self.webs[0].token("clerk")

    def dispensers(self) -> list[Dispenser]:
        """One of each office."""
        return [Dispenser(self.machines, device, self.line["day"]) for device in (DISPENSER, TEN_DISPENSERS[0])]

    def processor(self) -> dict[str, float]:
        """Seconds of processor that each kind of process has taken so far; `bench` is this program itself."""
        taken = {"web": 0.0, "bridge": 0.0}
        for part in self.parts:
            taken[part.part] += _seconds(psutil.Process(part.pid))
        assert self.broker.running
        database = psutil.Process(self.server)
        taken["database"] = _seconds(database) + sum(map(_seconds, database.children()))
        taken["broker"] = _seconds(psutil.Process(self.broker.running.pid))
        return taken | {"bench": _seconds(psutil.Process())}


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def running(many: int, cores: set[int]) -> Iterator[Parts]:
    """The parts at work, until the block is left; all of it, and this program too, on these cores."""
    more_files()
    before = os.sched_getaffinity(0)
    with folder() as place, ExitStack() as closing:
        closing.callback(os.sched_setaffinity, 0, before)
        os.sched_setaffinity(0, cores)  # whatever is started now inherits it
        postgres = Postgres()
        closing.callback(postgres.stop)
        yield Parts(many, place, postgres, closing)


def several() -> Iterator[Row]:
    """What two of each carry, against what one of each does in the same run.

    First with a core for each pair: what a second machine would add. Then with all the machine's cores for either.
    """
    cores = sorted(os.sched_getaffinity(0))
    yield from _compared("a core for each pair", {1: set(cores[:1]), 2: set(cores[:2])})
    yield from _compared(f"all {len(cores)} cores", {1: set(cores), 2: set(cores)})


def _compared(where: str, cores: dict[int, set[int]]) -> Iterator[Row]:
    called, busy, told = {}, {}, {}
    for many in (1, 2):
        with running(many, cores[many]) as parts:
            called[many], busy[many] = _calls(parts)
            told[many] = _phones(parts)
    wanted, beside = {"": TIMES * called[1]}, {"1 web and 1 bridge": called[1]}
    yield Row(f"calls by 2 web and 2 bridge, {where}", {"": called[2]}, "/s", wanted, beside)
    for many, shares in busy.items():
        all_of_them = {f"there are {len(cores[many])}": float(len(cores[many]))}
        yield Row(f"cores at work meanwhile, {many} of each", {"": sum(shares.values()), **shares}, "", {}, all_of_them)
    wanted, beside = {"": told[1] / TIMES}, {"1 web": told[1]}
    yield Row(f"call to the last of 10,000 phones at 2 web, {where}", {"": told[2]}, "ms", wanted, beside)


def _calls(parts: Parts) -> tuple[float, dict[str, float]]:
    """Calls a second, and how many cores each kind of process took meanwhile."""
    dispensers, seconds = parts.dispensers(), 0.0
    taken = dict.fromkeys(parts.processor(), 0.0)
    for _ in range(ROUNDS):
        for dispenser in dispensers:
            dispenser.give(CALLS // len(dispensers) + 10)
        before, begun = parts.processor(), time.perf_counter()
        _call_together(parts)
        seconds += time.perf_counter() - begun
        taken = {kind: taken[kind] + now - before[kind] for kind, now in parts.processor().items()}
    return ROUNDS * CALLS / seconds, {kind: each / seconds for kind, each in taken.items()}


def _call_together(parts: Parts) -> None:
    """So many calls by clerks at the desks of both offices, shared among the web processes."""
    turns, callers = count(), [Caller(parts.webs[n % len(parts.webs)].http, parts.token) for n in range(CLERKS)]

    def call_on(caller: Caller) -> None:
        while (turn := next(turns)) < CALLS:
            if caller.post(f"/api/v1/offices/{DESKS[turn % len(DESKS)]}/next")["label"] is None:
                raise RuntimeError("nobody was left to call")

    threads = [threading.Thread(target=call_on, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for caller in callers:
        caller.close()


def _phones(parts: Parts) -> float:
    """Milliseconds (median) from a call to the last phone told, the phones shared among the web processes."""
    dispenser = parts.dispensers()[0]
    caller = Caller(parts.webs[0].http, parts.token)
    while caller.post(f"/api/v1/offices/{OFFICE}/desks/1/next")["label"]:
        pass  # whoever was left from the calls
    tokens = dispenser.give(TICKETS)
    streams = Streams(parts.webs[0].http)
    ports = [web.http for web in parts.webs]
    streams.open((f"/t/{tokens[n % TICKETS]}/events" for n in range(PHONES)), ports)
    taken = []
    for ring in range(RINGS):
        behind = [n for n in range(PHONES) if n % TICKETS >= ring]
        begun = time.perf_counter()
        caller.post(f"/api/v1/offices/{OFFICE}/desks/1/next")
        taken.append(streams.told(behind, b"event: ticket") - begun)
        streams.rest(0.3)
    streams.close()
    caller.close()
    return statistics.median(taken) * 1000
