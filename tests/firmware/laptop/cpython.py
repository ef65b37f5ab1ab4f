"""What MicroPython's modules have and CPython's lack; imported by run.py under CPython only."""

import asyncio
import gc
import os
import sys
import time
import traceback

import hands


async def sleep_ms(ms):
    """Sleeps so many milliseconds."""
    await asyncio.sleep(ms / 1000)


async def stdin():
    """A stream of the lines that come on stdin."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    return reader


time.ticks_ms = lambda: time.monotonic_ns() // 1000000 % (1 << 30)
time.ticks_diff = lambda end, start: (end - start + (1 << 29)) % (1 << 30) - (1 << 29)
time.sleep_us = lambda us: time.sleep(us / 1000000)
asyncio.sleep_ms = sleep_ms
sys.print_exception = traceback.print_exception
gc.threshold = lambda size: None
gc.mem_alloc = lambda: 0
gc.mem_free = lambda: 1 << 20
hands.stdin, hands.leave = stdin, os._exit
