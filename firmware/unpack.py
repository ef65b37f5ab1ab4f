"""Fetches an update and takes it apart: what arrives is verified, written into the slot that is free, and read again.

signing.py says what an update is, slots.py where it goes. Nothing that runs is touched: a bundle that is
cut, altered, too old, too large or meant for another board raises UpdateError and leaves nothing.
"""

import asyncio
import binascii
import gc
import hashlib
import json
import os

import signing
import slots
import version
import wire

SPARE = 16384  # bytes that stay free on the flash
PIECE_WITHIN = 120000  # ms
FILE = "refused.json"  # the offer that was refused last, and why


class UpdateError(ValueError):
    """The update is no good, or does not fit; the message says why."""


class Unpacker:
    """Takes a bundle's bytes in order, and writes its files into the slot that is free.

    Args:
        root: the folder of `boot.json`, ending in / or empty.
        offer: the offer's message.
        key: the device's update key in hex.
        board: what the manifest must be for.
    """

    def __init__(self, root, offer, key, board):
        if offer["manifest"] > signing.MOST or offer["manifest"] >= offer["bytes"]:
            raise UpdateError("the offer makes no sense")
        self.slot = slots.free(root)
        self.pieces = (offer["bytes"] + signing.PIECE - 1) // signing.PIECE
        self._root, self._offer, self.key, self.board = root, offer, key, board
        self.manifest = bytearray(offer["manifest"])
        self.pos = 0  # bytes of it that have come
        self.counter = None  # the manifest's, once that is believed
        self.rows = self.row = None  # the files still to come, and the one that is being written
        self.file = self.sha = None
        self.left = 0  # bytes of the file that is being written

    def feed(self, data):
        """The next bytes; raises UpdateError, or OSError when the flash cannot be written."""
        if self.counter is None:
            part = data[: len(self.manifest) - self.pos]
            self.manifest[self.pos : self.pos + len(part)] = part
            self.pos += len(part)
            data = data[len(part) :]
            if self.pos < len(self.manifest):
                return
            self.begin()
        while data or self.row:
            if self.row is None:
                raise UpdateError("the bundle is too long")
            data = self.write(data)
            if self.left:
                return
            self.close()

    def finish(self):
        """All bytes have come: reads every file again, then chooses the slot for the next start."""
        if self.row or self.counter is None:
            raise UpdateError("the bundle was cut")
        for name, _, digest in signing.rows(self.manifest):
            if _digest_of(self._folder(name)) != digest:
                raise UpdateError("%s was not written as it came" % name)
        slots.install(self._root, self.slot, self.counter)

    def clear(self):
        """Gives the room back."""
        if self.file:
            self.file.close()
            self.file = None
        if self.slot in os.listdir(self._root or "."):
            for name in os.listdir(self._root + self.slot):
                os.remove(self._folder(name))

    def begin(self):
        """The manifest is whole: it is believed, or nothing is."""
        if not signing.same(signing.hmac(binascii.unhexlify(self.key), self.manifest), self._offer["mac"]):
            raise UpdateError("it is not signed with this board's key")
        try:
            _, board, counter = signing.read_manifest(self.manifest)
        except ValueError as error:
            raise UpdateError(str(error))
        newest = max(slots.read(self._root)["counter"], version.COUNTER)
        if board != self.board:
            raise UpdateError("it is for a board %s" % board)
        if counter <= newest:
            raise UpdateError("it is number %d, we had %d" % (counter, newest))
        size, has_app = 0, False
        for name, length, _ in signing.rows(self.manifest):
            size += length
            has_app = has_app or name in ("app.py", "app.mpy")
        if size + len(self.manifest) != self._offer["bytes"]:
            raise UpdateError("the offer makes no sense")
        if not has_app:
            raise UpdateError("it has no app")
        self.clear()
        if _room(self._root or ".") < size + SPARE:
            raise UpdateError("there is no room for it")
        if self.slot not in os.listdir(self._root or "."):
            os.mkdir(self._root + self.slot)
        self.counter, self.rows = counter, signing.rows(self.manifest)
        self._open()

    def _open(self):
        """The next file, if there is one."""
        self.row = next(self.rows, None)
        if self.row:
            self.left = self.row[1]
            self.file = open(self._folder(self.row[0]), "wb")
            self.sha = hashlib.sha256()

    def write(self, data):
        """What of `data` belongs to the open file; returns the rest."""
        part = data[: self.left]
        self.file.write(part)
        self.sha.update(part)
        self.left -= len(part)
        return data[len(part) :]

    def close(self):
        """The file is whole."""
        self.file.close()
        self.file = None
        if binascii.hexlify(self.sha.digest()).decode() != self.row[2]:
            raise UpdateError("%s was altered" % self.row[0])
        self._open()

    def _folder(self, name):
        return "%s%s/%s" % (self._root, self.slot, name)


def _digest_of(path):
    sha, part = hashlib.sha256(), bytearray(256)
    view = memoryview(part)
    with open(path, "rb") as file:
        while True:
            length = file.readinto(part)
            if not length:
                return binascii.hexlify(sha.digest()).decode()
            sha.update(view[:length])


def _room(path):
    """Bytes free on the flash."""
    stat = os.statvfs(path)
    return stat[0] * stat[4]  # the size of a block; blocks free for us


# --- what was refused ------------------------------------------------------------------------


def refused(root, offer):
    """Why this very offer was refused before, or None."""
    try:
        with open(root + FILE) as file:
            kept = json.loads(file.read())
        return str(kept["why"]) if kept["offer"] == offer else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def refuse(root, offer, why):
    """Remembers it, so that the offer is not fetched again at the next start."""
    with open(root + FILE, "w") as file:
        file.write(json.dumps({"offer": offer, "why": why}))


# --- fetching --------------------------------------------------------------------------------


async def fetch(link, clock, unpacker, alive):
    """Fetches what is offered, piece by piece, and installs it; raises ValueError, OSError, EOFError or MemoryError."""
    try:
        for n in range(unpacker.pieces):
            unpacker.feed(await _piece(link, clock, n, alive))
            gc.collect()
        unpacker.finish()
    except (ValueError, OSError, EOFError, MemoryError):
        unpacker.clear()
        raise


async def _piece(link, clock, n, alive):
    """The bytes of one piece, as soon as the broker hands it over; EOFError when the connection ends before."""
    topic, came = wire.piece_topic(link.device, n), []
    link.on(topic, "piece", lambda piece, _retained: came.append(piece))
    until = clock.ms() + PIECE_WITHIN
    try:
        while not came:
            if not link.connected():
                raise EOFError("the connection was lost")
            if clock.ms() > until:
                raise UpdateError("piece %d did not come" % n)
            alive()
            await asyncio.sleep_ms(10)
    finally:
        link.off(topic)
    if came[0]["n"] != n:
        raise UpdateError("piece %d is another one" % n)
    return binascii.a2b_base64(came.pop()["data"])
