"""A connection that stays open and on which nothing arrives, between the board and a real broker."""

from collections.abc import Callable, Iterator

import pytest

from tests.devices.voice import HubVoice
from tests.firmware.board import Board, broker_settings
from tests.firmware.cable import Cable
from tests.firmware.conftest import BoardMaker
from tests.parts import Authority, Mosquitto, wait_until

CONNACK, SUBACK = 4, 5  # bytes


@pytest.fixture
def cable() -> Iterator[Callable[..., Cable]]:
    """Lays cables: cable(port of the broker, lets=bytes)."""
    laid: list[Cable] = []

    def lay(port: int, lets: int | None = None) -> Cable:
        laid.append(Cable(port, lets))
        return laid[-1]

    yield lay
    for each in laid:
        each.stop()


def has_shown(board: Board, *words: str) -> bool:
    """Whether the sign has said these one after the other, at any time."""
    said = iter(" | ".join(each["sign"]) for each in board.signs)
    return all(any(each in line for line in said) for each in words)


def test_a_cable_that_falls_silent_is_named_tried_again_and_no_press_is_kept(
    a_board: BoardMaker, hub: HubVoice, broker: Mosquitto, authority: Authority, cable
) -> None:
    wire = cable(broker.tls_port)
    board = a_board(speed=3, broker={**broker_settings(broker, authority, "micropython"), "port": wire.port})
    board.wait_for("Lliure")

    wire.silent()
    board.press()
    board.wait_for("Sense resposta")
    board.wait_for("Sense connexió | hub?")
    board.press()
    board.wait_for("broker: silent", 30)
    assert has_shown(board, "Lliure", "Sense resposta", "Sense connexió | hub?", "broker: silent")
    board.wait(lambda: wire.calls >= 2, 30, "another try")
    wire.mended()

    board.wait_for("Lliure", 60)
    board.press()
    hub.wait_for("press")
    assert [each["id"].rpartition("-")[2] for each in hub.of("press")] == ["2"]
    wait_until(lambda: "broker_silent" in str(hub.of("state")[-1].get("log")), 10, "what was wrong in the log")
    assert board.resets == 0


@pytest.mark.parametrize("lets", [CONNACK, CONNACK + SUBACK], ids=["its welcome", "its first answer"])
def test_a_broker_that_falls_silent_after(
    lets: int, a_board: BoardMaker, hub: HubVoice, broker: Mosquitto, cable
) -> None:
    wire = cable(broker.port, lets=lets)
    board = a_board(speed=10, broker={"host": "127.0.0.1", "port": wire.port})

    board.wait_for("broker: silent", 30)
    board.wait(lambda: wire.calls >= 4, 60, "three more tries")
    board.press()
    board.wait(lambda: board.light()[-1:] == [1], 5, "the light's no")
    wire.mended()

    board.wait_for("Lliure", 60)
    assert not hub.of("press")
    assert board.alive() and board.resets == 0
