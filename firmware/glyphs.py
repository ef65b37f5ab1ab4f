"""Letters on a panel's pixels: framebuf's own 8 by 8 face, as large as it fits, with the accents it lacks.

`lines(canvas, width, height, texts)` fills a panel: the first text large in the upper half, the others
below it in rows of eight pixels.
"""

import framebuf

SIDE = 8  # pixels of a letter

# What framebuf cannot draw, as two texts, because tables would fill a board's memory: after each bare letter those
# that are seen as it; and the marks on them, a pixel's column and row each. A capital has no room for one.
BARE = "aàáâ|eèéê|iíï|oòóô|uùúü|cç|nñ| ·|'’|AÀÁ|EÈÉ|IÍÏ|OÒÓ|UÚÜ|CÇ|NÑ"
MARKS = "àèòù=2031|áéíóú=4031|ïü=2050|âêô=302141|çÇ=3727|ñ=203041|·=33433444"


def letter(c):
    """(what framebuf can draw, the marks on it)."""
    if " " <= c <= "~":
        return c, ()
    bare = [each[:1] for each in BARE.split("|") if c in each]
    marks = [each.partition("=")[2] for each in MARKS.split("|") if c in each]
    return bare[0] if bare else "?", [divmod(int(at[n : n + 2]), 10) for at in marks for n in range(0, len(at), 2)]


def letters(words):
    """One after the other, as slices: MicroPython keeps what `for c in words` yields for ever."""
    for n in range(len(words)):
        yield words[n : n + 1]


def canvas(width, height, form):
    """(bytes, FrameBuffer) of a panel; `form` is one of framebuf's."""
    memory = bytearray(width * height // 8)
    return memory, framebuf.FrameBuffer(memory, width, height, form)


def text(target, words, x, y, scale):
    """Writes one row, each pixel of the face as a square of `scale`."""
    memory, cell = canvas(SIDE, SIDE, framebuf.MONO_HLSB)
    for c in letters(words):
        bare, marks = letter(c)
        cell.fill(0)
        cell.text(bare, 0, 0)
        for column, row in marks:
            cell.pixel(column, row, 1)
        for row in range(SIDE):
            for column in range(SIDE):
                if memory[row] >> (7 - column) & 1:
                    target.fill_rect(x + column * scale, y + row * scale, scale, scale, 1)
        x += SIDE * scale


def broken(words, width):
    """A text in rows of at most `width` letters, broken between words where that can be."""
    rows = []
    for word in words.split():
        while len(word) > width:
            rows.append(word[:width])
            word = word[width:]
        if rows and len(rows[-1]) + 1 + len(word) <= width:
            rows[-1] += " " + word
        else:
            rows.append(word)
    return rows


def largest(words, width, height):
    """The largest scale at which a text fits a box of so many pixels, and its rows then."""
    for scale in (4, 3, 2):
        rows = broken(words, width // (SIDE * scale))
        whole = all(word in " ".join(rows).split() for word in words.split())
        if whole and len(rows) * SIDE * scale <= height:
            return scale, rows
    return 1, broken(words, width // SIDE)[: height // SIDE]


def lines(target, width, height, texts):
    """The first text large in the middle of the upper half, or of less if the others need more; they stand below."""
    target.fill(0)
    if not texts:
        return
    below = [row for words in texts[1:] for row in broken(words, width // SIDE)]
    needed = len(below) * (SIDE + 2)
    room = max(SIDE, min(height // 2, height - needed)) if below else height
    scale, rows = largest(texts[0], width, room)
    y = 0
    for row in rows:
        text(target, row, (width - len(row) * SIDE * scale) // 2, y, scale)
        y += SIDE * scale
    y = max(y + 1, min(height // 2, height - needed) + 2)
    for row in below:
        if y + SIDE <= height:
            text(target, row, 0, y, 1)
        y += SIDE + 2
