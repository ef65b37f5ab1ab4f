"""A receipt printer: what it prints, what it says of itself, and what a failure means for a ticket.

It knows ESC/POS' status bytes, but no cable and no vendor's library: `hardware` hands those in.

    printer.look()           # Look("low", "")
    printer.print(pieces)    # PaperError says whether any byte of the ticket may have gone
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from devices import DeviceError

log = logging.getLogger("torn.printer")


class PrinterGone(DeviceError, OSError):
    """There is nobody at the other end of the cable."""


class PaperError(DeviceError, OSError):
    """A ticket could not be printed. `began` says whether any byte of it may have gone to the printer."""

    def __init__(self, message: str, began: bool) -> None:
        super().__init__(message)
        self.began = began


@dataclass(frozen=True)
class Line:
    """One line of a slip; `size` multiplies width and height, 1 to 8."""

    text: str
    size: int = 1
    bold: bool = False


@dataclass(frozen=True)
class Code:
    """A QR code."""

    text: str


Piece = Line | Code


@dataclass(frozen=True)
class Look:
    """What the printer says of itself: `paper` is ok, low, out or unknown; `trouble` a word, or empty.

    `trouble` is gone (no connection), cover (open), out (no paper), fault (cutter, overheating) or offline.
    """

    paper: str
    trouble: str = ""


class Port(Protocol):
    """The cable to a printer; each verb raises OSError when there is nobody at its other end."""

    def open(self) -> None:
        """Makes sure that the connection is there."""

    def send(self, data: bytes) -> None:
        """Sends all of it."""

    def ask(self, question: bytes) -> bytes:
        """Sends a question and gives the answer, empty when none comes within 0.2 s."""

    def close(self) -> None:
        """Hangs up."""


# ESC/POS, DLE EOT n: in each answer bits 1 and 4 are set, 0 and 7 clear (Epson, "Transmit real-time status").
FIXED, FIXED_VALUE = 0b10010011, 0b00010010
OFFLINE = 0b00001000  # n = 1
COVER_OPEN, PAPER_END_STOP = 0b00000100, 0b00100000  # n = 2
FAULTS = 0b01101100  # n = 3: recoverable, cutter, unrecoverable, overheated
PAPER_LOW, PAPER_OUT = 0b00001100, 0b01100000  # n = 4


class Printer:
    """A receipt printer behind three verbs: look, print, close.

    Args:
        port: its cable.
        composed: turns pieces into the bytes that this printer understands.
    """

    def __init__(self, port: Port, composed: Callable[[Sequence[Piece]], bytes]) -> None:
        self.port = port
        self._composed = composed

    def look(self) -> Look:
        """Asks the printer how it is, itself: escpos takes no answer for a good one."""
        try:
            self.port.open()
            answers = [self._answer(n) for n in (1, 2, 3, 4)]
        except OSError as error:
            log.debug("the printer is gone: %s", error)
            self.port.close()
            return Look("unknown", "gone")
        return Look(_paper(answers), _trouble(answers))

    def print(self, pieces: Sequence[Piece]) -> None:
        """Prints the pieces and cuts. Raises PaperError, which says whether any byte may have gone."""
        data = self._composed(pieces)
        try:
            self.port.open()
        except OSError as error:
            raise PaperError(f"nothing was printed: {error}", began=False) from error
        try:
            self.port.send(data)
        except OSError as error:
            self.port.close()
            raise PaperError(f"the printing broke off: {error}", began=True) from error

    def close(self) -> None:
        """Hangs up."""
        self.port.close()

    def _answer(self, n: int) -> int | None:
        """The status byte, or None when nothing came, or something that is not one."""
        reply = self.port.ask(bytes((0x10, 0x04, n)))  # DLE EOT n
        fine = len(reply) == 1 and reply[0] & FIXED == FIXED_VALUE
        return reply[0] if fine else None


def _paper(answers: Sequence[int | None]) -> str:
    offline_cause, roll = answers[1], answers[3]
    if roll is None:
        return "unknown"
    if roll & PAPER_OUT or (offline_cause or 0) & PAPER_END_STOP:
        return "out"
    return "low" if roll & PAPER_LOW else "ok"


def _trouble(answers: Sequence[int | None]) -> str:
    online, offline_cause, errors, _ = answers
    if (offline_cause or 0) & COVER_OPEN:
        return "cover"
    if _paper(answers) == "out":
        return "out"
    if (errors or 0) & FAULTS:
        return "fault"
    return "offline" if (online or 0) & OFFLINE else ""


class FakePort:
    """A printer that is not there: keeps the very bytes of each ticket, and can run out of paper.

    Set `paper` (ok, low, out), `cover_open` and `gone`; `tickets` holds one ticket's bytes each.
    `breaks_after` is a number of bytes after which the cable breaks, once.
    """

    def __init__(self) -> None:
        self.tickets: list[bytes] = []
        self.paper = "ok"
        self.cover_open = False
        self.gone = False
        self.breaks_after: int | None = None
        self.printed: Callable[[bytes], None] = lambda _: None

    def open(self) -> None:
        """Raises OSError while `gone`."""
        if self.gone:
            raise PrinterGone("no printer: its cable is pulled")

    def send(self, data: bytes) -> None:
        """Prints a ticket, or as much of it as there is cable for."""
        self.open()
        whole = data if self.breaks_after is None else data[: self.breaks_after]
        self.breaks_after = None
        self.tickets.append(whole)
        self.printed(whole)
        if len(whole) < len(data):
            raise PrinterGone("the cable broke")

    def ask(self, question: bytes) -> bytes:
        """Answers DLE EOT 1 to 4 as a printer does."""
        self.open()
        n = question[2]
        bits = {
            1: OFFLINE if self.cover_open or self.paper == "out" else 0,
            2: (COVER_OPEN if self.cover_open else 0) | (PAPER_END_STOP if self.paper == "out" else 0),
            3: 0,
            4: {"ok": 0, "low": PAPER_LOW, "out": PAPER_LOW | PAPER_OUT}[self.paper],
        }[n]
        return bytes((FIXED_VALUE | bits,))

    def close(self) -> None:
        """Nothing to hang up."""
