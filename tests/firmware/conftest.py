"""A broker with TLS, the hub's voice, and boards under both interpreters."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.devices.voice import HubVoice
from tests.firmware.board import Board, broker_settings, settings
from tests.parts import Authority, Mosquitto

BoardMaker = Callable[..., Board]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the brokers' certificates."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[Mosquitto]:
    """A mosquitto with TLS."""
    running = Mosquitto(tmp_path / "mosquitto", authority=authority).start()
    yield running
    running.stop()


@pytest.fixture
def hub(broker: Mosquitto) -> Iterator[HubVoice]:
    """The hub's voice on it, with desk 1's configuration and document laid out."""
    voice = HubVoice(broker.port)
    voice.config("desk-1", "desk", desk="1")
    voice.desk(version=7)
    yield voice
    voice.stop()


@pytest.fixture(params=["micropython", "cpython"])
def python(request: pytest.FixtureRequest) -> str:
    """The test runs once under each."""
    return request.param


@pytest.fixture
def a_board(tmp_path: Path, broker: Mosquitto, authority: Authority) -> Iterator[BoardMaker]:
    """Makes boards and starts them: a_board(python, kind="desk", speed=1, broker={…}, pins={…})."""
    made: list[Board] = []

    def make(python: str = "micropython", speed: int = 1, **more: Any) -> Board:
        config = settings(**{"broker": broker_settings(broker, authority, python), **more})
        made.append(Board(tmp_path / f"board{len(made)}", config, python, speed=speed).start())
        return made[-1]

    yield make
    for board in made:
        board.stop()
