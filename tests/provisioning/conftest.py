"""The fleet of the sample offices, as provisioning made it."""

from collections.abc import Iterator

import pytest

from provisioning.fleet import Fleet
from provisioning.keys import Keys, renewed
from tests.provisioning.fleets import NOW, SecureMosquitto, sample


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return sample(tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="module")
def keys(fleet: Fleet) -> Keys:
    return renewed({}, fleet, NOW)[0]


@pytest.fixture(scope="module")
def door(fleet: Fleet, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureMosquitto]:
    """mosquitto with the made files, one for the module."""
    broker = SecureMosquitto(tmp_path_factory.mktemp("mosquitto"), fleet, keys).start()
    yield broker
    broker.stop()
