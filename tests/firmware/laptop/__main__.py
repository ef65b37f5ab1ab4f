"""A desk's button on this laptop: python -m tests.firmware.laptop [--broker HOST:PORT] [--device ID] [--kind KIND]

The board's own files run under MicroPython; the space bar is the finger, the frame is the sign. Beside `make run`,
whose broker is at 127.0.0.1:1883.
"""

import argparse
import select
import sys
import tempfile
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.firmware.board import BUTTON, Board, settings

WIDTH = 36  # letters of the frame
HELP = "space: press   l: long   d: double   w: Wi-Fi off or on   q: leave"
MOVES = {" ": [(0.0, 0.12)], "l": [(0.0, 1.0)], "d": [(0.0, 0.1), (0.1, 0.1)]}  # (pause before, held for) in seconds


def main(words: list[str]) -> int:
    """Until q, Ctrl-C or the end of stdin."""
    asked = arguments(words)
    host, _, port = asked.broker.rpartition(":")
    with tempfile.TemporaryDirectory(prefix="torn-button-") as folder:
        broker = {"host": host, "port": int(port), "password": asked.password}
        board = Board(Path(folder), settings(asked.kind, asked.device, broker=broker, pins={"buzzer": 13})).start()
        try:
            with keys() as typed:
                follow(board, typed)
        except KeyboardInterrupt:
            pass
        finally:
            board.stop()
    return 0


def arguments(words: list[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.firmware.laptop", description=__doc__)
    parser.add_argument("--broker", default="127.0.0.1:1883", metavar="HOST:PORT")
    parser.add_argument("--device", default="montroig-desk-1")
    parser.add_argument("--kind", default="desk", choices=("desk", "board"))
    parser.add_argument("--password", default="")
    return parser.parse_args(words)


def follow(board: Board, typed: Iterator[str]) -> None:
    """Shows what the board tells, and does what is typed."""
    shown, wifi = 0, True
    print(HELP)
    for key in typed:
        for told in board.told[shown:]:
            shown += 1
            if words := seen(told):
                print(words, flush=True)
        if key == "q":
            return
        if key == "w":
            wifi = not wifi
            board.do(f"wifi {'on' if wifi else 'off'}")
        for pause, held in MOVES.get(key, ()):
            threading.Event().wait(pause)
            board.do(f"down {BUTTON}")
            threading.Event().wait(held)
            board.do(f"up {BUTTON}")


def seen(told: dict) -> str:
    """What a person sees or hears of it."""
    if "sign" in told:
        rows = ["" if told["lit"] is False else each for each in told["sign"]]
        edge = "+" + "-" * (WIDTH + 2) + "+"
        return "\n".join([edge, *(f"| {row[:WIDTH]:<{WIDTH}} |" for row in rows), edge])
    if "tone" in told:
        return f"  ♪ {told['tone']} Hz" if told["tone"] else ""
    if "pin" in told:
        return "  ● light" if told["value"] else "  ○ light"
    return "  the board starts again" if "reset" in told else ""


@contextmanager
def keys() -> Iterator[Iterator[str]]:
    """The keys as they are typed, "" ten times a second between them; from a pipe, letter by letter."""
    before = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    try:
        if before:
            tty.setcbreak(sys.stdin)
        yield _typed()
    finally:
        if before:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _typed() -> Iterator[str]:
    while True:
        if not select.select([sys.stdin], [], [], 0.1)[0]:
            yield ""
        elif key := sys.stdin.read(1):
            yield key
        else:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
