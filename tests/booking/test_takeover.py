"""The old system's appointments, from a CSV file."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from hub.booking.takeover import BadRow, Row, rows
from hub.clock import now
from hub.line.plan import local
from hub.offices import read_offices
from hub.store import Store
from hub.store import appointments as store_of
from tests.booking.conftest import dni, office
from tests.parts import ROOT, ROUND_THE_CLOCK

PLANS = {"mont-roig": office()}
HEAD = "office;service;start;document_kind;document;name;email;phone;language;note"


def judged(*lines: str) -> list[Row | BadRow]:
    """Each row of a file that begins with the usual head."""
    return [row for _, row in rows("\n".join([HEAD, *lines]), PLANS)]


def test_a_row_is_an_appointment_on_the_offices_clock() -> None:
    (row,) = judged("mont-roig;padro+tributs;2026-11-24T09:07;dni;12.345.678-Z;Maria Vidal;;977 1;es;amb cadira")

    assert (row.services, row.language) == (("padro", "tributs"), "es")
    assert f"{local(PLANS['mont-roig'], row.start):%d %H:%M}" == "24 09:07"
    assert (row.person.document.number, row.person.phone, row.person.note) == ("12345678Z", "977 1", "amb cadira")


def test_only_office_service_start_and_name_are_needed_in_any_order_and_with_any_separator() -> None:
    for mark in ",;\t":
        text = "\ufeff" + mark.join(["Name", "START", "office", "service"]) + "\r\n"
        text += mark.join(["Maria", "2026-11-24 09:00", "mont-roig", "padro"]) + "\r\n"

        ((line, row),) = rows(text, PLANS)

        assert (line, row.person.name, row.person.document, row.language) == (2, "Maria", None, "ca")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nowhere;padro;2026-11-24T09:00;;;Maria;;;;", "office"),
        ("mont-roig;padro;24/11/2026;;;Maria;;;;", "start"),
        ("mont-roig;padro;2026-11-24T09:00;;;;;;;", "name"),
        ("mont-roig;padro;2026-11-24T09:00;dni;12345678A;Maria;;;;", "document"),
        ("mont-roig;padro;2026-11-24T09:00;;;Maria;;;de;", "language"),
        (f"mont-roig;padro;2026-11-24T09:00;;;{'x' * 201};;;;", "name"),
        ("mont-roig", "start|name"),
    ],
)
def test_a_row_that_cannot_be_read_says_which_column_and_no_person(line: str, why: str) -> None:
    (error,) = judged(line)

    assert isinstance(error, BadRow)
    assert any(str(error).startswith(each) for each in why.split("|"))
    assert "Maria" not in str(error)
    assert "12345678" not in str(error)


@pytest.mark.parametrize("text", ["", "a;b;c\n1;2;3\n", HEAD.replace("start;", "")])
def test_a_file_without_the_columns_is_refused(text: str) -> None:
    with pytest.raises(BadRow, match="missing"):
        list(rows(text, PLANS))


def run(folder: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    """The command, as a technician runs it."""
    command = [sys.executable, "-m", "hub", "appointments", *map(str, words)]
    where = ["--data", str(folder), "--offices", str(ROUND_THE_CLOCK)]
    return subprocess.run([*command, *where], cwd=ROOT, text=True, capture_output=True, timeout=60, check=False)


def the_old_systems(folder: Path) -> Path:
    """A file with two good rows, one twice, one too many for its document, and one of an unknown service."""
    plan = read_offices(ROUND_THE_CLOCK).plans["mont-roig"]
    day = (local(plan, now()) + timedelta(days=40)).date()
    lines = [
        f"mont-roig;padro;{day}T09:03;dni;{dni(1)};Maria;;;;",
        f"mont-roig;tributs;{day}T09:03;;;Joan;;;;",
        f"mont-roig;tributs;{day}T09:03;;;Joan;;;;",
        f"mont-roig;padro;{day}T10:00;dni;{dni(1)};Maria;;;;",
        f"mont-roig;unknown;{day}T10:00;;;Pere;;;;",
    ]
    file = folder / "old.csv"
    file.write_text("\n".join([HEAD, *lines]), encoding="utf-8")
    return file


def taken(folder: Path) -> int:
    """How many appointments the database has."""
    plan, store = read_offices(ROUND_THE_CLOCK).plans["mont-roig"], Store(f"sqlite:///{folder / 'torn.db'}")
    day = (local(plan, now()) + timedelta(days=40)).date()
    with store.begin() as connection:
        found = store_of.places(connection, plan, day, day, now())
    store.dispose()
    return len(found)


def test_a_dry_run_says_what_the_run_will_do_and_does_nothing(tmp_path: Path) -> None:
    file, folder = the_old_systems(tmp_path), tmp_path / "data"

    tried = run(folder, "import", file, "--dry-run")
    before = taken(folder)
    done = run(folder, "import", file)

    refusals = [line for line in tried.stdout.splitlines() if line.startswith("line ")]
    assert [line.split(":")[0] for line in refusals] == ["line 4", "line 5", "line 6"]
    assert "2 appointments would be taken over, 3 rows refused" in tried.stdout
    assert (tried.returncode, before) == (1, 0)
    assert [line for line in done.stdout.splitlines() if line.startswith("line ")] == refusals
    assert (done.returncode, taken(folder)) == (1, 2)
    assert not [word for word in ("Maria", "Joan", dni(1)) if word in tried.stdout + tried.stderr + done.stdout]


def test_the_same_file_again_takes_nothing_over_twice(tmp_path: Path) -> None:
    file, folder = the_old_systems(tmp_path), tmp_path / "data"
    run(folder, "import", file)

    again = run(folder, "import", file)

    assert "0 appointments taken over, 5 rows refused" in again.stdout
    assert taken(folder) == 2


def test_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    nothing, missing = run(tmp_path, "import"), run(tmp_path, "import", tmp_path / "none.csv")

    assert (nothing.returncode, "FILE" in nothing.stderr) == (2, True)
    assert (missing.returncode, "none.csv" in missing.stderr) == (1, True)


def test_erasing_by_hand_has_a_dry_run(tmp_path: Path) -> None:
    tried, done = run(tmp_path, "erase", "--dry-run"), run(tmp_path, "erase")

    assert "0 appointments would be erased" in tried.stdout
    assert "0 appointments are erased" in done.stdout
