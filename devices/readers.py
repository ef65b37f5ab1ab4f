"""Readers of documents: what comes over the wire, as text; hardware-free, so that it can be tried with any keys.

A keyboard-wedge reader is a keyboard to the machine: it sends keys, not characters. Which character a key is
depends on the layout that the *reader* is set to, so we map it ourselves and never ask the machine's own.
"""

from collections.abc import Callable

from devices.mrz import MrzError, read

SILENCE = 0.3  # seconds: a reader that says nothing for so long has finished
MOST = 400  # characters; whatever is longer is none of our documents

# Linux' key codes (input-event-codes.h): the letters' rows, and the codes they begin at.
ROWS = {16: "qwertyuiop", 30: "asdfghjkl", 44: "zxcvbnm"}
LETTERS = {first + i: letter for first, row in ROWS.items() for i, letter in enumerate(row)}
DIGITS = {code: "1234567890"[code - 2] for code in range(2, 12)}
PAD = {82: "0", 79: "1", 80: "2", 81: "3", 75: "4", 76: "5", 77: "6", 71: "7", 72: "8", 73: "9"}
ALIKE = {57: " ", 28: "\n", 96: "\n", 15: "\n"}  # space, Enter, the pad's Enter, Tab
SHIFTS, ALTGR = (42, 54), 100

# What else the documents and codes of ours consist of: by key, plain and with Shift.
LAYOUTS = {
    "us": {12: "-_", 13: "=+", 39: ";:", 51: ",<", 52: ".>", 53: "/?", 3: "2@", 4: "3#", 6: "5%", 8: "7&"},
    "es": {53: "-_", 86: "<>", 51: ",;", 52: ".:", 8: "7/", 12: "'?", 11: "0=", 7: "6&", 6: "5%"},
}


class Keyboard:
    """Keys as they go down and up, to characters.

        keyboard = Keyboard("es");  keyboard.key(42, True);  keyboard.key(16, True)    # "Q"

    Args:
        layout: us or es: what the reader is set to, whatever this machine's own is.
    """

    def __init__(self, layout: str = "us") -> None:
        self._others = LAYOUTS[layout]
        self._held: set[int] = set()

    def key(self, code: int, down: bool) -> str:
        """What a key types as it goes down; nothing for one that types nothing."""
        (self._held.add if down else self._held.discard)(code)
        if not down or ALTGR in self._held:
            return ""
        shift = not self._held.isdisjoint(SHIFTS)
        if code in LETTERS:
            return LETTERS[code].upper() if shift else LETTERS[code]
        pair = self._others.get(code) or DIGITS.get(code, "") + " "
        return ALIKE.get(code) or PAD.get(code) or pair[shift : shift + 1].strip()


def gather(hear: Callable[[float | None], str], deliver: Callable[[str], None]) -> None:
    """Puts together what a reader says until it falls silent, or as soon as a whole zone is there.

    Args:
        hear: waits so many seconds (None: for ever) for characters; nothing when none came.
        deliver: gets the text of one document or code.
    """
    text = ""
    while True:
        more = hear(SILENCE if text.strip() else None)
        text = (text + more)[-MOST:].lstrip()
        if text and (not more or (more[-1] in "\r\n" and is_whole(text))):
            deliver(text)
            text = ""


def is_whole(text: str) -> bool:
    """Whether nothing more need be waited for: all of a zone is there."""
    try:
        read(text)
    except MrzError:
        return False
    return True
