"""A push service, and a hub that may push to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import Authority, Hub, Mosquitto

from .pushing import PushService


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PushService]:
    """A push service of this test's own."""
    service = PushService(Authority(tmp_path / "authority"))
    yield service
    service.stop()


@pytest.fixture
def hub(tmp_path: Path, mosquitto: Mosquitto, service: PushService) -> Iterator[Hub]:
    """The whole hub, which may push to that service."""
    running = Hub(tmp_path / "hub", broker=mosquitto.url, environment=service.environment).start()
    yield running
    running.stop()
