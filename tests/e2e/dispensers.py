"""Dispensers as processes of their own, with somebody who presses their buttons in turn.

Run as a module it is such a process: the real agent on the vendors' fakes, and a finger. For every slip it
says `paper LABEL TOKEN` (read from the very bytes that went to the printer), and `all pressed` in the end.
"""

import json
import random
import re
import signal
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

from devices.bench.escpos import commands, slips
from devices.dispenser import wired
from devices.settings import read
from tests.parts import Process

SERVICES = {"padro": 5, "registre": 6, "idcat": 13, "tributs": 19, "informacio": 26}
BETWEEN = 0.12  # seconds between two people
AT_REST = 0.35  # seconds: a contact that moves sooner is one that bounces
PATIENCE = 2.0  # seconds that one waits for the paper
ALL_PRESSED = "all pressed"

SETTINGS = """
device = "{device}"
data = "{folder}"
fakes = true
voice = false
screen = "fake"
broker = {{ host = "127.0.0.1", port = {port} }}
"""


class Dispenser:
    """A dispenser at the broker's `port`; its journal, in `folder`, stays when its power goes."""

    def __init__(self, device: str, folder: Path, port: int, presses: int, seed: int) -> None:
        self.device, self.presses, self.seed = device, presses, seed
        self.journal = folder / f"{device}.journal"
        self.file = folder / f"{device}.toml"
        folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text(SETTINGS.format(device=device, folder=folder, port=port), encoding="utf-8")
        self._process: Process | None = None
        self._before: list[tuple[str, str]] = []  # what came out before its last start

    @property
    def papers(self) -> list[tuple[str, str]]:
        """Label and token of every slip that came out, in any of its lives."""
        lines = list(self._process.lines) if self._process else []
        return self._before + [(line.split()[1], line.split()[2]) for line in lines if line.startswith("paper ")]

    @property
    def finished(self) -> bool:
        """Whether everybody has pressed."""
        return self._process is not None and ALL_PRESSED in self._process.lines

    def journaled(self) -> list[tuple[str, str]]:
        """Label and token of every ticket in its journal."""
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as database:
            bodies = [json.loads(body) for (body,) in database.execute("SELECT body FROM facts ORDER BY seq")]
        return [(body["label"], body["token"]) for body in bodies if body["fact"] == "ticket.issued"]

    def start(self) -> "Dispenser":
        """Gives it power; people press until all the slips are out."""
        self._before, self._process = self.papers, None
        left = self.presses - len(self._before)
        self._process = Process("-m", "tests.e2e.dispensers", self.file, left, self.seed + left)
        self._process.start()
        return self

    def kill(self) -> None:
        """A power cut."""
        if self._process:
            self._process.kill()

    def stop(self) -> None:
        """SIGTERM."""
        if self._process:
            self._process.stop()


# --- the process ----------------------------------------------------------------------------


def main(file: str, presses: int, seed: int) -> None:
    """Presses until so many slips are out, one after the other, then works on until SIGTERM."""
    done, chance = threading.Event(), random.Random(seed)
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    papers = threading.Semaphore(0)
    dispenser = wired(read("dispenser", Path(file)))
    dispenser.printer.port.printed = lambda data: (_say(data), papers.release())
    dispenser.start()
    rested = dict.fromkeys(SERVICES.values(), 0.0)
    while presses > 0 and not done.wait(BETWEEN):
        pin = chance.choice([pin for pin, since in rested.items() if time.monotonic() - since > AT_REST])
        rested[pin] = time.monotonic()
        dispenser.pins.push(pin)
        dispenser.pins.let_go(pin)
        presses -= papers.acquire(timeout=PATIENCE)  # none comes while the dispenser waits for its first config
    print(ALL_PRESSED, flush=True)
    done.wait()
    dispenser.stop()


def _say(data: bytes) -> None:
    """One line, in one piece: a process that is killed has said it or has not."""
    text = b" ".join(body for command, body in commands(data) if command == b"").decode("ascii", "replace")
    label = re.search(r"\b[A-Z]\d{3,4}\b", text)
    (slip,) = slips(data)
    sys.stdout.write(f"paper {label.group() if label else '?'} {slip.links[0].rsplit('/', 1)[1]}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
