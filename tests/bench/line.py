"""What desks, dispensers and programs wait for: presses, facts and calls."""

import time
from collections.abc import Iterator

from firmware import wire
from tests.bench import limits
from tests.bench.machines import Desk, Dispenser
from tests.bench.office import (
    DESK,
    DISPENSER,
    OFFICE,
    OTHER_OFFICE,
    TEN_DISPENSERS,
    Caller,
    Office,
    asking,
    working,
)
from tests.bench.streams import Streams
from tests.bench.table import Row, spread

WARM_UP = 20
WAITING = 40
PRESSES = 300
AT_REST = 0.06  # seconds without news: as in life, a press does not come on the heels of another

# --- a press at a desk ------------------------------------------------------------------------


def press() -> Iterator[Row]:
    """From a press on a desk's button to its answer, and to the phone of whoever is called; all who wait follow."""
    with working() as office:
        raw = limits.round_trip(office.machines, AT_REST)
        commit = limits.durable_commit(office.folder, AT_REST)
        answers, phones = _presses(office)
        to_stream = _line_to_stream(office)
    trip, disk = "QoS 1 round trip p50", "durable commit p50"
    yield Row("desk press to answer", answers, "ms", {"p50": 4, "p99": 15}, {trip: raw, disk: commit})
    beside = {"broker to stream by the same web process p50": to_stream, trip: raw}
    yield Row("desk press to phone", phones, "ms", {"p50": 6, "p99": 25}, beside)


def _presses(office: Office) -> tuple[dict[str, float], dict[str, float]]:
    """Whoever is called is replaced by somebody new, so that as many wait and follow at each press."""
    dispenser = Dispenser(office.machines, DISPENSER, office.line["day"])
    desk = Desk(office.machines, OFFICE, "1", DESK)
    phones = Streams(office.hub.http)
    line = phones.open(f"/t/{token}/events" for token in dispenser.give(WAITING))
    answers, tolds = [], []
    for first in range(WARM_UP + PRESSES):
        begun = desk.press()
        told = phones.told([line[first]], b'"called"')
        answers.append(desk.answered() - begun)
        tolds.append(told - begun)
        line += phones.open(f"/t/{token}/events" for token in dispenser.give(1))
        phones.rest(AT_REST)
    phones.close()
    return spread(answers[WARM_UP:]), spread(tolds[WARM_UP:])


def _line_to_stream(office: Office, times: int = 200) -> float:
    """Milliseconds (median) from a line document's publishing to a stream that follows it."""
    streams = Streams(office.hub.http)
    followed = streams.open([f"/line/{OTHER_OFFICE}/events"])
    taken = []
    for seq in range(1_000_000, 1_000_000 + times):
        document = office.line | {"office": OTHER_OFFICE, "seq": seq}
        payload, begun = wire.encode("line", document), time.perf_counter()
        office.machines.say(wire.line_topic(OTHER_OFFICE), payload)
        taken.append(streams.told(followed, b"event: line") - begun)
    streams.close()
    return spread(taken)["p50"]


# --- tickets and calls a second -----------------------------------------------------------------


def facts() -> Iterator[Row]:
    """Tickets stored from facts, in the database before they are acknowledged."""
    with working() as office:
        commits = {"durable commits, one row each": 1000 / limits.durable_commit(office.folder)}
        one = [Dispenser(office.machines, DISPENSER, office.line["day"])]
        many = enumerate(TEN_DISPENSERS)
        ten = [Dispenser(office.machines, device, office.line["day"], 1 + n * 900) for n, device in many]
        alone, together = _stored_a_second(one, 500), _stored_a_second(ten, 100)
    yield Row("tickets stored, one dispenser (20 in flight)", {"": alone}, "/s", {"": 1000}, commits)
    yield Row("tickets stored, ten dispensers of one office", {"": together}, "/s", {"": 1000}, commits)


def _stored_a_second(dispensers: list[Dispenser], each: int) -> float:
    for dispenser in dispensers:
        dispenser.give(WARM_UP)
        dispenser.write(each)
    begun = time.perf_counter()
    for dispenser in dispensers:
        dispenser.send()
    for dispenser in dispensers:
        dispenser.wait()
    return each * len(dispensers) / (time.perf_counter() - begun)


DESKS = [f"{OFFICE}/desks/{n}" for n in (1, 2, 3)] + [f"{OTHER_OFFICE}/desks/{n}" for n in (1, 2, 3)]


def calls() -> Iterator[Row]:
    """Calls by the API from one, four and sixteen programs at once, at the desks of two offices."""
    with working() as office:
        token = office.hub.token("clerk")
        machines = (DISPENSER, TEN_DISPENSERS[0])
        dispensers = [Dispenser(office.machines, device, office.line["day"]) for device in machines]
        for clients in (1, 4, 16):
            called = CALLS / sum(_calling(office, token, clients, dispensers) for _ in range(ROUNDS))
            bare = 500 / asking(office, token, clients, 500, lambda caller, turn: caller.get("/healthz"))
            beside = {"/healthz of the same server": bare}
            yield Row(f"calls by API, {clients} at once", {"": called}, "/s", {"": 400}, beside)


CALLS, ROUNDS = 300, 3


def _calling(office: Office, token: str, clients: int, dispensers: list[Dispenser]) -> float:
    """Seconds for one round of calls, with lines as long as they are in life."""
    for dispenser in dispensers:
        dispenser.give(CALLS // ROUNDS // len(dispensers) + 10)
    return asking(office, token, clients, CALLS // ROUNDS, _called)


def _called(caller: Caller, turn: int) -> None:
    desk = DESKS[turn % len(DESKS)]
    if caller.post(f"/api/v1/offices/{desk}/next")["label"] is None:
        raise RuntimeError(f"nobody was left to call at {desk}")
