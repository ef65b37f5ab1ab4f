"""Four or six seven-segment digits on a TM1637 (Titan Micro's data sheet, 2.4): two wires, much like I2C."""

import time

WRITE, FROM_FIRST, ON = 0x40, 0xC0, 0x88  # commands: data with growing address; the first digit; display on
SEGMENTS = {
    "0": 0x3F, "1": 0x06, "2": 0x5B, "3": 0x4F, "4": 0x66, "5": 0x6D, "6": 0x7D, "7": 0x07, "8": 0x7F, "9": 0x6F,
    "A": 0x77, "B": 0x7C, "C": 0x39, "D": 0x5E, "E": 0x79, "F": 0x71, "G": 0x3D, "H": 0x76, "I": 0x06, "J": 0x1E,
    "K": 0x75, "L": 0x38, "M": 0x15, "N": 0x54, "O": 0x5C, "P": 0x73, "Q": 0x67, "R": 0x50, "S": 0x6D, "T": 0x78,
    "U": 0x3E, "V": 0x1C, "W": 0x2A, "X": 0x76, "Y": 0x6E, "Z": 0x5B, " ": 0x00,
}  # fmt: skip  # bits 0 to 6 are the segments a to g
DASH = 0x40


def fit(digits, count):
    """Eight characters (called at the left, waiting at the right) on so many digits.

    Six have room for four and two. Four show a refusal, or what is called, or else who waits. A label that is too long
    loses its letters, never a digit: the end of P1234 is no other number.
    """
    if count >= 8 or not digits.strip("-"):
        return digits[:count]
    left, right = digits[:6].rstrip(), digits[6:]
    left = "CLOS" if left == "CLOSED" else left
    if count >= 6 and len(left) <= 4:
        return "%-4s" % left + right
    if right == "no":
        return "%*s" % (count, right)
    return left[-count:] if left else "%4s" % right.strip()


class Digits:
    """The sign on seven-segment digits.

    Args:
        clk, dio: pins with `value(level)`; `dio` is read for the chip's acknowledgement.
        brightness: 0 to 7.
        count: how many digits there are.
    """

    moving = False

    def __init__(self, clk, dio, brightness, count):
        self._clk, self._dio, self._count = clk, dio, count
        self._brightness = min(brightness, 7)

    def show(self, _lines, digits, lit=None):
        """Shows eight characters, or what there is room for; `lit` False shows none, for a flash."""
        words = "" if lit is False else fit(digits, self._count)
        segments = [SEGMENTS.get(c, DASH) for c in ("%-8s" % words)[: self._count].upper()]
        self._send([WRITE])
        self._send([FROM_FIRST] + segments)
        self._send([ON | self._brightness])

    def tick(self, _now):
        """Nothing moves on digits."""

    def _send(self, data):
        self._dio.value(0)  # start: data falls while the clock is high
        for byte in data:
            for bit in range(8):
                self._clk.value(0)
                self._dio.value(byte >> bit & 1)  # lowest bit first
                self._clock()
            self._clk.value(0)
            self._dio.value(1)
            self._clock()  # the chip pulls data low here; nothing depends on it
        self._clk.value(0)
        self._dio.value(0)
        self._clock()
        self._dio.value(1)  # stop: data rises while the clock is high

    def _clock(self):
        time.sleep_us(5)
        self._clk.value(1)
        time.sleep_us(5)
