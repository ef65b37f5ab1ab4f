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
OFTEN = 3  # times that an offer is tried although connection or memory fail
ROOM = 13312  # bytes of memory that taking an update apart needs beside the day's work


class Updater:
    """Looks for offers and takes them, and judges an update that is on trial.

    Args:
        link: the way to the hub.
        parts: has clock and notes.
        settings: all of config.py's.
        well: says whether all tasks show life.
    """

    def __init__(self, link, parts, settings, root, well):
        self._link, self._clock, self._notes = link, parts.clock, parts.notes
        self._key, self._board = settings["update_key"], settings["board"]
        self._root, self._well = root, well
        self._offer = None  # (what is offered, whether the broker had kept it)
        self._refused, self._failed = None, 0  # what is not to be fetched again; what has failed on the way
        self._ends = None if slots.read(root)["good"] else parts.clock.ms() + TRIAL
        self._well_since = None
        if self._key:
            link.on(wire.device_topic(link.device, "update"), "update", self._offered)

    async def run(self, alive):
        """For ever."""
        while True:
            alive()
            if self._ends is not None:
                await self._judge(self._clock.ms())
            elif self._offer:
                await self._take(alive)
            await asyncio.sleep_ms(LOOK)

    def _offered(self, offer, retained):
        """One that was refused and that the broker keeps is not fetched again; one that somebody sends now is."""
        if offer["version"] != version.VERSION and not (retained and offer == self._refused):
            self._offer = offer, retained

    async def _judge(self, now):
        """On trial: well for a while is good; not well in time is a start that failed."""
        if not (self._link.connected() and self._well()):
            self._well_since = None
        elif self._well_since is None:
            self._well_since = now
        elif now - self._well_since >= GOOD:
            slots.confirm(self._root)
            self._ends = None
            return
        if now > self._ends:
            await self._link.restart()

    async def _take(self, alive):
        (offer, kept), self._offer = self._offer, None
        gc.collect()
        try:
            if gc.mem_free() < ROOM:
                raise MemoryError("%d bytes are free" % gc.mem_free())
            import unpack

            why = unpack.refused(self._root, offer) if kept else None
            if why:
                self._refused = offer
            else:
                why = await self._fetch(unpack, offer, alive)
        except (EOFError, MemoryError) as error:  # the next connection, which brings the offer again, may be better
            why, self._failed = str(error), self._failed + 1
            if self._failed >= OFTEN:
                self._refused, self._failed = offer, 0
        finally:
            for name in ("unpack", "signing"):
                sys.modules.pop(name, None)
            gc.collect()
        if why:
            return self._notes.add("update %s is refused: %s" % (offer["version"], why))
        self._notes.add("update %s is on trial" % offer["version"])
        await self._link.restart()

    async def _fetch(self, unpack, offer, alive):
        """Fetches and installs it; returns why not, which is remembered, or None."""
        try:
            unpacker = unpack.Unpacker(self._root, offer, self._key, self._board)
            await unpack.fetch(self._link, self._clock, unpacker, alive)
        except (ValueError, OSError) as error:  # an UpdateError is a ValueError
            self._refused = offer
            try:
                unpack.refuse(self._root, offer, str(error))
            except OSError as full:
                self._notes.add("refused.json: %s" % full)
            return str(error)
