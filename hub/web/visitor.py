"""Who will come, as typed into the form: what is wrong with it is said beside each field, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from flask_babel import gettext as _
from pydantic import TypeAdapter, ValidationError

from hub.booking.appointments import Appointment, Document, Kind, Person, Standing
from hub.booking.documents import document, plain
from hub.booking.errors import BadDocument, WrongLetter

from . import models as m

NAME, EMAIL, PHONE = (TypeAdapter(each) for each in (m.Name, m.Email, m.Phone))


@dataclass(frozen=True)
class Typed:
    """What somebody typed; `trap` is a field that people do not see, and that robots fill in."""

    kind: str = Kind.DNI.value  # dni stands for NIE too: its first letter tells
    number: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    trap: str = field(default="", repr=False)


def typed(form: Mapping[str, str]) -> Typed:
    """What a form carries."""
    return Typed(**{each.name: form[each.name].strip() for each in fields(Typed) if each.name in form})


def typed_before(kept: Appointment | None) -> Typed:
    """What stands in the form when one comes back to it; nothing of what is booked, whose id is no secret."""
    person = kept.person if kept and kept.standing is Standing.HELD else None
    if person is None or person.document is None:
        return Typed()
    kind = Kind.PASSPORT if person.document.kind is Kind.PASSPORT else Kind.DNI
    return Typed(kind.value, person.document.number, person.name, person.email or "", person.phone or "")


def judged(said: Typed) -> tuple[Person | None, dict[str, str]]:
    """The person, or a sentence for each field that is wrong, in the order of the form."""
    wrong: dict[str, str] = {}
    papers = _document(said, wrong)
    if not _fits(NAME, said.name):
        wrong["name"] = _("Write the name and surname of the person who will come.")
    if said.email and not _fits(EMAIL, said.email):
        wrong["email"] = _("This is not an e-mail address like name@example.cat. Correct it, or leave it empty.")
    if said.phone and not _fits(PHONE, said.phone):
        wrong["phone"] = _("This is not a telephone number like 600 123 456. Correct it, or leave it empty.")
    if said.trap:
        wrong["trap"] = _("Leave this field empty.")
    if wrong:
        return None, wrong
    return Person(said.name, papers, said.email or None, said.phone or None), wrong


def _fits(rule: TypeAdapter[str], text: str) -> bool:
    try:
        rule.validate_python(text)
    except ValidationError:
        return False
    return True


def _document(said: Typed, wrong: dict[str, str]) -> Document | None:
    kind, letter = said.kind, plain(said.number)[:1]
    if kind == Kind.DNI and letter in ("X", "Y", "Z"):
        kind = Kind.NIE
    try:
        return document(kind, said.number)
    except WrongLetter:
        wrong["number"] = _("The letter does not go with the number. Look at both again on the card.")
    except BadDocument:
        wrong["number"] = _shape(kind, said.number)
    return None


def _shape(kind: str, number: str) -> str:
    if not number:
        return _("Write the number of the document.")
    if kind == Kind.PASSPORT:
        return _("A passport number has 5 to 15 letters and digits.")
    if kind == Kind.NIE:
        return _("A NIE is X, Y or Z, seven digits and a letter: X1234567L.")
    return _(
        "A DNI is eight digits and a letter, and a NIE begins with X, Y or Z. For any other document choose passport."
    )
