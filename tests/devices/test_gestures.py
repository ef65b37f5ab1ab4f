"""What a finger meant, from edges with their times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.gestures import Finger, Gesture, Timing, due, edge, lapse

ONE = Timing(settle=0.02, long=0.8, double=0.35)
FOUR = Timing(settle=0.02)
LATER = 1000.0


def told(timing: Timing, *edges: float) -> list[Gesture]:
    """The gestures of contacts that change, down first, at these moments."""
    finger, heard = Finger(), []
    for i, at in enumerate(edges):
        finger, gestures = edge(finger, timing, i % 2 == 0, at)
        heard += gestures
    return heard + lapse(finger, timing, LATER)[1]


@pytest.mark.parametrize(
    ("edges", "kind"),
    [
        ((1.0, 1.1), "short"),
        ((1.0, 1.79), "short"),
        ((1.0, 2.5), "long"),
        ((1.0, 1.1, 1.3, 1.4), "double"),
        ((1.0, 1.1, 1.44, 3.0), "double"),
    ],
)
def test_a_finger_is_told_by_how_long_and_how_often_it_presses(edges, kind):
    gestures = told(ONE, *edges)

    assert gestures == [Gesture(kind, began=1.0)]


def test_two_presses_further_apart_are_two_short_ones():
    gestures = told(ONE, 1.0, 1.1, 1.6, 1.7)

    assert gestures == [Gesture("short", 1.0), Gesture("short", 1.6)]


def test_a_long_press_is_told_while_the_finger_is_still_down():
    finger, _ = edge(Finger(), ONE, True, 1.0)

    finger, before = lapse(finger, ONE, 1.79)
    finger, then = lapse(finger, ONE, 1.8)

    assert before == []
    assert [each.kind for each in then] == ["long"]


def test_a_plain_button_is_told_as_soon_as_its_contact_has_settled():
    finger, _ = edge(Finger(), FOUR, True, 1.0)

    finger, gestures = lapse(finger, FOUR, 1.02)

    assert gestures == [Gesture("short", 1.0)]


def test_a_plain_button_held_down_is_one_press():
    gestures = told(FOUR, 1.0, 60.0)

    assert [each.kind for each in gestures] == ["short"]


def test_a_spark_shorter_than_the_settling_time_is_no_press():
    gestures = told(FOUR, 1.0, 1.005)

    assert gestures == []


@given(
    bounces=st.lists(st.floats(0.0005, 0.015), max_size=6),
    held=st.floats(0.05, 0.6),
    after=st.lists(st.floats(0.0005, 0.015), max_size=6),
)
def test_a_bouncing_contact_is_one_press(bounces, held, after):
    down = [1.0]
    for pause in bounces * 2:  # an even number, so that the contact ends closed
        down.append(down[-1] + pause)
    up = [down[-1] + held]
    for pause in after * 2:
        up.append(up[-1] + pause)

    kinds = [each.kind for each in told(ONE, *down, *up)]

    assert kinds == ["short"]


@given(st.lists(st.floats(0.0001, 3.0), max_size=12))
def test_looking_at_every_moment_or_only_at_the_end_tells_the_same(pauses):
    moments, at = [], 1.0
    for pause in pauses:
        at += pause
        moments.append(at)

    finger, watched = Finger(), []
    for i, at in enumerate(moments):
        while (moment := due(finger, ONE)) is not None and moment <= at:
            finger, gestures = lapse(finger, ONE, moment)
            watched += gestures
        finger, gestures = edge(finger, ONE, i % 2 == 0, at)
        watched += gestures
    watched += lapse(finger, ONE, LATER)[1]

    assert watched == told(ONE, *moments)


@given(st.lists(st.floats(0.0001, 3.0), max_size=12))
def test_there_are_never_more_gestures_than_fingers(pauses):
    moments = [1.0 + sum(pauses[: i + 1]) for i in range(len(pauses))]

    gestures = told(ONE, *moments)

    assert len(gestures) <= (len(moments) + 1) // 2
