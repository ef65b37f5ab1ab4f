"""Fetches an update and takes it apart: what arrives is verified, written into the slot that is free, and read again.

signing.py says what an update is, slots.py where it goes. Nothing that runs is touched: a bundle that is
cut, altered, too old, too large or meant for another board raises UpdateError and leaves nothing.
"""

import asyncio
import binascii
import hashlib
import os

import signing
import slots
import version
import wire

SPARE = 16384  # bytes that stay free on the flash
PIECE_WITHIN = 120000  # ms: a broker may be away for a while


class UpdateError(ValueError):
    """The update is no good, or does not fit; the message says why."""


class Unpacker:
    """Takes a bundle's bytes in order, and writes its files into the slot that is free.

    Args:
        root: the folder of `boot.json`, ending in / or empty.
        offer: the offer's message.
        key: the device's update key, bytes.
        board: what the manifest must be for.
    """

    def __init__(self, root, offer, key, board):
        if offer["manifest"] > signing.MOST_MANIFEST or offer["manifest"] >= offer["bytes"]:
            raise UpdateError("the offer makes no sense")
        self.slot = slots.free(root)
        self.pieces = (offer["bytes"] + signing.PIECE - 1) // signing.PIECE
        self.manifest = None
        self._root, self._offer, self._key, self._board = root, offer, key, board
        self._first = b""  # of the manifest
        self._files = []  # still to come: [name, size, digest]
        self._file = self._sha = None
        self._left = 0  # bytes of the file that is being written

    def feed(self, data):
        """The next bytes; raises UpdateError, or OSError when the flash cannot be written."""
        if self.manifest is None:
            missing = self._offer["manifest"] - len(self._first)
            self._first += data[:missing]
            data = data[missing:]
            if len(self._first) < self._offer["manifest"]:
                return
            self._begin()
        while data or self._file or self._files:
            if self._file is None:
                self._open()
            data = self._write(data)
            if self._left:
                return

    def finish(self):
        """All bytes have come: reads every file again, then chooses the slot for the next start."""
        if self._left or self._files or self.manifest is None:
            raise UpdateError("the bundle was cut")
        for name, _, digest in self.manifest["files"]:
            if _digest_of(self._folder(name)) != digest:
                raise UpdateError("%s was not written as it came" % name)
        slots.install(self._root, self.slot, self.manifest["counter"])

    def clear(self):
        """Gives the room back."""
        if self._file:
            self._file.close()
            self._file = None
        if self.slot in os.listdir(self._root or "."):
            for name in os.listdir(self._root + self.slot):
                os.remove(self._folder(name))

    def _begin(self):
        """The manifest is whole: it is believed, or nothing is."""
        if not signing.same(signing.hmac(self._key, self._first), self._offer["mac"]):
            raise UpdateError("it is not signed with this board's key")
        try:
            table = signing.read_manifest(self._first)
        except ValueError as error:
            raise UpdateError(str(error))
        newest = max(slots.read(self._root)["counter"], version.COUNTER)
        if table["board"] != self._board:
            raise UpdateError("it is for a board %s" % table["board"])
        if table["counter"] <= newest:
            raise UpdateError("it is number %d, we had %d" % (table["counter"], newest))
        size = sum([row[1] for row in table["files"]])
        if size + len(self._first) != self._offer["bytes"]:
            raise UpdateError("the offer makes no sense")
        if not [row for row in table["files"] if row[0] in ("app.py", "app.mpy")]:
            raise UpdateError("it has no app")
        self.clear()
        if _room(self._root or ".") < size + SPARE:
            raise UpdateError("there is no room for it")
        if self.slot not in os.listdir(self._root or "."):
            os.mkdir(self._root + self.slot)
        self.manifest, self._files = table, list(table["files"])

    def _open(self):
        if not self._files:
            raise UpdateError("the bundle is too long")
        self._left = self._files[0][1]
        self._file = open(self._folder(self._files[0][0]), "wb")
        self._sha = hashlib.sha256()

    def _write(self, data):
        """What of `data` belongs to the open file; returns the rest, and closes a file that is whole."""
        part = data[: self._left]
        self._file.write(part)
        self._sha.update(part)
        self._left -= len(part)
        if not self._left:
            self._file.close()
            self._file = None
            name, _, digest = self._files.pop(0)
            if binascii.hexlify(self._sha.digest()).decode() != digest:
                raise UpdateError("%s was altered" % name)
        return data[len(part) :]

    def _folder(self, name):
        return "%s%s/%s" % (self._root, self.slot, name)


def _digest_of(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            part = file.read(512)
            if not part:
                return binascii.hexlify(sha.digest()).decode()
            sha.update(part)


def _room(path):
    """Bytes free on the flash."""
    stat = os.statvfs(path)
    return stat[0] * stat[4]  # the size of a block; blocks free for us


async def fetch(link, clock, offer, root, settings, alive):
    """Fetches what is offered, piece by piece, and installs it; raises ValueError, OSError or MemoryError."""
    unpacker = Unpacker(root, offer, binascii.unhexlify(settings["update_key"]), settings["board"])
    try:
        for n in range(unpacker.pieces):
            unpacker.feed(await _piece(link, clock, n, alive))
        unpacker.finish()
    except (ValueError, OSError, MemoryError):
        unpacker.clear()
        raise


async def _piece(link, clock, n, alive):
    """The bytes of one piece, as soon as the broker hands it over."""
    topic, came = wire.piece_topic(link.device, n), []
    link.on(topic, "piece", lambda piece, _retained: came.append(piece))
    until = clock.ms() + PIECE_WITHIN
    try:
        while not came:
            if clock.ms() > until:
                raise UpdateError("piece %d did not come" % n)
            alive()
            await asyncio.sleep_ms(10)
    finally:
        link.off(topic)
    if came[0]["n"] != n:
        raise UpdateError("piece %d is another one" % n)
    return binascii.a2b_base64(came[0]["data"])
