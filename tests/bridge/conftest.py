"""A bridge in this process, on a real mosquitto and a real database, and a witness in the hall."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.bridge.bridge import Bridge
from hub.line import commands as c
from hub.link import Broker, Link
from hub.offices import Fleet, read_offices
from hub.store import Store
from hub.store.upgrade import upgrade
from tests.bridge.witness import LINE, Witness
from tests.parts import ROUND_THE_CLOCK, Hub, Mosquitto, wait_until

URL = "https://torn.example.cat"
NOON = 1_795_514_400_000  # 2026-11-24T10:00:00Z, a Tuesday in term


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """The two sample offices, open round the clock."""
    return read_offices(ROUND_THE_CLOCK)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database."""
    store = Store(f"sqlite:///{tmp_path / 'torn.db'}")
    upgrade(store)
    yield store
    store.dispose()


@pytest.fixture
def noon(store: Store, fleet: Fleet) -> int:
    """The office is planned, and it is noon."""
    for office, plan in fleet.plans.items():
        store.transact(lambda work, office=office, plan=plan: work.do(office, c.Adopt("hub", plan), NOON))
    return NOON


class Running:
    """A bridge in a thread of its own."""

    def __init__(self, store: Store, fleet: Fleet, broker: Mosquitto) -> None:
        self.bridge = Bridge(store, fleet, Broker("127.0.0.1", broker.port), URL)
        ready = threading.Event()
        self.bridge.ready = ready.set
        self.thread = threading.Thread(target=self.bridge.run, daemon=True)
        self.thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        """A clean end."""
        self.bridge.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def start(store: Store, fleet: Fleet, mosquitto: Mosquitto) -> Iterator[Callable[..., Running]]:
    """Starts a bridge; the fleet may be another one."""
    running: list[Running] = []

    def run(other: Fleet | None = None) -> Running:
        running.append(Running(store, other or fleet, mosquitto))
        return running[-1]

    yield run
    for each in running:
        each.stop()


@pytest.fixture
def witness(mosquitto: Mosquitto) -> Iterator[Witness]:
    """Hears everything; whatever the hub says against the contract fails the test."""
    witness = Witness(mosquitto.port)
    yield witness
    witness.close()
    assert witness.faults == []


@pytest.fixture
def hall(start: Callable[[], Running], witness: Witness) -> Witness:
    """A witness of an office at work."""
    start()
    witness.newest(LINE)
    return witness


@pytest.fixture
def link(mosquitto: Mosquitto) -> Iterator[Link]:
    """A connection of the hub's own, standing."""
    link = Link(Broker("127.0.0.1", mosquitto.port), "test")
    link.start()
    wait_until(lambda: link.connected)
    yield link
    link.stop()


@pytest.fixture
def alone(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Hub]:
    """A bridge process of its own on SQLite, working."""
    hub = Hub(tmp_path / "hub", part="bridge", broker=mosquitto.address).start()
    yield hub
    hub.stop()
