"""The folder with all that was made: read whole, written whole or not at all, for its owner's eyes alone.

    with held(out) as before:           # nobody else works in it meanwhile; `before` is what stands in it
        put(out, files)

A new folder is written beside the old one and takes its place by a rename. The one before stays as OUT.before.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from provisioning import ProvisioningError

LIST = "made.json"  # what was made, by its digest
Files = Mapping[str, bytes]


class FolderError(ProvisioningError, OSError):
    """The folder cannot be used; the message names it and says why."""


@contextmanager
def held(out: Path) -> Iterator[dict[str, bytes]]:
    """What stands in the folder, while nobody else changes it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _not_in_a_repository(out)
        with _beside(out, "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _mend(out)
            yield read(out)
    except BlockingIOError:
        raise FolderError(f"{out}: another provisioning is at work in it; wait until it has ended") from None
    except OSError as error:
        if isinstance(error, ProvisioningError):
            raise
        raise FolderError(f"{error.filename or out}: {error.strerror}") from None


def read(out: Path) -> dict[str, bytes]:
    """Every file below the folder by its path in it; none if there is no folder."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and not path.is_symlink()]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def changed_by_hand(files: Files) -> list[str]:
    """The files that are not as they were made, and those that are gone."""
    made = _list(files)
    return [path for path, digest in sorted(made.items()) if path not in files or _digest(files[path]) != digest]


def put(out: Path, files: Files) -> bool:
    """Makes the folder have these files and no others, all at once; False if it had them already."""
    complete = {**files, LIST: _listed(files)}
    if read(out) == complete:
        return False
    new, before = _beside(out, "new"), _beside(out, "before")
    shutil.rmtree(new, ignore_errors=True)
    for path, body in complete.items():
        write(new / path, body)
    shutil.rmtree(before, ignore_errors=True)
    if out.exists():
        out.rename(before)
    new.rename(out)
    return True


def write(path: Path, body: bytes) -> None:
    """One file for its owner alone, on the disk when this returns."""
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir(mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(descriptor)


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(f"{out.name}.{ending}")


def _mend(out: Path) -> None:
    """A power cut between the two renames leaves the old folder under its other name."""
    if not out.exists() and _beside(out, "before").exists():
        _beside(out, "before").rename(out)


def _not_in_a_repository(out: Path) -> None:
    """Keys that once were in a repository are no secret any more."""
    for folder in out.resolve().parents:
        if (folder / ".git").exists():
            raise FolderError(f"{out}: stands in the repository {folder}; name a folder outside with --out")


def _listed(files: Files) -> bytes:
    return json.dumps({path: _digest(files[path]) for path in sorted(files)}, indent=1).encode() + b"\n"


def _list(files: Files) -> dict[str, str]:
    try:
        return dict(json.loads(files.get(LIST, b"{}")))
    except (ValueError, TypeError):
        return {}


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
