"""A press on a desk's button is a question: answered once, never queued, obeyed only if what it saw is still so."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from firmware import wire
from hub.bridge.bridge import adopt
from hub.bridge.intake import FRESH, take_press
from hub.clock import now
from hub.line import commands as c
from hub.line.events import TicketCalled
from hub.offices import Fleet
from hub.store import Store
from tests.bridge.conftest import Running
from tests.bridge.witness import LINE, OFFICE, Message, Witness, issued

DESK = "montroig-desk-1"
WHYS = ("unknown", "too_late", "out_of_date", "desk_closed", "not_now", "nobody_waiting")


def ask(store: Store, fleet: Fleet, moment: int, device: str = DESK, **more: object) -> Message:
    """A press that is right in everything that is not named, handed to the intake."""
    version = store.state(OFFICE).desks["1"].version
    press = {"id": "p-1", "press": "next", "version": version, "now": wire.stamp(moment)} | more
    known = fleet.devices.get(device)
    return store.transact(lambda work: take_press(work, known, device, press, moment))


def take_ticket(store: Store, label: str, now: int) -> None:
    """Somebody waits."""
    command = c.Issue("test", f"ticket-{label}", f"token-{label}", label, ("padro",))
    store.transact(lambda work: work.do(OFFICE, command, now))


def do(store: Store, command: c.Command, now: int) -> None:
    """Somebody does something at the office."""
    store.transact(lambda work: work.do(OFFICE, command, now))


def test_next_on_a_closed_desk_opens_it_and_calls(hall: Witness) -> None:
    hall.tell(issued(1))
    hall.stored("j1", 1)

    answer = hall.press("next")

    assert answer == {"ok": True, "label": "P001"}
    assert hall.settled("1", "P001")["state"] == "calling"


def test_a_call_is_announced_once_and_a_recall_says_that_it_is_one(hall: Witness) -> None:
    hall.tell(issued(1))
    hall.stored("j1", 1)
    hall.press("next")
    hall.settled("1", "P001")

    hall.press("recall")

    calls = hall.wait(lambda: len(found := hall.of(wire.call_topic(OFFICE))) == 2 and found)
    assert [(call["label"], call["desk"], call["recall"]) for call in calls] == [
        ("P001", "1", False),
        ("P001", "1", True),
    ]
    assert calls[0]["seq"] < calls[1]["seq"]


def test_next_finishes_whoever_is_there_even_when_nobody_waits(hall: Witness) -> None:
    hall.tell(issued(1))
    hall.stored("j1", 1)
    hall.press("next")
    hall.settled("1", "P001")

    answer = hall.press("next")

    desk = hall.settled("1", None)
    again = hall.press("next")

    assert answer == again == {"ok": False, "why": "nobody_waiting"}
    assert desk["state"] == "free"


def test_done_frees_the_desk_and_absent_calls_nobody_else(hall: Witness) -> None:
    hall.tell(issued(1), issued(2))
    hall.stored("j1", 2)
    hall.press("next")
    hall.settled("1", "P001")

    absent = hall.press("absent")
    hall.settled("1", None)
    hall.press("next")
    hall.settled("1", "P002")
    done = hall.press("done")

    assert (absent["label"], done["label"]) == ("P001", "P002")  # who was there
    assert hall.settled("1", None)["state"] == "free"


def test_a_press_said_twice_has_one_effect_and_one_answer(hall: Witness) -> None:
    hall.tell(issued(1), issued(2))
    hall.stored("j1", 2)
    version = hall.newest(wire.desk_topic(OFFICE, "1"))["version"]

    id = hall.ask(id="again", version=version)
    hall.ask(id="again", version=version)
    hall.press("recall", version=hall.settled("1", "P001")["version"])

    assert hall.answers(id) == [{"id": id, "ok": True, "label": "P001"}] * 2
    assert hall.newest(LINE)["waiting"] == 1


def test_a_repeated_press_gets_its_answer_after_a_restart_too(start: Callable[[], Running], witness: Witness) -> None:
    first = start()
    witness.tell(issued(1), issued(2))
    witness.stored("j1", 2)
    version = witness.newest(wire.desk_topic(OFFICE, "1"))["version"]
    before = witness.press(id="again", version=version)
    first.stop()

    start()
    after = witness.press(id="again", version=version)

    assert before == after == {"ok": True, "label": "P001"}
    assert witness.newest(LINE)["waiting"] == 1


@pytest.mark.parametrize("late", [FRESH + 1, -FRESH - 1, 24 * 3_600_000])
def test_a_press_of_another_time_is_too_late(store: Store, fleet: Fleet, noon: int, late: int) -> None:
    take_ticket(store, "P001", noon)

    answer = ask(store, fleet, noon, now=wire.stamp(noon - late))

    assert answer == {"id": "p-1", "ok": False, "why": "too_late"}
    assert store.state(OFFICE).desks["1"].ticket is None


def test_a_press_of_five_seconds_ago_is_obeyed(store: Store, fleet: Fleet, noon: int) -> None:
    take_ticket(store, "P001", noon)

    answer = ask(store, fleet, noon, now=wire.stamp(noon - FRESH))

    assert answer == {"id": "p-1", "ok": True, "label": "P001"}


def test_a_press_that_came_too_early_stays_refused_when_its_time_has_come(
    store: Store, fleet: Fleet, noon: int
) -> None:
    take_ticket(store, "P001", noon)
    pressed = wire.stamp(noon + FRESH + 1000)

    first = ask(store, fleet, noon, now=pressed)
    again = ask(store, fleet, noon + 2000, now=pressed)

    assert first == again == {"id": "p-1", "ok": False, "why": "too_late"}


@pytest.mark.parametrize(
    ("device", "more", "why"),
    [
        ("stranger", {"now": wire.stamp(0), "version": 99}, "unknown"),
        ("montroig-dispenser-1", {"now": wire.stamp(0), "version": 99}, "unknown"),
        ("montroig-board-1", {}, "unknown"),
        (DESK, {"now": wire.stamp(0), "version": 99, "press": "recall"}, "too_late"),
        (DESK, {"version": 99, "press": "recall"}, "out_of_date"),
        (DESK, {"press": "recall"}, "desk_closed"),
        (DESK, {"press": "absent"}, "desk_closed"),
        (DESK, {"press": "done"}, "desk_closed"),
        (DESK, {"press": "next"}, "nobody_waiting"),
    ],
)
def test_the_first_reason_that_holds_is_given(
    store: Store, fleet: Fleet, noon: int, device: str, more: Message, why: str
) -> None:
    answer = ask(store, fleet, noon, device, **more)

    assert answer == {"id": "p-1", "ok": False, "why": why}


@pytest.mark.parametrize("press", ["recall", "absent", "done"])
def test_an_open_desk_with_nobody_there_has_nothing_to_finish(
    store: Store, fleet: Fleet, noon: int, press: str
) -> None:
    do(store, c.Open("anna", "1"), noon)

    answer = ask(store, fleet, noon, press=press)

    assert answer["why"] == "not_now"


@pytest.mark.parametrize("press", ["next", "recall", "absent"])
def test_while_the_office_stands_still_nothing_is_called(store: Store, fleet: Fleet, noon: int, press: str) -> None:
    take_ticket(store, "P001", noon)
    take_ticket(store, "P002", noon)
    do(store, c.Next("anna", "1"), noon)
    do(store, c.PauseOffice("anna", "Simulacre d'incendi"), noon)

    answer = ask(store, fleet, noon, press=press)

    assert answer["why"] == "not_now"
    assert store.state(OFFICE).desks["1"].ticket == "ticket-P001"


def test_a_desk_that_another_hub_has_taken_out_of_the_office_is_unknown(store: Store, fleet: Fleet, noon: int) -> None:
    plan = fleet.plans[OFFICE]
    do(store, c.Adopt("hub", replace(plan, desks=plan.desks[1:])), noon)
    press = {"id": "p-1", "press": "next", "version": 0, "now": wire.stamp(noon)}

    answer = store.transact(lambda work: take_press(work, fleet.devices[DESK], DESK, press, noon))

    assert answer["why"] == "unknown"


def test_two_bridges_that_take_one_press_give_one_answer(store: Store, fleet: Fleet, noon: int) -> None:
    other = Store(str(store.engine.url))
    take_ticket(store, "P001", noon)
    version = store.state(OFFICE).desks["1"].version

    first = ask(store, fleet, noon, version=version)
    second = ask(other, fleet, noon, version=version)
    other.dispose()

    assert first == second == {"id": "p-1", "ok": True, "label": "P001"}
    assert sum(isinstance(event, TicketCalled) for event in store.events(OFFICE, 0)) == 1


def test_a_press_kept_by_the_broker_is_not_obeyed(
    store: Store, fleet: Fleet, start: Callable[[], Running], witness: Witness
) -> None:
    adopt(store, fleet, OFFICE)
    take_ticket(store, "P001", now())
    version = store.state(OFFICE).desks["1"].version
    press = {"id": "kept", "press": "next", "version": version, "now": wire.stamp(now())}
    witness.say(wire.device_topic(DESK, "press"), press, retain=True)

    start()
    witness.press("recall", version=version)

    assert witness.answers("kept") == []
    assert witness.newest(LINE)["waiting"] == 1


def test_a_stranger_is_told_that_nobody_knows_it(hall: Witness) -> None:
    hall.until(wire.HUB_TOPIC, lambda beat: beat["state"] == "ready")

    answer = hall.press(device="montroig-desk-99", version=0)

    assert answer == {"ok": False, "why": "unknown"}
