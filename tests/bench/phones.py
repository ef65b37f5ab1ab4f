"""Ten thousand phones on one web process."""

import statistics
import time
from collections.abc import Iterator

import psutil

from tests.bench import limits
from tests.bench.machines import Dispenser
from tests.bench.office import DISPENSER, OFFICE, Caller, more_files, working
from tests.bench.streams import TOGETHER, Streams
from tests.bench.table import Row
from tests.parts import Process, free_port

PHONES, TICKETS, CALLS = 10_000, 500, 5


def phones() -> Iterator[Row]:
    """10,000 phones on one web process, twenty for each of 500 who wait, all told at each call."""
    more_files()
    bare_time, bare_room = _bare_phones()
    with working() as office:
        tokens = Dispenser(office.machines, DISPENSER, office.line["day"]).give(TICKETS)
        caller = Caller(office.hub.http, office.hub.token("clerk"))
        back, more = (_come(office.hub.http, some) for some in (tokens[:TOGETHER], tokens[TOGETHER:]))
        streams, room = _opened(office.hub.http, office.web, [f"/t/{token}/events" for token in tokens])
        taken = []
        for call in range(CALLS):
            begun = time.perf_counter()
            caller.post(f"/api/v1/offices/{OFFICE}/desks/1/next")
            taken.append(streams.told(_behind(call), b"event: ticket") - begun)
        streams.close()
    time_row = {"": statistics.median(taken) * 1000}
    yield Row("call to the last of 10,000 phones", time_row, "ms", {"": 400}, {"bare Flask and gevent": bare_time})
    yield Row(
        f"{TOGETHER} phones that come at once to a process new to the day", {"": back}, "ms", {}, {"as many more": more}
    )
    yield Row("memory for each of 10,000 phones", {"": room}, "KiB", {"": 25}, {"bare Flask and gevent": bare_room})


def _behind(call: int) -> list[int]:
    """The phones of those who are called, or still wait, at this call (from 0): each has something new to hear."""
    return [number for number in range(PHONES) if number % TICKETS >= call]


def _come(port: int, tokens: list[str]) -> float:
    """Milliseconds until each of these phones, all at once, has had its first event."""
    streams, begun = Streams(port), time.perf_counter()
    streams.open(f"/t/{token}/events" for token in tokens)
    taken = time.perf_counter() - begun
    streams.close()
    return taken * 1000


def _bare_phones() -> tuple[float, float]:
    port = free_port()
    server = Process("-c", limits.BARE_STREAMS, port).start("ready")
    try:
        streams, room = _opened(port, psutil.Process(server.pid), ["/events"])
        caller, taken = Caller(port), []
        for _ in range(CALLS):
            begun = time.perf_counter()
            caller.post("/ring")
            taken.append(streams.told(range(PHONES), b"event: ticket") - begun)
        caller.close()
        streams.close()
    finally:
        server.kill()
    return statistics.median(taken) * 1000, room


def _opened(port: int, server: psutil.Process, paths: list[str]) -> tuple[Streams, float]:
    """As many streams as PHONES, the paths in turn, and what each takes of the server's memory, in KiB."""
    streams = Streams(port)
    before = server.memory_info().rss
    streams.open(paths[number % len(paths)] for number in range(PHONES))
    return streams, (server.memory_info().rss - before) / PHONES / 1024
