"""Files that only the holder of a key kept elsewhere can read: what `python -m hub backup` writes.

    with Sealing(file, public_key) as out:  out.write(b"…")       # a stream of any length
    with Opening(file, private_key) as back:  back.read(n)

As in age (age-encryption.org/v1): a new X25519 key for each file is agreed with the recipient's, HKDF-SHA256 makes the
file's key of it, and ChaCha20-Poly1305 seals pieces of 64 KiB with a counter and a mark on the last one, so that a file
that was cut, changed or put together anew does not open.
"""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"torn-sealed 1\n"
PIECE = 65536  # bytes
TAG = 16  # bytes more, sealed
LAST, MORE = b"\x01", b"\x00"


class SealedError(ValueError):
    """A key or a sealed file cannot be used; the message names it."""


def read_public(path: Path) -> X25519PublicKey:
    """The recipient's key, in PEM; SealedError, or OSError if the file cannot be read."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except ValueError:
        raise SealedError(f"{path}: is no public key in PEM") from None
    if not isinstance(key, X25519PublicKey):
        raise SealedError(f"{path}: is no X25519 key")
    return key


def read_private(path: Path) -> X25519PrivateKey:
    """The recipient's own key, in PEM; SealedError, or OSError if the file cannot be read."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        raise SealedError(f"{path}: is no private key in PEM, or has a password") from None
    if not isinstance(key, X25519PrivateKey):
        raise SealedError(f"{path}: is no X25519 key")
    return key


def _cipher(shared: bytes, mine: bytes, theirs: bytes) -> ChaCha20Poly1305:
    derived = HKDF(hashes.SHA256(), 32, salt=mine + theirs, info=MAGIC).derive(shared)
    return ChaCha20Poly1305(derived)


def _raw(key: X25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


class Sealing(io.RawIOBase):
    """Writes what is written to it, sealed, into `file`; `close` seals the last piece."""

    def __init__(self, file: BinaryIO, recipient: X25519PublicKey) -> None:
        once = X25519PrivateKey.generate()
        mine = _raw(once.public_key())
        self._file, self._buffer, self._count, self._spoilt = file, bytearray(), 0, False
        self._cipher = _cipher(once.exchange(recipient), mine, _raw(recipient))
        file.write(MAGIC + mine)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Takes all of it."""
        self._buffer += data
        while len(self._buffer) > PIECE:  # the last piece is sealed by `close`, as the last
            self._seal(bytes(self._buffer[:PIECE]), MORE)
            del self._buffer[:PIECE]
        return len(data)

    def close(self) -> None:
        """Seals what is left; the file itself stays open."""
        if not self.closed and not self._spoilt:
            self._seal(bytes(self._buffer), LAST)
        super().close()

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self._spoilt = kind is not None  # after a failure there is no last piece: what is written does not open
        self.close()

    def _seal(self, piece: bytes, mark: bytes) -> None:
        self._file.write(self._cipher.encrypt(self._count.to_bytes(11, "big") + mark, piece, None))
        self._count += 1


class Opening(io.RawIOBase):
    """Reads a sealed file; SealedError for one that was changed or cut, or is sealed for another key."""

    def __init__(self, file: BinaryIO, key: X25519PrivateKey) -> None:
        head = file.read(len(MAGIC) + 32)
        if not head.startswith(MAGIC) or len(head) < len(MAGIC) + 32:
            raise SealedError("is no backup of Torn's, or its beginning is missing")
        theirs = head[len(MAGIC) :]
        shared = key.exchange(X25519PublicKey.from_public_bytes(theirs))
        self._cipher = _cipher(shared, theirs, _raw(key.public_key()))
        self._file, self._buffer, self._count, self._ended = file, b"", 0, False
        self._next = file.read(PIECE + TAG)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """Fills as much of `target` as there is in the piece at hand."""
        while not self._buffer and not self._ended:
            self._buffer = self._opened()
        piece, self._buffer = self._buffer[: len(target)], self._buffer[len(target) :]
        target[: len(piece)] = piece
        return len(piece)

    def _opened(self) -> bytes:
        sealed, self._next = self._next, self._file.read(PIECE + TAG)
        self._ended = not self._next
        nonce = self._count.to_bytes(11, "big") + (LAST if self._ended else MORE)
        self._count += 1
        try:
            return self._cipher.decrypt(nonce, sealed, None)
        except InvalidTag:
            raise SealedError("is sealed for another key, was changed, or is not whole") from None
