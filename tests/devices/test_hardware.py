"""The wires, on the vendors' fakes."""

import pytest

from devices.hardware import HardwareError, Keypad, Pins, printer, screen
from devices.printer import Code, FakePort, Line, Look, PaperError, Printer

SLIP = [Line("OMAC Mont-roig del Camp"), Line("P012", size=6, bold=True), Code("https://torn.example.cat/t/abc")]


class Mumbling(FakePort):
    """A printer that gives these bytes to every question."""

    def __init__(self, reply: bytes) -> None:
        super().__init__()
        self.reply = reply

    def ask(self, question: bytes) -> bytes:
        return self.reply


@pytest.mark.parametrize(
    ("paper", "cover_open", "gone", "look"),
    [
        ("ok", False, False, Look("ok", "")),
        ("low", False, False, Look("low", "")),
        ("out", False, False, Look("out", "out")),
        ("ok", True, False, Look("ok", "cover")),
        ("ok", False, True, Look("unknown", "gone")),
    ],
)
def test_the_printer_says_how_it_is(paper, cover_open, gone, look):
    port = FakePort()
    port.paper, port.cover_open, port.gone = paper, cover_open, gone

    assert Printer(port, bytes).look() == look


@pytest.mark.parametrize("reply", [b"", b"\x00", b"\xff", b"\x93", b"\x12\x12"])
def test_silence_and_noise_are_taken_neither_for_paper_nor_for_none(reply):
    assert Printer(Mumbling(reply), bytes).look() == Look("unknown", "")


def test_a_ticket_is_kept_as_the_very_bytes_that_a_printer_would_get():
    one = printer("fake")

    one.print(SLIP)

    (ticket,) = one.port.tickets
    assert b"\x1d!U" in ticket and b"P012\n" in ticket  # GS ! n: six times as wide and as high
    assert b"https://torn.example.cat/t/abc" in ticket and ticket.endswith(b"\x1dV\x00")  # GS V: cut


def test_a_printer_without_a_native_qr_gets_an_image():
    one = printer("fake", "POS-5890")

    one.print(SLIP)

    assert b"https://" not in one.port.tickets[0] and b"\x1dv0" in one.port.tickets[0]  # GS v 0: raster image


def test_catalan_letters_are_printed():
    one = printer("fake", "TM-T20II")

    one.print([Line("Padró, règim, col·legi, façana, Núria, l'Hospitalet")])

    assert b"?" not in one.port.tickets[0]


def test_an_error_before_the_first_byte_says_so():
    one = printer("fake")
    one.port.gone = True

    with pytest.raises(PaperError) as error:
        one.print(SLIP)

    assert not error.value.began and one.port.tickets == []


def test_a_line_too_long_for_the_paper_goes_on_in_the_next_at_a_word():
    one = printer("fake")

    one.print([Line("Your turn may come after closing time, 14:00. You will still be served.")])

    assert b"Your turn may come after closing time,\n14:00. You will still be served.\n" in one.port.tickets[0]


def test_a_slip_that_the_printer_cannot_set_is_an_error_before_the_first_byte():
    one = printer("fake")

    with pytest.raises(PaperError, match="the slip cannot be set for default") as error:
        one.print([Line("P012", size=9)])  # GS ! knows sizes 1 to 8

    assert not error.value.began and one.port.tickets == []


def test_an_error_after_it_says_that_too():
    one = printer("fake")
    one.port.breaks_after = 20

    with pytest.raises(PaperError) as error:
        one.print(SLIP)

    assert error.value.began and len(one.port.tickets[0]) == 20


def test_a_real_printer_that_is_not_there_is_gone_and_nothing_worse(tmp_path):
    one = printer(f"file:{tmp_path}/no/printer")

    assert one.look() == Look("unknown", "gone")


def test_a_device_file_cannot_answer_and_prints_all_the_same(tmp_path):
    paper = tmp_path / "lp0"
    paper.touch()
    one = printer(f"file:{paper}")

    look = one.look()
    one.print(SLIP)
    one.close()

    assert look == Look("unknown", "")
    assert b"P012" in paper.read_bytes()


@pytest.mark.parametrize("where", ["usb:4b8", "parallel:1", "serial:/dev/ttyUSB0:fast", ""])
def test_a_printer_address_that_is_none_is_told_with_an_example(where):
    with pytest.raises(HardwareError, match="must be like usb:04b8:0e15"):
        printer(where)


def test_an_unknown_profile_is_told():
    with pytest.raises(HardwareError, match="no printer profile 'Daisy'"):
        printer("fake", "Daisy")


def test_a_fake_button_tells_each_edge_and_machines_do_not_share_pins():
    edges: list[str] = []
    one, other = Pins(fakes=True), Pins(fakes=True)
    one.button(5, lambda: edges.append("down"), lambda: edges.append("up"))
    other.button(5, lambda: edges.append("other"))

    one.push(5)
    one.let_go(5)

    one.close()
    other.close()
    assert edges == ["down", "up"]


def test_a_pin_used_twice_is_one_sentence_that_names_it():
    pins = Pins(fakes=True)
    pins.button(5, lambda: None)

    with pytest.raises(HardwareError, match="pin 5 cannot be a LED"):
        pins.light(5)
    pins.close()


def test_a_real_pin_on_a_machine_without_any_is_one_sentence():
    with pytest.raises(HardwareError, match="pin 5 cannot be a Button"):
        Pins().button(5, lambda: None)


def test_a_fake_screen_keeps_what_was_drawn():
    panel = screen("fake", (256, 64))

    panel.draw(lambda draw, size: draw.rectangle((0, 0, *size), fill="white"))

    assert panel.image.size == (256, 64) and panel.image.convert("L").getextrema() == (255, 255)


def test_a_screen_that_is_not_there_is_one_sentence():
    with pytest.raises(HardwareError, match="screen ssd1306: .*look at its cable"):
        screen("ssd1306")


def test_a_keypad_that_is_not_there_is_one_sentence():
    with pytest.raises(HardwareError, match="keypad /dev/input/none: "):
        Keypad("/dev/input/none", print)
