"""What the table says of what was measured."""

from pathlib import Path

import pytest

from tests.bench.__main__ import MEASURES
from tests.bench.table import Row, markdown, spread

SPEED = Path(__file__).resolve().parents[2] / "docs" / "speed.md"


def test_p99_is_what_one_in_a_hundred_exceeds():
    taken = [n / 1000 for n in range(100, 0, -1)]

    assert spread(taken) == {"p50": pytest.approx(50.5), "p99": pytest.approx(99)}


def test_a_figure_that_misses_its_target_is_named():
    row = Row("a press", {"p50": 3.0, "p99": 20.0}, "ms", {"p50": 4, "p99": 15}, {"a commit": 0.15})

    assert row.misses == ["p99"]
    assert row.cells()[2] == "p50 4.00 ms, p99 15.0 ms (missed: p99)"


@pytest.mark.parametrize(("figure", "misses"), [(399, [""]), (401, [])])
def test_of_a_rate_more_is_better(figure, misses):
    assert Row("calls", {"": figure}, "/s", {"": 400}, {"bare": 2000}).misses == misses


def test_the_table_is_markdown():
    row = Row("calls", {"": 1234}, "/s", {"": 400}, {"bare": 2468})

    lines = markdown([row.cells()]).splitlines()

    assert len(lines) == 3 and len({len(line) for line in lines}) == 1
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["calls", "1,234/s", "400/s", "bare 2,468/s", "0.5"]


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_explained_in_the_docs(name):
    assert f"`{name}`" in SPEED.read_text(encoding="utf-8")
