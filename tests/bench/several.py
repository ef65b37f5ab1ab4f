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

from tests.bench.machines import Dispenser, Machines
from tests.bench.office import Caller, first_line, folder, more_files
from tests.bench.streams import Streams
from tests.bench.table import Row
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto, Postgres

TIMES = 1.6  # so many times what one carries, two should
CLERKS, CALLS, DESKS = 16, 240, 3
PHONES, TICKETS, RINGS = 10_000, 500, 4
ROUNDS = 6  # with one pair and with two, by turns: a machine may be slow for a while
FEW, MANY = 2, 8  # offices


class Parts:
    """So many pairs of a web and a bridge process, their broker and their database."""

    def __init__(self, pairs: list[set[int]], offices: int, place: Path, postgres: Postgres, closing: ExitStack):
        self.many = len(pairs)
        self.cores = os.sched_getaffinity(0)
        self.broker = Mosquitto(place / "mosquitto").start()
        closing.callback(self.broker.stop)
        shared = {"offices": _offices(place, offices), "broker": self.broker.url, "database": postgres.database()}
        self.parts: list[Hub] = []
        for part in ("bridge", "web"):
            for n, cores in enumerate(pairs):
                self.parts.append(Hub(place / f"{part}-{n}", part=part, **shared))
                closing.callback(self.parts[-1].stop)
                with _on(cores):
                    self.parts[-1].start()
        self.webs = [part for part in self.parts if part.part == "web"]
        self.machines = Machines(self.broker.port)
        closing.callback(self.machines.close)
        self.server = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
        self.token = self.webs[0].token("clerk")
        day = first_line(self.machines, "town-0")["day"]
        self.dispensers = [Dispenser(self.machines, f"town{n}-dispenser-1", day) for n in range(offices)]
        self.desks = [f"/api/v1/offices/town-{n}/desks/{1 + d}/next" for d in range(DESKS) for n in range(offices)]

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


def _offices(place: Path, many: int) -> Path:
    """The first office of `make run`, so many times."""
    _, office, _ = ROUND_THE_CLOCK.read_text(encoding="utf-8").split("[[office]]")
    towns = (office.replace('"mont-roig"', f'"town-{n}"').replace("montroig-", f"town{n}-") for n in range(many))
    file = place / "offices.toml"
    file.write_text("".join(f"[[office]]{town}" for town in towns), encoding="utf-8")
    return file


@contextmanager
def running(offices: int, pairs: list[set[int]]) -> Iterator[Parts]:
    """The parts, until the block is left, each pair on its cores: all else, and whoever uses them, on any of these."""
    more_files()
    with folder() as place, ExitStack() as closing, _on(set().union(*pairs)):  # what is started now inherits the cores
        postgres = Postgres()
        closing.callback(postgres.stop)
        yield Parts(pairs, offices, place, postgres, closing)


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def several() -> Iterator[Row]:
    """What two of each carry, against what one of each does in the same run, by turns.

    A core for each pair is what a second machine would add: database, broker and this program are on them, too. With
    two cores for either the processors are the limit: beside what a call takes of them is what they have.
    """
    first, second, *_ = [{core} for core in sorted(os.sched_getaffinity(0))]
    for offices in (FEW, MANY):
        with running(offices, [first]) as one, running(offices, [first, second]) as two:
            yield from _calls(one, two, f"{offices} offices, a core for each pair", {"": TIMES})
            if offices == FEW:
                yield from _phones(one, two, "a core for each pair", {"": TIMES})
    both = first | second
    with running(FEW, [both]) as one, running(FEW, [both, both]) as two:
        yield from _calls(one, two, f"{FEW} offices, two cores", {})
        yield from _phones(one, two, "two cores", {})


def _calls(one: Parts, two: Parts, where: str, times: dict[str, float]) -> Iterator[Row]:
    rates: dict[Parts, list[float]] = {one: [], two: []}
    taken = {parts: dict.fromkeys(parts.processor(), 0.0) for parts in rates}
    for _ in range(ROUNDS):
        for parts, measured in rates.items():
            with _on(parts.cores):
                for dispenser in parts.dispensers:
                    dispenser.give(CALLS // len(parts.dispensers) + CLERKS)
                before, begun = parts.processor(), time.perf_counter()
                _call_together(parts)
                seconds = time.perf_counter() - begun
            measured.append(CALLS / seconds)
            taken[parts] = {kind: taken[parts][kind] + now - before[kind] for kind, now in parts.processor().items()}
    called = {parts: statistics.median(measured) for parts, measured in rates.items()}
    wanted = {name: factor * called[one] for name, factor in times.items()}
    yield Row(f"calls by 2 web and 2 bridge, {where}", {"": called[two]}, "/s", wanted, {"1 and 1": called[one]})
    for parts, kinds in taken.items():
        each = {kind: 1000 * seconds / (ROUNDS * CALLS) for kind, seconds in kinds.items()}
        allowed = {"what the cores have": 1000 * len(parts.cores) / called[parts]}
        yield Row(f"processor for a call, {parts.many} of each", {"": sum(each.values()), **each}, "ms", {}, allowed)


def _call_together(parts: Parts) -> None:
    """So many calls by clerks at the desks of all offices, shared among the web processes."""
    turns, callers = count(), [Caller(parts.webs[n % parts.many].http, parts.token) for n in range(CLERKS)]

    def call_on(caller: Caller) -> None:
        while (turn := next(turns)) < CALLS:
            if caller.post(parts.desks[turn % len(parts.desks)])["label"] is None:
                raise RuntimeError("nobody was left to call")

    threads = [threading.Thread(target=call_on, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for caller in callers:
        caller.close()


def _phones(one: Parts, two: Parts, where: str, times: dict[str, float]) -> Iterator[Row]:
    """From a call to the last of the phones that are shared among the web processes."""
    taken: dict[Parts, list[float]] = {one: [], two: []}
    for parts in (one, two, one, two):
        with _on(parts.cores):
            taken[parts] += _told(parts)
    told = {parts: statistics.median(seconds) * 1000 for parts, seconds in taken.items()}
    what = f"call to the last of {PHONES:,} phones at 2 web, {where}"
    wanted = {name: told[one] / factor for name, factor in times.items()}
    yield Row(what, {"": told[two]}, "ms", wanted, {"1 web": told[one]})


def _told(parts: Parts) -> list[float]:
    caller = Caller(parts.webs[0].http, parts.token)
    while caller.post(parts.desks[0])["label"]:
        pass  # whoever was left
    tokens = parts.dispensers[0].give(TICKETS)
    streams = Streams(parts.webs[0].http)
    streams.open((f"/t/{tokens[n % TICKETS]}/events" for n in range(PHONES)), [web.http for web in parts.webs])
    seconds = []
    for ring in range(RINGS):
        behind = [n for n in range(PHONES) if n % TICKETS >= ring]
        begun = time.perf_counter()
        caller.post(parts.desks[0])
        seconds.append(streams.told(behind, b"event: ticket") - begun)
        streams.rest(0.3)
    streams.close()
    caller.close()
    return seconds
