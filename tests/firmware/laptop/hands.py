"""What is done to a board on a laptop, a line on stdin each, and what is to be seen of it, a line on stdout each."""

import asyncio
import gc
import json
import sys
import time

import network

pins = {}  # by number
leave = sys.exit  # how the process ends


def tell(message):
    """One line of JSON."""
    print(json.dumps(message))


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


def telling(screen):
    """A maker of signs whose signs tell."""
    return lambda settings: Told(screen(settings))


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


def do(kind, *words):
    """One line."""
    if kind in ("down", "up"):
        pins[int(words[0])].changed(0 if kind == "down" else 1)
    elif kind == "wifi":
        network.Air.state = words[0]
    elif kind == "heap":
        gc.collect()
        tell({"heap": gc.mem_alloc()})
    elif kind == "hang":
        while True:
            time.sleep(1)
    elif kind == "end":
        leave(0)
