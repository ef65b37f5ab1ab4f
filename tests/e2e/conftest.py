"""The house as a fixture."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.house import House, a_house
from tests.parts import Mosquitto


@pytest.fixture
def house(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[House]:
    """Two offices at work on mosquitto and SQLite."""
    with a_house(tmp_path, mosquitto) as working:
        yield working


@pytest.fixture(params=["mosquitto", "embedded broker"])
def house_on_either_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """The same, once on mosquitto and once on the broker that the hub brings along."""
    broker = request.getfixturevalue("mosquitto") if request.param == "mosquitto" else None
    with a_house(tmp_path, broker) as working:
        yield working
