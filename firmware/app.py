"""A board's software from its start on. What only the start needs is in wiring.py, and leaves memory after it."""

import asyncio
import gc
import sys


def main(root, slot, before):
    """Runs for ever. A copy of the software that cannot be put together raises.

    Args:
        root: the folder of the settings, ending in / or empty.
        slot: which copy this is: a, b, or empty as flashed.
        before: why another copy gave way to this one, or None.
    """
    gc.threshold(4096)
    asyncio.new_event_loop()  # what a copy that gave way has left behind
    asyncio.run(_work(root, slot, before))


async def _work(root, slot, before):
    import wiring

    supervisor = await wiring.put_together(root, slot, before)
    del wiring
    for name in ("wiring", "screens", "config"):
        sys.modules.pop(name, None)
    await supervisor.watch()
