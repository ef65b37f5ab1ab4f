"""A small OLED panel, SSD1306, 128 by 64 pixels over I2C (Solomon Systech's data sheet, rev 1.1)."""

import framebuf
import glyphs

WIDTH, HEIGHT = 128, 64
COMMANDS, DATA = 0x80, b"\x40"  # the control byte before each (8.1.5.2)
BEGIN = (
    0xAE,  # display off while it is set up
    0xD5, 0x80,  # oscillator at its usual frequency
    0xA8, HEIGHT - 1,  # rows driven
    0xD3, 0x00,  # no vertical offset
    0x40,  # the first row is row 0
    0x8D, 0x14,  # charge pump on: the panel makes its own voltage
    0x20, 0x00,  # horizontal addressing: the memory follows the rows of bytes
    0xA1, 0xC8,  # seen with the pins above
    0xDA, 0x12,  # the wiring of panels of 64 rows
    0xD9, 0xF1, 0xDB, 0x30,  # as bright as the charge pump allows without flicker
    0xA4, 0xA6,  # shows the memory, lit pixels lit
    0xAF,  # display on
)  # fmt: skip


class Panel:
    """The sign on one panel.

    Args:
        i2c: has `writeto(address, bytes)` and raises OSError when nobody answers.
        brightness: 0 to 15.
    """

    moving = False

    def __init__(self, i2c, address, brightness):
        self._i2c, self._address = i2c, address
        self._memory, self._canvas = glyphs.canvas(WIDTH, HEIGHT, framebuf.MONO_VLSB)
        for each in BEGIN + (0x81, min(brightness, 15) * 17):
            self._command(each)

    def show(self, lines, _digits, lit=None):
        """Shows the lines; `lit` False shows them dark on light, for a flash."""
        glyphs.lines(self._canvas, WIDTH, HEIGHT, lines)
        self._command(0xA7 if lit is False else 0xA6)
        for each in (0x21, 0, WIDTH - 1, 0x22, 0, HEIGHT // 8 - 1):  # the window is the whole panel
            self._command(each)
        for start in range(0, len(self._memory), WIDTH):  # in pieces, for want of memory
            self._i2c.writeto(self._address, DATA + self._memory[start : start + WIDTH])

    def tick(self, _now):
        """Nothing moves on this panel."""

    def _command(self, byte):
        self._i2c.writeto(self._address, bytes((COMMANDS, byte)))
