"""A row of LED modules of eight by eight, a MAX7219 each (Analog Devices' data sheet, table 2), over SPI."""

import framebuf
import glyphs

ROWS = 8
DECODE, INTENSITY, SCAN, SHUTDOWN, TEST = 9, 10, 11, 12, 15  # registers; 1 to 8 are the rows
STEP = 40  # ms for each pixel of a text that scrolls: 25 pixels a second


class Matrix:
    """The sign on LED modules. A text that is too long scrolls.

    Args:
        spi: has `write(bytes)`.
        cs: the pin that latches when it rises, with `value(level)`.
        modules: how many stand side by side.
        brightness: 0 to 15.
    """

    def __init__(self, spi, cs, modules, brightness):
        self._spi, self._cs, self._modules = spi, cs, modules
        self._width = modules * ROWS
        self._memory, self._canvas = glyphs.canvas(self._width, ROWS, framebuf.MONO_HLSB)
        self._words, self._moved, self._next = "", 0, 0
        self.moving = False
        for register, value in ((SHUTDOWN, 0), (TEST, 0), (SCAN, 7), (DECODE, 0), (INTENSITY, min(brightness, 15))):
            self._every(register, value)
        self._paint(0)
        self._every(SHUTDOWN, 1)

    def show(self, lines, _digits, lit=None):
        """Shows the lines one after the other; in a flash (`lit` True or False) the first alone, or nothing."""
        words = "   ".join(lines if lit is None else lines[:1])
        fits = len(words) * glyphs.SIDE <= self._width
        if words != self._words:
            self._words, self._moved = words, 0 if fits else -self._width
        self.moving = not fits
        if lit is False:
            self._canvas.fill(0)
            return self._write()
        self._paint((self._width - len(words) * glyphs.SIDE) // 2 if fits else -self._moved)

    def tick(self, now):
        """Moves a long text on by a pixel, when it is time."""
        if self.moving and now >= self._next:
            self._next = now + STEP
            self._moved += 1
            if self._moved > len(self._words) * glyphs.SIDE:
                self._moved = -self._width
            self._paint(-self._moved)

    def _paint(self, x):
        """The letters that are to be seen with the text's beginning at pixel `x`."""
        self._canvas.fill(0)
        first = max(0, -x // glyphs.SIDE)
        seen = self._words[first : first + self._modules + 1]
        glyphs.text(self._canvas, seen, x + first * glyphs.SIDE, 0, 1)
        self._write()

    def _write(self):
        """Row by row; the first bytes out end up in the module that is farthest away, at the left."""
        for row in range(ROWS):
            data = bytearray()
            for module in range(self._modules):
                data += bytes((row + 1, self._memory[row * self._modules + module]))
            self._latch(data)

    def _every(self, register, value):
        self._latch(bytes((register, value)) * self._modules)

    def _latch(self, data):
        self._cs.value(0)
        self._spi.write(data)
        self._cs.value(1)
