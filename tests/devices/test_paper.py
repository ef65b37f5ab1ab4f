"""What stands on the slip."""

from dataclasses import replace

import pytest

from devices.paper import WORDS, Slip, pieces, rounded
from devices.printer import Code, Line

SLIP = Slip(
    office="OMAC Mont-roig del Camp",
    label="P012",
    service={"ca": "Padró d'habitants", "es": "Padrón de habitantes"},
    languages=("ca", "es", "en"),
    url="https://torn.example.cat/t/abc",
    printed_at="24/11/2026 10:05",
    ahead=3,
    wait=(15, 25),
    back_by="10:18",
)


def texts(slip: Slip) -> list[str]:
    return [piece.text for piece in pieces(slip)]


def test_the_slip_says_everything_in_the_persons_two_languages():
    assert texts(SLIP) == [
        "OMAC Mont-roig del Camp",
        "",
        "P012",
        "Padró d'habitants",
        "Padrón de habitantes",
        "24/11/2026 10:05",
        "",
        "Persones davant vostre: 3",
        "Espera prevista: de 15 a 25 min",
        "Podeu sortir: torneu abans de les 10:18",
        "",
        "Personas delante de usted: 3",
        "Espera prevista: de 15 a 25 min",
        "Puede salir: vuelva antes de las 10:18",
        "",
        "https://torn.example.cat/t/abc",
        "",
        "Seguiu el vostre torn al mòbil",
        "Siga su turno en el móvil",
    ]


def test_the_number_is_by_far_the_largest_and_the_address_is_a_code():
    parts = pieces(SLIP)

    assert max(parts, key=lambda piece: piece.size if isinstance(piece, Line) else 0) == Line("P012", 6, True)
    assert [piece.text for piece in parts if isinstance(piece, Code)] == ["https://torn.example.cat/t/abc"]


def test_what_is_not_known_leaves_nothing_in_its_place():
    bare = replace(SLIP, ahead=None, wait=None, back_by=None, url=None, printed_at=None)

    assert texts(bare) == ["OMAC Mont-roig del Camp", "", "P012", "Padró d'habitants", "Padrón de habitantes"]


def test_a_preferential_ticket_a_late_one_and_a_copy_say_so():
    special = replace(SLIP, languages=("en",), priority=True, closes_at="14:00", again=True)

    assert {"Priority", "Copy", "Your turn may come after closing time, 14:00. You will still be served."} <= set(
        texts(special)
    )


def test_the_slip_of_an_appointment_says_its_hour_and_where_to_wait():
    booked = replace(SLIP, label="C007", languages=("en",), ahead=None, wait=None, back_by=None, hour="10:10")

    assert texts(booked)[6:8] == ["Appointment at 10:10", "Wait in the hall for the board's call"]
    assert "Early: we call you from 09:40 or before" in texts(replace(booked, due_from="09:40"))
    assert "Late: called like those without one" in texts(replace(booked, late=True))


@pytest.mark.parametrize("key", ["hour", "where", "early", "late_for_it", "back_by"])
def test_what_matters_to_who_reads_the_slip_fits_into_a_line_of_a_narrow_printer(key):
    assert [words[key] for words in WORDS.values() if len(words[key].format("10:10")) > 42] == []


def test_all_languages_have_the_same_sentences():
    assert {tuple(words) for words in WORDS.values()} == {tuple(WORDS["ca"])}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0, 4, (0, 4)), (6, 21, (5, 25)), (15, 25, (15, 25)), (12, 13, (10, 15)), (58, 61, (50, 70)), (5, 9.5, (5, 10))],
)
def test_a_range_is_rounded_as_one_says_it_and_never_narrower(low, high, said):
    assert rounded(low, high) == said
