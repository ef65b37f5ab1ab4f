"""Identity documents as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.booking.documents import document, plain
from hub.booking.errors import BadDocument
from tests.booking.conftest import LETTERS, dni


@pytest.mark.parametrize(
    ("kind", "typed", "number"),
    [
        ("dni", "12345678Z", "12345678Z"),
        ("dni", " 12.345.678-z ", "12345678Z"),
        ("dni", "1234567L", "01234567L"),
        ("nie", "x-1234567-l", "X1234567L"),
        ("nie", "Y1234567X", "Y1234567X"),
        ("nie", "Z1234567R", "Z1234567R"),
        ("passport", "PAA 123456", "PAA123456"),
        ("passport", "x4rty-2", "X4RTY2"),
    ],
)
def test_a_document_has_one_spelling_however_it_is_typed(kind: str, typed: str, number: str) -> None:
    assert document(kind, typed).number == number


@pytest.mark.parametrize(
    ("kind", "typed", "why"),
    [
        ("dni", "12345678A", "letter"),
        ("dni", "X1234567L", "eight digits"),
        ("dni", "123", "eight digits"),
        ("dni", "", "eight digits"),
        ("nie", "X1234567A", "letter"),
        ("nie", "12345678Z", "X, Y or Z"),
        ("passport", "AB", "passport"),
        ("passport", "ABCDEFGH", "passport"),
        ("passport", "PÀA123456", "passport"),
        ("passport", "1" * 16, "passport"),
        ("licence", "12345678Z", "kind"),
    ],
)
def test_what_cannot_be_a_document_is_refused_without_repeating_it(kind: str, typed: str, why: str) -> None:
    with pytest.raises(BadDocument, match=why) as refused:
        document(kind, typed)

    assert refused.value.field == "document"
    assert not typed or len(typed) < 5 or typed not in str(refused.value)


@given(st.integers(1, 99_999_999), st.sampled_from(LETTERS))
def test_of_all_letters_one_goes_with_the_number(number: int, letter: str) -> None:
    typed = f"{number:08d}{letter}"

    if typed == dni(number):
        assert document("dni", typed).number == typed
    else:
        with pytest.raises(BadDocument):
            document("dni", typed)


@given(st.text(max_size=30))
def test_any_text_is_either_a_document_or_refused(text: str) -> None:
    for kind in ("dni", "nie", "passport"):
        try:
            assert plain(document(kind, text).number) == document(kind, text).number
        except BadDocument as error:
            assert str(error).startswith("document: ")


def test_a_document_does_not_show_its_number_by_accident() -> None:
    assert "12345678Z" not in repr(document("dni", "12345678Z"))
