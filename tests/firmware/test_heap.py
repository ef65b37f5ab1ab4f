"""What a board needs: its files compile for it, its day fits into its heap, and nothing grows."""

import subprocess
import threading
from pathlib import Path

import pytest

from firmware import wire
from tests.devices.voice import HubVoice, now
from tests.firmware import heap
from tests.firmware.board import Board, broker_settings, compiled, settings
from tests.firmware.test_updates import VERSION, lay_out, wait_for_software
from tests.parts import ROOT, Authority, Mosquitto


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The board's files, compiled."""
    return compiled(tmp_path_factory.mktemp("compiled"))


def test_every_file_of_the_board_compiles(files: Path) -> None:
    sources = {path.stem for path in (ROOT / "firmware").glob("*.py")}

    assert sources <= {path.stem for path in files.glob("*.mpy")}


@pytest.mark.parametrize("kind", ["desk", "board"])
def test_a_days_work_fits_into_100_kb_of_heap(
    kind: str, files: Path, tmp_path: Path, broker: Mosquitto, authority: Authority, capsys
) -> None:
    share = heap.stand_ins(files)

    fits, kept = heap.works_in(heap.LIMIT + share, files, tmp_path / "board", broker, authority, kind)

    with capsys.disabled():
        print(f" [{kind}: works in {heap.LIMIT // 1024} KiB, keeps {(kept - share) / 1024:.1f} KiB of them]", end="")
    assert fits


def test_an_update_fits_into_100_kb_of_heap(
    files: Path, tmp_path: Path, broker: Mosquitto, hub: HubVoice, authority: Authority, capsys
) -> None:
    new = [(path.name, path.read_bytes()) for path in sorted(files.glob("*.mpy")) if path.stem not in STAY]
    new.append(("version.py", VERSION.format("0.2.0", 1).encode()))
    share, secure = heap.stand_ins(files), broker_settings(broker, authority, "micropython")
    board = Board(tmp_path / "board", settings(broker=secure), firmware=files, heap=heap.LIMIT + share).start()
    try:
        board.wait_for("en espera")
        lay_out(broker, new, "0.2.0", 1)
        while not board.resets and not hub.of("state")[-1].get("log"):
            board.do("heap")
            threading.Event().wait(0.1)
        wait_for_software(hub, "0.2.0 a")
    finally:
        board.stop()

    peak = max(each["heap"] for each in board.told if "heap" in each) - share
    with capsys.disabled():
        print(f" [an update of {len(new)} files: {peak / 1024:.1f} KiB at its peak]", end="")


STAY = ("main", "slots", "screens", "version", "hands", "machine", "network")


def test_types_are_those_of_a_pico_w_and_of_an_esp32() -> None:
    ran = subprocess.run(["make", "-s", "types"], cwd=ROOT, text=True, capture_output=True, timeout=110)

    assert ran.returncode == 0, ran.stdout + ran.stderr


# --- a day in minutes -----------------------------------------------------------------------------

SPEED = 120  # the broker's answers, which are not hurried, have 50 ms then
HOURS = 24


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_a_day_in_100_kb_with_beats_presses_and_a_broker_that_restarts_leaves_the_heap_as_it_was(
    files: Path, tmp_path: Path, broker: Mosquitto, authority: Authority, capsys
) -> None:
    hub = FastHub(broker.port)
    config = settings(broker=broker_settings(broker, authority, "micropython"))
    share = heap.stand_ins(files, SPEED)
    board = Board(tmp_path / "board", config, firmware=files, heap=heap.LIMIT + share, speed=SPEED).start()
    try:
        board.wait_for("en espera", 60)
        kept = []
        for hour in range(HOURS):
            hub.hear_an_hour(board)
            if hour % 6 == 3:
                broker.stop()
                broker.start()
            board.wait(lambda: board.shows("en espera"), 60, "the connection")
            kept.append(board.heap() - share)
    finally:
        board.stop()
        hub.stop()

    with capsys.disabled():
        print(f" [kept {kept[0] / 1024:.1f} KiB in the first hour, {kept[-1] / 1024:.1f} KiB in the last]", end="")
    assert board.resets == 0 and not any("MemoryError" in line for line in board.lines)
    assert max(kept[HOURS // 2 :]) - max(kept[: HOURS // 4]) < 2048, kept
    assert len(hub.of("press")) > HOURS * 5


class FastHub(HubVoice):
    """The hub's voice, whose clock runs as fast as the board's."""

    def __init__(self, port: int) -> None:
        self.began = now()
        super().__init__(port)
        # It has to hear after the broker's restarts, too.
        self._client.on_connect = lambda client, *_: client.subscribe("torn/v1/dev/+/+", qos=1)
        self._client.reconnect_delay_set(0.1, 0.5)
        self.lay_out()

    def now(self) -> int:
        """The hurried time."""
        return self.began + (now() - self.began) * SPEED

    def lay_out(self) -> None:
        """What the broker keeps."""
        self.config("desk-1", "desk", desk="1")
        self.desk(version=7)

    def hear_an_hour(self, board: Board) -> None:
        """Presses every few minutes, and news of the desk as often."""
        for n in range(10):
            board.press()
            self.desk(state="calling" if n % 2 else "free", label="P012" if n % 2 else None, version=8 + n)
            threading.Event().wait(3600 / 10 / SPEED)

    def _beat(self) -> None:
        count = 0
        while not self._end.wait(2 / SPEED):
            count += 1
            message = {"state": "ready", "now": wire.stamp(self.now()), "beat": count}
            self._client.publish(wire.HUB_TOPIC, wire.encode("hub", message), qos=0)
