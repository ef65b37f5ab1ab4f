"""The forecaster follows the log and publishes; bridge and web take the waits from it."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from firmware import wire
from hub.clock import now
from hub.forecast.laws import THIRDS, UNSURE, Effect
from hub.forecast.quantiles import level_of
from hub.forecast.synthetic import MESSY, live
from hub.forecaster.expected import fresh, read_expected
from hub.forecaster.forecaster import Forecaster
from hub.forecaster.past import taught
from hub.line import commands as c
from hub.line.decide import decide
from hub.line.events import Event, pack
from hub.line.plan import HOUR
from hub.line.views import UNEXPECTED
from hub.link import Broker, Link
from hub.store import Store, forecasts, schema
from hub.store.store import rebuild_visits
from tests.parts import Hub, Mosquitto, wait_until
from tests.web.listening import Clerk

from .conftest import Running

OFFICE = "mont-roig"
Start = Callable[[], Running]


class Ear:
    """Hears what the forecaster says of one office."""

    def __init__(self, port: int) -> None:
        self.said: list[dict[str, Any]] = []
        self.came = threading.Event()
        self.link = Link(Broker("127.0.0.1", port), "ear")
        self.link.on(wire.forecast_topic(OFFICE), self._came)
        self.link.start()

    def _came(self, topic: str, payload: bytes, retained: bool) -> None:
        self.said.append(wire.decode("forecast", payload))

    def until(self, seq: int) -> dict[str, Any]:
        """The first forecast that knows of this number of the log."""
        return wait_until(lambda: next((s for s in self.said if s["seq"] >= seq), None), what=f"a forecast of {seq}")


@pytest.fixture
def ear(mosquitto: Mosquitto) -> Iterator[Ear]:
    ear = Ear(mosquitto.port)
    wait_until(lambda: ear.link.connected)
    yield ear
    ear.link.stop()


def does(store: Store, command: c.Command) -> None:
    store.transact(lambda work: work.do(OFFICE, command, now()))


def takes(store: Store, number: int, **more: Any) -> str:
    id = f"00000000-0000-4000-8000-{number:012d}"
    does(store, c.Issue("reception", id, f"token-{number:022d}", f"P{number:03d}", ("padro",), **more))
    return id


def forecast_of(store: Store, ticket: str) -> dict[str, Any] | None:
    with store.begin() as connection:
        query = sa.select(schema.visits.c.forecast).where(schema.visits.c.ticket == ticket)
        text = connection.execute(query).scalar()
    return json.loads(text) if text else None


def test_each_event_is_followed_by_a_forecast_of_each_who_waits(store: Store, start: Start, ear: Ear) -> None:
    does(store, c.Open("anna", "1"))
    start()
    ids = [takes(store, number) for number in range(1, 4)]
    ear.link.publish(wire.appended_topic(OFFICE), wire.encode("appended", {"seq": store.state(OFFICE).seq}))

    said = ear.until(store.state(OFFICE).seq)

    waits = [said["tickets"][id] for id in ids]
    assert [wait["p50"] for wait in waits] == sorted(wait["p50"] for wait in waits)
    assert said["services"]["padro"]["p50"] >= waits[-1]["p50"]


def test_what_somebody_was_told_is_kept_beside_their_visit(store: Store, start: Start, ear: Ear) -> None:
    for desk in "123":
        does(store, c.Open("anna", desk))
    start()
    ear.until(0)
    id = takes(store, 1)
    ear.link.publish(wire.appended_topic(OFFICE), wire.encode("appended", {"seq": store.state(OFFICE).seq}))

    told = wait_until(lambda: forecast_of(store, id))

    said = next(each for each in ear.said if each["at"] == told["at"])
    others = told.pop("others")
    assert told == {"at": said["at"], **said["services"]["padro"]}
    assert others["people x mean / desks"] == 0
    assert id not in said["tickets"]


def test_of_two_forecasters_one_works_and_the_other_takes_over(store: Store, start: Start, ear: Ear) -> None:
    one, other = start(), start()
    working = wait_until(lambda: next((r for r in (one, other) if r.forecaster.term is not None), None))
    idle = other if working is one else one

    ear.until(0)
    before = now()
    working.stop()

    wait_until(lambda: idle.forecaster.term is not None)
    wait_until(lambda: wire.instant(ear.said[-1]["at"]) > before and len(ear.said) > 1)


def test_a_forecast_that_is_late_or_of_another_clock_is_none() -> None:
    said = read_expected(
        wire.encode("forecast", {"seq": 1, "at": "2026-11-24T10:00:00.000Z", "services": {}, "tickets": {}})
    )

    assert fresh(said, said.at + 89_000) is said
    assert fresh(said, said.at + 91_000) is UNEXPECTED
    assert fresh(said, said.at - 3_600_000) is UNEXPECTED
    assert read_expected(b"") is UNEXPECTED


def test_the_log_teaches_at_the_start_and_versions_are_kept(store: Store, start: Start) -> None:
    _yesterday(store)
    start()

    body = wait_until(lambda: _laws(store))

    assert body["visits"] > 40
    assert body["until"] == (date.fromisoformat(store.state(OFFICE).day) - timedelta(days=1)).isoformat()


def test_forecasts_go_on_while_the_log_teaches(
    store: Store, start: Start, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    _yesterday(store)
    learning, goes_on = threading.Event(), threading.Event()

    def slow(*words: Any) -> Any:
        learning.set()
        assert goes_on.wait(20)
        return taught(*words)

    monkeypatch.setattr("hub.forecaster.forecaster.taught", slow)
    running = start()
    assert learning.wait(20)
    takes(store, 1)
    ear.link.publish(wire.appended_topic(OFFICE), wire.encode("appended", {"seq": store.state(OFFICE).seq}))

    ear.until(store.state(OFFICE).seq)

    assert running.forecaster.term is not None
    assert _laws(store) is None
    goes_on.set()
    wait_until(lambda: _laws(store))


def test_levels_follow_what_was_told_and_laws_do_not(store: Store, fleet: Any) -> None:
    day = _yesterday(store)
    plan = replace(MESSY.plan, office=OFFICE)
    without = taught(store, plan, None, day)
    with store.begin(write=True) as connection:
        said = json.dumps({"at": "x", "p5": 1, "p10": 1, "p50": 1, "p90": 1})
        connection.execute(schema.visits.update().where(schema.visits.c.day == day).values(forecast=said))

    with_told = taught(store, plan, None, day)

    assert max(level_of(with_told, 0.9, third) for third in range(THIRDS)) > 0.9
    assert replace(with_told, levels={}) == without


def _yesterday(store: Store) -> str:
    """Puts a synthetic day into the log, before the day that has begun; its date."""
    begun = store.state(OFFICE)
    lived = live(MESSY, 3, 25)
    shift = (date.fromisoformat(begun.day) - date.fromisoformat(lived.day)).days - 1
    day = (date.fromisoformat(begun.day) - timedelta(days=1)).isoformat()
    with store.begin(write=True) as connection:
        own = schema.log.c.stream == OFFICE
        later = connection.execute(sa.select(schema.log).where(own).order_by(schema.log.c.seq)).mappings().all()
        connection.execute(schema.log.delete().where(own))
        events = [_shifted(event, shift, day) for event in lived.events]
        rows = [
            {"stream": OFFICE, "seq": n, "at": e.at, "kind": e.kind, "event": pack(e)} for n, e in enumerate(events, 1)
        ]
        rows += [{**row, "seq": len(events) + n} for n, row in enumerate(later, 1)]
        connection.execute(schema.log.insert(), rows)
    store._states.clear()
    rebuild_visits(store)
    return day


def _shifted(event: Event, days: int, day: str) -> Event:
    moved = replace(event, at=event.at + days * 86_400_000)
    return replace(moved, day=day) if hasattr(event, "day") else moved


def _laws(store: Store) -> dict[str, Any] | None:
    with store.begin() as connection:
        return forecasts.newest_laws(connection, OFFICE)


def test_a_desk_that_somebody_left_without_a_press_is_one_line_in_the_log(
    store: Store, fleet: Any, mosquitto: Mosquitto
) -> None:
    takes(store, 1)
    does(store, c.Next("anna", "1"))

    lines = odd_lines(store, fleet, mosquitto, hours=(0, 9, 10, 11))

    assert [(line["event"][:18], line["desk"]) for line in lines] == [("a desk has stood l", "1")]


def odd_lines(store: Store, fleet: Any, mosquitto: Mosquitto, hours: Sequence[int] = (0, 1, 1, 2)) -> list[Any]:
    """What the log says of the office in the course of some hours, but for what it says of each new one."""
    forecaster = Forecaster(store, fleet, Broker("127.0.0.1", mosquitto.port))
    office = forecaster.offices[OFFICE]
    assert office.begin()
    with capture_logs() as lines:
        for passed in hours:
            office.read()
            forecaster._mark_odd(office, now() + passed * HOUR)
    return [line for line in lines if not line["event"].startswith(NEW)]


NEW = "services without a past"


def test_a_visit_of_nine_hours_is_one_line_in_the_log(store: Store, fleet: Any, mosquitto: Mosquitto) -> None:
    at = now()
    for command, when in ((c.Next("anna", "1"), at - 9 * HOUR), (c.Done("anna", "1"), at)):
        if isinstance(command, c.Next):
            issue = c.Issue("reception", "00000000-0000-4000-8000-000000000001", "x" * 22, "P001", ("padro",))
            store.transact(lambda work, when=when, issue=issue: work.do(OFFICE, issue, when))
        store.transact(lambda work, command=command, when=when: work.do(OFFICE, command, when))

    lines = odd_lines(store, fleet, mosquitto)

    told = [(line["event"][:24], line["desk"], line["service"], line["hours"]) for line in lines]
    assert told == [("a visit was longer than ", "1", "padro", "9.0")]


def test_services_without_a_past_are_one_line_in_the_log(store: Store, fleet: Any, mosquitto: Mosquitto) -> None:
    forecaster = Forecaster(store, fleet, Broker("127.0.0.1", mosquitto.port))
    office = forecaster.offices[OFFICE]
    assert office.begin()
    learned = Effect(2.0, 0.05)

    with capture_logs() as lines:
        for _ in range(3):
            forecaster._mark_odd(office, now())
        office.laws = replace(office.laws, services={**dict.fromkeys(office.laws.services, learned), "new": learned})
        forecaster._mark_odd(office, now())
        office.laws = replace(office.laws, services={**office.laws.services, "idcat": Effect(2.0, UNSURE)})
        forecaster._mark_odd(office, now())

    told = [(line["event"][: len(NEW)], line["services"]) for line in lines]
    assert told == [(NEW, "idcat,informacio,padro,registre,tributs"), (NEW, "idcat")]


def test_thousands_who_wait_are_one_line_in_the_log(store: Store, fleet: Any, mosquitto: Mosquitto) -> None:
    with store.begin(write=True) as connection:
        seq, at = store.state(OFFICE).seq, now()
        some = (c.Issue("reception", f"t{n}", f"{n:022d}", f"P{n}", ("padro",)) for n in range(2001))
        events = [decide(store.state(OFFICE), issue, at)[0] for issue in some]
        rows = [
            {"stream": OFFICE, "seq": seq + n, "at": at, "kind": event.kind, "event": pack(event)}
            for n, event in enumerate(events, 1)
        ]
        connection.execute(schema.log.insert(), rows)

    lines = odd_lines(store, fleet, mosquitto)

    assert [line["event"][:29] for line in lines] == ["more people wait than are tol"]


def test_a_clock_that_jumps_is_one_line_in_the_log_and_all_is_forecast_anew(
    store: Store, fleet: Any, mosquitto: Mosquitto
) -> None:
    forecaster = Forecaster(store, fleet, Broker("127.0.0.1", mosquitto.port))
    forecaster.offices[OFFICE].forecast_at = 100.0
    at = now()

    with capture_logs() as lines:
        for seconds, ahead in enumerate((0, 0, 400, HOUR, HOUR, HOUR + 400, 0, 0)):  # ms; NTP moves it a little
            forecaster._look_at_the_clock(at + seconds * 1000 + ahead, float(seconds))

    assert [line["minutes"] for line in lines] == [60.0, -60.0]
    assert forecaster.offices[OFFICE].forecast_at == float("-inf")


FILTERED = """
import ctypes, platform, struct, sys
setpriority = {"x86_64": 141, "aarch64": 140}[platform.machine()]
code = [(0x20, 0, 0, 0), (0x15, 0, 1, setpriority), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]  # EPERM
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in code))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, struct.pack("HxxxxxxP", len(code), ctypes.addressof(program))) == 0  # PR_SET_SECCOMP
import os
try:
    os.nice(1)
except PermissionError:
    from hub.systemd import give_way
    give_way(10)
    print("goes on")
"""


def test_where_systemd_forbids_to_give_way_the_forecast_goes_on() -> None:
    """As `SystemCallFilter=~@resources` does: a filter of the kernel's own (seccomp(2))."""
    done = subprocess.run([sys.executable, "-c", FILTERED], capture_output=True, text=True, timeout=30, check=False)

    assert done.stdout == "goes on\n", done.stderr


def test_line_phone_and_reception_tell_the_wait_while_the_hub_is_up(tmp_path: Path, mosquitto: Mosquitto) -> None:
    hub = Hub(tmp_path / "hub", broker=mosquitto.address).start()
    clerk = Clerk(hub)
    for desk in "12":
        clerk.desk("open", desk)

    def said(path: str) -> dict[str, Any]:
        return clerk.session.get(hub.url(path), timeout=10).json()

    wait_until(lambda: said(f"/api/v1/offices/{OFFICE}/line")["services"]["padro"]["wait"])

    given = [clerk.give() for _ in range(4)]

    assert given[0]["wait"] is not None
    ticket = wait_until(lambda: (t := said(f"/api/v1/tickets/{given[-1]['token']}"))["wait"] and t)
    assert ticket["back_by"] is not None
    assert hub.stop() == 0
