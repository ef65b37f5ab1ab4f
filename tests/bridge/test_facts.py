"""A dispenser's facts are stored once, in order, and acknowledged; nothing in them can stop those behind them."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import sqlalchemy as sa
import structlog

from firmware import wire
from hub.bridge.intake import take_facts
from hub.line import commands as c
from hub.line.plan import HOUR, MINUTE
from hub.offices import Fleet
from hub.store import Store, journals
from hub.store.schema import facts as table
from hub.store.schema import visits
from tests.bridge.conftest import NOON, Running
from tests.bridge.witness import DISPENSER, LINE, OFFICE, Message, Witness, issued, told

STORED = wire.device_topic(DISPENSER, "stored")
TUESDAY = {"at": wire.stamp(NOON), "day": "2026-11-24"}  # of the tests that bring their own clock


def paper(seq: int, label: str = "", **more: object) -> Message:
    """A ticket given out on that Tuesday."""
    return issued(seq, label, **TUESDAY | more)


def take(store: Store, fleet: Fleet, *facts: Message, now: int = NOON, device: str = DISPENSER) -> int:
    """Hands facts to the intake; the number up to which the journal is safe."""
    machine, journal = fleet.devices[device], facts[0]["journal"]
    return store.transact(lambda work: take_facts(work, machine, journal, list(facts), now))[1]


def refusals(store: Store) -> list[str | None]:
    """Why each fact was refused, in order."""
    with store.begin() as connection:
        return list(connection.execute(sa.select(table.c.refused).order_by(table.c.journal, table.c.seq)).scalars())


def labels(store: Store) -> list[str]:
    """The tickets of today."""
    return [ticket.label for ticket in store.state(OFFICE).tickets.values()]


def only_ticket(store: Store) -> str:
    """The id of the one ticket there is."""
    (id,) = store.state(OFFICE).tickets
    return id


# --- once, in order ---------------------------------------------------------------------------


def test_a_fact_is_stored_and_its_ticket_waits(hall: Witness) -> None:
    hall.tell(issued(1))

    hall.stored("j1", 1)
    assert hall.until(LINE, lambda m: m["waiting"] == 1)["services"]["padro"]["waiting"] == 1


def test_a_fact_that_is_stored_already_is_acknowledged_again_and_changes_nothing(hall: Witness) -> None:
    fact = issued(1)
    hall.tell(fact)
    hall.stored("j1", 1)

    hall.tell(fact)

    hall.wait(lambda: hall.of(STORED) == [{"journal": "j1", "seq": 1}] * 2)
    assert hall.newest(LINE)["waiting"] == 1


def test_after_a_gap_nothing_is_stored_and_stored_is_said_again(hall: Witness) -> None:
    hall.tell(issued(1))
    hall.stored("j1", 1)

    hall.tell(issued(3), issued(4))

    hall.wait(lambda: len(hall.of(STORED)) == 2)
    assert hall.of(STORED)[-1] == {"journal": "j1", "seq": 1}
    assert hall.newest(LINE)["waiting"] == 1


def test_stored_is_said_at_most_once_a_second_while_nothing_is_new(hall: Witness) -> None:
    hall.tell(issued(1))
    hall.stored("j1", 1)

    for _ in range(3):
        since = hall.here()
        hall.tell(*(issued(seq) for seq in range(5, 25)))
        hall.wait(lambda since=since: hall.of(STORED, since))

    times = [each.at for each in hall.heard if each.topic == STORED]
    assert len(times) == 4
    assert all(after - before > 0.95 for before, after in pairwise(times))


def test_a_gap_in_a_new_journal_is_answered_for_that_journal(hall: Witness) -> None:
    hall.tell(issued(1))
    hall.stored("j1", 1)

    hall.tell(issued(5, journal="j2"))

    hall.stored("j2", 0)


def test_twenty_facts_in_flight_are_all_stored_in_order(hall: Witness) -> None:
    hall.tell(*(issued(seq) for seq in range(1, 21)))

    hall.stored("j1", 20)
    assert hall.until(LINE, lambda m: m["waiting"] == 20)
    assert [hall.press()["label"], hall.settled("1", "P001")["label"]] == ["P001", "P001"]


def test_facts_in_a_batch_beyond_a_gap_wait_for_what_is_missing(store: Store, fleet: Fleet, noon: int) -> None:
    safe = take(store, fleet, paper(1), paper(2), paper(4), paper(2), paper(3))

    assert safe == 3
    assert labels(store) == ["P001", "P002", "P003"]


def test_two_journals_of_one_machine_are_counted_apart(store: Store, fleet: Fleet, noon: int) -> None:
    take(store, fleet, paper(1, "P001"), paper(2, "P002"))

    safe = take(store, fleet, paper(1, "P003", journal="j2"))

    assert safe == 1
    assert store.transact(lambda work: journals.stored(work, DISPENSER, "j1")) == 2


def test_after_a_restart_each_dispenser_hears_again_how_far_it_is_stored(
    start: Callable[[], Running], witness: Witness
) -> None:
    first = start()
    witness.tell(issued(1))
    witness.stored("j1", 1)
    first.stop()
    since = witness.here()

    start()

    witness.wait(lambda: witness.of(STORED, since) == [{"journal": "j1", "seq": 1}])


def test_a_fact_kept_by_the_broker_is_not_obeyed(start: Callable[[], Running], witness: Witness) -> None:
    witness.say(wire.device_topic(DISPENSER, "fact"), issued(1, "P007"), retain=True)

    start()
    witness.tell(issued(1, "P001"))
    witness.stored("j1", 1)

    assert witness.press()["label"] == "P001"


# --- what cannot be applied -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        (paper(1, service="gone"), "service gone"),
        (paper(1, day="2026-11-23"), "that day is closed"),
        (told(1, "ticket.rejoined", ticket=str(uuid.uuid4())), "no ticket"),
        (told(1, "ticket.voided", ticket=str(uuid.uuid4()), why="printer"), "no ticket"),
        (
            told(
                1, "appointment.checked_in", ticket=str(uuid.uuid4()), token="t" * 22, appointment="a-1", label="C001"
            ),
            "no appointment a-1",
        ),
    ],
)
def test_what_cannot_be_applied_is_stored_as_refused_with_its_reason(
    store: Store, fleet: Fleet, noon: int, fact: Message, reason: str
) -> None:
    safe = take(store, fleet, fact, paper(2))

    assert safe == 2
    refused, taken = refusals(store)
    assert reason in refused
    assert taken is None
    assert labels(store) == ["P002"]


def test_a_refused_fact_is_acknowledged_and_blocks_nobody_behind_it(hall: Witness) -> None:
    hall.tell(issued(1, service="gone"), issued(2))

    hall.stored("j1", 2)
    assert hall.until(LINE, lambda m: m["waiting"] == 1)


@pytest.mark.parametrize("same", ["ticket", "token"])
def test_a_ticket_or_token_that_is_in_the_line_already_is_refused(
    store: Store, fleet: Fleet, noon: int, same: str
) -> None:
    first = paper(1)

    take(store, fleet, first, paper(2) | {same: first[same]})

    assert labels(store) == ["P001"]
    assert "P002" in refusals(store)[1]


def test_a_label_given_twice_is_accepted_and_reported(store: Store, fleet: Fleet, noon: int) -> None:
    with structlog.testing.capture_logs() as lines:
        take(store, fleet, paper(1, "P007"), paper(2, "P007"))

    assert labels(store) == ["P007", "P007"]
    assert refusals(store) == [None, None]
    assert [(line["event"], line["label"], line["device"]) for line in lines] == [
        ("a label was given twice", "P007", DISPENSER)
    ]


def test_a_removed_service_is_refused_once_the_offices_file_has_lost_it(store: Store, fleet: Fleet, noon: int) -> None:
    plan = fleet.plans[OFFICE]
    store.transact(lambda work: work.do(OFFICE, c.Adopt("hub", replace(plan, services=plan.services[1:])), noon))

    take(store, fleet, paper(1))

    assert "padro" in refusals(store)[0]


# --- its clock --------------------------------------------------------------------------------


def test_a_moment_in_the_future_counts_as_the_receipt(store: Store, fleet: Fleet, noon: int) -> None:
    take(store, fleet, paper(1, at=wire.stamp(noon + HOUR)), paper(2, at="9999-12-31T23:59:59.999Z"))

    assert [ticket.issued for ticket in store.state(OFFICE).tickets.values()] == [noon, noon]


def test_a_moment_before_the_day_counts_as_the_receipt(store: Store, fleet: Fleet, noon: int) -> None:
    take(store, fleet, paper(1, at="1970-01-01T00:00:00.000Z"))

    assert store.state(OFFICE).tickets[only_ticket(store)].issued == noon


def test_a_ticket_that_comes_late_keeps_the_time_on_its_paper(store: Store, fleet: Fleet, noon: int) -> None:
    take(store, fleet, paper(1, "P002", at=wire.stamp(noon)), now=noon + 30 * MINUTE)
    take(store, fleet, paper(1, "P001", journal="j2", at=wire.stamp(noon - MINUTE)), now=noon + 31 * MINUTE)

    assert [ticket.issued for ticket in store.state(OFFICE).tickets.values()] == [noon, noon - MINUTE]


def test_a_day_in_the_future_is_accepted_as_today(store: Store, fleet: Fleet, noon: int) -> None:
    take(store, fleet, paper(1, day="2031-01-01"))

    assert labels(store) == ["P001"]
    assert store.state(OFFICE).day == "2026-11-24"


def test_a_ticket_of_yesterday_that_arrives_after_the_day_is_refused(store: Store, fleet: Fleet, noon: int) -> None:
    safe = take(store, fleet, paper(1), now=noon + 24 * HOUR)

    assert safe == 1
    assert "closed" in refusals(store)[0]


# --- voids, paper, others ---------------------------------------------------------------------


def test_a_void_before_the_call_takes_the_ticket_out(store: Store, fleet: Fleet, noon: int) -> None:
    fact = paper(1)

    take(store, fleet, fact, told(2, "ticket.voided", ticket=fact["ticket"], why="printer"))

    assert store.state(OFFICE).tickets[fact["ticket"]].stage == "voided"


def test_a_void_after_the_call_is_recorded_and_changes_nothing(store: Store, fleet: Fleet, noon: int) -> None:
    fact = paper(1)
    take(store, fleet, fact)
    store.transact(lambda work: work.do(OFFICE, c.Next("anna", "1"), noon))

    take(store, fleet, told(2, "ticket.voided", ticket=fact["ticket"], why="printer"))

    assert store.state(OFFICE).tickets[fact["ticket"]].stage == "called"
    assert [event.kind for event in store.events(OFFICE, 0)][-1] == "ticket.void_ignored"
    assert refusals(store) == [None, None]


def test_who_missed_the_call_rejoins_at_the_dispenser(store: Store, fleet: Fleet, noon: int) -> None:
    fact = paper(1)
    take(store, fleet, fact)
    for command in (c.Next("anna", "1"), c.MarkAbsent("anna", "1")):
        store.transact(lambda work, command=command: work.do(OFFICE, command, noon))

    take(store, fleet, told(2, "ticket.rejoined", ticket=fact["ticket"]), now=noon + MINUTE)

    assert store.state(OFFICE).tickets[fact["ticket"]].stage == "waiting"


def test_a_fact_goes_to_the_office_of_its_machine_and_to_no_other(store: Store, fleet: Fleet, noon: int) -> None:
    fact = paper(1)
    take(store, fleet, fact)

    void = told(1, "ticket.voided", ticket=fact["ticket"], why="printer")
    take(store, fleet, void, device="miamiplatja-dispenser-1")

    assert store.state(OFFICE).tickets[fact["ticket"]].stage == "waiting"
    assert "no ticket" in next(filter(None, refusals(store)))


def test_a_preferential_ticket_and_the_time_on_the_paper_are_kept(store: Store, fleet: Fleet, noon: int) -> None:
    take(store, fleet, paper(1, priority=True, language="es", back_by=wire.stamp(noon + HOUR)))

    ticket = store.state(OFFICE).tickets[only_ticket(store)]
    assert (ticket.priority, ticket.language, ticket.back_by) == (True, "es", noon + HOUR)


def test_a_time_to_be_back_that_only_a_wrong_clock_can_print_is_left_out_and_the_ticket_is_good(
    store: Store, fleet: Fleet, noon: int
) -> None:
    take(store, fleet, paper(1, back_by="9999-12-31T23:59:59.999Z"))

    assert store.state(OFFICE).tickets[only_ticket(store)].back_by is None
    assert refusals(store) == [None]


def test_an_unknown_key_is_ignored_and_an_empty_time_is_none(hall: Witness) -> None:
    hall.tell(issued(1, colour="blue", back_by=None))

    hall.stored("j1", 1)


def test_facts_and_visits_of_a_batch_are_kept_together_or_not_at_all(store: Store, fleet: Fleet, noon: int) -> None:
    class Lost(Exception):
        pass

    def cut(work: object) -> None:
        take_facts(work, fleet.devices[DISPENSER], "j1", [paper(1)], noon)
        raise Lost

    with pytest.raises(Lost):
        store.transact(cut)

    with store.begin() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0
        assert connection.execute(sa.select(sa.func.count()).select_from(visits)).scalar() == 0
    assert take(store, fleet, paper(1)) == 1
