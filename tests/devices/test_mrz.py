"""The machine-readable zones: what must hold for any card, and for any mistake in reading one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.es import dni, nie

from devices.bench.cards import card_zone, passport_zone
from devices.mrz import Document, MrzError, check_digit, fits, letter, read

TEXT = string.digits + string.ascii_uppercase + "<"
DNI = st.integers(0, 99_999_999).map(lambda n: f"{n:08d}").map(lambda digits: digits + letter(digits))
NIE = st.tuples(st.sampled_from("XYZ"), st.integers(0, 9_999_999)).map(lambda n: f"{n[0]}{n[1]:07d}")
NIES = NIE.map(lambda digits: digits + letter(digits))
SUPPORT = st.from_regex(r"[A-Z]{3}[0-9]{6}", fullmatch=True)
PASSPORTS = st.from_regex(r"[A-Z0-9]{5,9}", fullmatch=True)
NAMES = st.from_regex(r"[A-Z]{1,12}<<[A-Z]{1,12}", fullmatch=True)
NOISE = st.text(alphabet="\x02\x03 \t\r\n", max_size=4)
SPECIMEN_PASSPORT = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10\n"  # Doc 9303-4, A
)
SPECIMEN_CARD = (
    "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<\n"  # Doc 9303-5, A
)


def value(character: str) -> int:
    """What a character counts for in a check digit."""
    return 0 if character == "<" else int(character, 36)


def test_the_specimens_of_the_standard_are_read():
    assert read(SPECIMEN_PASSPORT) == Document("passport", "L898902C3")
    assert read(SPECIMEN_CARD) == Document("card", "D23145890")


@given(DNI, SUPPORT, NAMES)
def test_a_dni_is_read_from_the_optional_data_and_not_from_the_support_number(number, support, names):
    assert read(card_zone(number, support, names)) == Document("dni", number)


@given(NIES, SUPPORT, NAMES)
def test_a_nie_is_read_likewise(number, support, names):
    assert read(card_zone(number, support, names, code="IR")) == Document("nie", number)


@given(PASSPORTS, NAMES)
def test_a_passports_number_is_read(number, names):
    assert read(passport_zone(number, names)) == Document("passport", number)


@given(st.one_of(DNI, NIES))
def test_the_check_letters_are_those_that_python_stdnum_knows(number):
    assert (nie if number[0] in "XYZ" else dni).is_valid(number)
    assert fits(number)


@given(DNI, SUPPORT, NOISE, NOISE, st.sampled_from(["\r", "\n", "\r\n", "", "\r\r"]))
def test_whatever_stands_around_and_between_the_lines_does_not_matter(number, support, before, after, between):
    zone = card_zone(number, support, "MOSTRA<<CARME").rstrip("\r").replace("\r", between)

    assert read(before + zone + after).number == number


@given(DNI, SUPPORT)
def test_lower_case_spaces_for_fillers_and_lines_without_their_last_ones_are_forgiven(number, support):
    zone = card_zone(number, support, "MOSTRA<<CARME")
    spaced = zone.lower().replace("<", " ")
    short = "\r".join(line.rstrip("<") for line in zone.split("\r"))

    assert read(spaced).number == read(short).number == number


@given(NIES, st.sampled_from(["O0", "I1", "S5", "B8", "Z2"]))
def test_a_letter_that_looks_like_a_digit_is_put_right_where_only_digits_can_stand(number, pair):
    looks, means = pair
    upper, lower, names, _ = card_zone(number, "AAA000000", "MOSTRA<<CARME").split("\r")
    misread = upper[:16] + upper[16:23].replace(means, looks) + upper[23:]
    dates = lower[:7].replace(means, looks) + lower[7:]

    assert read("\r".join((misread, dates, names))).number == number


@given(st.one_of(DNI, NIES), SUPPORT, st.integers(0, 59), st.sampled_from(TEXT))
def test_one_changed_character_never_gives_another_dni_or_nie(number, support, place, character):
    upper, lower, names, _ = card_zone(number, support, "MOSTRA<<CARME").split("\r")
    both = upper + lower
    changed = both[:place] + character + both[place + 1 :]

    try:
        found = read("\r".join((changed[:30], changed[30:], names)))
    except MrzError:
        return

    # The state is under no check digit: another country's card has the support number for its own.
    assert found.number == number or (found.kind == "card" and place < 5)


COVERED = (*range(10), *range(13, 20), *range(21, 44))  # what Doc 9303-4 puts under check digits


@given(PASSPORTS, st.sampled_from(COVERED), st.sampled_from(TEXT))
def test_one_changed_character_of_a_passport_is_refused(number, place, character):
    upper, lower, _ = passport_zone(number, "EXEMPLE<<ANNA").split("\r")
    alike = value(character) % 10 == value(lower[place]) % 10  # a check digit cannot tell 0 from A: Doc 9303-3, 4.9
    changed = lower[:place] + character + lower[place + 1 :]

    try:
        found = read(f"{upper}\r{changed}\r")
    except MrzError:
        return

    assert alike or found.number == number  # or it was put right


@given(PASSPORTS, st.integers(0, 8), st.sampled_from(string.digits))
def test_one_changed_digit_of_a_passports_number_is_refused(number, place, digit):
    upper, lower, _ = passport_zone(number, "EXEMPLE<<ANNA").split("\r")
    if value(lower[place]) % 10 == value(digit):
        return

    with pytest.raises(MrzError, match="check digit of the number of the passport"):
        read(f"{upper}\r{lower[:place]}{digit}{lower[place + 1 :]}\r")


def test_a_long_number_goes_on_in_the_optional_data():
    upper = "I<UTOD23145890<7349<<<<<<<<<<<"  # Doc 9303-5, 4.2.2, note j: D23145890734 and its check digit 9
    lower = "3407127M9507122UTO<<<<<<<<<<<"
    whole = check_digit(upper[5:30] + lower[0:7] + lower[8:15] + lower[18:29])

    assert read(f"{upper}\n{lower}{whole}\nSTEVENSON<<PETER<JOHN<<<<<<<<<\n").number == "D23145890734"


@given(st.text(max_size=120))
def test_any_text_is_a_document_or_an_error_that_does_not_repeat_it(text):
    try:
        read(text)
    except MrzError as error:
        said = str(error)
    else:
        return

    assert not any(word in said for word in text.split() if len(word) > 4)


def test_a_spanish_card_whose_optional_data_has_no_dni_is_refused():
    with pytest.raises(MrzError, match="no DNI or NIE"):
        read(card_zone("12345678A", "BAA000589", "MOSTRA<<CARME"))
