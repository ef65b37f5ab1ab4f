"""Retained documents are the whole truth for a watcher: all there at the start, numbered, small where they must be."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from paho.mqtt.client import topic_matches_sub

from firmware import wire
from hub.bridge.bridge import DOCUMENTS
from hub.bridge.presence import topics_of
from hub.bridge.relay import ANNOUNCED, RESERVED, LeaseLost, Relay, lease_name
from hub.clock import now
from hub.forecaster.expected import read_expected
from hub.line import commands as c
from hub.line.plan import HOUR, MINUTE, DeskPlan
from hub.link import Link
from hub.offices import Fleet, read_offices
from hub.store import Store, leases
from tests.bridge.conftest import URL, Running
from tests.bridge.witness import DISPENSER, LINE, OFFICE, Witness, issued
from tests.parts import Mosquitto

CALL, CALLS = wire.call_topic(OFFICE), wire.calls_topic(OFFICE)
DESK = wire.desk_topic(OFFICE, "1")
CONFIG, AGENDA = (wire.device_topic(DISPENSER, leaf) for leaf in ("config", "agenda"))


def relay_of(store: Store, link: Link, fleet: Fleet, holder: str = "test") -> Relay:
    """Works for the office under a lease of its own."""
    term = leases.take(store, lease_name(OFFICE), holder)
    assert term is not None
    return Relay(store, link, fleet, OFFICE, holder, term, f"{URL}/t/")


def do(store: Store, command: c.Command, now: int) -> None:
    """Somebody does something at the office."""
    store.transact(lambda work: work.do(OFFICE, command, now))


def take_tickets(store: Store, now: int, *numbers: int, letter: str = "P") -> None:
    """People who wait."""
    for number in numbers:
        label = f"{letter}{number:03d}"
        do(store, c.Issue(DISPENSER, f"ticket-{label}", f"token-{label}", label, ("padro",)), now)


@pytest.fixture
def relay(store: Store, fleet: Fleet, noon: int, link: Link) -> Relay:
    """The office's relay, which has published nothing yet."""
    return relay_of(store, link, fleet)


# --- at the start -----------------------------------------------------------------------------


def test_at_the_start_every_office_desk_and_machine_has_its_document(
    hall: Witness, fleet: Fleet, mosquitto: Mosquitto
) -> None:
    hall.until(wire.HUB_TOPIC, lambda beat: beat["state"] == "ready")
    hall.wait(lambda: set(topics_of(fleet)) <= {each.topic for each in hall.heard})

    late = Witness(mosquitto.port)
    late.wait(lambda: {*topics_of(fleet), wire.HUB_TOPIC} <= {each.topic for each in late.heard if each.retained})
    late.close()
    assert late.faults == []


def test_a_broker_that_comes_back_empty_is_told_everything_again(
    start: Callable[[], Running], fleet: Fleet, mosquitto: Mosquitto
) -> None:
    start()
    first = Witness(mosquitto.port)
    first.tell(issued(1))
    first.stored("j1", 1)
    first.press()
    before = first.settled("1", "P001")
    first.close()

    mosquitto.restart_empty()

    second = Witness(mosquitto.port)
    expected = {*topics_of(fleet), wire.HUB_TOPIC, wire.device_topic(DISPENSER, "stored")}
    second.wait(lambda: expected <= {each.topic for each in second.heard}, 20)
    after = second.settled("1", "P001")
    assert after["version"] == before["version"]
    assert after["seq"] > before["seq"]
    second.stored("j1", 1)
    second.close()
    assert second.faults == []


def test_what_the_offices_file_no_longer_names_is_cleared_at_the_next_start(
    start: Callable[..., Running], fleet: Fleet, witness: Witness
) -> None:
    first = start()
    witness.tell(issued(1))
    witness.stored("j1", 1)
    witness.until(wire.HUB_TOPIC, lambda beat: beat["state"] == "ready")
    first.stop()
    plan = fleet.plans[OFFICE]
    smaller = Fleet(
        {OFFICE: replace(plan, desks=plan.desks[:-1])},
        {id: device for id, device in fleet.devices.items() if id == "montroig-desk-1"},
    )
    gone = set(topics_of(fleet)) - set(topics_of(smaller)) | {wire.device_topic(DISPENSER, "stored")}
    since = witness.here()

    start(smaller)

    def cleared() -> set[str]:
        return {each.topic for each in witness.heard[since:] if each.message is None}

    witness.wait(lambda: gone <= cleared())
    assert cleared() & set(topics_of(smaller)) == set()


def test_a_desk_that_the_file_loses_while_somebody_is_there_is_cleared_and_finishes_unseen(
    start: Callable[..., Running], fleet: Fleet, store: Store, witness: Witness
) -> None:
    first = start()
    witness.tell(issued(1))
    witness.stored("j1", 1)
    witness.press(desk="3")
    first.stop()
    plan = fleet.plans[OFFICE]
    since = witness.here()

    start(replace(fleet, plans={**fleet.plans, OFFICE: replace(plan, desks=(*plan.desks[:2], plan.desks[3]))}))

    gone = wire.desk_topic(OFFICE, "3")
    witness.wait(lambda: [each for each in witness.heard[since:] if each.topic == gone])
    store.transact(lambda work: work.do(OFFICE, c.Done("anna", "3"), now()))
    witness.tell(issued(2))
    witness.until(LINE, lambda line: line["waiting"] == 1 and set(line["desks"]) == {"1", "2", "4"})
    assert [each.message for each in witness.heard[since:] if each.topic == gone and not each.retained] == [None]


def test_the_seq_of_a_topic_that_was_gone_grows_on_when_it_is_named_again(
    start: Callable[..., Running], fleet: Fleet, witness: Witness
) -> None:
    plan, topic = fleet.plans[OFFICE], wire.desk_topic(OFFICE, "4")
    first = start()
    before = witness.newest(topic)["seq"]
    first.stop()
    since = witness.here()
    second = start(replace(fleet, plans={**fleet.plans, OFFICE: replace(plan, desks=plan.desks[:3])}))
    witness.wait(lambda: [each for each in witness.heard[since:] if each.topic == topic and each.message is None])
    second.stop()
    since = witness.here()

    start()

    assert witness.wait(lambda: witness.of(topic, since))[0]["seq"] > before


# --- numbers ----------------------------------------------------------------------------------


def test_the_seq_of_each_topic_grows_across_restarts(start: Callable[[], Running], witness: Witness) -> None:
    for number in (1, 2, 3):
        running = start()
        witness.tell(issued(number))
        witness.stored("j1", number)
        witness.until(LINE, lambda m, number=number: m["waiting"] == number)
        running.stop()

    for topic in (LINE, DESK, CONFIG):
        seqs = [message["seq"] for message in witness.of(topic)]
        assert len(seqs) >= 3
        assert seqs == sorted(set(seqs))


def test_a_desks_version_grows_only_when_state_label_or_service_changes(hall: Witness) -> None:
    before = hall.newest(DESK)
    hall.tell(issued(1), issued(2))
    waiting = hall.until(DESK, lambda m: m["waiting"] == 2)
    hall.press("next")
    called = hall.settled("1", "P001")
    hall.press("recall")
    hall.wait(lambda: len(hall.of(CALL)) == 2)
    recalled = hall.newest(DESK)
    hall.press("done")
    done = hall.settled("1", None)

    assert waiting["version"] == before["version"]
    assert called["version"] > waiting["version"]
    assert recalled["version"] == called["version"]
    assert done["version"] > called["version"]
    assert [m["seq"] for m in hall.of(DESK)] == sorted({m["seq"] for m in hall.of(DESK)})


def test_a_desk_is_shown_as_changed_when_it_changed(relay: Relay, store: Store, noon: int, witness: Witness) -> None:
    do(store, c.Open("anna", "1"), noon + MINUTE)

    relay.publish(noon + 5 * MINUTE)

    assert witness.newest(DESK)["since"] == wire.stamp(noon + MINUTE)


def test_a_paused_desk_shows_as_closed(relay: Relay, store: Store, noon: int, witness: Witness) -> None:
    do(store, c.Open("anna", "1"), noon)
    do(store, c.PauseDesk("anna", "1"), noon)

    relay.publish(noon)

    assert witness.newest(DESK)["state"] == "closed"


def test_the_message_of_a_pause_is_on_the_line_until_the_office_resumes(
    relay: Relay, store: Store, noon: int, witness: Witness
) -> None:
    do(store, c.PauseOffice("anna", "Simulacre d'incendi"), noon)
    relay.publish(noon)
    assert witness.newest(LINE)["paused"] == "Simulacre d'incendi"

    do(store, c.ResumeOffice("anna"), noon)
    relay.publish(noon)

    assert witness.until(LINE, lambda m: m["paused"] is None)


# --- calls ------------------------------------------------------------------------------------


def test_the_line_keeps_eight_calls_and_the_small_signs_four_newest_first(
    relay: Relay, store: Store, noon: int, witness: Witness
) -> None:
    take_tickets(store, noon, *range(1, 11))
    for second in range(10):
        do(store, c.Next("anna", "1"), noon + 1000 * second)

    relay.publish(noon + 10_000)

    newest = [f"P{number:03d}" for number in range(10, 2, -1)]
    assert [call["label"] for call in witness.newest(LINE)["calls"]] == newest
    assert [call["label"] for call in witness.newest(CALLS)["calls"]] == newest[:4]


@pytest.mark.parametrize(("later", "said"), [(0, 1), (ANNOUNCED - 1, 1), (ANNOUNCED, 0), (HOUR, 0)])
def test_a_call_is_announced_while_it_is_fresh(
    relay: Relay, store: Store, noon: int, witness: Witness, later: int, said: int
) -> None:
    take_tickets(store, noon, 1)
    do(store, c.Next("anna", "1"), noon)

    relay.publish(noon + later)
    relay.publish(noon + later)

    witness.settled("1", "P001")
    do(store, c.Done("anna", "1"), noon + later)
    relay.publish(noon + later)
    witness.settled("1", None)
    assert len(witness.of(CALL)) == said


def test_two_calls_at_once_are_both_announced_in_order(relay: Relay, store: Store, noon: int, witness: Witness) -> None:
    take_tickets(store, noon, 1, 2)
    do(store, c.Next("anna", "1"), noon)
    do(store, c.Next("joan", "2"), noon)

    relay.publish(noon)

    witness.wait(lambda: len(witness.of(CALL)) == 2)
    assert [(call["label"], call["desk"]) for call in witness.of(CALL)] == [("P001", "1"), ("P002", "2")]


def test_a_call_made_while_nobody_worked_for_the_office_is_announced_by_the_next(
    store: Store, fleet: Fleet, noon: int, link: Link, witness: Witness
) -> None:
    take_tickets(store, noon, 1)
    do(store, c.Next("anna", "1"), noon)

    relay_of(store, link, fleet).publish(noon + 3000)
    relay_of(store, link, fleet).publish(noon + 4000)

    first, again = witness.wait(lambda: len(found := witness.of(CALL)) == 2 and found)
    assert first == again  # the same seq: who heard the first does not chime at the second
    assert first["label"] == "P001"


def test_a_call_is_announced_even_if_the_database_went_away_in_between(
    relay: Relay, store: Store, fleet: Fleet, noon: int, witness: Witness
) -> None:
    take_tickets(store, noon, 1)
    do(store, c.Next("anna", "1"), noon)
    other = leases.take(store, lease_name(OFFICE), "test")  # a term later: the next round cannot publish
    with pytest.raises(LeaseLost):
        relay.publish(noon)
    relay.term = other or 0

    relay.publish(noon + 1000)

    assert witness.newest(CALL)["label"] == "P001"
    assert witness.newest(LINE)["desks"]["1"]["label"] == "P001"


def test_a_call_that_no_machine_could_read_holds_up_no_other_document(
    relay: Relay, store: Store, noon: int, witness: Witness
) -> None:
    take_tickets(store, noon, 10_000, 1)
    for desk in ("1", "2"):
        do(store, c.Next("anna", desk), noon)

    relay.publish(noon)

    witness.until(wire.desk_topic(OFFICE, "2"), lambda document: document["label"] == "P001")
    witness.until(CALL, lambda call: call["label"] == "P001")


def test_nothing_is_published_once_another_works_for_the_office(
    relay: Relay, store: Store, fleet: Fleet, noon: int, link: Link, witness: Witness
) -> None:
    relay.publish(noon)
    witness.newest(LINE)
    leases.take(store, lease_name(OFFICE), "test")
    take_tickets(store, noon, 1)
    do(store, c.Next("anna", "1"), noon)
    since = witness.here()

    with pytest.raises(LeaseLost):
        relay.publish(noon)
    relay_of(store, link, fleet, "test").publish(noon)

    assert witness.until(LINE, lambda m: m["waiting"] == 0 and m["calls"])
    seqs = [message["seq"] for message in witness.of(LINE, since)]
    assert len(seqs) == len(set(seqs)) == 1


def test_a_bridge_hears_every_kind_of_document_that_it_numbers(fleet: Fleet) -> None:
    assert [t for t in topics_of(fleet) if not any(topic_matches_sub(heard, t) for heard in DOCUMENTS)] == []


@pytest.mark.parametrize("topic", [LINE, CALLS, DESK, CONFIG, AGENDA])
@pytest.mark.parametrize(
    "late", [b'{"seq":1}', b"", b'{"seq":null}', b"[" * 2000], ids=["older", "none", "odd", "deep"]
)
def test_whatever_takes_a_documents_place_the_newest_comes_after_it(
    start: Callable[[], Running], mosquitto: Mosquitto, topic: str, late: bytes
) -> None:
    watcher, other = Witness(mosquitto.port), Witness(mosquitto.port)
    first = start()
    watcher.wait(lambda: all(watcher.of(each) for each in (LINE, CALLS, DESK, CONFIG, AGENDA)))
    first.stop()
    start()
    mine = watcher.until(topic, lambda m: m["seq"] > RESERVED)

    other.say(topic, late, retain=True)

    again = watcher.until(topic, lambda m: m.get("seq") and m["seq"] > mine["seq"])
    assert again.keys() == mine.keys()
    watcher.close()
    other.close()


# --- for each kind of machine -----------------------------------------------------------------


def test_a_machine_is_told_what_its_kind_uses_and_no_more(hall: Witness) -> None:
    common = {"seq", "kind", "office", "name", "day", "languages"}

    board = common | {"timezone", "day_starts"}
    assert set(hall.newest(wire.device_topic("montroig-board-1", "config"))) == board
    assert set(hall.newest(wire.device_topic("montroig-desk-1", "config"))) == common | {"desk"}
    dispenser = hall.newest(CONFIG)
    assert dispenser["track"] == f"{URL}/t/"
    assert [service["letter"] for service in dispenser["services"]] == ["P", "R", "I", "T", "A"]
    assert dispenser["hours"]


def test_what_a_microcontroller_reads_stays_under_a_kilobyte_at_the_longest_names(
    tmp_path: Path, store: Store, noon: int, link: Link, witness: Witness
) -> None:
    slug = "a" * 64
    file = tmp_path / "offices.toml"
    file.write_text(f"""
        [[office]]
        id = "{slug}"
        name = "{"à" * 100}"
        timezone = "Europe/Madrid"
        hours = {{ mon = "09:00-14:00" }}
        service = [{{ id = "{slug}", letter = "PP", name = {{ ca = "Padró" }} }}]
        desk = [{{ id = "{slug}", services = ["*"] }}]
        device = [{{ id = "{slug}", kind = "desk", desk = "{slug}" }}, {{ id = "board", kind = "board" }}]
    """)
    fleet = read_offices(file)
    store.transact(lambda work: work.do(slug, c.Adopt("hub", fleet.plans[slug]), noon))
    for number in range(9000, 9005):
        issue = c.Issue("x", f"t-{number}", f"token-{number}", f"PP{number}", (slug,))
        store.transact(lambda work, issue=issue: work.do(slug, issue, noon))
        store.transact(lambda work: work.do(slug, c.Next("anna", slug), noon))
    term = leases.take(store, lease_name(slug), "test") or 0

    Relay(store, link, fleet, slug, "test", term, URL).publish(noon)

    witness.newest(wire.call_topic(slug))
    small = [wire.calls_topic(slug), wire.desk_topic(slug, slug)]
    small += [wire.device_topic(device, "config") for device in fleet.devices]
    for topic in small:
        assert len(json.dumps(witness.newest(topic), separators=(",", ":"))) < 1024


def test_a_dispenser_learns_where_todays_numbers_of_its_own_range_stand(
    relay: Relay, store: Store, noon: int, witness: Witness
) -> None:
    take_tickets(store, noon, 12, 7)
    take_tickets(store, noon, 3, letter="R")
    take_tickets(store, noon, 901)  # reception's own range

    relay.publish(noon)

    config = witness.newest(CONFIG)
    assert config["numbers"] == {"P": 12, "R": 3}
    assert (config["first_number"], config["last_number"]) == (1, 899)


def test_a_new_day_begins_with_no_number_given_and_nothing_of_yesterday(
    relay: Relay, store: Store, noon: int, witness: Witness
) -> None:
    take_tickets(store, noon, 12)
    do(store, c.Next("anna", "1"), noon)
    relay.publish(noon)
    assert witness.newest(CONFIG)["numbers"] == {"P": 12}

    do(store, c.Tick("hub"), noon + 24 * HOUR)
    relay.publish(noon + 24 * HOUR)

    assert witness.until(CONFIG, lambda m: m["day"] == "2026-11-25")["numbers"] == {}
    line = witness.until(LINE, lambda m: m["day"] == "2026-11-25")
    assert (line["calls"], line["waiting"], line["desks"]["1"]["state"]) == ([], 0, "closed")


def test_a_desk_that_comes_new_into_the_offices_file_gets_its_document(
    start: Callable[..., Running], fleet: Fleet, witness: Witness
) -> None:
    start().stop()
    plan = fleet.plans[OFFICE]
    larger = {OFFICE: replace(plan, desks=(*plan.desks, DeskPlan("9", ("padro",))))}

    start(replace(fleet, plans={**fleet.plans, **larger}))

    assert witness.newest(wire.desk_topic(OFFICE, "9"))["state"] == "closed"


def test_a_web_process_that_says_that_the_log_has_grown_is_heard_at_once(
    hall: Witness, store: Store, fleet: Fleet
) -> None:
    since = hall.here()
    do(store, c.Open("anna", "1"), now())
    hall.say(wire.appended_topic(OFFICE), {"seq": 1})

    hall.until(DESK, lambda m: m["state"] == "free")
    assert hall.of(LINE, since)


WAIT = {"p5": 4, "p10": 6, "p50": 12, "p90": 21}


def said_forecast(at: int) -> dict:
    """What a forecaster says at a moment."""
    return {"seq": 1, "at": wire.stamp(at), "services": {"padro": WAIT, "registre": None}, "tickets": {}}


def test_the_line_tells_the_wait_that_the_forecaster_expects(hall: Witness) -> None:
    hall.say(wire.forecast_topic(OFFICE), said_forecast(now()), retain=True)

    line = hall.until(LINE, lambda m: m["services"]["padro"]["wait"])

    assert line["services"]["padro"]["wait"] == WAIT
    assert line["services"]["registre"]["wait"] is None


def test_a_forecast_that_grows_old_is_told_no_more(store: Store, link: Link, fleet: Fleet, noon: int) -> None:
    relay = relay_of(store, link, fleet)
    relay.expected = read_expected(wire.encode("forecast", said_forecast(noon)))

    told = [next(d for _, kind, d in relay.documents(at) if kind == "line") for at in (noon + 89_000, noon + 91_000)]

    assert [line["services"]["padro"]["wait"] for line in told] == [WAIT, None]


def test_a_forecast_that_cannot_be_read_changes_nothing(hall: Witness) -> None:
    hall.say(wire.forecast_topic(OFFICE), said_forecast(now()))
    hall.until(LINE, lambda m: m["services"]["padro"]["wait"])

    hall.say(wire.forecast_topic(OFFICE), b"{")
    hall.say(wire.forecast_topic("nowhere"), said_forecast(now()))

    assert hall.press()["ok"] is False
    assert hall.newest(LINE)["services"]["padro"]["wait"] == WAIT
