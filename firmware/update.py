"""Updates over the air: an offer is fetched in pieces, tried out, and given up if it does not work.

unpack.py fetches, verifies and writes; it is loaded only while there is something to take apart.
"""

import asyncio
import gc
import sys

import slots
import version
import wire

TRIAL = 600000  # ms that an update has to show that it works
GOOD = 5000  # ms that all must be well for that
LOOK = 500  # ms
ROOM = 32768  # bytes of memory that taking an update apart needs beside the day's work


class Updater:
    """Looks for offers and takes them, and judges an update that is on trial.

    Args:
        link: the way to the hub.
        parts: has clock, notes and `restart`, a coroutine function.
        settings: all of config.py's.
        well: says whether all tasks show life.
    """

    def __init__(self, link, parts, settings, root, well):
        self._link, self._clock, self._notes, self._restart = link, parts.clock, parts.notes, parts.restart
        self._settings, self._root, self._well = settings, root, well
        self._offer = None
        self._trial_ends = None if slots.read(root)["good"] else parts.clock.ms() + TRIAL
        self._well_since = None
        if settings["update_key"]:
            link.on(wire.device_topic(link.device, "update"), "update", self._offered)

    async def run(self, alive):
        """For ever."""
        while True:
            alive()
            if self._trial_ends is not None:
                await self._judge(self._clock.ms())
            elif self._offer:
                offer, self._offer = self._offer, None
                await self._take(offer, alive)
            await asyncio.sleep_ms(LOOK)

    def _offered(self, offer, _retained):
        if offer["version"] != version.VERSION:
            self._offer = offer

    async def _judge(self, now):
        """On trial: well for a while is good; not well in time is a start that failed."""
        if not (self._link.connected() and self._well()):
            self._well_since = None
        elif self._well_since is None:
            self._well_since = now
        elif now - self._well_since >= GOOD:
            self._trial_ends = None
            slots.confirm(self._root)
            return
        if now > self._trial_ends:
            await self._restart()

    async def _take(self, offer, alive):
        try:
            gc.collect()
            if gc.mem_free() < ROOM:
                raise MemoryError("%d bytes are free" % gc.mem_free())
            import unpack

            await unpack.fetch(self._link, self._clock, offer, self._root, self._settings, alive)
        except (ValueError, OSError, MemoryError) as error:  # an UpdateError is a ValueError
            return self._notes.add("update %s is refused: %s" % (offer["version"], error))
        finally:
            for name in ("unpack", "signing"):
                sys.modules.pop(name, None)
        self._notes.add("update %s is on trial" % offer["version"])
        await self._restart()
