"""The forecast: how long it takes, and how far off it is beside what others tell."""

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil

from hub.forecast.draws import Today, draw
from hub.forecast.laws import Laws, before_history
from hub.forecast.learn import DAYS
from hub.forecast.quantiles import REPLICATIONS, forecast
from hub.forecast.scene import Coming, look
from hub.forecast.score import Told, Walk, score, thirds
from hub.forecast.synthetic import CLEAN, FIRST_DAY, MESSY, Lived, World, live
from hub.forecaster.past import taught
from hub.forecaster.scoring import OURS, SIMPLE, TRUE, lived
from hub.line.events import DayOpened, TicketDone, pack
from hub.line.plan import HOUR, MINUTE, DeskPlan
from hub.store import Store, schema
from hub.store.upgrade import upgrade
from tests.bench.table import Row, spread
from tests.line.office import EVERY, PLAN, Office

DESKS, WAITING, COMING = 6, 40, 10
QUIET_WAITING, QUIET_COMING, OFFICES = 3, 4, 1000
JUDGED = range(6000, 6020)  # seeds on which nothing was tuned; with fewer days the thirds of the day are luck
JUDGED_DAYS = 8


def refresh() -> Iterator[Row]:
    """A whole office with forty waiting and six desks, and the quiet minute of a thousand offices: on one core.

    Processor time, for the forecaster gives way to everybody else.
    """
    office, laws, coming = _office(WAITING, COMING)
    taken = _times(lambda: _told(office, laws, coming), 60)
    drawn = spread(_times(lambda: _drawn(office, laws, coming), 30))["p50"]
    beside = {"drawing the same chances alone p50": drawn}
    yield Row(f"forecast of {WAITING} waiting at {DESKS} desks", spread(taken), "ms", {"p50": 20}, beside)
    quiet, _, few = _office(QUIET_WAITING, QUIET_COMING)
    each = sum(_times(lambda: _told(quiet, laws, few), 100)) / 100
    whole = {f"a minute for {WAITING} waiting each": OFFICES * sum(taken) / len(taken)}
    yield Row(
        f"quiet minute of {OFFICES} offices, {QUIET_WAITING} waiting each", {"": OFFICES * each}, "s", {"": 30}, whole
    )


def _office(waiting: int, coming: int) -> tuple[Office, Laws, list[Coming]]:
    desks = tuple(DeskPlan(str(n), EVERY if n % 3 else EVERY[:3]) for n in range(1, DESKS + 1))
    office = Office(replace(PLAN, desks=desks))
    for number in range(DESKS):
        office.takes(f"A{number:03d}", EVERY[number % 5])
        office.calls(str(number + 1))
    for number in range(waiting):
        office.later(40 / waiting)
        office.takes(f"P{number:03d}", EVERY[number % 5], priority=number % 17 == 0)
    some = [Coming((EVERY[n % 5],), office.now + 6 * n * MINUTE) for n in range(coming)]
    return office, replace(before_history(office.plan), priority=0.5), some


def _day(office: Office) -> Today:
    return Today(60.0, 4 * HOUR, opened=frozenset(office.state.desks))


def _told(office: Office, laws: Laws, coming: list[Coming]) -> None:
    forecast(office.state, laws, _day(office), coming, office.now, np.random.default_rng(1))


def _drawn(office: Office, laws: Laws, coming: list[Coming]) -> None:
    scene = look(office.state, coming, office.now)
    draw(scene, laws, _day(office), np.random.default_rng(1), REPLICATIONS)


def _times(act: Callable[[], None], times: int) -> list[float]:
    act()
    taken = []
    for _ in range(times):
        begun = time.process_time()
        act()
        taken.append(time.process_time() - begun)
    return taken


def errors() -> Iterator[Row]:
    """On synthetic offices with seeds of their own: the error beside other estimators', coverage, and who was late."""
    for name, world in (("clean", CLEAN), ("messy", MESSY)):
        told, walks = _judged(world)
        error = {each: score(each, told).error for each in (OURS, TRUE, *SIMPLE)}
        most = min(1.05 * error[TRUE], 0.8 * error["people x mean / desks"], 0.6 * error["rolling mean of 5"])
        beside = {each: error[each] for each in (TRUE, *SIMPLE)}
        yield Row(f"error of the forecast, {name} days", {"": error[OURS]}, "min", {"": most}, beside)
        ours, true = score(OURS, told), score(TRUE, told)
        outside = {"outside": 100 * (1 - (ours.covered or 0)), "before p10": 100 * (ours.before_p10 or 0)}
        limit = {"the same with the true laws": 100 * (1 - (true.covered or 0))}
        yield Row(f"waits outside p10 to p90, {name} days", outside, "%", {"outside": 23, "before p10": 12}, limit)
        off = {
            each: max(abs(100 * (score(each, some).covered or 0) - 80) for some in thirds(told))
            for each in (OURS, TRUE)
        }
        yield Row(
            f"the third of {name} days furthest from 80 % inside", {"": off[OURS]}, "%", {"": 3}, {TRUE: off[TRUE]}
        )
        late = 100 * sum(walk.late for walk in walks) / max(1, len(walks))
        yield Row(f"called before they were back, {name} days", {"": late}, "%", {"": 5}, {"p5 promises": 5})


def _judged(world: World) -> tuple[list[Told], list[Walk]]:
    days = [day for seed in JUDGED for day in lived(world, seed, JUDGED_DAYS)]
    return [each for told, _ in days for each in told], [walk for _, walks in days for walk in walks]


# --- nightly learning -----------------------------------------------------------------------

YEARS, WORKING_DAYS = 5, 250
RUSH = replace(MESSY, an_hour=110.0, booked=60, medians=(2.0, 1.5, 2.5, 1.0))  # 400 visits a day at the same desks
DIFFERENT = 8  # days lived through; the log repeats them


def learning() -> Iterator[Row]:
    """What the forecaster does at night: the laws of one office anew, from a log of five years of two offices."""
    with TemporaryDirectory(prefix="torn-bench-") as folder:
        store = Store(f"sqlite:///{folder}/torn.db")
        upgrade(store)
        days = [live(RUSH, 4000, number) for number in range(DIFFERENT)]
        short, long = replace(RUSH.plan, office="new"), replace(RUSH.plan, office="old")
        _write(store, short.office, days, DAYS + 1)
        visits = sum(_write(store, office, days, YEARS * WORKING_DAYS) for office in ("beside", long.office))
        seconds, weighs = _apart(lambda: taught(store, long, None, "2031-01-01"))
        alone, _ = _apart(lambda: taught(store, short, None, "2031-01-01"))
        store.dispose()
        on_disk = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20
    what = f"nightly learning of an office, {visits:,} visits in the log"
    yield Row(what, {"": seconds}, "s", {"": 60}, {f"the same from a log of {DAYS} days": alone})
    yield Row("memory that it takes", {"": weighs}, "MiB", {"": 200}, {"the log on the disk": on_disk})


def _write(store: Store, office: str, days: Sequence[Lived], many: int) -> int:
    """Puts so many days into an office's log, the lived ones again and again; how many visits they are."""
    rows, seq, visits = [], 0, 0
    for number in range(many):
        lived = days[number % len(days)]
        day = FIRST_DAY + timedelta(days=number)
        shift = (day - date.fromisoformat(lived.day)).days * 24 * HOUR
        for event in lived.events:
            seq, at = seq + 1, event.at + shift
            own = {"day": day.isoformat()} if isinstance(event, DayOpened) else {}
            text = pack(replace(event, at=at, **own))
            rows.append({"stream": office, "seq": seq, "at": at, "kind": event.kind, "event": text})
            visits += isinstance(event, TicketDone)
        if len(rows) > 50_000 or number == many - 1:
            with store.begin(write=True) as connection:
                connection.execute(schema.log.insert(), rows)
            rows = []
    return visits


def _apart(act: Callable[[], object]) -> tuple[float, float]:
    """Seconds of processor and MiB at the most that something takes, in a process of its own."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)

    def measured() -> None:
        before, begun = psutil.Process().memory_info().rss, time.process_time()
        act()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        there.send((time.process_time() - begun, max(0, peak - before) / 2**20))

    process = context.Process(target=measured)
    process.start()
    found = here.recv()
    process.join()
    return found
