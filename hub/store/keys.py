"""The keys of the personal data: from the environment, or one that is made once and kept in the database.

    ring = keys.of(connection)
    sealed = ring.seal("an appointment's id", b"...")      # AES-256-GCM, bound to that id
    ring.open("an appointment's id", ring.newest.name, sealed)

`TORN_KEYS` holds the keys, newest first, with commas or white space between; or the path of a file that
does. From each secret, HKDF (RFC 5869) makes one key that encrypts, one for digests, one that signs what is
pushed to phones, and a name, which stands beside what was encrypted with it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy.exc import IntegrityError

from .schema import keys, people
from .store import Store, StoreError, Work

VARIABLE = "TORN_KEYS"
BYTES = 32
NONCE = 12  # bytes: what AES-GCM takes (NIST SP 800-38D, 8.2.2)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # NIST SP 800-186, 3.2.1.3


class BadKeys(StoreError, ValueError):
    """The keys that were given cannot be used. The message never shows one."""


class KeyMissing(StoreError, LookupError):
    """Something was encrypted with a key that is not there."""


class Damaged(StoreError, ValueError):
    """What is in the database was not encrypted with the key that it names, or for another row."""


@dataclass(frozen=True)
class Key:
    """One secret of 32 bytes, and what is made of it."""

    secret: bytes = field(repr=False)

    @cached_property
    def name(self) -> str:
        """Stands beside what was encrypted with this key, and says nothing of it."""
        return self._derived(b"torn: name of the key", 8).hex()

    @cached_property
    def cipher(self) -> AESGCM:
        """Encrypts and decrypts."""
        return AESGCM(self._derived(b"torn: personal data", BYTES))

    @cached_property
    def digests(self) -> bytes:
        """The key of the digests by which a person is found."""
        return self._derived(b"torn: digests of personal data", BYTES)

    @cached_property
    def signs(self) -> ec.EllipticCurvePrivateKey:
        """Signs what is pushed to phones (RFC 8292, 2): made from 40 bytes (FIPS 186-5, A.2.1)."""
        number = int.from_bytes(self._derived(b"torn: signs pushes", 40), "big")
        return ec.derive_private_key(number % (P256_ORDER - 1) + 1, ec.SECP256R1())

    @cached_property
    def signer(self) -> str:
        """Its public half as browsers take it: an uncompressed point in URL-safe Base64 (RFC 8292, 3.2)."""
        point = self.signs.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return base64.urlsafe_b64encode(point).rstrip(b"=").decode()

    def digest(self, what: str, text: str) -> str:
        """What stands for a document's number, a telephone or an e-mail; `what` keeps the three apart."""
        return hmac.digest(self.digests, f"{what}:{text}".encode(), "sha256").hex()[:40]

    def _derived(self, purpose: bytes, length: int) -> bytes:
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(self.secret)


@dataclass(frozen=True)
class Ring:
    """All keys there are, newest first. The newest encrypts, each decrypts what names it."""

    keys: tuple[Key, ...]
    own: bool = False  # the newest is the one that the database keeps

    @property
    def newest(self) -> Key:
        """The key with which is encrypted."""
        if not self.keys:
            raise KeyMissing("there is no key for personal data yet: start the hub, or set TORN_KEYS")
        return self.keys[0]

    @cached_property
    def by_name(self) -> dict[str, Key]:
        """The keys by what stands beside the data."""
        return {key.name: key for key in self.keys}

    def seal(self, of: str, plain: bytes) -> bytes:
        """Encrypts with the newest key; `of` says what it belongs to, and nobody else can open it."""
        nonce = secrets.token_bytes(NONCE)
        return nonce + self.newest.cipher.encrypt(nonce, plain, of.encode())

    def open(self, of: str, name: str, sealed: bytes) -> bytes:
        """Decrypts. KeyMissing, or Damaged."""
        key = self.by_name.get(name)
        if key is None:
            raise KeyMissing(missing(name))
        try:
            return key.cipher.decrypt(sealed[:NONCE], sealed[NONCE:], of.encode())
        except (InvalidTag, ValueError):
            raise Damaged(f"the personal data of {of} was changed outside of this program") from None

    def digests(self, what: str, text: str) -> list[str]:
        """Its digest by each key, in one order everywhere: a row has that of the key it was written with."""
        return sorted(key.digest(what, text) for key in self.keys)


def missing(name: str) -> str:
    """What to do about a key that is not there."""
    return f"personal data is encrypted with the key {name}, which is missing: put it behind the others in {VARIABLE}"


# --- where they come from -------------------------------------------------------------------


def new() -> str:
    """A new key as `TORN_KEYS` takes it: 32 random bytes in URL-safe Base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(BYTES)).decode()


def configured() -> tuple[Key, ...]:
    """The keys of the environment, newest first; none if it has none. BadKeys if they cannot be read."""
    said = os.environ.get(VARIABLE, "").strip()
    if said.startswith("/"):
        try:
            said = Path(said).read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise BadKeys(f"{VARIABLE}: the file {said} cannot be read: {type(error).__name__}") from None
    return tuple(map(_key, said.replace(",", " ").split()))


def _key(text: str) -> Key:
    try:
        secret = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        secret = b""
    if len(secret) != BYTES:
        raise BadKeys(f"{VARIABLE}: a key is 32 bytes in URL-safe Base64: `python -m hub people key` makes one")
    return Key(secret)


_rings: WeakKeyDictionary[sa.Engine, Ring] = WeakKeyDictionary()


def of(connection: sa.Connection) -> Ring:
    """The keys for this database: the environment's, then its own. They are read once a process."""
    ring = _rings.get(connection.engine)
    if ring is None:
        given = configured()
        ring = Ring((*given, *_kept(connection)), own=not given)
        if ring.keys:
            _rings[connection.engine] = ring
    return ring


def forget(engine: sa.Engine) -> None:
    """Has the keys of this database read again."""
    _rings.pop(engine, None)


def _kept(connection: sa.Connection) -> Iterable[Key]:
    return [_key(text) for text in connection.execute(sa.select(keys.c.key).order_by(keys.c.id.desc())).scalars()]


def make(connection: sa.Connection) -> None:
    """Keeps a key in the database if there is none anywhere."""
    if not of(connection).keys:
        connection.execute(keys.insert().values(id=1, key=new()))


def hold(connection: sa.Connection) -> None:
    """Before something is encrypted by the database's own key: that key stays, or comes back.

    Somebody may have used another one since this process started, and removed it (`drop_kept`).
    """
    ring = of(connection)
    if not ring.own or not ring.keys:
        return
    text = base64.urlsafe_b64encode(ring.newest.secret).decode()
    kept = sa.select(keys.c.id).where(keys.c.key == text).with_for_update(read=True)
    if connection.execute(kept).first() is None:
        connection.execute(keys.insert().values(id=1, key=text))


def ensure(store: Store) -> None:
    """The same, whatever number of processes starts at once."""
    with store.begin() as connection:
        if of(connection).keys:
            return
    try:
        with store.begin(write=True) as connection:
            make(connection)
    except IntegrityError:
        forget(store.engine)  # another process was quicker: its key is read when it is needed


# --- which of them are needed ---------------------------------------------------------------


def in_use(connection: sa.Connection) -> set[str]:
    """The names of the keys with which something is encrypted."""
    return set(connection.execute(sa.select(people.c.key).distinct()).scalars())


def warnings(store: Store) -> list[str]:
    """What whoever starts the hub should know of its keys; one sentence each."""
    with store.begin() as connection:
        said = [missing(name) for name in sorted(in_use(connection) - set(of(connection).by_name))]
        if not configured():
            said.append(
                "the key of the personal data is kept in the database, so that backups carry it: "
                f"`python -m hub people key` makes one to set in {VARIABLE}, `people rekey` then uses it"
            )
    return said


def drop_kept(work: Work) -> int:
    """Removes the database's own keys once the environment has one and nothing needs them; how many.

    To be done without `one_view`: it waits for those who are just writing, and must see what they wrote.
    """
    work.connection.execute(sa.select(keys.c.id).with_for_update()).all()
    kept = {key.name for key in _kept(work.connection)}
    if not configured() or in_use(work.connection) & kept:
        return 0
    return work.connection.execute(keys.delete()).rowcount
