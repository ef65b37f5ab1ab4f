"""`framebuf` for CPython: enough for glyphs.py. Each letter but the space is a block of six by seven."""

MONO_VLSB, MONO_HLSB = 0, 3


class FrameBuffer:
    """Pixels in a bytearray, columns of eight (MONO_VLSB) or rows of eight (MONO_HLSB)."""

    def __init__(self, memory, width, height, form):
        self.memory, self.width, self.height, self.form = memory, width, height, form

    def pixel(self, x, y, ink):
        """Sets one; outside there is none."""
        if 0 <= x < self.width and 0 <= y < self.height:
            vertical = self.form == MONO_VLSB
            place = y // 8 * self.width + x if vertical else y * self.width // 8 + x // 8
            bit = 1 << (y % 8 if vertical else 7 - x % 8)
            self.memory[place] = self.memory[place] | bit if ink else self.memory[place] & ~bit

    def fill_rect(self, x, y, width, height, ink):
        """Sets a rectangle of them."""
        for row in range(y, y + height):
            for column in range(x, x + width):
                self.pixel(column, row, ink)

    def fill(self, ink):
        """Sets them all."""
        self.fill_rect(0, 0, self.width, self.height, ink)

    def text(self, words, x, y, ink=1):
        """Writes letters of eight by eight."""
        for n, c in enumerate(words):
            if c != " ":
                self.fill_rect(x + 8 * n, y, 6, 7, ink)
