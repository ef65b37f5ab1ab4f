"""Identity documents as people type them: DNI, NIE, passport. Check letters by python-stdnum."""

from __future__ import annotations

import re

from stdnum.es import dni, nie
from stdnum.exceptions import InvalidChecksum, ValidationError

from .appointments import Document, Kind
from .errors import BadDocument, WrongLetter

PASSPORT = re.compile(r"(?=.*[0-9])[A-Z0-9]{5,15}")
_RULES = {Kind.DNI: dni, Kind.NIE: nie}
_SHAPES = {Kind.DNI: "eight digits and a letter", Kind.NIE: "X, Y or Z, seven digits and a letter"}


def plain(number: str) -> str:
    """The number in capitals, without spaces and punctuation: as it is kept, compared and digested."""
    return re.sub(r"[\s.\-_/·]", "", number).upper()


def document(kind: str, number: str) -> Document:
    """The document in its one spelling; BadDocument says what is wrong, never the number itself."""
    if kind not in list(Kind):
        raise BadDocument("document: kind must be dni, nie or passport")
    known, written = Kind(kind), plain(number)
    if known is Kind.PASSPORT:
        if not PASSPORT.fullmatch(written):
            raise BadDocument("document: a passport has 5 to 15 letters and digits")
        return Document(known, written)
    try:
        # A DNI of seven digits or fewer is written with noughts before them.
        return Document(
            known, _RULES[known].validate(written.zfill(9) if known is Kind.DNI and len(written) > 4 else written)
        )
    except InvalidChecksum:
        raise WrongLetter(f"document: the letter does not go with the number of this {known.upper()}") from None
    except ValidationError:
        raise BadDocument(f"document: a {known.upper()} is {_SHAPES[known]}") from None
