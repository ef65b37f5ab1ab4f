"""What an update is, and how a board knows that it is meant for it. Pure: whoever makes bundles imports it, too.

A **bundle** is one stream of bytes: a manifest, then the files one after the other. The manifest is JSON:

    {"version": "0.2.0", "board": "pico-w", "counter": 7,
     "files": [["app.mpy", 4120, "<SHA-256 in hex>"], …]}

It is authenticated with the device's own key by HMAC-SHA256 (RFC 2104), and it vouches for each file by
its digest. An **offer**, the retained message on `torn/v1/dev/<device>/update`, says how long both are:

    {"version": "0.2.0", "bytes": 61234, "manifest": 1312, "mac": "<64 hex digits>"}

and `torn/v1/dev/<device>/update/<n>` carries the bytes from n times PIECE on, in base64.
"""

import binascii
import hashlib
import json

PIECE = 720  # bytes of the bundle in one message: 960 characters of base64
MOST_MANIFEST = 8192  # bytes
FIXED = ("main.py", "slots.py")  # the loader: never part of a bundle


LARGER = "\n# --- for larger machines ---"  # the line of wire.py after which nothing is for a board


def for_a_board(source):
    """A module's source without what only larger machines need; to be compiled, or put on a board as it is."""
    return source.partition(LARGER)[0]


def hmac(key, message):
    """HMAC-SHA256 of `message` in hex (RFC 2104, 2); the key has at most 64 bytes."""
    key = key + bytes(64 - len(key))
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
    inner.update(message)
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))
    outer.update(inner.digest())
    return binascii.hexlify(outer.digest()).decode()


def same(one, other):
    """Whether two texts are the same, in a time that does not tell where they differ."""
    differ = len(one) ^ len(other)
    for a, b in zip(one.encode(), other.encode()):
        differ |= a ^ b
    return differ == 0


def digest(content):
    """SHA-256 in hex."""
    return binascii.hexlify(hashlib.sha256(content).digest()).decode()


def manifest(version, board, counter, files):
    """The manifest's bytes for `files`, a list of (name, content)."""
    rows = [[name, len(content), digest(content)] for name, content in files]
    return json.dumps({"version": version, "board": board, "counter": counter, "files": rows}).encode()


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


def read_manifest(payload):
    """A manifest that is well-formed; ValueError says what is wrong with it."""
    try:
        table = json.loads(payload.decode())
        if not isinstance(table, dict):
            raise ValueError("must be an object")
        if not isinstance(table["version"], str) or not isinstance(table["board"], str):
            raise ValueError("version and board must be text")
        if not isinstance(table["counter"], int) or table["counter"] < 1:
            raise ValueError("counter must be 1 or more")
        for name, size, sha in table["files"]:
            if not is_name(name) or not isinstance(size, int) or size < 0 or len(sha) != 64:
                raise ValueError("%s is no file of a bundle" % name)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("the manifest cannot be read: %s" % error)
    return table


def is_name(name):
    """A file's name: small letters, digits and _, then .py or .mpy; no folder, and not the loader's."""
    if not isinstance(name, str) or name in FIXED or len(name) > 32:
        return False
    stem, _, ending = name.partition(".")
    return bool(stem) and not stem.strip("abcdefghijklmnopqrstuvwxyz0123456789_") and ending in ("py", "mpy")
