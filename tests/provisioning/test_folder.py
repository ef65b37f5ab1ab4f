"""The folder is whole or as it was before, and its owner's alone."""

import fcntl
import stat
from pathlib import Path

import pytest

from provisioning.__main__ import main
from provisioning.folder import FolderError, held, put, read
from tests.provisioning.fleets import described


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    return ["--fleet", str(described(tmp_path)), "--out", str(tmp_path / "out")]


def test_nobody_but_its_owner_may_look_into_it(words: list[str], tmp_path: Path) -> None:
    main(["make", *words])

    found = {path: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}


def test_made_again_not_a_byte_changes(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["make", *words])
    before = read(tmp_path / "out")
    capsys.readouterr()

    assert main(["make", *words]) == 0

    assert read(tmp_path / "out") == before
    assert capsys.readouterr().out == f"nothing is near its end\n{tmp_path / 'out'}: is as it should be\n"


def test_what_was_changed_by_hand_is_said_made_again_and_kept_beside(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["make", *words])
    rights = "hub/etc/mosquitto/torn/rights"
    made = (tmp_path / "out" / rights).read_bytes()
    (tmp_path / "out" / rights).write_bytes(b"user everybody\n")
    capsys.readouterr()

    main(["make", *words])

    assert f"{rights}: was changed by hand and is made again" in capsys.readouterr().out
    assert (tmp_path / "out" / rights).read_bytes() == made
    assert (tmp_path / "out.before" / rights).read_bytes() == b"user everybody\n"


def test_a_power_cut_between_the_renames_loses_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(out, {"keys/ca.key": b"secret"})
    out.rename(tmp_path / "out.before")

    with held(out) as files:
        assert files["keys/ca.key"] == b"secret"


def test_a_half_made_folder_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(out, {"a": b"1"})
    (tmp_path / "out.new").mkdir()
    (tmp_path / "out.new" / "half").write_bytes(b"?")

    put(out, {"a": b"2"})

    assert set(read(out)) == {"a", "made.json"}


def test_two_at_once_are_refused(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "out.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert main(["make", *words]) == 2

    assert "another provisioning is at work in it" in capsys.readouterr().err


def test_keys_are_never_made_inside_a_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()

    with pytest.raises(FolderError, match="stands in the repository"), held(tmp_path / "out"):
        pass
