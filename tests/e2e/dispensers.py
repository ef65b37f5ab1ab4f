"""Dispensers as processes of their own, with somebody who presses their buttons in turn.

Run as a module it is such a process: the real agent on the vendors' fakes, and a finger. For every slip it
says `paper LABEL TOKEN` (read from the very bytes that went to the printer), and `all pressed` in the end. Among
those who press, some have an appointment and type their DNI; `identified DNI` follows their paper.
"""

import json
import random
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from devices.bench.escpos import commands, slips
from devices.dispenser import Dispenser as WiredDispenser
from devices.dispenser import wired
from devices.ending import Ending
from devices.settings import read
from tests.parts import Process, wait_until

SERVICES = {"padro": 5, "registre": 6, "idcat": 13, "tributs": 19, "informacio": 26}
APPOINTMENT = 21
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
buttons = {{ appointment = 21 }}
"""


class Dispenser:
    """A dispenser at the broker's `port`; its journal, in `folder`, stays when its power goes.

    So many press a service's button; `documents` are of those who come with an appointment.
    """

    def __init__(
        self, device: str, folder: Path, port: int, presses: int, seed: int, documents: Iterable[str] = ()
    ) -> None:
        self.device, self.presses, self.seed, self.documents = device, presses, seed, list(documents)
        self.journal = folder / f"{device}.journal"
        self.file = folder / f"{device}.toml"
        folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text(SETTINGS.format(device=device, folder=folder, port=port), encoding="utf-8")
        self._process: Process | None = None
        self._before: list[str] = []  # what it said before its last start

    @property
    def papers(self) -> list[tuple[str, str]]:
        """Label and token of every slip that came out, in any of its lives."""
        return [(label, token) for _, label, token in self._said("paper ")]

    def _said(self, what: str) -> list[list[str]]:
        lines = self._before + (list(self._process.lines) if self._process else [])
        return [line.split() for line in lines if line.startswith(what)]

    @property
    def finished(self) -> bool:
        """Whether everybody has pressed."""
        return self._process is not None and ALL_PRESSED in self._process.lines

    def journaled(self) -> list[tuple[str, str]]:
        """Label and token of every ticket in its journal."""
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as database:
            bodies = [json.loads(body) for (body,) in database.execute("SELECT body FROM facts ORDER BY seq")]
        return [(body["label"], body["token"]) for body in bodies if "label" in body]

    def start(self) -> "Dispenser":
        """Gives it power; people press until all the slips are out."""
        self._before += self._process.lines if self._process else []
        self._process = None
        known = {document for _, document in self._said("identified ")}
        coming = [document for document in self.documents if document not in known]
        left = self.presses - sum(not label.startswith("C") for label, _ in self.papers)
        self._process = Process("-m", "tests.e2e.dispensers", self.file, left, self.seed + left, *coming)
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


def main(file: str, presses: int, seed: int, documents: list[str]) -> None:
    """Has people come in an order that chance makes, until all have their slip, then works on until SIGTERM."""
    ending, chance = Ending(), random.Random(seed)
    papers = threading.Semaphore(0)
    dispenser = wired(read("dispenser", Path(file)))
    dispenser.printer.port.printed = lambda data: (_say(data), papers.release())
    dispenser.start()
    fingers = Fingers(dispenser, chance)
    coming = [*documents, *[""] * presses]
    chance.shuffle(coming)
    while coming and not ending.asked(BETWEEN):
        fingers.take(coming[-1])
        # None comes while the dispenser waits for its first config. Who asks again while it is at work gets two papers.
        if papers.acquire(timeout=PATIENCE) or (dispenser.answers(60) and papers.acquire(blocking=False)):
            document = coming.pop()
            print(f"identified {document}" if document else "", flush=True)
    print(ALL_PRESSED, flush=True)
    ending.asked()
    dispenser.stop()


class Fingers:
    """On the buttons and the keypad of a dispenser; a contact that moves too soon would be one that bounces."""

    def __init__(self, dispenser: WiredDispenser, chance: random.Random) -> None:
        self._dispenser, self._chance = dispenser, chance
        self._rested = dict.fromkeys([*SERVICES.values(), APPOINTMENT], 0.0)

    def take(self, document: str) -> None:
        """One person, who takes a number, or identifies by a document."""
        if document:
            self._push([APPOINTMENT])
            wait_until(lambda: self._dispenser.checkin.talk is not None, what="the question for a document")
            for key in f"{document[:-1]}\n":
                self._dispenser.typed(key)
        else:
            self._push(list(SERVICES.values()))

    def _push(self, pins: list[int]) -> None:
        """One of the pins, once one of them has rested."""

        def rested() -> list[int]:
            return [pin for pin in pins if time.monotonic() - self._rested[pin] > AT_REST]

        pin = self._chance.choice(wait_until(rested, what="a button at rest"))
        self._rested[pin] = time.monotonic()
        self._dispenser.pins.push(pin)
        self._dispenser.pins.let_go(pin)


def _say(data: bytes) -> None:
    """One line, in one piece: a process that is killed has said it or has not."""
    text = b" ".join(body for command, body in commands(data) if command == b"").decode("ascii", "replace")
    label = re.search(r"\b[A-Z]\d{3,4}\b", text)
    (slip,) = slips(data)
    sys.stdout.write(f"paper {label.group() if label else '?'} {slip.links[0].rsplit('/', 1)[1]}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
