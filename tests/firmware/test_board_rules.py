"""The board's own modules keep the same rules under CPython and under the real MicroPython."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import desk, gestures
from firmware import button, words
from tests.firmware import board_rules
from tests.firmware.board import LAPTOP, interpreter
from tests.parts import ROOT


@pytest.mark.parametrize("rule", board_rules.RULES)
def test_it_keeps_the(rule: str, python: str, tmp_path: Path) -> None:
    file = ROOT / "tests" / "firmware" / "board_rules.py"
    command = [*interpreter(python), str(file), str(ROOT / "firmware"), str(LAPTOP), str(tmp_path), rule]

    ran = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=60)

    assert f"kept: {rule}" in ran.stdout, ran.stdout + ran.stderr


EDGES = st.lists(st.tuples(st.integers(1, 1200), st.booleans()), max_size=30)


@given(EDGES, st.booleans())
def test_a_finger_means_the_same_on_a_board_and_on_a_raspberry_pi(edges: list[tuple[int, bool]], longer: bool) -> None:
    # Both in milliseconds, so that moments that are the same are exactly the same.
    settle, long, double = button.SETTLE, button.LONG, button.DOUBLE
    timing = gestures.Timing(settle, long, double) if longer else gestures.Timing(settle)
    theirs, ours = gestures.Finger(), button.Finger(longer)
    at, told_theirs, told_ours = 0, [], []
    for after, down in [*edges, (5000, False), (5000, False)]:
        at += after
        theirs, meant = gestures.edge(theirs, timing, down, at)
        told_theirs += [each.kind for each in meant]
        told_ours += ours.edge(down, at)

    assert told_ours == told_theirs


def test_the_times_that_tell_gestures_apart_are_those_of_a_raspberry_pi() -> None:
    one = desk.ONE_TIMING

    assert (button.SETTLE, button.LONG, button.DOUBLE) == (one.settle * 1000, one.long * 1000, one.double * 1000)
    assert desk.PLAIN == gestures.Timing(settle=button.SETTLE / 1000)


def test_the_words_of_a_desk_are_those_of_a_raspberry_pi() -> None:
    for language, theirs in desk.WORDS.items():
        ours = words.say(words.DESK, language)

        assert {**ours, "waiting": ours["waiting"] % 5} == {**ours, **theirs, "waiting": theirs["waiting"].format(5)}
