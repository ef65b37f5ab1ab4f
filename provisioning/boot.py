"""Writing a card: the seed and the program go onto the boot partition of a fresh Raspberry Pi OS card.

`user-data` goes last: without it a half-written card starts as nothing in particular, and is written again.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from provisioning import ProvisioningError

SOURCE = Path(__file__).resolve().parent.parent
PARTS = ("devices", "firmware", "pyproject.toml", "constraints.txt", "README.md", "LICENCE")
ORDER = ("torn.tar.gz", "torn.sha256", "network-config", "meta-data", "user-data")


class CardError(ProvisioningError, OSError):
    """The card cannot be written; the message says why and what to do."""


def write_card(boot: Path, seed: Mapping[str, bytes], source: Path = SOURCE) -> None:
    """Writes the card whose boot partition is mounted at `boot`, and reads it back."""
    must_be_a_card(boot)
    software = program(source)
    digest = f"{hashlib.sha256(software).hexdigest()}  torn.tar.gz\n".encode()
    files = {**seed, "torn.tar.gz": software, "torn.sha256": digest}
    try:
        (boot / "user-data").unlink(missing_ok=True)
        for name in ORDER:
            _write(boot / name, files[name])
    except CardError:
        raise
    except OSError as error:
        raise CardError(f"{boot}: the card is only half written ({error.strerror}); write it again") from None


def must_be_a_card(boot: Path) -> None:
    """Raises CardError for a folder that is not a card's."""
    if not (boot / "config.txt").is_file() or not (boot / "cmdline.txt").is_file():
        raise CardError(f"{boot}: is no boot partition of a Raspberry Pi OS card (it has config.txt and cmdline.txt)")


def _write(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # so that the card itself is read back
    if path.read_bytes() != body:
        raise CardError(f"{path}: does not keep what is written; take another card")


def program(source: Path = SOURCE) -> bytes:
    """What a device needs of Torn, as a tar.gz that is always the same for the same files."""
    if not (source / "pyproject.toml").is_file():
        raise CardError(f"{source}: has no pyproject.toml; run the command from the folder with Torn's source")
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as squeezed, tarfile.open(fileobj=squeezed, mode="w") as tar:
        for path in _parts(source):
            entry = tarfile.TarInfo(path.relative_to(source).as_posix())
            body = path.read_bytes()
            entry.size, entry.mode = len(body), 0o644
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()


def _parts(source: Path) -> Iterator[Path]:
    for part in PARTS:
        path = source / part
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (each for each in files if each.is_file() and "__pycache__" not in each.parts)
