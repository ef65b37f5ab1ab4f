"""wire.py under CPython: its rules one by one, and what must hold for any input."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import wire
from tests.firmware import wire_rules

YEAR_10000 = 253402300800000  # ms

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("rule", wire_rules.RULES)
def test_it_keeps_the(rule: str) -> None:
    getattr(wire_rules, rule)(wire)


@given(st.integers(0, YEAR_10000 - 1))
def test_any_instant_stamped_reads_back_as_itself(ms: int) -> None:
    text = wire.stamp(ms)

    assert wire.instant(text) == ms
    assert len(text) == 24


@given(st.integers(0, YEAR_10000 - 1), st.integers(0, YEAR_10000 - 1))
def test_stamps_sort_as_their_instants_do(one: int, other: int) -> None:
    assert (wire.stamp(one) < wire.stamp(other)) == (one < other)


@given(st.sampled_from(sorted(wire.MESSAGES)), st.binary(max_size=1200))
def test_any_bytes_are_a_message_or_a_value_error(kind: str, payload: bytes) -> None:
    try:
        message = wire.decode(kind, payload)
    except ValueError:
        return

    assert wire.decode(kind, wire.encode(kind, message)) == message


@given(st.sampled_from(sorted(wire.MESSAGES)), st.data())
def test_any_value_under_any_key_is_a_message_or_a_value_error(kind: str, data: st.DataObject) -> None:
    message = dict(wire_rules.GOOD[kind])
    message[data.draw(st.sampled_from(sorted(message)))] = data.draw(JSON)

    try:
        received = wire.decode(kind, json.dumps(message).encode())
    except ValueError as error:
        assert str(error)
        return

    wire.check(kind, received)


@given(st.text(max_size=80))
def test_any_topic_leads_to_a_kind_or_nowhere(topic: str) -> None:
    try:
        kind, _ = wire.route(topic)
    except ValueError:
        return

    assert kind in wire.MESSAGES
