"""The tables for security and privacy: no measure is missing, and each promise names the code or test that keeps it."""

import re

import pytest

from tests.parts import ROOT

# Royal Decree 311/2022, Annex II: the families of measures and how many each has.
FAMILIES = {
    "org": 4,
    "op.pl": 5,
    "op.acc": 6,
    "op.exp": 10,
    "op.ext": 4,
    "op.nub": 1,
    "op.cont": 4,
    "op.mon": 3,
    "mp.if": 7,
    "mp.per": 4,
    "mp.eq": 4,
    "mp.com": 4,
    "mp.si": 5,
    "mp.sw": 2,
    "mp.info": 6,
    "mp.s": 4,
}
MEASURES = [f"{family}.{n}" for family, count in FAMILIES.items() for n in range(1, count + 1)]


def rows(page: str) -> list[list[str]]:
    """The cells of all its tables' rows, heads left out."""
    lines = (ROOT / "docs" / page).read_text("utf-8").splitlines()
    tables = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in tables if row[0] not in ("measure", "---")]


def test_every_measure_of_the_scheme_has_its_row() -> None:
    assert len(MEASURES) == 73
    assert [row[0].split()[0] for row in rows("ens.md")] == MEASURES


@pytest.mark.parametrize("measure", MEASURES)
def test_what_is_said_of_a_measure_names_its_place_and_the_rest_is_somebodys(measure: str) -> None:
    (row,) = [row for row in rows("ens.md") if row[0].split()[0] == measure]

    _, does, where, left = row

    assert (does == "—") == (where == "—")
    assert does == "—" or re.search(r"\]\([^)]+\)", where)
    assert does != "—" or left != "—"


def test_every_place_of_data_and_every_risk_names_what_it_can_be_held_to() -> None:
    text = (ROOT / "docs" / "dpia.md").read_text("utf-8")
    data, risks = text.split("## 2.")[1].split("## 3.")[0], text.split("## 5.")[1].split("## 6.")[0]

    lines = [
        line for part in (data, risks) for line in part.splitlines() if line.startswith("| ") and "---" not in line
    ]

    assert len(lines) > 15
    assert [line for line in lines if "](" not in line and not line.startswith(("| data |", "| risk |"))] == []
