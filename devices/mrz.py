"""The machine-readable zone of identity cards and passports (ICAO Doc 9303), without the vendors' guesses.

    read("IDESPBAA000589712345678Z<<<<<<\\r8001014F3106028ESP<<<<<<<<<<<1\\r...")   # Document("dni", "12345678Z")

The rules:
  - Every check digit that stands there must fit. What readers make of O and 0, I and 1 is put right only where
    the standard allows nothing but digits, before the check digits are worked out.
  - A Spanish card has its *support number* in the field of the document number; the DNI or NIE stands in the
    optional data, and has a check letter of its own, which must fit too.
  - An error never says what was read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from devices import DeviceError

LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"  # the rest of the number divided by 23 says which (Real Decreto 1553/2005, 11)
NIE = "XYZ"  # stand for 0, 1 and 2 in front of seven digits
DIGIT_FOR = str.maketrans("OQDILZSGB", "000112568")
CARD = re.compile(r"[ACI][A-Z<][A-Z<]{3}")  # Doc 9303-5, 4.2.2: A, C or I, and the state that gave it
PASSPORT = re.compile(r"P[A-Z<][A-Z<]{3}")  # Doc 9303-4, 4.2.2


class MrzError(DeviceError, ValueError):
    """This is no zone that can be read; the message says why, never what."""


@dataclass(frozen=True)
class Document:
    """What a document says of itself: `kind` is dni, nie, passport or card (another country's), `number` as booked."""

    kind: str
    number: str


def letter(digits: str) -> str:
    """The letter that belongs to a DNI's eight digits, or to a NIE's X, Y or Z and seven digits."""
    number = str(NIE.index(digits[0])) + digits[1:] if digits[0] in NIE else digits
    return LETTERS[int(number) % 23]


def fits(number: str) -> bool:
    """Whether it is a DNI or a NIE with the letter that belongs to it."""
    return bool(re.fullmatch(r"([0-9]{8}|[XYZ][0-9]{7})[A-Z]", number)) and letter(number[:-1]) == number[-1]


def check_digit(field: str) -> str:
    """Doc 9303-3, 4.9: weights 7, 3, 1 again and again; A is 10, Z is 35, the filler is 0; modulo 10."""
    values = (0 if each == "<" else int(each, 36) for each in field)
    return str(sum(value * (7, 3, 1)[i % 3] for i, value in enumerate(values)) % 10)


def read(text: str) -> Document:
    """The document in what a reader said: whole lines, or all in one, with noise before and after.

    Raises MrzError when nothing in it is a zone whose check digits fit.
    """
    fault = MrzError("no zone of an identity card or passport")
    for lines in _zones(text):
        try:
            return _passport(lines) if len(lines) == 2 else _card(lines)
        except MrzError as error:
            fault = error
    raise fault


def _zones(text: str) -> Iterator[list[str]]:
    """Whatever could be a zone: lines that follow each other, or a stretch of the length of one."""
    lines = [re.sub("[^A-Z0-9<]", "", line) for line in re.split(r"[\r\n]+", text.upper().replace(" ", "<"))]
    lines = [line for line in lines if line.strip("<")]
    for first, count, width in ((first, *shape) for shape in ((3, 30), (2, 44)) for first in range(len(lines))):
        zone = lines[first : first + count]
        if len(zone) == count and all(len(line) <= width for line in zone):
            yield [line.ljust(width, "<") for line in zone]  # a reader may leave the last fillers out
    whole = "".join(lines)
    for count, width, begins in ((3, 30, CARD), (2, 44, PASSPORT)):
        for at in range(len(whole) - count * width + 1):
            if begins.match(whole, at):
                yield [whole[at + width * i : at + width * (i + 1)] for i in range(count)]


def _card(lines: list[str]) -> Document:
    """TD1, three lines of 30 (Doc 9303-5, 4.2.2)."""
    upper, lower = lines[0], _digits(lines[1], (*range(7), *range(8, 15), 29))
    if not CARD.match(upper):
        raise MrzError("no zone of an identity card")
    spanish = upper[2:5] == "ESP"
    upper = _digits(upper, (14, *_number_places(upper)) if spanish else (14,))
    _must_fit(lower[0:6], lower[6], "date of birth")
    _must_fit(lower[8:14], lower[14], "date of expiry")
    _must_fit(upper[5:30] + lower[0:7] + lower[8:15] + lower[18:29], lower[29], "whole card")
    number = _long_number(upper)
    return _spaniard(upper[15:30], lower[18:29]) if spanish else Document("card", number)


def _number_places(upper: str) -> range:
    """Where the digits of the DNI or NIE stand in the optional data."""
    return range(16, 23) if upper[15] in NIE else range(15, 23)


def _long_number(upper: str) -> str:
    """A number of more than nine characters goes on in the optional data, its check digit last (4.2.2, note j)."""
    number, check, rest = upper[5:14], upper[14], upper[15:30].split("<")[0]
    if check == "<" and len(rest) > 1:
        number, check = number + rest[:-1], rest[-1]
    _must_fit(number, check, "number of the document")
    return number.rstrip("<")


def _spaniard(*optional: str) -> Document:
    for number in (field[:9] for field in optional):
        if fits(number):
            return Document("nie" if number[0] in NIE else "dni", number)
    raise MrzError("no DNI or NIE in the optional data")


def _passport(lines: list[str]) -> Document:
    """TD3, two lines of 44 (Doc 9303-4, 4.2.2)."""
    if not PASSPORT.match(lines[0]):
        raise MrzError("no zone of a passport")
    lower = _digits(lines[1], (9, *range(13, 20), *range(21, 28), 43))
    _must_fit(lower[0:9], lower[9], "number of the passport")
    _must_fit(lower[13:19], lower[19], "date of birth")
    _must_fit(lower[21:27], lower[27], "date of expiry")
    if lower[42] != "<" or lower[28:42].strip("<"):  # the digit of an empty field may be left out
        _must_fit(lower[28:42], lower[42], "optional data")
    _must_fit(lower[0:10] + lower[13:20] + lower[21:43], lower[43], "whole passport")
    return Document("passport", lower[0:9].rstrip("<"))


def _digits(line: str, places: tuple[int, ...]) -> str:
    """The line with digits where there can be nothing else, as far as a letter looks like one."""
    return "".join(each.translate(DIGIT_FOR) if i in places else each for i, each in enumerate(line))


def _must_fit(field: str, digit: str, what: str) -> None:
    if check_digit(field) != digit:
        raise MrzError(f"the check digit of the {what} does not fit")
