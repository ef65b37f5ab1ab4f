"""Any part may die, stand still or be cut off: what was acknowledged is kept, and the work goes on by itself."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import psycopg
import pytest
import structlog
from sqlalchemy.engine import make_url

from firmware import wire
from hub.store import Store
from tests.bridge.conftest import Running
from tests.bridge.witness import DISPENSER, LINE, OFFICE, Witness, issued
from tests.e2e.cable import Cable
from tests.parts import Hub, Mosquitto, NotInTime, Postgres, wait_until

TAKEN_OVER = 5  # seconds within which presses are answered again
STORED = wire.device_topic(DISPENSER, "stored")
DESK = wire.desk_topic(OFFICE, "1")
RETAINED = (LINE, DESK, wire.calls_topic(OFFICE), wire.device_topic("montroig-desk-1", "config"))


class Bridges:
    """Bridge processes on one PostgreSQL and one broker; the first one works for the offices."""

    def __init__(self, folder: Path, mosquitto: Mosquitto, database: str) -> None:
        self.folder, self.mosquitto, self.database = folder, mosquitto, database
        self.running: list[Hub] = []

    def start(self, port: int = 0) -> Hub:
        """One more, on the broker or on what stands before it at `port`."""
        broker = f"127.0.0.1:{port or self.mosquitto.port}"
        hub = Hub(self.folder, part="bridge", broker=broker, database=self.database)
        self.running.append(hub.start())
        return hub

    def standby(self) -> Hub:
        """One that has nothing to do yet; waits until it listens."""
        listening = self._connections()
        hub = self.start()
        wait_until(lambda: self._connections() > listening, 20, "the second bridge")
        return hub

    def _connections(self) -> int:
        """Of bridges alone: one that beats has a second connection, which comes when it likes."""
        return (self.mosquitto.folder / "mosquitto.log").read_text().count(" as torn-bridge-")


@pytest.fixture
def bridges(tmp_path: Path, mosquitto: Mosquitto, postgres_url: str) -> Iterator[Bridges]:
    """None yet."""
    bridges = Bridges(tmp_path, mosquitto, postgres_url)
    yield bridges
    for hub in bridges.running:
        if hub.running:
            os.kill(hub.pid, signal.SIGCONT)
            hub.stop(30)


def answered_again(witness: Witness) -> float:
    """Presses until somebody answers; how long that took."""
    begun = time.monotonic()
    while time.monotonic() - begun < 30:
        id = witness.ask("next", version=witness.newest(DESK)["version"])
        try:
            witness.wait(lambda id=id: witness.answers(id), 0.5)
            return time.monotonic() - begun
        except NotInTime:
            continue
    raise NotInTime("no press was answered in 30 s")


def fell(witness: Witness, topics: tuple[str, ...] = RETAINED) -> list[tuple[str, dict, dict]]:
    """Where a topic's document had no higher seq than the one before it, and was not that one once more.

    MQTT's QoS 1 delivers at least once (3.1.1, 4.3.2): what was in flight when the broker died comes again.
    """
    pairs = [(topic, *pair) for topic in topics for pair in pairwise(witness.of(topic))]
    return [pair for pair in pairs if pair[1] != pair[2] and pair[1]["seq"] >= pair[2]["seq"]]


def test_when_a_bridge_is_killed_the_other_answers_within_five_seconds(bridges: Bridges, witness: Witness) -> None:
    first = bridges.start()
    witness.insist(*(issued(seq) for seq in range(1, 11)))
    bridges.standby()
    assert witness.press()["label"] == "P001"
    witness.settled("1", "P001")

    first.kill()
    took = answered_again(witness)

    assert took < TAKEN_OVER
    witness.until(LINE, lambda m: m["waiting"] == 8)
    witness.tell(issued(11))
    witness.stored("j1", 11)
    assert fell(witness) == []
    assert witness.until(wire.HUB_TOPIC, lambda m: m["state"] == "ready")


def test_a_bridge_that_stood_still_says_nothing_for_an_office_it_has_lost(bridges: Bridges, witness: Witness) -> None:
    first = bridges.start()
    witness.insist(*(issued(seq) for seq in range(1, 6)))
    second = bridges.standby()

    os.kill(first.pid, signal.SIGSTOP)
    answered_again(witness)
    witness.settled("1", "P001")
    asked = witness.ask()
    witness.wait(lambda: witness.answers(asked))
    witness.settled("1", "P002")
    os.kill(first.pid, signal.SIGCONT)
    wait_until(lambda: [line for line in first.lines if "another bridge works" in line], 20, "the loss to be seen")
    witness.tell(issued(6))
    witness.stored("j1", 6)
    last = witness.press()

    assert last["label"] == "P003"
    assert len(witness.answers(asked)) == 1
    assert fell(witness) == []
    assert not [line for line in second.lines if "another bridge works" in line]


def test_what_a_bridge_says_too_late_does_not_stay_on_the_broker(
    bridges: Bridges, mosquitto: Mosquitto, witness: Witness
) -> None:
    cable = Cable(mosquitto.port)
    cable.deaf_to = "line"  # what it does not know to have arrived it says once more when it is connected again
    first = bridges.start(cable.port)
    witness.insist(*(issued(seq) for seq in range(1, 6)))
    late = witness.until(LINE, lambda m: m["waiting"] == 5)
    bridges.standby()

    os.kill(first.pid, signal.SIGSTOP)
    cable.pull()
    answered_again(witness)
    witness.until(LINE, lambda m: m["waiting"] == 4)
    since = witness.here()
    os.kill(first.pid, signal.SIGCONT)
    witness.wait(lambda: late in witness.of(LINE, since), what="what the first bridge said too late")

    witness.until(LINE, lambda m: m["waiting"] == 4)
    cable.stop()


def test_a_bridge_that_is_cut_off_from_the_broker_leaves_its_offices_to_another(
    bridges: Bridges, mosquitto: Mosquitto, witness: Witness
) -> None:
    cable = Cable(mosquitto.port)
    bridges.start(cable.port)
    witness.newest(LINE)
    bridges.standby()

    cable.stop()

    assert answered_again(witness) < TAKEN_OVER
    assert fell(witness, (LINE,)) == []


def test_a_bridge_that_ends_cleanly_hands_over_at_once(bridges: Bridges, witness: Witness) -> None:
    first = bridges.start()
    witness.newest(LINE)
    bridges.standby()

    assert first.stop() == 0

    assert answered_again(witness) < 2


# --- the database -----------------------------------------------------------------------------


@contextmanager
def closed(postgres: Postgres, url: str) -> Iterator[None]:
    """The database throws everybody out and lets nobody in."""
    name = make_url(url).database
    with psycopg.connect(postgres.server.get_uri(), autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def test_while_the_database_is_away_nothing_is_acknowledged_and_no_beat_is_heard(
    bridges: Bridges, postgres: Postgres, witness: Witness
) -> None:
    hub = bridges.start()
    witness.newest(LINE)
    witness.tell(issued(1))
    witness.stored("j1", 1)
    facts = [issued(2), issued(3)]

    with closed(postgres, bridges.database):
        witness.tell(*facts)
        wait_until(lambda: [line for line in hub.lines if "no beat: the database is away" in line])
        wait_until(lambda: [line for line in hub.lines if "machines will ask again" in line])
        since = witness.here()
        witness.tell(*facts)
        wait_until(lambda: sum("machines will ask again" in line for line in hub.lines) > 8)
        assert [each.topic for each in witness.heard[since:] if not each.topic.endswith("/fact")] == []

    witness.wait(lambda: witness.of(wire.HUB_TOPIC, since))
    witness.tell(*facts)
    witness.stored("j1", 3)
    assert witness.until(LINE, lambda m: m["waiting"] == 3)
    assert witness.press()["label"] == "P001"


def test_a_file_that_another_writes_into_for_long_delays_and_loses_nothing(
    start: Callable[[], Running], store: Store, witness: Witness
) -> None:
    start()
    witness.newest(LINE)
    other = sqlite3.connect(store.engine.url.database, isolation_level=None)

    with structlog.testing.capture_logs() as lines:
        other.execute("BEGIN IMMEDIATE")
        witness.tell(issued(1))
        wait_until(lambda: [line for line in lines if "machines will ask again" in line["event"]], 20)
        assert witness.of(STORED) == []
        other.execute("ROLLBACK")

    witness.tell(issued(1))
    witness.stored("j1", 1)
    other.close()


def test_a_full_disk_is_named_and_nothing_is_acknowledged_until_there_is_room(alone: Hub, witness: Witness) -> None:
    witness.insist(issued(1))
    facts = [issued(seq) for seq in range(2, 22)]
    process = psutil.Process(alone.pid)

    process.rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))  # not one byte more goes into any file
    witness.tell(*facts)
    wait_until(lambda: [line for line in alone.lines if "the database does not take this now" in line])
    said = len(alone.lines)
    witness.tell(*facts)
    wait_until(lambda: [line for line in alone.lines[said:] if "machines will ask again" in line])
    assert {message["seq"] for message in witness.of(STORED)} == {1}
    process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))

    witness.insist(*facts)
    assert witness.until(LINE, lambda m: m["waiting"] == 21)
    assert alone.stop() == 0


def test_a_short_lock_is_waited_for(start: Callable[[], Running], store: Store, witness: Witness) -> None:
    start()
    witness.newest(LINE)
    other = sqlite3.connect(store.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    witness.tell(issued(1))
    since = witness.here()
    with pytest.raises(NotInTime):
        witness.wait(lambda: witness.of(LINE, since), 1)
    other.execute("ROLLBACK")

    witness.stored("j1", 1)
    other.close()


def test_a_broker_that_is_away_for_a_while_is_waited_for(
    start: Callable[[], Running], mosquitto: Mosquitto, witness: Witness
) -> None:
    start()
    witness.tell(issued(1))
    witness.stored("j1", 1)

    mosquitto.kill()
    mosquitto.start()
    since = witness.here()
    witness.wait(lambda: witness.of(LINE, since), 20)

    assert witness.press()["label"] == "P001"
    assert fell(witness, (LINE,)) == []
