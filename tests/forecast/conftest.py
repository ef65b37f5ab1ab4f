"""A forecaster in this process, on a real mosquitto and a real database."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.bridge.bridge import adopt
from hub.forecaster.forecaster import Forecaster
from hub.link import Broker
from hub.offices import Fleet, read_offices
from hub.store import Store
from hub.store.upgrade import upgrade
from tests.parts import ROUND_THE_CLOCK, Mosquitto


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """The two sample offices, open round the clock."""
    return read_offices(ROUND_THE_CLOCK)


@pytest.fixture
def store(tmp_path: Path, fleet: Fleet) -> Iterator[Store]:
    """A database in which the offices have begun their day."""
    store = Store(f"sqlite:///{tmp_path / 'torn.db'}")
    upgrade(store)
    for office in fleet.plans:
        adopt(store, fleet, office)
    yield store
    store.dispose()


class Running:
    """A forecaster in a thread of its own."""

    def __init__(self, store: Store, fleet: Fleet, broker: Mosquitto) -> None:
        self.forecaster = Forecaster(store, fleet, Broker("127.0.0.1", broker.port))
        self.thread = threading.Thread(target=self.forecaster.run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """A clean end."""
        self.forecaster.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def start(store: Store, fleet: Fleet, mosquitto: Mosquitto) -> Iterator[Callable[[], Running]]:
    """Starts a forecaster."""
    running: list[Running] = []

    def run() -> Running:
        running.append(Running(store, fleet, mosquitto))
        return running[-1]

    yield run
    for each in running:
        each.stop()
