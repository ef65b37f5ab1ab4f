"""The office's day and hours."""

import pytest

from devices.day import Clock, closes, day_of, opens
from firmware import wire

MADRID = "Europe/Madrid"
HOURS = [
    {"opens": "2026-11-24T08:00:00Z", "closes": "2026-11-24T13:00:00Z"},
    {"opens": "2026-11-25T08:00:00Z", "closes": "2026-11-25T13:00:00Z"},
]


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-11-24T02:59:59.999Z", "2026-11-23"),  # 3:59 in Madrid
        ("2026-11-24T03:00:00.000Z", "2026-11-24"),
        ("2026-03-29T01:59:59.000Z", "2026-03-28"),  # clocks go from 2:00 to 3:00: this is 3:59
        ("2026-03-29T02:00:00.000Z", "2026-03-29"),
        ("2026-10-25T02:59:59.000Z", "2026-10-24"),  # clocks go from 3:00 back to 2:00: this is 3:59
        ("2026-10-25T03:00:00.000Z", "2026-10-25"),
    ],
)
def test_a_day_begins_at_four_by_the_wall_clock_also_when_that_is_changed(at, day):
    assert day_of(wire.instant(at), MADRID) == day


@pytest.mark.parametrize(
    ("at", "opening"),
    [
        ("2026-11-24T07:59:00Z", "2026-11-24T08:00:00.000Z"),
        ("2026-11-24T08:00:00Z", None),
        ("2026-11-24T13:00:00Z", "2026-11-25T08:00:00.000Z"),
        ("2026-11-25T13:00:00Z", None),  # the list ends here: nobody knows, so nobody is shut out
    ],
)
def test_shut_doors_say_when_they_open_and_what_is_not_known_shuts_nobody_out(at, opening):
    found = opens(HOURS, wire.instant(at))

    assert (found and wire.stamp(found)) == opening


def test_open_doors_say_when_they_close():
    assert closes(HOURS, wire.instant("2026-11-24T12:59:59Z")) == wire.instant("2026-11-24T13:00:00Z")
    assert closes(HOURS, wire.instant("2026-11-24T13:00:00Z")) is None


def test_doors_that_are_open_round_the_clock_do_not_close_at_midnight():
    hours = [
        {"opens": "2026-11-23T23:00:00Z", "closes": "2026-11-24T23:00:00Z"},
        {"opens": "2026-11-24T23:00:00Z", "closes": "2026-11-25T23:00:00Z"},
    ]

    assert closes(hours, wire.instant("2026-11-24T10:00:00Z")) == wire.instant("2026-11-25T23:00:00Z")


def test_the_hubs_time_comes_before_the_machines_and_makes_the_clock_a_set_one():
    told: list[int | None] = [None]
    clock = Clock(lambda: told[0], synchronised=lambda: False)
    before = clock.is_set()

    told[0] = 1_795_514_400_000

    assert (before, clock.is_set(), clock.now()) == (False, True, 1_795_514_400_000)
