"""A day that was, played again with a change."""

import math
from dataclasses import replace

import pytest

from hub.forecast.laws import NEVER, before_history
from hub.forecast.learn import learn
from hub.forecast.synthetic import CLEAN, live
from hub.forecast.whatif import Changes, Outcome, Past, past_day, play
from hub.forecaster.scoring import taught_by
from hub.line.model import State

PLAN = CLEAN.plan
LAWS = learn(PLAN, [taught_by(live(CLEAN, 5, number)) for number in range(10)])
BUSY = replace(CLEAN, an_hour=27.0)


def day(number: int) -> Past:
    return past_day(State(PLAN.office), live(BUSY, 5, number).events, LAWS)


DAYS = [day(number) for number in range(12, 18)]


def played(changes: Changes) -> list[Outcome]:
    return [play(past, LAWS, changes) for past in DAYS]


def mean(outcomes: list[Outcome], name: str) -> float:
    return sum(getattr(one, name) for one in outcomes) / len(outcomes)


AS_IT_WAS = played(Changes())


def test_what_happened_is_read_from_the_days_events() -> None:
    past = DAYS[0]

    assert len(past.visitors) > 60
    assert sum(v.start is not None for v in past.visitors) > 10
    assert past.closes == 300
    assert past.outcome.walk_ins > 0 and past.outcome.idle >= 0


def test_the_days_played_as_they_were_are_much_like_the_days_that_were() -> None:
    was = sum(past.outcome.walk_ins for past in DAYS) / len(DAYS)

    assert mean(AS_IT_WAS, "walk_ins") == pytest.approx(was, rel=0.4)


def test_a_desk_more_shortens_waits_and_leaves_more_time_with_nobody_there() -> None:
    more = played(Changes(desks=1, begins=60, ends=240))

    assert mean(more, "walk_ins") < 0.8 * mean(AS_IT_WAS, "walk_ins")
    assert mean(more, "idle") > mean(AS_IT_WAS, "idle")


def test_a_desk_fewer_makes_waits_longer() -> None:
    fewer = played(Changes(desks=-1, begins=60, ends=240))

    assert all(one.walk_ins > was.walk_ins for one, was in zip(fewer, AS_IT_WAS, strict=True))


def test_who_would_have_come_after_closing_does_not_come() -> None:
    shorter = played(Changes(closes=120))

    assert mean(shorter, "idle") < mean(AS_IT_WAS, "idle")
    assert all(one.after >= 0 for one in shorter)


def test_doors_that_open_later_let_people_wait_at_once() -> None:
    assert mean(played(Changes(opens=60)), "walk_ins") > mean(AS_IT_WAS, "walk_ins")


def test_with_nobody_or_everybody_by_appointment_the_others_have_no_wait_to_tell() -> None:
    nobody, everybody = play(DAYS[0], LAWS, Changes(booked=0)), play(DAYS[0], LAWS, Changes(booked=1))

    assert math.isnan(nobody.appointments) and not math.isnan(nobody.walk_ins)
    assert math.isnan(everybody.walk_ins) and not math.isnan(everybody.appointments)


def test_the_same_chances_give_the_same_day() -> None:
    assert play(DAYS[1], LAWS, Changes()) == AS_IT_WAS[1]


def test_more_desks_fewer_than_there_are_is_nobody_at_work() -> None:
    alone = play(DAYS[0], before_history(PLAN), Changes(desks=-9, begins=10, ends=NEVER))

    assert alone.idle >= 0
