"""`machine` on a laptop: pins that are pressed by a line on stdin, outputs that are told on stdout."""

import asyncio
import sys

import hands


class Pin:
    """A pin; an input rests at 1, as with a pull-up, and a finger closes it to ground."""

    IN, OUT, PULL_UP = 0, 1, 2

    def __init__(self, pin, mode=-1, _pull=-1, value=None):
        self.pin, self._told = pin, mode == Pin.OUT
        self._level = 1 if value is None else value
        hands.pins[pin] = self

    def value(self, level=None):
        """Reads the pin, or sets it."""
        if level is None:
            return self._level
        if level != self._level:
            self._level = level
            if self._told:
                hands.tell({"pin": self.pin, "value": level})

    def changed(self, level):
        """A finger comes down (0) or leaves (1)."""
        self._level = level


class PWM:
    """A pin that hums; told when it does."""

    def __init__(self, _pin, freq=0, duty_u16=0):
        self._hz = freq

    def freq(self, hz):
        """Sets the tone."""
        self._hz = hz

    def duty_u16(self, duty):
        """Hums, or is silent at 0."""
        hands.tell({"tone": self._hz if duty else 0})


class I2C:
    """A bus on which everybody answers, but at address 0."""

    def __init__(self, number, sda=None, scl=None, freq=400000):
        pass

    def writeto(self, address, data):
        """Swallows it."""
        if address == 0:
            raise OSError(5)
        return len(data)


class SPI:
    """A bus that swallows everything."""

    def __init__(self, number, baudrate=1000000, sck=None, mosi=None):
        pass

    def write(self, data):
        """Swallows it."""


class RTC:
    """The board's clock: keeps what it is told."""

    kept = None

    def datetime(self, value=None):
        """Reads or sets it."""
        if value is None:
            return RTC.kept
        RTC.kept = value


class WDT:
    """A watchdog that does not bite. With it the hands begin: from here on the board works."""

    def __init__(self, timeout=5000):
        self._tasks = asyncio.create_task(hands.work())  # CPython keeps none that nobody holds

    def feed(self):
        """Told nowhere."""


WDT_RESET = 3


def reset_cause():
    """Why it starts: 1 is power, 3 a reset."""
    return int(sys.argv[4])


def reset():
    """Ends the process, to be started again."""
    hands.tell({"reset": True})
    hands.leave(3)
