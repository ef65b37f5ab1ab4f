"""What an update is, and how a board knows that it is meant for it. Pure: whoever makes bundles imports it, too.

A **bundle** is one stream of bytes: a manifest, then the files one after the other. The manifest is text, a line each
for the bundle (version, board, counter) and for its files (name, bytes, SHA-256 in hex), read without being unfolded:

    0.2.0 pico-w 7
    app.mpy 4120 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

It is authenticated with the device's own key by HMAC-SHA256 (RFC 2104), and it vouches for each file by
its digest. An **offer**, the retained message on `torn/v1/dev/<device>/update`, says how long both are:

    {"version": "0.2.0", "bytes": 61234, "manifest": 1312, "mac": "<64 hex digits>"}

and `torn/v1/dev/<device>/update/<n>` carries the bytes from n times PIECE on, in base64.
"""

import binascii
import hashlib

PIECE = 240  # bytes of the bundle in one message: a board holds it several times while it reads it
MOST = 4096  # bytes of a manifest: some forty files
FIXED = ("main.py", "slots.py")  # the loader: never part of a bundle


def hmac(key, message):
    """HMAC-SHA256 of `message` in hex (RFC 2104, 2); the key has at most 64 bytes."""
    key = key + bytes(64 - len(key))
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
    inner.update(message)
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))
    outer.update(inner.digest())
    return binascii.hexlify(outer.digest()).decode()


def same(text, other):
    """Whether two texts are the same, in a time that does not tell where they differ."""
    differ = len(text) ^ len(other)
    for a, b in zip(text.encode(), other.encode()):
        differ |= a ^ b
    return differ == 0


def read_manifest(payload):
    """(version, board, counter) of a manifest that is well-formed; ValueError says what is wrong with it."""
    try:
        version, board, counter = _line(payload, 0)[0]
        for name, size, sha in rows(payload):
            if not is_name(name) or size < 0 or len(sha) != 64:
                raise ValueError("%s is no file of a bundle" % name)
        if int(counter) < 1:
            raise ValueError("the counter must be 1 or more")
    except ValueError as error:
        raise ValueError("the manifest cannot be read: %s" % error)
    return version, board, int(counter)


def rows(payload):
    """The files of a manifest, one after the other: (name, bytes, SHA-256 in hex)."""
    place = _line(payload, 0)[1]
    while place < len(payload):
        (name, size, sha), place = _line(payload, place)
        yield name, int(size), sha


def _line(payload, place):
    """(the three words of the line that begins there, where the next one begins)."""
    end = payload.find(b"\n", place)
    words = payload[place : end if end >= 0 else place].decode().split(" ")
    if len(words) != 3:
        raise ValueError("a line must be three words")
    return words, end + 1


def is_name(name):
    """A file's name: small letters, digits and _, then .py or .mpy; no folder, and not the loader's."""
    if name in FIXED or len(name) > 32:
        return False
    stem, _, ending = name.partition(".")
    return bool(stem) and not stem.strip("abcdefghijklmnopqrstuvwxyz0123456789_") and ending in ("py", "mpy")


# --- for larger machines --- that make updates; a board has no need of what follows

LARGER = "\n# --- for larger machines ---"  # the line of a module after which nothing is for a board


def for_a_board(source):
    """A module's source without what only larger machines need; to be compiled, or put on a board as it is."""
    return source.partition(LARGER)[0]


def digest(content):
    """SHA-256 in hex."""
    return binascii.hexlify(hashlib.sha256(content).digest()).decode()


def manifest(version, board, counter, files):
    """The manifest's bytes for `files`, a list of (name, content); the version is one word."""
    lines = ["%s %s %d\n" % (version, board, counter)]
    lines += ["%s %d %s\n" % (name, len(content), digest(content)) for name, content in files]
    return "".join(lines).encode()


def offer(key, version, first, total):
    """The offer of a bundle to the device whose update key (bytes) this is.

    Args:
        first: the manifest's bytes, with which the bundle begins.
        total: the bundle's length in bytes, manifest included.
    """
    return {"version": version, "bytes": total, "manifest": len(first), "mac": hmac(key, first)}


def pieces(bundle):
    """The messages of a bundle (bytes), in order."""
    for n in range((len(bundle) + PIECE - 1) // PIECE):
        data = binascii.b2a_base64(bundle[n * PIECE : (n + 1) * PIECE]).decode().strip()
        yield {"n": n, "data": data}
