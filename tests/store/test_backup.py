"""Backups: sealed for a key that is elsewhere, whole or refused, and the same on both databases."""

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hub.backup import DAY, backup, restore
from hub.offices import read_offices
from hub.sealed import PIECE, Opening, SealedError, Sealing
from hub.store import Store
from hub.store.dump import AHEAD, LEFT_OUT, DumpError, fill, lines
from hub.store.schema import looks, metadata, topics
from hub.store.upgrade import HEAD, upgrade, version_of
from tests.parts import OFFICES, ROOT, Postgres
from tests.store.mornings import NINE as NOW
from tests.store.mornings import opens, takes

KEY = X25519PrivateKey.generate()
LOOK = {"at": 1, "who": "anna", "what": "call", "appointment": "x"}


@pytest.fixture
def full(database: str) -> Store:
    """A database with a morning in it."""
    store = Store(database)
    upgrade(store)
    opens(store)
    takes(store, 30)
    with store.begin(write=True) as connection:
        connection.execute(looks.insert().values(LOOK))
        connection.execute(topics.insert().values(topic="torn/v1/office/mont-roig/line", seq=41))
    return store


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'new.sqlite'}")


def rows(store: Store) -> dict[str, list[tuple]]:
    """All that is in a database, as far as it is backed up."""
    with store.begin() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for table in metadata.sorted_tables
            if table.name not in LEFT_OUT
        }


# --- sealing --------------------------------------------------------------------------------


def sealed(body: bytes) -> bytes:
    file = io.BytesIO()
    with Sealing(file, KEY.public_key()) as out:
        out.write(body)
    return file.getvalue()


def opened(file: bytes, key: X25519PrivateKey = KEY) -> bytes:
    return Opening(io.BytesIO(file), key).readall()


@pytest.mark.parametrize("length", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_what_was_sealed_opens_again(length: int) -> None:
    body = os.urandom(length)

    assert opened(sealed(body)) == body


def test_nobody_else_opens_it() -> None:
    with pytest.raises(SealedError, match="sealed for another key"):
        opened(sealed(b"secret"), X25519PrivateKey.generate())


@pytest.mark.parametrize("at", [20, 60, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    file = bytearray(sealed(os.urandom(2 * PIECE)))
    file[at] ^= 1

    with pytest.raises(SealedError):
        opened(bytes(file))


@pytest.mark.parametrize("cut", [1, 17, PIECE + 16, 2 * PIECE])
def test_a_file_that_was_cut_even_between_two_pieces_is_noticed(cut: int) -> None:
    with pytest.raises(SealedError):
        opened(sealed(os.urandom(3 * PIECE))[:-cut])


def test_what_is_no_backup_is_said() -> None:
    with pytest.raises(SealedError, match="is no backup of Torn's"):
        opened(b"something else altogether, and long enough to be one")


# --- the database ---------------------------------------------------------------------------


def test_every_row_comes_back_on_either_database(full: Store, empty: Store) -> None:
    before = rows(full)

    count, _ = fill(empty, lines(full, "now"))

    after = rows(empty)
    assert count == sum(map(len, before.values())) > 50
    assert after | {"topics": []} == before | {"topics": []}
    assert after["topics"] == [(topic, seq + AHEAD) for topic, seq in before["topics"]]


def test_back_into_postgresql_numbers_go_on_where_they_were(full: Store, postgres: Postgres) -> None:
    new = Store(postgres.database())
    fill(new, lines(full, "now"))

    with new.begin(write=True) as connection:
        connection.execute(looks.insert().values(LOOK))

        assert connection.execute(sa.select(sa.func.max(looks.c.id))).scalar() == 2


def test_a_database_that_is_not_empty_is_left_as_it_is(full: Store) -> None:
    before = rows(full)

    with pytest.raises(DumpError, match="the database is not empty: restore into a new one"):
        fill(full, list(lines(full, "now")))

    assert rows(full) == before


def test_lines_that_are_not_whole_change_nothing(full: Store, empty: Store) -> None:
    with pytest.raises(DumpError, match="is not whole"):
        fill(empty, list(lines(full, "now"))[:-1])

    assert not any(rows(empty).values())


def test_a_backup_of_a_newer_program_is_refused(empty: Store) -> None:
    with pytest.raises(DumpError, match="is of a newer program"):
        fill(empty, [json.dumps({"torn": "9999", "at": "now"})])


def test_a_backup_of_an_older_shape_is_brought_to_the_newest(empty: Store) -> None:
    person = {"appointment": "a1", "secret": "s", "kind": "dni", "number": "12345678Z", "name": "Maria", "email": None}
    person |= {"phone": None, "note": None}
    old = [{"torn": "0002"}, {"table": "people", "columns": list(person)}, list(person.values()), {"rows": 1}]

    count = fill(empty, map(json.dumps, old))

    assert (count, version_of(empty)) == ((1, 0), HEAD)
    assert "12345678Z" not in repr(rows(empty)["people"])
    assert len(rows(empty)["people"]) == 1


def test_whose_an_appointment_was_does_not_come_back_once_it_was_erased(empty: Store) -> None:
    columns = ["appointment", "secret", "kind", "number", "name", "email", "phone", "note"]
    some = [[id, "s", None, None, name, None, None, None] for id, name in (("a1", "Maria"), ("a2", "Joan"))]
    old = [{"torn": "0002"}, {"table": "people", "columns": columns}, *some, {"rows": 2}]

    counts = fill(empty, map(json.dumps, old), ["a1", "never-was"])

    assert counts == (1, 1)
    assert [row[0] for row in rows(empty)["people"]] == ["a2"]


def test_an_older_backup_does_not_go_into_a_database_of_the_newest_shape(empty: Store) -> None:
    upgrade(empty)

    with pytest.raises(DumpError, match="tables of another shape already: restore into a new one"):
        fill(empty, [json.dumps({"torn": "0002"}), json.dumps({"rows": 0})])


# --- the files ------------------------------------------------------------------------------


def test_backups_expire_and_are_their_owners_alone(full: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"

    paths = [backup(full, folder, KEY.public_key(), 2, NOW + day * DAY) for day in range(4)]

    assert sorted(folder.iterdir()) == paths[1:]
    assert {path.stat().st_mode & 0o777 for path in paths[1:]} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_nothing_of_the_database_can_be_read_in_a_backup(full: Store, tmp_path: Path) -> None:
    path = backup(full, tmp_path, KEY.public_key(), 2, NOW)

    assert b"ticket" not in path.read_bytes()
    assert b"ticket" in gzip.decompress(opened(path.read_bytes()))


def test_a_backup_that_fails_leaves_the_last_one_and_no_half_one_that_opens(full: Store, tmp_path: Path) -> None:
    first = backup(full, tmp_path, KEY.public_key(), 2, NOW)
    with full.begin(write=True) as connection:
        connection.execute(sa.text("DROP TABLE topics"))

    with pytest.raises(Exception, match="topics"):
        backup(full, tmp_path, KEY.public_key(), 2, NOW + DAY)

    assert list(tmp_path.glob("*.backup")) == [first]
    for half in tmp_path.glob("*.half"):
        with pytest.raises(SealedError):
            opened(half.read_bytes())


def test_a_cut_backup_is_named_and_nothing_is_restored(full: Store, empty: Store, tmp_path: Path) -> None:
    path = backup(full, tmp_path, KEY.public_key(), 2, NOW)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(DumpError, match=f"{path.name}: is sealed for another key, was changed, or is not whole"):
        restore(empty, read_offices(OFFICES), path, KEY, [], NOW)

    assert topics.name not in sa.inspect(empty.engine).get_table_names() or not any(rows(empty).values())


# --- the commands ---------------------------------------------------------------------------


def hub(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hub", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=60)


def keys(folder: Path) -> tuple[Path, Path]:
    """Both halves of a key, as openssl writes them."""
    mine = folder / "backup.key", folder / "backup.pub"
    pem, raw = serialization.Encoding.PEM, serialization.NoEncryption()
    mine[0].write_bytes(KEY.private_bytes(pem, serialization.PrivateFormat.PKCS8, raw))
    mine[1].write_bytes(KEY.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return mine


def test_the_commands_write_a_backup_and_restore_it(tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    hub("user", "add", "anna", "--role", "clerk", "--data", tmp_path / "old")
    token = hub("token", "--role", "clerk", "--data", tmp_path / "old")

    made = hub("backup", tmp_path / "backups", "--recipient", public, "--data", tmp_path / "old")
    back = hub("restore", made.stdout.strip(), "--key", private, "--data", tmp_path / "new", "--offices", OFFICES)

    assert token.returncode == made.returncode == 0
    assert back.returncode == 0, back.stderr
    assert "rows are restored; 0 with the data of people who were erased since are not" in back.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("backup", "b"), "--recipient: is needed"),
        (("backup", "b", "--recipient", "README.md"), "README.md: is no public key in PEM"),
        (("backup", "b", "--recipient", "nowhere.pub"), "No such file"),
        (("restore", "f"), "--key: is needed"),
        (("restore", "f", "--key", "README.md"), "README.md: is no private key in PEM"),
    ],
)
def test_what_a_command_lacks_is_said_in_a_sentence(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = hub(*words, "--data", tmp_path)

    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
