"""Updates on littlefs, and power that fails at every write: under MicroPython, which has littlefs."""

import subprocess

import pytest

from tests.firmware import flash_rules
from tests.firmware.board import interpreter
from tests.parts import ROOT


@pytest.mark.parametrize("rule", flash_rules.RULES)
def test_it_keeps_the(rule: str) -> None:
    file = ROOT / "tests" / "firmware" / "flash_rules.py"
    command = [*interpreter("micropython"), str(file), str(ROOT / "firmware"), rule]

    ran = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=100)

    assert f"kept: {rule}" in ran.stdout, ran.stdout + ran.stderr
