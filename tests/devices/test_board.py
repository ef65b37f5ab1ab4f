"""The board of the waiting room, over a real broker, on gpiozero's and luma's fakes."""

from collections.abc import Iterator
from math import isclose
from pathlib import Path

import pytest

from devices import board as boards
from devices.board import Board
from devices.hardware import Pins, screen
from devices.link import Link
from devices.panels import Call, View
from devices.settings import Broker
from devices.speech import Voice
from tests.devices.voice import HubVoice, now
from tests.parts import Mosquitto, wait_until

LOST = "Sense connexió: pot no estar al dia"


class Watched(Board):
    """A board that remembers each view it has shown."""

    def _show(self, view: View) -> None:
        self.__dict__.setdefault("views", []).append(view)
        super()._show(view)

    def announced(self) -> list[Call]:
        """The calls that have had the board to themselves, in order."""
        calls = [view.new for view in self.views if view.new]
        return [call for i, call in enumerate(calls) if i == 0 or calls[i - 1] != call]


@pytest.fixture
def hub(mosquitto: Mosquitto) -> Iterator[HubVoice]:
    voice = HubVoice(mosquitto.port)
    yield voice
    voice.stop()


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """The file in which a programme in espeak-ng's place writes what it is told to say."""
    return tmp_path / "said"


@pytest.fixture
def board(mosquitto: Mosquitto, hub: HubVoice, said: Path, tmp_path: Path) -> Iterator[Watched]:
    """A board whose office has called nobody yet, and whose hub is there."""
    programme = tmp_path / "speak"
    programme.write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    programme.chmod(0o755)
    link = Link("board-1", "board", Broker(port=mosquitto.port))
    voice = Voice(command=(str(programme),))
    running = Watched(link, Pins(fakes=True), 18, screen("fake", (256, 64)), screen("fake", (32, 8)), voice)
    hub.config("board-1", "board")
    hub.line()
    running.start()
    wait_until(lambda: running._line is not None and link.hub_here(), what="the line and a beat")
    yield running
    running.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Announcements of a third of a second."""
    monkeypatch.setattr(boards, "FLASH_FOR", 0.3)


def test_the_last_calls_stand_with_their_desks_newest_first(board, hub):
    hub.line(("P012", "2"), ("A007", "1"))

    wait_until(lambda: board.view.calls == (Call("P012", "2"), Call("A007", "1")), what="the calls")
    assert board.screen.image.getbbox() is not None


def test_a_new_call_flashes_chimes_and_is_spoken_in_catalan(board, hub, said):
    hub.call("P012", "2")

    wait_until(lambda: board.view.new == Call("P012", "2") and not board.view.lit, what="the dark phase of the flash")
    wait_until(lambda: board.view.lit, what="the lit phase of the flash")
    wait_until(said.exists, what="the voice")
    assert said.read_text() == "-v ca -- Número P 12, taula 2\n"


def test_the_chime_is_two_notes_and_then_silence(board, hub):
    hub.call("P012", "2")

    for note in (7 / 12, 3 / 12):
        wait_until(lambda note=note: board.buzzer.value and isclose(board.buzzer.value, note, abs_tol=0.01), what="it")
    wait_until(lambda: board.buzzer.value is None, what="silence")


def test_a_call_that_came_before_the_hubs_time_waits_for_it(quick, mosquitto, hub, board):
    hub.silent()
    late = Watched(
        Link("board-2", "board", Broker(port=mosquitto.port)),
        Pins(fakes=True),
        0,
        screen("fake", (256, 64)),
        screen("fake", (32, 8)),
        Voice(on=False),
    )
    hub.config("board-2", "board")
    late.start()
    wait_until(lambda: late._line is not None, what="the line")
    hub.call("P012", "2")
    wait_until(lambda: late._unaged, what="the call")

    hub.awake()

    wait_until(lambda: late.announced() == [Call("P012", "2")], what="the announcement")
    late.stop()


def test_calls_at_the_same_time_are_announced_one_after_the_other(quick, board, hub):
    for desk in ("1", "2", "3", "4"):
        hub.call(f"P01{desk}", desk)

    wait_until(lambda: len(board.announced()) == 4, what="all four announcements")
    assert [call.desk for call in board.announced()] == ["1", "2", "3", "4"]


def test_a_call_that_arrives_twice_is_announced_once(quick, board, hub):
    hub.call("P012", "2", seq=90)
    hub.call("P012", "2", seq=90)
    hub.call("P013", "3", seq=91)

    wait_until(lambda: board.announced()[-1:] == [Call("P013", "3")] and not board.view.new, what="the last to end")
    assert board.announced() == [Call("P012", "2"), Call("P013", "3")]


def test_a_call_again_is_announced_again(quick, board, hub, said):
    hub.call("P012", "2", seq=90)
    hub.call("P012", "2", seq=95)

    wait_until(lambda: said.exists() and len(said.read_text().splitlines()) == 2, what="both to be spoken")


def test_a_call_older_than_ten_seconds_of_the_hubs_time_is_not_announced(quick, board, hub):
    hub.call("P012", "2", at=now() - 12_000)
    hub.call("P013", "3")

    wait_until(lambda: board.announced()[-1:] == [Call("P013", "3")], what="the fresh call")
    assert Call("P012", "2") not in board.announced()


def test_news_that_is_old_is_said_to_be_old(board, hub):
    hub.line(("P012", "2"))
    wait_until(lambda: board.view.calls, what="the call")

    hub.silent()

    wait_until(lambda: board.view.note == LOST, 8, what="the board to say so")
    assert board.view.calls == (Call("P012", "2"),)


def test_news_that_is_too_old_goes(monkeypatch, board, hub):
    monkeypatch.setattr(boards, "OLD_NEWS", 1.0)
    hub.line(("P012", "2"))
    wait_until(lambda: board.view.calls, what="the call")

    board.link.cut()

    wait_until(lambda: board.view.note == "Sense connexió", 8, what="the board to be empty")
    assert board.view.calls == ()


def test_the_board_is_right_again_after_the_network_was_away(board, hub):
    board.link.cut()
    wait_until(lambda: not board.link.connected, what="the cut")
    hub.line(("R003", "4"))

    board.link.mend()

    wait_until(lambda: board.view.calls == (Call("R003", "4"),) and board.view.note == "", what="the truth")


def test_nothing_of_yesterday_is_shown(board, hub):
    hub.line(("P012", "2"))
    wait_until(lambda: board.view.calls, what="the call")

    hub.line(("P012", "2"), day="2026-01-02")

    wait_until(lambda: not board.view.calls, what="an empty board")


def test_an_older_line_never_replaces_a_newer_one(board, hub):
    hub.line(("P014", "1"), seq=60)
    hub.line(("P013", "1"), seq=59)
    hub.line(("P014", "1"), ("P013", "1"), seq=61)

    wait_until(lambda: len(board.view.calls) == 2, what="the newest line")
    assert all(view.calls != (Call("P013", "1"),) for view in board.views)


def test_a_paused_office_shows_its_message(board, hub):
    hub.line(("P012", "2"), paused="Simulacre d'incendi")

    wait_until(lambda: board.view.note == "Simulacre d'incendi", what="the message")
    assert board.view.calls == ()


def test_who_waits_sees_how_many_there_are_and_how_long_it_takes_from_the_shortest_to_the_longest(board, hub):
    short, long = {"p5": 5, "p10": 7, "p50": 12, "p90": 18}, {"p5": 9, "p10": 11, "p50": 17, "p90": 23}
    services = {
        "padro": {"waiting": 4, "wait": short},
        "registre": {"waiting": 3, "wait": long},
        "idcat": {"waiting": 0, "wait": None},
    }

    hub.line(("P001", "1"), waiting=7, services=services)

    wait_until(lambda: board.view.note == "7 en espera, 5-25 min", what="the wait")
    hub.line(("P001", "1"), waiting=7)
    wait_until(lambda: board.view.note == "7 en espera", what="that nobody knows")
