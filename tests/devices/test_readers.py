"""Readers and keypads: what comes over the wire, as text; a serial line is a real one, by a pseudo-terminal."""

import os
import threading
import tty
from queue import SimpleQueue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.bench.cards import CARDS
from devices.hardware import HardwareError, reader
from devices.readers import ALTGR, LAYOUTS, LETTERS, Keyboard, gather
from tests.parts import wait_until

SHIFT = 42
QR = "torn:123456789:kX3v9Zt0Qm4c7Yb1Rw8uJA"
PLACES = {"us": {"<": (51, 1), ":": (39, 1), "/": (53, 0), "-": (12, 0)}}
PLACES["es"] = {"<": (86, 0), ":": (52, 1), "/": (8, 1), "-": (53, 0)}


def keys(text: str, layout: str) -> list[tuple[int, bool]]:
    """The keys that a reader set to a layout presses for a text, each let go again."""
    letters = {letter: code for code, letter in LETTERS.items()}
    pressed = []
    for each in text:
        digit = 11 if each == "0" else int(each) + 1 if each.isdigit() else 0
        code, shift = (28, 0) if each in "\r\n" else PLACES[layout].get(each) or (digit, 0)
        if each.isalpha():
            code, shift = letters[each.lower()], each.isupper()
        pressed += [(SHIFT, True)] * shift + [(code, True), (code, False)] + [(SHIFT, False)] * shift
    return pressed


def typed(layout: str, pressed: list[tuple[int, bool]]) -> str:
    keyboard = Keyboard(layout)
    return "".join(keyboard.key(code, down) for code, down in pressed)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("text", [QR, *(card.zone for card in CARDS)])
def test_a_keyboard_readers_keys_are_read_by_the_layout_it_is_set_to(layout, text):
    assert typed(layout, keys(text, layout)) == text.replace("\r", "\n")


def test_the_numeric_pad_types_digits_and_altgr_nothing():
    assert typed("es", [(82, True), (82, False), (73, True), (96, True)]) == "09\n"
    assert typed("es", [(ALTGR, True), (3, True), (3, False), (ALTGR, False), (3, True)]) == "2"


@given(st.lists(st.tuples(st.integers(0, 255), st.booleans()), max_size=40))
def test_any_keys_are_text_and_never_an_error(pressed):
    assert isinstance(typed("us", pressed), str)


class Spoken:
    """What a reader says, piece by piece; an empty piece is a silence, and at the end it is pulled out."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = list(pieces)
        self.waits: list[float | None] = []

    def hear(self, seconds: float | None) -> str:
        self.waits.append(seconds)
        if not self.pieces:
            raise OSError("pulled out")
        return self.pieces.pop(0)


def gathered(*pieces: str) -> list[str]:
    said: list[str] = []
    with pytest.raises(OSError, match="pulled out"):
        gather(Spoken(*pieces).hear, said.append)
    return said


def test_lines_that_follow_each_other_are_one_document_delivered_with_its_last_line():
    upper, lower, names, _ = CARDS[0].zone.split("\r")

    assert gathered(upper + "\r", lower + "\r", names + "\r\n") == [CARDS[0].zone + "\n"]


def test_a_code_is_delivered_when_the_reader_falls_silent():
    assert gathered("torn:123", "456789:secret", "") == ["torn:123456789:secret"]


def test_two_documents_one_after_the_other_are_two():
    assert gathered(CARDS[0].zone, "", CARDS[2].zone) == [CARDS[0].zone, CARDS[2].zone]


def test_nobody_waits_for_silence_while_nothing_was_said():
    spoken = Spoken("\r\n", "torn:1", "")

    with pytest.raises(OSError, match="pulled out"):
        gather(spoken.hear, lambda text: None)

    assert spoken.waits == [None, None, 0.3, None]


def test_what_never_ends_is_not_kept_for_ever():
    (said,) = gathered(*["x" * 100] * 50, "")

    assert len(said) == 400


def test_a_serial_reader_is_heard_over_its_line():
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    said: SimpleQueue[str] = SimpleQueue()
    one = reader(f"serial:{os.ttyname(theirs)}:9600", "us", said.put)

    os.write(ours, CARDS[1].zone.encode())
    document = said.get(timeout=5)
    os.write(ours, QR.encode())
    code = said.get(timeout=5)

    one.close()
    os.close(ours)
    os.close(theirs)
    assert (document, code) == (CARDS[1].zone, QR)
    wait_until(lambda: not [each for each in threading.enumerate() if each.name == "reader"], what="its thread to end")


@pytest.mark.parametrize("where", ["serial:/dev/none:9600", "keyboard:/dev/input/none"])
def test_a_reader_that_is_not_there_is_one_sentence(where):
    with pytest.raises(HardwareError, match="reader /dev/.*none: "):
        reader(where, "us", print)


@pytest.mark.parametrize(
    ("where", "layout"), [("usb:1", "us"), ("keyboard:/dev/x", "dvorak"), ("serial:/dev/x:y", "us")]
)
def test_a_readers_address_that_is_none_is_told_with_an_example(where, layout):
    with pytest.raises(HardwareError, match="must be like serial:/dev/ttyACM0:9600 or keyboard:"):
        reader(where, layout, print)
