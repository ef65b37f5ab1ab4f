"""The bench's paper: ESC/POS bytes as a printer would have put them on paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from devices.bench.escpos import CELL, MARGIN, WIDTH, commands, slips
from devices.hardware import Code, Line, printer

ADDRESS = "https://torn.example.cat/t/0123456789abcdefghijkl"


def printed(*pieces: Line | Code) -> bytes:
    """The very bytes that a printer gets for these pieces."""
    machine = printer("fake")
    machine.print(pieces)
    return machine.port.tickets[0]


def ink(data: bytes) -> tuple[int, int, int, int]:
    """The box of what is black on the first slip."""
    return slips(data)[0].picture.point(lambda value: 255 - value).getbbox()


def test_each_cut_is_a_slip():
    papers = slips(printed(Line("P012")) + printed(Line("P013")))

    assert len(papers) == 2


def test_a_double_size_is_twice_as_wide_and_twice_as_high():
    one, two = ink(printed(Line("P012"))), ink(printed(Line("P012", size=2)))

    assert two[2] - two[0] == pytest.approx(2 * (one[2] - one[0]), abs=4)
    assert two[3] - two[1] == pytest.approx(2 * (one[3] - one[1]), abs=4)


def test_a_centred_line_is_in_the_middle():
    left, _, right, _ = ink(printed(Line("OMAC Mont-roig")))

    assert left + right == pytest.approx(WIDTH + 2 * MARGIN, abs=6)


def test_the_code_that_is_printed_leads_to_its_address():
    (paper,) = slips(printed(Line("P012"), Code(ADDRESS)))

    assert paper.links == (ADDRESS,)


def test_a_code_as_an_image_and_a_native_one_are_both_printed():
    native, drawn = printed(Code(ADDRESS)), b"\x1dv0\0\x20\0\x80\0" + bytes([0xF0] * 32 * 128) + b"\x1dV\0"

    assert all(ink(data)[3] - ink(data)[1] > 100 for data in (native, drawn))


def test_accents_come_out_as_they_were_meant():
    right, wrong = slips(printed(Line("Padró")))[0], slips(printed(Line("Padro")))[0]

    assert right.picture.tobytes() != wrong.picture.tobytes()
    assert b"Padr\xa2" in printed(Line("Padró"))  # code page 437


def test_a_line_longer_than_the_paper_goes_on_in_the_next():
    one, two = ink(b"x" * 48 + b"\n\x1dV\0"), ink(b"x" * 49 + b"\n\x1dV\0")

    assert two[3] - two[1] >= one[3] - one[1] + CELL[1]


def test_no_command_is_printed_as_text():
    data = printed(Line("P012", bold=True, size=3), Code(ADDRESS))

    text = b"".join(body for command, body in commands(data) if command == b"")

    assert text == b"P012"


def test_a_slip_that_was_broken_off_is_still_shown():
    whole = printed(Line("OMAC"), Line("P012", size=4))

    (paper,) = slips(whole[: whole.index(b"P012") + 4])

    assert isinstance(paper.picture, Image.Image)


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(data):
    for paper in slips(data):
        assert paper.picture.width == WIDTH + 2 * MARGIN


@given(st.lists(st.sampled_from([b"\x1b", b"\x1d", b"(", b"k", b"v0", b"*", b"\0", b"\1", b"1", b"P", b"Q", b"x"])))
def test_no_mixture_of_commands_is_too_strange(parts):
    slips(b"".join(parts))
