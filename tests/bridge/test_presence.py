"""Is the hub there, and is each machine: beats, wills, silence."""

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from firmware import wire
from hub.bridge.health import SILENT, Health
from hub.bridge.presence import LEASE, Beat
from hub.clock import now
from hub.line.plan import MINUTE
from hub.link import Broker
from hub.offices import Device, Fleet
from hub.store import Store, devices, leases
from tests.bridge.conftest import NOON, Running
from tests.bridge.witness import DISPENSER, Message, Witness, told
from tests.parts import Mosquitto, wait_until

STATE = wire.device_topic(DISPENSER, "state")


def word(state: str = "ready", boot: str = "a3f1", conn: int = 1, **more: object) -> Message:
    """What a dispenser says of itself; a will has no more than the first three."""
    rest = {} if state == "lost" else {"kind": "dispenser", "software": "0.1.0", "paper": "ok", "unsent": 0}
    return {"state": state, "boot": boot, "conn": conn} | rest | more


def kept(store: Store) -> Message:
    """What is written down of the dispenser."""
    return devices.all_health(store).get(DISPENSER, ({}, 0))[0]


# --- the hub's beat ---------------------------------------------------------------------------


def test_the_hub_beats_every_two_seconds_with_its_time(hall: Witness) -> None:
    hall.wait(lambda: len(hall.of(wire.HUB_TOPIC)) == 4)

    beats = [each for each in hall.heard if each.topic == wire.HUB_TOPIC]
    assert all(1.4 < after.at - before.at < 2.6 for before, after in pairwise(beats))
    assert [each.message["beat"] for each in beats] == [1, 2, 3, 4]
    assert abs(wire.instant(beats[-1].message["now"]) - now()) < 1000
    assert {each.message["state"] for each in beats} == {"ready"}


def test_a_hub_that_ends_says_so_and_frees_its_leases(
    start: Callable[[], Running], witness: Witness, store: Store
) -> None:
    running = start()
    witness.until(wire.HUB_TOPIC, lambda m: m["state"] == "ready")

    running.stop()

    assert witness.newest(wire.HUB_TOPIC)["state"] == "lost"
    assert leases.take(store, LEASE, "another") is not None
    assert leases.take(store, "office mont-roig", "another") is not None


def test_of_two_bridges_one_beats(
    start: Callable[[], Running], witness: Witness, store: Store, fleet: Fleet, mosquitto: Mosquitto
) -> None:
    start()
    witness.newest(wire.HUB_TOPIC)
    other = Beat(store, fleet, Broker("127.0.0.1", mosquitto.port), "another", lambda: True)
    other.start()

    witness.wait(lambda: len(witness.of(wire.HUB_TOPIC)) == 3)

    assert [beat["beat"] for beat in witness.of(wire.HUB_TOPIC)] == [1, 2, 3]
    assert not other.beats
    other.stop()


def test_a_hub_whose_loop_stands_still_does_not_beat(
    store: Store, fleet: Fleet, mosquitto: Mosquitto, witness: Witness
) -> None:
    works = threading.Event()
    works.set()
    beat = Beat(store, fleet, Broker("127.0.0.1", mosquitto.port), "test", works.is_set)
    beat.start()
    witness.newest(wire.HUB_TOPIC)

    works.clear()
    wait_until(lambda: not beat.beats)
    since = witness.here()
    another = Beat(store, fleet, Broker("127.0.0.1", mosquitto.port), "another", lambda: True)
    another.start()
    witness.wait(lambda: witness.of(wire.HUB_TOPIC, since))

    assert witness.of(wire.HUB_TOPIC, since)[0]["beat"] == 1  # of the other one, which counts anew
    assert not beat.beats
    another.stop()
    beat.stop()


# --- the machines -----------------------------------------------------------------------------


@pytest.fixture
def health(store: Store) -> Health:
    """Nothing heard yet."""
    return Health(store)


@pytest.fixture
def dispenser(fleet: Fleet) -> Device:
    """The machine."""
    return fleet.devices[DISPENSER]


def test_what_a_machine_says_is_kept(hall: Witness, store: Store) -> None:
    hall.say(STATE, word(unsent=3), retain=True)

    wait_until(lambda: kept(store) == word(unsent=3))


@pytest.mark.parametrize(
    ("will", "state"),
    [
        (word("lost"), "lost"),
        (word("lost", conn=0), "ready"),
        (word("lost", conn=2), "ready"),
        (word("lost", boot="9f2c"), "ready"),
    ],
)
def test_a_will_is_believed_only_from_the_connection_seen_last(
    health: Health, store: Store, dispenser: Device, will: Message, state: str
) -> None:
    health.heard(dispenser, [word(), will], NOON)

    assert kept(store) == word() | {"state": state}


def test_who_comes_back_after_a_will_is_there_again(health: Health, store: Store, dispenser: Device) -> None:
    health.heard(dispenser, [word(), word("lost"), word(conn=2)], NOON)

    assert kept(store) == word(conn=2)


def test_a_machine_is_lost_after_75_seconds_of_silence(health: Health, store: Store, dispenser: Device) -> None:
    health.heard(dispenser, [word()], NOON)

    health.look_for_silence(NOON + SILENT)
    assert kept(store)["state"] == "ready"
    health.look_for_silence(NOON + SILENT + 1)

    assert kept(store) == word() | {"state": "lost"}


def test_every_word_of_a_machine_counts_against_its_silence(health: Health, store: Store, dispenser: Device) -> None:
    for second in range(0, 301, 30):
        health.heard(dispenser, [word()], NOON + 1000 * second)

    health.look_for_silence(NOON + 300_000 + SILENT)

    assert kept(store)["state"] == "ready"


def test_paper_that_runs_out_is_known_at_once(hall: Witness, store: Store) -> None:
    hall.say(STATE, word(), retain=True)
    wait_until(lambda: kept(store) == word())

    hall.tell(told(1, "printer.changed", paper="out"))

    wait_until(lambda: kept(store) == word(paper="out"))
    hall.stored("j1", 1)


def test_an_old_fact_sent_again_does_not_change_what_is_known_of_the_paper(hall: Witness, store: Store) -> None:
    hall.say(STATE, word(), retain=True)
    hall.tell(told(1, "printer.changed", paper="out"), told(2, "printer.changed", paper="ok"))
    hall.stored("j1", 2)
    wait_until(lambda: kept(store) == word(paper="ok"))

    hall.tell(told(1, "printer.changed", paper="out"))
    hall.tell(told(4, "printer.changed", paper="out"))
    hall.tell(told(3, "printer.changed", paper="low"))
    hall.stored("j1", 3)

    wait_until(lambda: kept(store) != word(paper="ok"))
    assert kept(store) == word(paper="low")


def test_a_machine_that_died_while_no_hub_was_there_is_lost_in_the_end(
    store: Store, fleet: Fleet, dispenser: Device
) -> None:
    Health(store).heard(dispenser, [word()], NOON)
    later = Health(store)

    later.begin([dispenser], NOON + 60 * MINUTE)
    later.look_for_silence(NOON + 60 * MINUTE + SILENT)
    assert kept(store)["state"] == "ready"  # it has as long to speak as any
    later.look_for_silence(NOON + 60 * MINUTE + SILENT + 1)

    assert kept(store)["state"] == "lost"


def test_who_no_longer_listens_to_a_machine_does_not_call_it_lost(
    health: Health, store: Store, dispenser: Device
) -> None:
    health.heard(dispenser, [word()], NOON)

    health.end([dispenser])
    health.look_for_silence(NOON + 60 * MINUTE)

    assert kept(store)["state"] == "ready"


def test_a_stale_will_of_a_machine_known_from_before_is_not_believed(store: Store, dispenser: Device) -> None:
    Health(store).heard(dispenser, [word(conn=7)], NOON)
    later = Health(store)
    later.begin([dispenser], NOON)

    later.heard(dispenser, [word("lost", conn=6)], NOON)

    assert kept(store)["state"] == "ready"
