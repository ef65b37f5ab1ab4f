"""What the forecast says of offices in which something is certain, or odd."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hub.forecast.draws import day_effect, forgotten, today
from hub.forecast.laws import QUANTILES, DeskDay, Effect, Laws, before_history
from hub.forecast.quantiles import Came, Forecast, Wait, adapted, forecast, level_of
from hub.forecast.scene import Coming
from hub.forecast.watch import Visit, Watch
from hub.line import commands as c
from hub.line.model import Stage, State
from hub.line.plan import MINUTE
from tests.line.office import EVERY, PLAN, Office

NEVER = math.inf


def certain(minutes: float = 10.0, **more: object) -> Laws:
    """Every visit takes so long, nobody is absent, no desk makes a break."""
    services = dict.fromkeys(EVERY, Effect(math.log(minutes), 0.0))
    plain = replace(
        before_history(PLAN),
        services=services,
        spreads=dict.fromkeys(EVERY, 1e-6),
        desks=dict.fromkeys("1234", Effect(0.0, 0.0)),
        day=1e-6,
        absent=0.0,
        again=0.0,
        gaps=(0.2, 0.3, 0.5),
        desk_days=(DeskDay("", 0.0), DeskDay("", NEVER)),
    )
    return replace(plain, **more)


def said(office: Office, laws: Laws, *coming: Coming, opened: str = "1234") -> Forecast:
    """The forecast of an office now."""
    watch = Watch(State(office.state.office))
    for event in office.log:
        watch.see(event)
    day = replace(today(watch, laws, office.now), day=(0.0, 1e-6), opened=frozenset(opened), breaks=None)
    return forecast(office.state, laws, day, coming, office.now, np.random.default_rng(1), 200)


def busy(office: Office, *desks: str) -> None:
    """Somebody is called to each of these desks just now."""
    for desk in desks:
        office.takes(f"X00{desk}", "informacio")
        office.calls(desk)


def minutes(wait: Wait | None) -> tuple[int, int, int]:
    assert wait is not None
    return round(wait.p10), round(wait.p50), round(wait.p90)


def test_who_comes_to_a_free_desk_does_not_wait() -> None:
    office = Office()
    office.does(c.Open("anna", "1"))

    assert minutes(said(office, certain()).services["padro"]) == (0, 0, 0)


def test_each_one_ahead_is_a_visit_more_at_the_one_desk_there_is() -> None:
    office = Office()
    busy(office, "1")
    office.takes("P001")
    office.takes("P002")

    now = said(office, certain(), opened="1")

    assert [minutes(now.tickets[id])[1] for id in ("P001", "P002")] == [10, 20]
    assert minutes(now.services["padro"]) == (30, 30, 30)


def test_a_visit_that_has_lasted_longer_is_over_sooner() -> None:
    office = Office()
    busy(office, "1")
    office.takes("P001")
    office.later(6)

    assert minutes(said(office, certain(), opened="1").tickets["P001"])[1] == 4


def test_somebody_with_an_appointment_to_come_passes_ahead() -> None:
    office = Office()
    busy(office, "1")
    office.takes("P001")
    office.takes("P002")
    due = Coming(("padro",), office.now + 5 * MINUTE)
    laws = certain(punctuality=(0.0,))

    now = said(office, laws, due, opened="1")

    assert [minutes(now.tickets[id])[1] for id in ("P001", "P002")] == [20, 30]


def test_somebody_who_never_comes_delays_nobody() -> None:
    office = Office()
    busy(office, "1")
    office.takes("P001")

    now = said(office, certain(punctuality=(NEVER,)), Coming(("padro",), office.now), opened="1")

    assert minutes(now.tickets["P001"])[1] == 10


@pytest.mark.parametrize(("resumed", "waits"), [(1.0, [20, 30]), (0.0, [20, 30])])
def test_somebody_parked_comes_back_and_passes_ahead(resumed: float, waits: list[int]) -> None:
    office = Office()
    office.takes("P000")
    office.calls("1")
    office.does(c.Park("anna", "1", room="1"))
    busy(office, "1")
    office.takes("P001")
    office.takes("P002")

    now = said(office, certain(parked=(5.0,), resumed=resumed), opened="1")

    assert [minutes(now.tickets[id])[1] for id in ("P001", "P002")] == waits
    assert set(now.tickets) == {"P001", "P002"}


def test_somebody_parked_for_longer_than_anybody_was_does_not_come_back() -> None:
    office = Office()
    office.takes("P000")
    office.calls("1")
    office.does(c.Park("anna", "1", room="1"))
    office.later(6)
    busy(office, "1")
    office.takes("P001")

    now = said(office, certain(parked=(5.0,)), opened="1")

    assert minutes(now.tickets["P001"])[1] == 10


@pytest.mark.parametrize(("rejoin", "second"), [(1.0, 30), (0.0, 20)])
def test_somebody_who_missed_the_call_may_be_back_behind_the_first(rejoin: float, second: int) -> None:
    office = Office()
    office.takes("P000")
    office.calls("1")
    office.misses("1")
    busy(office, "1")
    office.takes("P001")
    office.takes("P002")

    now = said(office, certain(rejoin=rejoin, back=(5.0,)), opened="1")

    assert [minutes(now.tickets[id])[1] for id in ("P001", "P002")] == [10, second]


def test_a_visit_after_which_everybody_is_parked_takes_twice_as_long() -> None:
    office = Office()
    busy(office, "1")
    office.takes("P001")
    office.takes("P002")

    now = said(office, certain(again=1.0), opened="1")

    assert [minutes(now.tickets[id])[1] for id in ("P001", "P002")] == [20, 40]


def test_only_desks_that_serve_it_count() -> None:
    office = Office()
    busy(office, "1", "4")
    office.takes("P001", "padro")
    office.takes("R001", "registre")

    now = said(office, certain(), opened="14")

    assert minutes(now.tickets["P001"])[1] == 10
    assert minutes(now.tickets["R001"])[1] == 10
    assert minutes(now.services["padro"])[1] == 20


def test_a_desk_that_goes_on_its_break_is_not_there() -> None:
    office = Office()
    busy(office, "1")
    office.takes("P001")
    on_break = certain(desk_days=(DeskDay("", 0.0, ((5.0, 20.0),)),))

    assert minutes(said(office, on_break, opened="1").tickets["P001"])[1] == 30


def test_where_no_desk_will_open_nobody_can_say() -> None:
    office = Office()
    office.takes("P001")

    now = said(office, certain(desk_days=(DeskDay("", NEVER),)), opened="")

    assert now.tickets["P001"] is None
    assert now.services["padro"] is None


def test_while_the_whole_office_stands_still_nobody_can_say() -> None:
    office = Office()
    office.takes("P001")
    office.does(c.PauseOffice("anna", "Simulacre"))

    now = said(office, certain())

    assert now.tickets.get("P001") is None
    assert set(now.services.values()) == {None}


def test_before_there_is_a_past_the_range_is_wide() -> None:
    office = Office()
    busy(office, "1")
    for number in range(6):
        office.takes(f"P{number:03d}")

    wait = said(office, before_history(PLAN), opened="1").services["padro"]

    assert wait is not None and wait.p5 <= wait.p10 <= wait.p50 <= wait.p90
    assert wait.p90 > 1.8 * wait.p10


def test_a_slow_day_is_known_as_it_goes() -> None:
    laws = replace(certain(), spreads=dict.fromkeys(EVERY, 0.5), day=0.15)

    mean, sd = day_effect(laws, [Visit("padro", "1", 20.0)] * 30)

    assert 0.4 < mean < math.log(2)
    assert sd < 0.1


# --- odd things -----------------------------------------------------------------------------


def test_a_desk_left_open_counts_as_away_and_the_others_go_on() -> None:
    office = Office(at="05:00")
    office.takes("X001")
    office.calls("1")
    office.at("14:00")
    busy(office, "2")
    office.takes("P001")
    laws = replace(certain(), spreads=dict.fromkeys(EVERY, 0.5))

    now = said(office, laws, opened="12")

    assert forgotten(office.state, laws, office.now) == {"1"}
    assert 3 < (now.tickets["P001"] or Wait(0, 0, 0, 0)).p50 < 20


def test_a_clock_that_was_set_back_does_no_harm() -> None:
    office = Office()
    busy(office, "1")
    office.takes("P001")
    office.at("08:00")

    wait = said(office, before_history(PLAN), opened="1").tickets["P001"]

    assert wait is not None and 0 <= wait.p5 <= wait.p90 < 120


def test_of_thousands_who_wait_each_one_is_told_something() -> None:
    office = Office()
    busy(office, "1", "2", "3")
    ticket = office.ticket("X001")
    many = {
        f"P{n}": replace(ticket, id=f"P{n}", number=n, stage=Stage.WAITING, desk=None, called=None)
        for n in range(10, 3010)
    }
    office.state = replace(office.state, tickets={**office.state.tickets, **many})

    now = said(office, certain(), opened="123")

    assert len(now.tickets) == 3000
    assert all(wait is not None for wait in now.tickets.values())


def test_an_office_with_nothing_in_it_has_a_forecast_of_nothing() -> None:
    office = Office(plan=replace(PLAN, desks=()))

    assert said(office, certain(), opened="").services == dict.fromkeys(EVERY)


# --- the conformal layer --------------------------------------------------------------------


@pytest.mark.parametrize(("waits", "direction"), [([5.0] * 20, -1), ([500.0] * 20, 1)])
def test_levels_move_against_the_error_of_the_day(waits: list[float], direction: int) -> None:
    laws = before_history(PLAN)

    after = adapted(laws, [Came(1, Wait(10, 12, 20, 40), wait) for wait in waits])

    assert all((level_of(after, level, 1) - level) * direction > 0 for level in (0.5, 0.9))
    assert all(level_of(after, level, 0) == level for level in (0.5, 0.9))


def test_a_day_with_more_people_than_usual_moves_the_levels_further() -> None:
    laws = before_history(PLAN)
    for _ in range(30):
        laws = adapted(laws, [Came(0, Wait(10, 12, 20, 40), wait) for wait in [5.0] + [30.0] * 9])

    few, many = (adapted(laws, [Came(0, Wait(10, 12, 20, 40), 500.0)] * number) for number in (10, 15))

    before = level_of(laws, 0.9, 0)
    assert level_of(many, 0.9, 0) - before > 1.3 * (level_of(few, 0.9, 0) - before) > 0


def test_levels_keep_their_bounds_whatever_happens() -> None:
    laws = before_history(PLAN)
    for _ in range(100):
        laws = adapted(laws, [Came(0, Wait(10, 12, 20, 40), 500.0)])

    p5, p10, p50, p90 = (level_of(laws, quantile, 0) for quantile in QUANTILES)
    assert p5 <= p10 < p50 < p90 < 1


def test_a_wait_is_told_in_whole_minutes_that_promise_no_more_than_it_says() -> None:
    assert Wait(4.9, 6.5, 12.4, 20.1).whole() == {"p5": 4, "p10": 6, "p50": 12, "p90": 21}
