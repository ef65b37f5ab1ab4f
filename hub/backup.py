"""Backups that this machine itself cannot read, that expire, and from which the hub starts again.

`backup(store, folder, key, keep_days, now)` writes one file and removes those that are too old;
`restore(store, fleet, file, key, erased, now)` fills an empty database from one, without what was erased since.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Collection
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from firmware import wire

from .line.plan import Moment
from .offices import Fleet
from .sealed import Opening, SealedError, Sealing
from .store import Store, people
from .store.dump import DumpError, fill, lines

ENDING = ".backup"
DAY = 86_400_000  # ms


def backup(store: Store, folder: Path, key: X25519PublicKey, keep_days: int, now: Moment) -> Path:
    """One more backup in the folder, whole or not at all; then those older than `keep_days` go. Its path."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"torn-{_stamp(now)}{ENDING}"
    half = path.with_suffix(".half")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with Sealing(file, key) as sealing, gzip.GzipFile(fileobj=sealing, mode="wb") as squeezed:
            for line in lines(store, wire.stamp(now)):
                squeezed.write(line.encode() + b"\n")
        file.flush()
        os.fsync(descriptor)
    half.rename(path)
    oldest = f"torn-{_stamp(now - keep_days * DAY)}{ENDING}"
    for other in folder.glob(f"torn-*{ENDING}"):
        if other.name < oldest:
            other.unlink()
    return path


def _stamp(moment: Moment) -> str:
    """20261124T100000Z: names in the order of time."""
    return wire.stamp(moment)[:19].replace("-", "").replace(":", "") + "Z"


def restore(
    store: Store, fleet: Fleet, file: Path, key: X25519PrivateKey, erased: Collection[str], now: Moment
) -> tuple[int, int]:
    """Fills an empty database; how many rows it has, and how many there were of whom has been erased since.

    Erased is whose the appointments in `erased` (ids) were, which does not come in at all, and what is too old by now.
    DumpError names the file.
    """
    try:
        with file.open("rb") as sealed, gzip.GzipFile(fileobj=Opening(sealed, key)) as plain:
            rows, left_out = fill(store, TextIOWrapper(plain, "utf-8"), erased)
    except (SealedError, DumpError, EOFError, gzip.BadGzipFile) as error:
        raise DumpError(f"{file}: {error}") from None
    old = sum(store.transact(partial(people.erase_old, plan=plan, now=now)) for plan in fleet.plans.values())
    return rows - old, left_out + old
