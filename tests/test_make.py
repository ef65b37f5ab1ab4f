"""The two doors of the house: `make`, and what `make run` starts."""

import re
import subprocess
from datetime import date

import pytest
import requests

from hub.line.plan import doors
from hub.offices import read_offices
from tests.parts import OFFICES, ROOT, ROUND_THE_CLOCK, Process, listens


def test_make_alone_lists_every_target() -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    said = subprocess.run(["make"], cwd=ROOT, text=True, capture_output=True, check=True).stdout

    assert targets
    assert re.findall(r"make (\S+)", said) == targets[1].split()


def test_the_sample_offices_keep_the_hours_of_a_town_hall() -> None:
    plan = read_offices(OFFICES, date(2026, 11, 24)).plans["mont-roig"]

    tuesday, sunday, christmas = (doors(plan, date(2026, *day)) for day in ((11, 24), (11, 29), (12, 25)))

    assert [(closes - opens) // 3_600_000 for opens, closes in tuesday] == [5]
    assert sunday == christmas == ()


@pytest.mark.parametrize("office", ["mont-roig", "miami-platja"])
def test_the_offices_for_trying_out_are_open_on_any_day(office: str) -> None:
    plan = read_offices(ROUND_THE_CLOCK, date(2026, 11, 24)).plans[office]

    for month, day in ((11, 24), (11, 29), (12, 25), (12, 26)):
        assert [(closes - opens) // 3_600_000 for opens, closes in doors(plan, date(2026, month, day))] == [24]


def test_make_run_prints_addresses_that_answer_and_ends_without_a_trace() -> None:
    tryout = Process(ROOT / "run").start("Ctrl-C ends it.", 90)
    try:
        addresses = re.findall(r"http://\S+", "\n".join(tryout.lines))

        answers = {address: requests.get(address, timeout=10).status_code for address in addresses}

        assert len(addresses) == 6
        assert set(answers.values()) == {200}
    finally:
        assert tryout.stop(20) == 0
    assert not any(listens(int(port)) for port in re.findall(r"127\.0\.0\.1:(\d+)", " ".join(addresses)))
