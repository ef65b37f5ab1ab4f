"""The small sign of a waiting room, the board's own files under both interpreters, over TLS to a real broker."""

from collections.abc import Iterator

import pytest

from tests.devices.voice import HubVoice, now
from tests.firmware.board import Board
from tests.firmware.conftest import BoardMaker
from tests.parts import Mosquitto


@pytest.fixture
def voice(broker: Mosquitto) -> Iterator[HubVoice]:
    """The hub's voice, with the sign's configuration laid out."""
    speaking = HubVoice(broker.port)
    speaking.config("board-1", "board")
    speaking.calls()
    yield speaking
    speaking.stop()


def a_sign(a_board: BoardMaker, python: str = "micropython", **more: object) -> Board:
    sign = a_board(python, **{"kind": "board", "device": "board-1", "pins": {"buzzer": 13}, **more})
    sign.wait_for("OMAC Mont-roig")
    return sign


def flashes(sign: Board) -> list[str]:
    """The labels that have had the sign to themselves, in order, each once."""
    labels = [each["sign"][0] for each in sign.signs if each["lit"] is not None]
    return [label for n, label in enumerate(labels) if n == 0 or labels[n - 1] != label]


def tones(sign: Board) -> list[int]:
    return [each["tone"] for each in list(sign.told) if "tone" in each]


def test_the_last_calls_stand_on_the_sign_newest_first(python: str, a_board: BoardMaker, voice: HubVoice) -> None:
    sign = a_sign(a_board, python)

    voice.calls(("P012", "2"), ("R003", "1"), ("P011", "2"))

    sign.wait_for("P012 | Taula 2 | R003 1 | P011 2")


def test_calls_at_the_same_time_follow_one_another_with_flash_and_chime(
    python: str, a_board: BoardMaker, voice: HubVoice
) -> None:
    sign = a_sign(a_board, python)

    sign.asks_for_calls(voice)
    voice.call("P012", "2", seq=501)
    voice.call("R003", "1", seq=502)
    voice.call("P012", "2", seq=501)

    sign.wait(lambda: flashes(sign) == ["P012", "R003"], 10, "both flashes")
    sign.wait(lambda: tones(sign) == [659, 523, 0, 659, 523, 0], 10, "both chimes")
    sign.wait_for("OMAC Mont-roig")
    assert flashes(sign) == ["P012", "R003"]
    assert {each["lit"] for each in sign.signs if each["sign"][0] == "P012"} == {True, False}


def test_an_old_call_is_not_announced(python: str, a_board: BoardMaker, voice: HubVoice) -> None:
    sign = a_sign(a_board, python)

    sign.asks_for_calls(voice)
    voice.call("P012", "2", at=now() - 11_000)
    voice.call("P013", "2")

    sign.wait(lambda: flashes(sign), 10, "a flash")
    assert flashes(sign) == ["P013"]


def test_stale_news_is_marked_and_goes_after_two_minutes(a_board: BoardMaker, voice: HubVoice) -> None:
    voice.calls(("P012", "2"))
    sign = a_board(speed=4, kind="board", device="board-1")
    sign.wait_for("P012 | Taula 2")

    voice.silent()

    sign.wait_for("P012 | Taula 2 | Sense connexió: pot no estar al dia")
    sign.wait_for("Sense connexió | hub?", 60)
    assert not sign.shows("P012")


def test_calls_of_another_day_do_not_stand_on_the_sign(python: str, a_board: BoardMaker, voice: HubVoice) -> None:
    voice.calls(("P099", "2"), at=now() - 86_400_000)

    sign = a_sign(a_board, python)

    assert not any("P099" in " ".join(each["sign"]) for each in sign.signs)


def test_a_sign_that_does_not_answer_is_told_to_the_hub_and_the_button_works(
    a_board: BoardMaker, hub: HubVoice
) -> None:
    board = a_board(sign={"type": "ssd1306", "address": 0})  # nobody answers at 0

    (asked,) = hub.wait_for("state")[-1:]
    board.wait(lambda: board.light()[-1:] == [1], 10, "the light")
    board.press()

    assert "the sign ssd1306 does not answer" in asked["log"][0]
    assert hub.wait_for("press")[0]["press"] == "next"
