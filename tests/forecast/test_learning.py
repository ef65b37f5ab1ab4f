"""What is learned from days that were, and what is not."""

import json
import math
from dataclasses import replace

import pytest

from hub.forecast.laws import before_history, for_plan, packed, unpacked
from hub.forecast.learn import learn
from hub.forecast.synthetic import CLEAN, MESSY, live
from hub.forecast.watch import Day, Visit, Watch
from hub.forecaster.scoring import taught_by
from hub.line import commands as c
from hub.line.model import State
from hub.line.plan import Service
from tests.line.office import PLAN, Office

DAYS = [taught_by(live(MESSY, 7, number)) for number in range(12)]
LAWS = learn(MESSY.plan, DAYS)
SERVICES = [service.id for service in MESSY.plan.services]


def watched(office: Office) -> Day:
    """What an office's day has taught so far."""
    watch = Watch(State(office.state.office))
    for event in office.log:
        watch.see(event)
    return watch.over()


@pytest.mark.parametrize("service", range(4))
def test_the_minutes_learned_are_near_the_true_ones(service: int) -> None:
    learned = LAWS.services[SERVICES[service]]
    slow = MESSY.slow[0] * MESSY.slow[1]

    assert abs(learned.mean - math.log(MESSY.medians[service]) - slow) < 0.2
    assert abs(LAWS.spreads[SERVICES[service]] - MESSY.spreads[service]) < 0.15


def test_the_desks_learned_stand_in_their_true_order() -> None:
    first, *_, slowest = sorted(LAWS.desks, key=lambda id: LAWS.desks[id].mean)

    assert (first, slowest) == ("1", "3")
    assert all(abs(LAWS.desks[str(i)].mean) < 0.5 for i in range(1, 5))


def test_odds_are_counted_from_calls_and_check_ins() -> None:
    never = sum(math.isinf(offset) for offset in LAWS.punctuality) / len(LAWS.punctuality)

    assert abs(LAWS.absent - MESSY.absent) < 0.03
    assert abs(never - MESSY.no_show) < 0.08


def test_breaks_are_seen_whether_somebody_pressed_pause_or_just_went() -> None:
    open_days = [day for day in LAWS.desk_days if day.desk and day.opened < math.inf]
    lengths = [length for day in open_days for _, length in day.breaks if length > 10]

    assert 0.6 < len(lengths) / len(open_days) < 1.0
    assert 18 < sum(lengths) / len(lengths) < 32


def test_an_office_without_a_past_has_its_planned_minutes_with_an_honest_width() -> None:
    laws = learn(PLAN, [])

    law, spread = laws.services["padro"], laws.spreads["padro"]
    assert math.exp(law.mean + spread**2 / 2) == pytest.approx(10)
    assert law.sd > 0.3
    assert laws.visits == 0


def test_a_service_without_a_past_has_its_planned_minutes_beside_the_learned_ones() -> None:
    new = replace(MESSY.plan, services=(*MESSY.plan.services, Service("nou", "N", {"ca": "Nou"}, 25)))

    laws = for_plan(LAWS, new)

    assert laws.services["padro"] == LAWS.services["padro"]
    assert laws.services["nou"] == before_history(new).services["nou"]


def test_a_visit_of_nine_hours_teaches_nothing() -> None:
    day = DAYS[0]
    forgotten = replace(day, visits=(*day.visits, *[Visit("padro", "1", 200.0)] * 2))

    odd = learn(MESSY.plan, [forgotten, *DAYS[1:]])
    office = Office()
    office.takes("P001")
    office.calls("1")
    office.later(540)
    office.does(c.Done("anna", "1"))

    assert abs(odd.services["padro"].mean - LAWS.services["padro"].mean) < 0.01
    assert watched(office).visits == ()


def test_a_visit_lasts_from_the_call_until_the_desk_was_free_for_the_next_one() -> None:
    office = Office()
    for label in ("P001", "P002", "P003"):
        office.takes(label)
    office.calls("1")
    office.later(8)
    office.does(c.Done("anna", "1"))
    office.later(1)
    office.calls("1")
    office.later(5)
    office.does(c.Done("anna", "1"))
    office.later(30)
    office.calls("1")

    day = watched(office)

    assert [round(visit.minutes) for visit in day.visits] == [9, 5]
    assert [round(length) for desk in day.desk_days for _, length in desk.breaks] == [30]


def test_a_desk_with_nobody_to_call_is_on_no_break() -> None:
    office = Office()
    office.calls("1")
    office.later(40)
    office.takes("P001")
    office.calls("1")

    assert watched(office).desk_days[0].breaks == ()


def test_a_break_lasts_as_long_as_anybody_waited_whoever_was_called_after_it() -> None:
    office = Office()
    office.takes("P001")
    office.takes("P002")
    office.calls("1")
    office.later(10)
    office.does(c.Done("anna", "1"))
    office.later(20)
    office.takes("P003", priority=True)
    office.later(1)
    assert office.calls("1") == "P003"

    day = watched(office)

    assert [round(length) for desk in day.desk_days for _, length in desk.breaks] == [21]


@pytest.mark.parametrize(("came", "length"), [(5, 25), (15, 10)])
def test_a_break_began_before_the_first_one_came_if_they_saw_most_of_it(came: float, length: float) -> None:
    office = Office()
    office.takes("P001")
    office.calls("1")
    office.later(10)
    office.does(c.Done("anna", "1"))
    office.later(came)
    office.takes("P002")
    office.later(25 - came)
    office.calls("1")

    day = watched(office)

    assert [round(length) for desk in day.desk_days for _, length in desk.breaks] == [length]


def test_it_is_learned_how_soon_whoever_was_parked_or_missed_the_call_is_back() -> None:
    office = Office()
    for number in range(4):
        office.takes(f"P{number:03d}")
        office.calls("1")
        if number < 3:
            office.does(c.Park("anna", "1", room="1"))
    office.misses("1")
    office.later(6)
    office.does(c.Resume("anna", "1", ticket="P000"))
    office.does(c.Rejoin("citizen", "P003"))
    office.later(3)
    office.does(c.Resume("anna", "1", ticket="P001", to_line=True))

    day = watched(office)

    assert (day.parked, day.resumed, day.again, day.back) == ((6.0, 9.0, math.inf), 1, 2, (6.0,))


def test_a_parking_that_was_taken_back_teaches_nothing() -> None:
    office = Office()
    office.takes("P000")
    office.calls("1")
    office.does(c.Park("anna", "1", room="1"))
    office.does(c.Undo("anna", "1"))

    assert watched(office).parked == ()


def test_laws_are_written_down_and_read_again_as_they_are() -> None:
    assert unpacked(json.loads(json.dumps(packed(LAWS), allow_nan=False))) == LAWS


def test_the_same_days_teach_the_same() -> None:
    assert learn(MESSY.plan, DAYS) == LAWS


def test_the_same_seed_gives_the_same_day() -> None:
    assert live(CLEAN, 3, 4) == live(CLEAN, 3, 4)
