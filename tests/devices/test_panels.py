"""What is drawn on the panels: as large as it fits, and never beyond the edge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from luma.core.device import dummy
from luma.core.virtual import sevensegment
from luma.led_matrix.segment_mapper import dot_muncher
from PIL import Image, ImageDraw

from devices import desk, panels
from devices.panels import Call, View

CALLS = (Call("P012", "2"), Call("A007", "1"), Call("R1003", "14"), Call("C002", "3"))
SIZES = [(128, 64), (256, 64), (128, 32)]


def drawn(size: tuple[int, int], paint, *what: object, **more: object) -> Image.Image:
    """A panel with a margin of 20 pixels around it, so that what goes beyond the edge is seen."""
    image = Image.new("1", size)
    paint(ImageDraw.Draw(image), size, *what, **more)
    return image


def ink(image: Image.Image) -> tuple[int, int, int, int]:
    """The box of what is lit."""
    return image.getbbox() or (0, 0, 0, 0)


def height(text: str, size: tuple[int, int]) -> int:
    box = ink(drawn(size, panels.lines, [text]))
    return box[3] - box[1]


@pytest.mark.parametrize("size", SIZES)
def test_a_number_alone_is_as_large_as_the_panel(size):
    left, top, right, bottom = ink(drawn(size, panels.lines, ["P012"]))

    assert bottom - top > size[1] * 0.75 or right - left > size[0] * 0.85


@pytest.mark.parametrize("size", SIZES)
@given(text=st.text("ABCdefgàèéíòúç·123' ", min_size=1, max_size=24))
def test_a_line_stays_within_the_panel_when_it_is_read_in_one_piece(size, text):
    box = (0, 0, size[0], size[1])

    face = panels.face(panels.fitting(text, box[2], box[3]))

    if panels.fitting(text, box[2], box[3]) > panels.SMALLEST:
        left, top, right, bottom = face.getbbox(text)
        assert right - left <= size[0]
        assert bottom - top <= size[1]


def test_a_long_sentence_is_broken_where_that_makes_it_larger():
    rows = panels.broken("Ha canviat: torneu a prémer", 126, 64)

    assert len(rows) > 1
    assert " ".join(rows) == "Ha canviat: torneu a prémer"


def test_a_short_word_is_not_broken():
    assert panels.broken("Lliure", 126, 64) == ("Lliure",)


def test_lines_do_not_touch_each_other():
    image = drawn((128, 64), panels.lines, ["P012", "5 en espera"])

    empty = [y for y in range(ink(image)[1], ink(image)[3]) if not image.crop((0, y, 128, y + 1)).getbbox()]
    assert empty


def test_the_first_row_of_a_sign_is_the_larger_one():
    alone = height("P012", (128, 16))

    sign = drawn((128, 64), panels.sign, ("P012", "5 en espera"), "P012   5")

    assert ink(sign.crop((0, 0, 128, 46)))[3] - ink(sign.crop((0, 0, 128, 46)))[1] > 2 * alone


def test_seven_segment_digits_are_those_of_luma():
    ours, theirs = drawn((8, 8), panels.sign, (), "01234567"), dummy(width=8, height=8, mode="1")

    sevensegment(theirs, segment_mapper=dot_muncher).text = "01234567"

    assert ours.tobytes() == theirs.image.tobytes()


@pytest.mark.parametrize("words", desk.WORDS.values(), ids=desk.WORDS)
def test_every_sentence_of_a_sign_is_readable_on_its_panel(words):
    sizes = {key: panels._common(panels.broken(text, 126, 64), 126, 64) for key, text in words.items()}

    assert min(sizes.values()) >= 12, sizes


@pytest.mark.parametrize(
    ("label", "state", "waiting"), [("P1012", "calling", 120), ("PR1012", "serving", 3), (None, "closed", 3)]
)
def test_eight_digits_are_enough(label, state, waiting):
    text = desk.digits({"label": label, "state": state, "waiting": waiting})

    assert len(text) == 8


def test_the_newest_call_is_the_largest():
    image = drawn((256, 64), panels.board, View(CALLS))

    newest, before = ink(image.crop((0, 0, 152, 40))), ink(image.crop((160, 0, 256, 21)))
    assert newest[3] - newest[1] > before[3] - before[1]


def test_a_new_call_has_the_board_to_itself():
    new = View(CALLS, new=CALLS[0], lit=False)
    alone = View((), new=CALLS[0], lit=False)

    assert drawn((256, 64), panels.board, new).tobytes() == drawn((256, 64), panels.board, alone).tobytes()


def test_a_flash_turns_the_board_inside_out():
    lit = drawn((256, 64), panels.board, View(CALLS, new=CALLS[0], lit=True))
    dark = drawn((256, 64), panels.board, View(CALLS, new=CALLS[0], lit=False))

    assert lit.getpixel((0, 0)) != dark.getpixel((0, 0))


def test_a_note_stands_beside_the_calls():
    without, noted = (drawn((256, 64), panels.board, View(CALLS, note=note)) for note in ("", "Sense connexió"))

    assert without.tobytes() != noted.tobytes()
    assert noted.crop((0, 53, 256, 64)).getbbox()


@pytest.mark.parametrize("size", [(32, 8), (64, 8)])
def test_a_matrix_shows_a_call_whole(size):
    image = drawn((size[0] + 16, size[1]), lambda draw, _: panels.matrix(draw, size, View(CALLS[:1])))

    assert ink(image)[2] <= size[0]
    assert ink(image)[3] - ink(image)[1] >= 6


def test_a_matrix_shows_one_text_after_the_other():
    pages = {drawn((32, 8), panels.matrix, View(CALLS, page=page)).tobytes() for page in range(3)}

    assert len(pages) == 3


@pytest.mark.parametrize("paint", [panels.board, panels.matrix])
def test_nothing_to_show_is_a_dark_panel(paint):
    assert drawn((64, 8), paint, View()).getbbox() is None


def test_without_its_face_a_panel_leaves_the_accents_out():
    assert panels.plain("Número d'atenció · il·lusió") == "Numero d'atencio . il.lusio"
