"""A MicroPython button and sign at the real hub, beside a Raspberry Pi's agent: nobody can tell which it has."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from devices.desk import Desk, wired
from devices.settings import Broker, DeskPins, DeskSettings
from tests.e2e.recorder import Recorder
from tests.firmware.board import Board, broker_settings, settings
from tests.parts import ROOT, Authority, Hub, Mosquitto, wait_until

OFFICE = "mont-roig"


@pytest.fixture
def real_hub(tmp_path: Path, broker: Mosquitto) -> Iterator[Hub]:
    """The hub's own processes on the broker that has TLS."""
    running = Hub(tmp_path / "hub", broker=broker.url).start()
    yield running
    running.stop()


@pytest.fixture
def raspberry(broker: Mosquitto, real_hub: Hub) -> Iterator[Desk]:
    """Desk 2's agent as it runs on a Raspberry Pi, on fakes."""
    pins = DeskPins(next=5, light=19)
    address = Broker(port=broker.port)
    desk = wired(DeskSettings(device="montroig-desk-2", fakes=True, screen="fake", buttons=pins, broker=address))
    desk.start()
    yield desk
    desk.stop()


def give(hub: Hub, token: str) -> str:
    """A ticket of reception's; its label."""
    address = hub.url(f"/api/v1/offices/{OFFICE}/tickets")
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(address, json={"service": "padro"}, headers=headers, timeout=10)
    answer.raise_for_status()
    return answer.json()["label"]


def test_a_board_and_a_raspberry_pi_call_the_same_line_and_the_small_sign_shows_both(
    tmp_path: Path, broker: Mosquitto, authority: Authority, real_hub: Hub, raspberry: Desk
) -> None:
    secure = broker_settings(broker, authority, "micropython")
    button = Board(tmp_path / "button", settings("desk", "montroig-desk-1", broker=secure))
    sign = Board(tmp_path / "sign", settings("board", "montroig-board-1", broker=secure, pins={"buzzer": 13}))
    recorder = Recorder(broker.port)
    with closing(_Stopping(button.start(), sign.start(), recorder)):
        recorder.start()
        token = real_hub.token("clerk")
        first, second = give(real_hub, token), give(real_hub, token)
        button.wait_for("Tancada | 2 en espera")
        sign.wait_for("OMAC Mont-roig")
        wait_until(lambda: raspberry.shown.version is not None, 20, "the Raspberry Pi's sign")

        button.press()
        button.wait_for(f"{first} | 1 en espera")
        wait_until(lambda: "1 en espera" in raspberry.shown.lines, 10, "the Raspberry Pi's sign")
        raspberry.pins.push(5)
        wait_until(lambda: raspberry.buttons["next"].finger.down, 5, "the contact to settle")
        raspberry.pins.let_go(5)

        wait_until(lambda: second in raspberry.shown.lines, 10, "the Raspberry Pi's call")
        sign.wait_for(f"{second} | Taula 2 | {first} 1")
        flashed = [each["sign"][0] for each in sign.signs if each["lit"] is not None]
        assert list(dict.fromkeys(flashed)) == [first, second]
        board, agent = (recorder.last(f"torn/v1/dev/montroig-desk-{n}/state") for n in (1, 2))
        assert set(board) == set(agent) and board["kind"] == agent["kind"] == "desk"
    assert recorder.faults() == []


class _Stopping:
    """Ends several with one close."""

    def __init__(self, *running: object) -> None:
        self._running = running

    def close(self) -> None:
        for each in self._running:
            each.stop()


def test_make_button_shows_the_desk_and_calls(real_hub: Hub, broker: Mosquitto) -> None:
    label = give(real_hub, real_hub.token("clerk"))
    command = [sys.executable, "-u", "-m", "tests.firmware.laptop", "--broker", broker.address]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe, bufsize=1) as running:
        try:
            until(running.stdout, "1 en espera")
            running.stdin.write(" ")
            running.stdin.flush()
            until(running.stdout, label)
            running.stdin.write("q")
            running.stdin.close()

            assert running.wait(10) == 0
        finally:
            running.kill()


def until(lines: Iterable[str], words: str) -> None:
    """Reads on until a line has the words; pytest's timeout ends a wait in vain."""
    next(line for line in lines if words in line)
