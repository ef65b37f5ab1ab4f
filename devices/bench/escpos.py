"""What a receipt printer would have put on paper: ESC/POS bytes as pictures.

Only what the dispenser's layouts need is drawn; other commands are stepped over by their length, so
that nothing of them is printed as text. Byte codes: Epson, ESC/POS Command Reference, TM-T20II.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import segno
from PIL import Image, ImageDraw, ImageFont

WIDTH = 576  # dots: 72 mm printable of an 80 mm roll at 203 dpi
CELL = (12, 24)  # dots of a font A character
SPACING = 30  # dots from line to line (ESC 2)
MARGIN = 24  # dots of white around what is printed
BLADE = 110  # dots from the print head up to the blade: so much of the last feed stays in the printer
MONO = "DejaVuSansMono.ttf"

# ESC t n, as on most of Epson's and their likenesses.
CODE_PAGES = {0: "cp437", 2: "cp850", 3: "cp860", 4: "cp863", 5: "cp865", 16: "cp1252", 18: "cp852", 19: "cp858"}
# Commands of ESC and GS that nothing is drawn for, by how many bytes follow them.
LENGTHS = {b"\x1b": dict.fromkeys(b"-=GLMRSTUVcrt{", 1) | {ord("p"): 3, ord("$"): 2, ord("\\"): 2}}
LENGTHS[b"\x1d"] = dict.fromkeys(b"!/BHIafhrwb", 1) | {ord("L"): 2, ord("W"): 2, ord("P"): 2}


@dataclass(frozen=True)
class Paper:
    """One slip: its picture and the addresses of its QR codes."""

    picture: Image.Image
    links: tuple[str, ...]


@dataclass
class Printer:
    """The state of a printer between two bytes, and the rows it has printed since the last cut."""

    page: str = "cp437"
    align: int = 0
    bold: bool = False
    width: int = 1
    height: int = 1
    inverse: bool = False
    spacing: int = SPACING
    qr: dict[int, bytes] = field(default_factory=dict)
    line: list[Image.Image] = field(default_factory=list)
    rows: list[Image.Image] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


def slips(data: bytes) -> list[Paper]:
    """The slips in a stream of ESC/POS bytes, one for each cut, and what came after the last."""
    printer, papers = Printer(), []
    for command, body in commands(data):
        _obey(printer, command, body)
        if command == b"\x1dV":
            papers.append(_torn_off(printer))
    return papers + ([_torn_off(printer)] if printer.rows or printer.line else [])


def commands(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The stream parted into (command, what belongs to it); printable text is the command b"".

    A command that breaks off at the end is left out: a printer would wait for the rest.
    """
    at = 0
    while at < len(data):
        command, start, end = _next(data, at)
        if end > len(data):
            return
        yield command, data[start:end]
        at = max(end, at + 1)


def _next(data: bytes, at: int) -> tuple[bytes, int, int]:
    """The command at `at`, and from where to where its body goes."""
    lead = data[at : at + 1]
    if lead in (b"\x1b", b"\x1d", b"\x1c"):
        command = data[at : at + 2].ljust(2, b"\0")
        return command, at + 2, at + 2 + _length(command, data[at + 2 : at + 34].ljust(32, b"\0"))
    if lead == b"\x10":  # DLE EOT n, DLE ENQ n: asked of the printer, not printed
        return lead, at + 1, at + 3
    if lead < b" ":
        return lead, at + 1, at + 1
    end = at
    while end < len(data) and data[end] >= 0x20:
        end += 1
    return b"", at, end


def _length(command: bytes, head: bytes) -> int:
    """How many bytes belong to a command, its own parameters included."""
    if command in (b"\x1d(", b"\x1b("):  # GS ( x pL pH ...
        return 3 + head[1] + 256 * head[2]
    if command == b"\x1dv":  # GS v 0 m xL xH yL yH ...
        return 6 + (head[2] + 256 * head[3]) * (head[4] + 256 * head[5])
    if command == b"\x1b*":  # ESC * m nL nH ...
        return 3 + (head[1] + 256 * head[2]) * (3 if head[0] > 31 else 1)
    if command == b"\x1dV":  # GS V m, or GS V m n from m = 65 on
        return 2 if head[0] >= 65 else 1
    if command == b"\x1bD":  # tab stops up to a NUL
        return head.find(b"\0") + 1
    if command in (b"\x1b!", b"\x1bE", b"\x1ba", b"\x1bd", b"\x1bJ", b"\x1b3", b"\x1c!"):
        return 1
    return LENGTHS.get(command[:1], {}).get(command[1], 0)


def _obey(printer: Printer, command: bytes, body: bytes) -> None:
    act = ACTS.get(command)
    if act:
        act(printer, body)


# --- the commands ---------------------------------------------------------------------------


def _text(printer: Printer, body: bytes) -> None:
    """A line that is full goes on in the next, in the middle of a word if need be."""
    letters = body.decode(printer.page, "replace")
    while letters:
        room = (WIDTH - sum(part.width for part in printer.line)) // (CELL[0] * printer.width)
        if room <= 0 and printer.line:
            _line_feed(printer, b"")
            continue
        now, letters = letters[: max(1, room)], letters[max(1, room) :]
        printer.line.append(_letters(now, printer.width, printer.height, printer.bold, printer.inverse))


def _line_feed(printer: Printer, _body: bytes) -> None:
    if printer.line:
        _row(printer, _side_by_side(printer.line), max(printer.spacing - CELL[1], 0))
        printer.line = []
    else:
        printer.rows.append(_blank(printer.spacing))


def _reset(printer: Printer, _body: bytes) -> None:
    fresh = Printer(qr=printer.qr, line=printer.line, rows=printer.rows, links=printer.links)
    printer.__dict__.update(fresh.__dict__)


def _align(printer: Printer, body: bytes) -> None:
    printer.align = body[0] % 48


def _bold(printer: Printer, body: bytes) -> None:
    printer.bold = bool(body[0] & 1)


def _print_mode(printer: Printer, body: bytes) -> None:
    """ESC ! n: bit 3 bold, bit 4 double height, bit 5 double width."""
    printer.bold, printer.height, printer.width = bool(body[0] & 8), 1 + (body[0] >> 4 & 1), 1 + (body[0] >> 5 & 1)


def _size(printer: Printer, body: bytes) -> None:
    """GS ! n: width in the upper, height in the lower half of the byte, each less one."""
    printer.width, printer.height = (body[0] >> 4 & 7) + 1, (body[0] & 7) + 1


def _code_page(printer: Printer, body: bytes) -> None:
    printer.page = CODE_PAGES.get(body[0], "cp437")


def _inverse(printer: Printer, body: bytes) -> None:
    printer.inverse = bool(body[0] & 1)


def _spacing(printer: Printer, body: bytes) -> None:
    printer.spacing = body[0]


def _usual_spacing(printer: Printer, _body: bytes) -> None:
    printer.spacing = SPACING


def _feed_lines(printer: Printer, body: bytes) -> None:
    if printer.line:
        _line_feed(printer, b"")
    printer.rows.append(_blank(body[0] * printer.spacing))


def _feed_dots(printer: Printer, body: bytes) -> None:
    if printer.line:
        _line_feed(printer, b"")
    printer.rows.append(_blank(body[0]))


def _raster(printer: Printer, body: bytes) -> None:
    """GS v 0 m xL xH yL yH d...: rows of bytes, a set bit is black."""
    across, down = body[2] + 256 * body[3], body[4] + 256 * body[5]
    if across and down:
        picture = Image.frombytes("1", (across * 8, down), bytes(255 - byte for byte in body[6:]))
        _row(printer, picture.convert("L"), 0)


def _columns(printer: Printer, body: bytes) -> None:
    """ESC * m nL nH d...: columns of 8 or 24 dots, from the left."""
    deep, across = (3 if body[0] > 31 else 1), body[1] + 256 * body[2]
    if across:
        turned = Image.frombytes("1", (deep * 8, across), bytes(255 - byte for byte in body[3:]))
        printer.line.append(turned.transpose(Image.Transpose.TRANSPOSE).convert("L"))


def _symbol(printer: Printer, body: bytes) -> None:
    """GS ( k pL pH 49 fn ...: size (67), error level (69), data (80) and printing (81) of a QR code."""
    if body[:1] != b"k" or body[3:4] != b"1" or len(body) < 5:
        return
    function, rest = body[4], body[5:]
    printer.qr[function] = rest
    address = printer.qr.get(80, b"")[1:].decode("utf-8", "replace")
    if function == 81 and address:
        level = "LMQH"[(int.from_bytes(printer.qr.get(69, b"0")[:1]) - 48) % 4]
        dots = min(16, max(1, int.from_bytes(printer.qr.get(67, b"\3")[:1])))
        _row(printer, _qr(address, level, dots), 0)
        printer.links.append(address)


ACTS = {
    b"": _text,
    b"\n": _line_feed,
    b"\x1b@": _reset,
    b"\x1ba": _align,
    b"\x1bE": _bold,
    b"\x1bG": _bold,
    b"\x1b!": _print_mode,
    b"\x1d!": _size,
    b"\x1bt": _code_page,
    b"\x1dB": _inverse,
    b"\x1b3": _spacing,
    b"\x1b2": _usual_spacing,
    b"\x1bd": _feed_lines,
    b"\x1bJ": _feed_dots,
    b"\x1dv": _raster,
    b"\x1b*": _columns,
    b"\x1d(": _symbol,
}

# --- ink ------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _face(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.truetype(MONO, height * 20)  # its letters are then 12 dots wide
    except OSError:
        return ImageFont.load_default(height * 20)


def _letters(text: str, width: int, height: int, bold: bool, inverse: bool) -> Image.Image:
    across, down = CELL[0] * len(text), CELL[1] * height
    picture = Image.new("L", (across * height, down), 255)
    draw = ImageDraw.Draw(picture)
    for i, letter in enumerate(text):
        place = (CELL[0] * height * i, down - 5 * height)
        draw.text(place, letter, font=_face(height), fill=0, anchor="ls", stroke_width=0.6 * height if bold else 0)
    picture = picture.resize((across * width, down), Image.Resampling.LANCZOS) if width != height else picture
    return picture.point(lambda ink: 255 - ink) if inverse else picture


def _qr(text: str, level: str, dots: int) -> Image.Image:
    try:
        code = segno.make(text, error=level, micro=False, boost_error=False)
    except segno.DataOverflowError:
        return _blank(1)  # as a printer: too much for a symbol is no symbol
    rows = [bytes(0 if module else 255 for module in row) for row in code.matrix]
    small = Image.frombytes("L", (len(rows[0]), len(rows)), b"".join(rows))
    return small.resize((small.width * dots, small.height * dots), Image.Resampling.NEAREST)


def _side_by_side(parts: list[Image.Image]) -> Image.Image:
    """Parts of one line on one base line."""
    line = Image.new("L", (sum(part.width for part in parts), max(part.height for part in parts)), 255)
    left = 0
    for part in parts:
        line.paste(part, (left, line.height - part.height))
        left += part.width
    return line


def _row(printer: Printer, picture: Image.Image, below: int) -> None:
    row = _blank(picture.height + below)
    row.paste(picture, ((WIDTH - picture.width) * min(printer.align, 2) // 2, 0))
    printer.rows.append(row)


def _blank(height: int) -> Image.Image:
    return Image.new("L", (WIDTH, max(1, height)), 255)


def _torn_off(printer: Printer) -> Paper:
    if printer.line:
        _line_feed(printer, b"")
    height = sum(row.height for row in printer.rows)
    picture, top = Image.new("L", (WIDTH + 2 * MARGIN, height + 2 * MARGIN), 255), MARGIN
    for row in printer.rows:
        picture.paste(row, (MARGIN, top))
        top += row.height
    ink = picture.point(lambda value: 255 - value).getbbox() or (0, 0, 0, MARGIN)
    picture = picture.crop((0, 0, picture.width, max(ink[3] + MARGIN, picture.height - BLADE)))
    paper = Paper(picture, tuple(printer.links))
    printer.rows, printer.links = [], []
    return paper
