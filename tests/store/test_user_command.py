"""`python -m hub user`, `token` and `people erase`, as the technician gives them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import OFFICES, ROOT


@pytest.fixture
def hub(tmp_path: Path):
    """Gives a command; what it said and how it ended."""

    def command(*words: str, said: str = "una contrasenya llarga\n") -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "hub", *words, "--data", str(tmp_path), "--offices", str(OFFICES)]
        return subprocess.run(line, cwd=ROOT, input=said, text=True, capture_output=True, timeout=60)

    return command


@pytest.mark.parametrize(
    "words",
    [
        ("token", "--role", "clerk"),
        ("user", "add", "anna", "--role", "clerk"),
        ("user", "give", "anna", "--role", "clerk"),
        ("user", "take", "anna"),
    ],
)
def test_an_office_that_there_is_not_is_refused_in_a_sentence(hub, words: tuple[str, ...]) -> None:
    done = hub(*words, "--office", "nowhere")

    assert done.returncode == 2
    assert done.stdout == ""
    assert "--office nowhere: there is no such office;" in done.stderr
    assert "has mont-roig, miami-platja" in done.stderr


def test_roles_are_given_and_taken_office_by_office(hub) -> None:
    hub("user", "add", "anna", "--role", "clerk", "--office", "mont-roig")
    hub("user", "give", "anna", "--role", "manager", "--office", "miami-platja")
    both = hub("user", "list").stdout
    hub("user", "take", "anna", "--office", "mont-roig")

    assert both == "anna: manager miami-platja, clerk mont-roig; sessions: 0\n"
    assert hub("user", "list").stdout == "anna: manager miami-platja; sessions: 0\n"
    assert hub("user", "end", "anna").stdout == "anna is signed out of 0 browsers\n"
    assert hub("user", "remove", "anna").stdout == "anna is removed\n"
    assert hub("user", "list").stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("user", "add", "anna"), "user add: needs --role"),
        (("user", "end"), "user end: needs the NAME"),
        (("user", "end", "nobody"), "there is no account nobody"),
        (("user", "take", "nobody"), "there is no account nobody"),
        (("user", "remove", "nobody"), "there is no account and no token nobody"),
    ],
)
def test_what_is_missing_is_said(hub, words: tuple[str, ...], said: str) -> None:
    done = hub(*words)

    assert (done.returncode, done.stderr) == (2, f"torn: {said}\n")
