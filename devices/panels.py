"""Drawing apart from wires: what a panel shows, drawn on any Pillow canvas, as large as it fits.

`lines(draw, size, texts)` serves every panel; the others draw one kind of panel each. They know
nothing of luma: hand in the `draw` of `luma.core.render.canvas` or of an image of one's own.

Letters are DejaVu Sans (Debian: fonts-dejavu-core). Without it Pillow's own face is used, which has
no accented letters, so that the accents are left out rather than shown as boxes.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from textwrap import wrap

from PIL import ImageFont
from PIL.ImageDraw import ImageDraw

Size = tuple[int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels
BOLD, REGULAR = "DejaVuSans-Bold.ttf", "DejaVuSans.ttf"
THIN = 12  # pixels: up to here bold letters fill up, on a matrix of eight rows above all
SHORT = 14  # letters: what is readable in a row a quarter of a sign high
LOOKS_LIKE = str.maketrans("·•", ".*")
SMALLEST = 7  # pixels: below this nobody reads it


@dataclass(frozen=True)
class Call:
    """Who is called where: a label and a desk."""

    label: str
    desk: str


@dataclass(frozen=True)
class View:
    """What the board shows: drawn by panels.board, whatever the panel."""

    calls: tuple[Call, ...] = ()  # newest first
    title: str = ""
    note: str = ""  # in words: no connection, closed, or the message of a paused office
    desk: str = "Taula"  # the word for a desk
    new: Call | None = None  # the call that is being announced
    lit: bool = True  # the phase of its flash
    page: int = 0  # which of the texts a small panel shows in turn


@lru_cache(maxsize=16)
def face(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The letters, `size` pixels high. Sixty sizes would be 17 MB: few are kept."""
    try:
        return ImageFont.truetype(BOLD if size > THIN else REGULAR, size)
    except OSError:
        return ImageFont.load_default(size)


@lru_cache(maxsize=1)
def accents() -> bool:
    """Whether the face that this machine has knows accented letters."""
    return "DejaVu" in str(getattr(face(12), "path", ""))


def plain(text: str) -> str:
    """The text without its accents: "Número" -> "Numero"."""
    parts = unicodedata.normalize("NFD", text)
    return "".join(part for part in parts if not unicodedata.combining(part)).translate(LOOKS_LIKE)


@lru_cache(maxsize=256)
def fitting(text: str, width: int, height: int) -> int:
    """The largest face in which `text` is at most `width` by `height` pixels."""
    size = max(SMALLEST, round(height * 1.4))
    while size > SMALLEST and not _fits(text, size, width, height):
        size -= 1
    return size


def _fits(text: str, size: int, width: int, height: int) -> bool:
    left, top, right, bottom = face(size).getbbox(text)
    return right - left <= width and bottom - top <= height


def fill(draw: ImageDraw, box: Box, text: str, ink: str = "white", most: int = 1000, align: str = "middle") -> None:
    """`text` in the middle (or at the left) of `box`, as large as it fits and at most `most` pixels."""
    text = text if accents() else plain(text)
    width, height = box[2] - box[0], box[3] - box[1]
    font = face(min(most, fitting(text, width, height)))
    left, top, right, bottom = font.getbbox(text)
    x = box[0] if align == "left" else box[0] + (width - (right - left)) // 2
    draw.text((x - left, box[1] + (height - (bottom - top)) // 2 - top), text, font=font, fill=ink)


def lines(draw: ImageDraw, size: Size, texts: Sequence[str], weights: Sequence[float] = ()) -> None:
    """The lines one below the other over the whole panel, each as large as its share allows.

    Args:
        size: the panel's width and height in pixels.
        weights: each line's share of the height; alike if not given.
    """
    weights = weights or [1] * len(texts)
    gap = 2 if len(texts) > 1 else 0
    room, top = size[1] - gap * (len(texts) - 1), 0.0
    for text, weight in zip(texts, weights, strict=True):
        height = room * weight / sum(weights)
        paragraph(draw, (1, int(top), size[0] - 1, int(top + height)), text)
        top += height + gap


def paragraph(draw: ImageDraw, box: Box, text: str, ink: str = "white") -> None:
    """`text` over the whole of `box`, broken at spaces where that gives larger letters."""
    width, height = box[2] - box[0], box[3] - box[1]
    rows = broken(text, width, height)
    size = _common(rows, width, height)
    for i, row in enumerate(rows):
        top = box[1] + height * i // len(rows)
        fill(draw, (box[0], top, box[2], box[1] + height * (i + 1) // len(rows)), row, ink, size)


@lru_cache(maxsize=256)
def broken(text: str, width: int, height: int) -> tuple[str, ...]:
    """The text broken at spaces in the way that gives the largest letters."""
    longest = max((len(word) for word in text.split()), default=1)
    lengths = range(longest, max(longest, len(text)) + 1)
    ways = {tuple(wrap(text, chars, break_on_hyphens=False)) or ("",) for chars in lengths}
    return max(sorted(ways, key=len), key=lambda rows: _common(rows, width, height))


def _common(rows: tuple[str, ...], width: int, height: int) -> int:
    """The largest face that all rows fit in, one pixel apart."""
    return min(fitting(row, width, max(1, height // len(rows) - (len(rows) > 1))) for row in rows)


def sign(draw: ImageDraw, size: Size, rows: Sequence[str], digits: str) -> None:
    """A desk's sign: a large row and a small one, or as much room for a longer second one; or eight digits.

    Eight seven-segment digits on one MAX7219 are a canvas of 8 by 8: a column each, the last digit first,
    from the top the segments g f e d c b a and the point (MAX7219 data sheet, table 6).
    """
    if size == (8, 8):
        return _segments(draw, digits)
    lines(draw, size, rows, (3, 1) if len(rows) == 2 and len(rows[1]) <= SHORT else ())


SEGMENTS = {
    "0": 0x7E, "1": 0x30, "2": 0x6D, "3": 0x79, "4": 0x33, "5": 0x5B, "6": 0x5F, "7": 0x70, "8": 0x7F, "9": 0x7B,
    "A": 0x77, "B": 0x1F, "C": 0x4E, "D": 0x3D, "E": 0x4F, "F": 0x47, "G": 0x5E, "H": 0x37, "I": 0x30, "J": 0x3C,
    "K": 0x57, "L": 0x0E, "M": 0x54, "N": 0x15, "O": 0x1D, "P": 0x67, "Q": 0x73, "R": 0x05, "S": 0x5B, "T": 0x0F,
    "U": 0x3E, "V": 0x1C, "W": 0x2A, "X": 0x37, "Y": 0x3B, "Z": 0x6D, "-": 0x01, " ": 0x00,
}  # fmt: skip


def _segments(draw: ImageDraw, digits: str) -> None:
    for x, digit in enumerate(reversed(f"{digits:<8}"[:8].upper())):
        for y in range(8):
            if SEGMENTS.get(digit, SEGMENTS["-"]) & 1 << y:
                draw.point((x, y), fill="white")


def board(draw: ImageDraw, size: Size, view: View) -> None:
    """A board of at least 32 rows: the newest call at the left, those before it at the right, a note below."""
    width, height = size
    if view.new:
        return _flash(draw, size, view.new, view)
    if not view.calls:
        return lines(draw, size, [each for each in (view.title, view.note) if each])
    foot = height - (height // 5 if view.note else 0)
    middle = width * 5 // 8 if len(view.calls) > 1 else width
    _newest(draw, (2, 0, middle - 8, foot - 2), view.calls[0], view.desk)
    _before(draw, (middle, 0, width - 2, foot), view.calls[1:4])
    if view.note:
        draw.line((0, foot, width, foot), fill="grey")
        fill(draw, (2, foot + 2, width - 2, height - 1), view.note)


def _newest(draw: ImageDraw, box: Box, call: Call, desk: str, ink: str = "white") -> None:
    left, top, right, bottom = box
    split = top + (bottom - top) * 3 // 5
    fill(draw, (left, top + 1, right, split - 2), call.label, ink)
    fill(draw, (left, split + 2, right, bottom), f"{desk} {call.desk}", ink)


def _before(draw: ImageDraw, box: Box, calls: Sequence[Call]) -> None:
    """Up to three calls, each in a third of the height: labels at the left, desks at the right, one size."""
    left, top, right, bottom = box
    height, split = (bottom - top) // 3, left + (right - left) * 3 // 4
    size = min((fitting(call.label, split - left, height - 4) for call in calls), default=SMALLEST)
    for i, call in enumerate(calls):
        row = (top + height * i + 2, top + height * (i + 1) - 2)
        fill(draw, (left, row[0], split, row[1]), call.label, most=size, align="left")
        fill(draw, (split + 4, row[0], right, row[1]), call.desk, most=size)


def _flash(draw: ImageDraw, size: Size, new: Call, view: View) -> None:
    """The new call has the whole panel, black on white in every other phase."""
    width, height = size
    if view.lit:
        draw.rectangle((0, 0, width - 1, height - 1), fill="white")
    ink = "black" if view.lit else "white"
    fill(draw, (6, 5, width * 5 // 8 - 6, height - 5), new.label, ink)
    fill(draw, (width * 5 // 8 + 4, 5, width - 6, height // 3 + 2), view.desk, ink)
    fill(draw, (width * 5 // 8 + 4, height // 3 + 6, width - 6, height - 5), new.desk, ink)


def matrix(draw: ImageDraw, size: Size, view: View) -> None:
    """A row of LED modules eight rows high: one text after the other; a new call blinks alone."""
    if view.new:
        texts = [f"{view.new.label} {view.new.desk}" if view.lit else ""]
    else:
        texts = [f"{call.label} {call.desk}" for call in view.calls[:3]]
        texts += wrap(view.note.upper(), max(6, size[0] // 5))
    if texts:
        fill(draw, (0, 0, *size), texts[view.page % len(texts)])
