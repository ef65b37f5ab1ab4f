"""How much heap a board needs: the smallest in which the compiled files do a day's work, under MicroPython.

The unix port's words have 64 bits, a microcontroller's 32: what is measured here is more than a board needs, but for
TLS, whose buffers lie outside of this heap on a laptop and inside it on some boards.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.devices.voice import HubVoice
from tests.firmware.board import LAPTOP, Board, broker_settings, interpreter, settings
from tests.parts import ROOT, Authority, Mosquitto, NotInTime

LIMIT = 100 * 1024  # bytes
STEP = 1024
IDLE = """
import asyncio, gc, json, time

def run(folder):
    asyncio.run(rest())

async def rest():
    {}
    await asyncio.sleep_ms(50)
    gc.collect()
    print(gc.mem_alloc())
    hands.leave(0)
"""  # a board's main.py that does nothing; between the braces the hands begin


def stand_ins(files: Path, speed: int = 1) -> int:
    """Bytes that the laptop's stand-ins and the way they are started take, which no board has."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in ("hands.mpy", "machine.mpy", "network.mpy"):
            shutil.copy(files / each, folder)
        (folder / "screens.py").write_text("screen = None\n")
        (folder / "main.py").write_text(IDLE.format("import hands, machine; machine.WDT()"))
        with_them = _printed([str(LAPTOP / "run.py"), name, name, str(speed), "1"])
        (folder / "main.py").write_text(IDLE.format("class hands: leave = lambda _: None"))
        return with_them - _printed(["-c", f"import sys; sys.path.insert(0, {name!r}); import main; main.run('')"])


def _printed(arguments: list[str]) -> int:
    """The first line that MicroPython prints, a number."""
    with subprocess.Popen(
        [*interpreter("micropython"), *arguments], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        return int(running.stdout.readline())


def works_in(
    heap: int, files: Path, folder: Path, broker: Mosquitto, authority: Authority, kind: str = "desk"
) -> tuple[bool, int]:
    """Whether a board does its work in a heap of so many bytes, and what it keeps of them when it is at rest.

    It connects over TLS, shows, is pressed and answered, reads documents that are malformed, far too long, or larger in
    memory than all of it, and loses its broker.
    """
    device = f"{kind}-1"
    config = settings(kind, device, broker=broker_settings(broker, authority, "micropython"))
    voice = HubVoice(broker.port)
    voice.config(device, kind, **({"desk": "1"} if kind == "desk" else {}))
    voice.desk(version=1)
    board = Board(folder, config, firmware=files, heap=heap).start()
    try:
        _work(board, voice, broker, kind)
        kept = board.heap()
    except NotInTime as late:  # where there is no memory, there may be none to say so either
        print(late)
        return False, 0
    finally:
        board.stop()
        voice.stop()
    return board.resets == 0, kept


def _work(board: Board, voice: HubVoice, broker: Mosquitto, kind: str) -> None:
    ready = "en espera" if kind == "desk" else "OMAC"
    board.wait_for(ready)
    if kind == "desk":
        for count in (1, 2, 3):
            board.press()
            voice.wait_for("press", count)
            voice.desk(state="calling", label=f"P01{count}", version=count + 1)
            board.wait_for(f"P01{count}")
    else:
        board.asks_for_calls(voice)
        voice.call("P012", "2")
        board.wait_for("P012")
    for payload in (b"x" * 9000, b"[" + b"[[]]," * 200 + b"[]]"):
        voice._client.publish(f"torn/v1/dev/{kind}-1/config", payload, qos=1).wait_for_publish(5)
    broker.stop()
    board.wait_for("connexió")
    broker.start()
    board.wait(lambda: not board.shows("Sense connexió"), 60, "the connection")


def least(files: Path, folder: Path, broker: Mosquitto, authority: Authority, kind: str = "desk") -> int:
    """The smallest heap in bytes, to a KiB, the stand-ins' share not counted."""
    too_small, enough = 88 * 1024, 120 * 1024
    share = stand_ins(files)
    while enough - too_small > STEP:
        middle = (too_small + enough) // 2 // STEP * STEP
        fits, _ = works_in(middle, files, folder, broker, authority, kind)
        too_small, enough = (too_small, middle) if fits else (middle, enough)
    return enough - share
