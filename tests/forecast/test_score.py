"""Scores: what was told, against what came."""

from dataclasses import replace
from pathlib import Path

import pytest

from hub.forecast.laws import third_of_day
from hub.forecast.quantiles import Wait
from hub.forecast.score import Simple, Told, at_once, by_length, score, thirds
from hub.forecast.synthetic import CLEAN
from hub.forecaster.scoring import OURS, TRUE, back_by, by_line, lived, score_log, score_synthetic, table
from hub.line import commands as c
from hub.line.events import TicketIssued
from hub.offices import Fleet
from hub.store import Store
from hub.store.upgrade import upgrade
from tests.line.office import PLAN, Office


def told(wait: float, *said: float, third: int = 0, ahead: int = 0) -> Told:
    return Told("t", "padro", third, ahead, {"ours": Wait(*said), "simple": said[2]}, wait)


def test_a_score_is_error_bias_and_coverage() -> None:
    some = [told(10, 4, 5, 12, 20), told(30, 4, 5, 12, 20), told(1, 4, 5, 12, 20)]

    found = score("ours", some)

    assert (found.error, found.bias) == pytest.approx(((2 + 18 + 11) / 3, (2 - 18 + 11) / 3))
    assert (found.covered, found.before_p10, found.before_p5) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert score("simple", some).covered is None


def test_a_day_has_three_thirds() -> None:
    some = [told(1, 1, 1, 1, 1, third=third_of_day(offset, 5.0)) for offset in (-3, 99, 101, 250, 400)]

    assert [len(part) for part in thirds(some)] == [2, 1, 2]


def test_people_are_grouped_by_how_many_were_ahead_of_them() -> None:
    some = [told(1, 1, 1, 1, 1, ahead=ahead) for ahead in (0, 4, 5, 19, 20, 300)]

    groups = by_length(some)

    assert {name: len(group) for name, group in groups.items()} == {
        "0 to 4": 2,
        "5 to 9": 1,
        "10 to 19": 1,
        "20 or more": 2,
    }
    assert by_line(some, ("simple",)).splitlines()[-1] == "| simple | 0.00 | 0.00 | 0.00 | 0.00 |"


def test_people_times_mean_counts_open_desks_that_serve_it() -> None:
    office = Office()
    for number in range(4):
        office.takes(f"P{number:03d}")
    office.calls("1")
    office.does(c.Open("anna", "4"))

    assert Simple(10.0).say(office.state, "padro")["people x mean / desks"] == 30.0
    assert Simple(10.0).say(office.state, "registre")["people x mean / desks"] == 15.0


@pytest.mark.parametrize(("service", "free"), [("registre", True), ("padro", False)])
def test_who_finds_a_free_desk_whom_nobody_waits_for_needs_no_forecast(service: str, free: bool) -> None:
    office = Office()
    office.takes("P001")
    office.does(c.Open("anna", "4"))  # serves registre, not padro
    office.takes("X001", service)
    event = office.log[-1]
    assert isinstance(event, TicketIssued)
    before = {id: ticket for id, ticket in office.state.tickets.items() if id != "X001"}

    found = at_once(replace(office.state, tickets=before), event)

    assert found is free


def test_on_an_office_that_never_was_the_forecast_is_better_than_what_others_tell() -> None:
    some = [each for seed in (21, 22) for day, _ in lived(CLEAN, seed, 1) for each in day]

    errors = {name: score(name, some).error for name in (OURS, TRUE, "people x mean / desks", "rolling mean of 5")}

    assert len(some) > 80
    assert errors[OURS] < errors["people x mean / desks"] < errors["rolling mean of 5"]
    assert errors[OURS] < 1.3 * errors[TRUE]


def test_the_synthetic_score_is_a_table_with_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    score_synthetic("clean", 31, 1, 1)

    said = capsys.readouterr().out
    assert "| Torn with the true laws |" in said
    assert "of rolling mean of 5" in said


def test_a_past_period_of_the_log_is_scored_without_changing_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(f"sqlite:///{tmp_path / 'torn.db'}")
    upgrade(store)
    office = Office()
    for command, minutes in _a_short_morning():
        office.later(minutes)
        store.transact(lambda work, command=command: work.do(PLAN.office, command, office.now))
    before = store.state(PLAN.office)

    status = score_log(store, Fleet({PLAN.office: PLAN}, {}, None), None, "2026-11-24", "2026-11-24")

    said = capsys.readouterr().out
    assert status == 0
    assert "mont-roig, 2026-11-24 to 2026-11-24" in said
    assert "| Torn | 6 |" in said
    assert store.state(PLAN.office) == before
    store.dispose()


def _a_short_morning() -> list[tuple[c.Command, float]]:
    def ticket(n: int) -> c.Issue:
        return c.Issue("dispenser-1", f"t{n}", f"token-of-{n}", f"P{n:03d}", ("padro",))

    first: list[tuple[c.Command, float]] = [(c.Adopt("hub", PLAN), 0), (ticket(0), 0), (c.Next("anna", "1"), 1)]
    taken: list[tuple[c.Command, float]] = [(ticket(n), 1) for n in range(1, 6)]
    return [*first, *taken, *[(c.Next("anna", "1"), 8) for _ in range(6)]]


def test_nobody_scored_is_said_and_not_divided_by() -> None:
    assert table([], ("Torn",)) == "nobody took a ticket and was called in that time"
    assert back_by([]) == "Nobody's wait was long enough to go out."
