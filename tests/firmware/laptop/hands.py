"""What is done to a board on a laptop, a line on stdin each, and what is to be seen of it, a line on stdout each."""

import asyncio
import gc
import json
import sys
import time

import network

PINS = {}  # by number
leave = sys.exit  # how the process ends


def tell(what):
    """One line of JSON."""
    print(json.dumps(what))


class Told:
    """A sign that also tells what it shows."""

    def __init__(self, screen):
        self._screen = screen
        self.moving = screen.moving

    def show(self, lines, digits, lit=None):
        """Shows and tells."""
        self._screen.show(lines, digits, lit)
        self.moving = self._screen.moving
        tell({"sign": lines, "digits": digits, "lit": lit})

    def tick(self, now):
        """Lets it move."""
        self._screen.tick(now)


async def work():
    """Reads lines for ever; a stdin that ends is a power cut."""
    reader = await stdin()
    while True:
        line = await reader.readline()
        if not line:
            leave(0)
        do(*line.decode().split())


async def stdin():
    """A stream of the lines."""
    return asyncio.StreamReader(sys.stdin.buffer)


def do(what, *words):
    """One line."""
    if what in ("down", "up"):
        PINS[int(words[0])].moved(0 if what == "down" else 1)
    elif what == "wifi":
        network.Air.state = words[0]
    elif what == "heap":
        gc.collect()
        tell({"heap": gc.mem_alloc()})
    elif what == "hang":
        while True:
            time.sleep(1)
    elif what == "end":
        leave(0)
