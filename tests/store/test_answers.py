"""What was answered once is answered again: one effect, however often it is asked."""

import pytest

from hub.line import commands as c
from hub.line.plan import HOUR
from hub.store import Store, answers, schema
from hub.store.store import Work
from tests.store.mornings import NINE, OFFICE, log_of, opens, rows, takes
from tests.store.test_log import together


def once(work: Work, key: str, request: str = "body", now: int = NINE, version: int | None = None) -> str | None:
    """Calls the next person at desk 1, unless this key has been answered."""
    before = answers.given(work, "press desk-1", key, request, now)
    if before is not None:
        return before["label"]
    work.do(OFFICE, c.Next("anna", "1", version), now)
    called = work.state(OFFICE).desks["1"].ticket
    answers.keep(work, "press desk-1", key, request, {"label": called}, now)
    return called


def test_the_same_key_gets_the_same_answer_and_has_no_further_effect(store: Store, other: Store) -> None:
    opens(store)
    takes(store, 3)
    first = store.transact(lambda work: once(work, "k1"))
    before = log_of(store)

    again = other.transact(lambda work: once(work, "k1"))

    assert first == again == "t-1"
    assert log_of(store) == before


def test_the_same_key_asked_by_several_at_once_has_one_effect(store: Store, other: Store) -> None:
    opens(store)
    takes(store, 5)

    version = store.state(OFFICE).desks["1"].version  # the second to come finds it grown, and its answer there
    asked = together(
        *(lambda s=s: s.transact(lambda work: once(work, "k1", version=version)) for s in (store, other) * 3)
    )

    assert asked == ["t-1"] * 6
    assert sum(row["kind"] == "ticket.called" for row in log_of(store)) == 1


def test_other_keys_and_other_scopes_are_answered_anew(store: Store) -> None:
    opens(store)
    takes(store, 3)
    store.transact(lambda work: once(work, "k1"))

    assert store.transact(lambda work: once(work, "k2")) == "t-2"
    assert store.transact(lambda work: answers.given(work, "press desk-2", "k1", "body", NINE)) is None


def test_a_key_used_for_another_request_is_refused(store: Store) -> None:
    opens(store)
    store.transact(lambda work: once(work, "k1", "one body"))

    with pytest.raises(answers.Reused, match="this key was used for another request"):
        store.transact(lambda work: once(work, "k1", "another body"))


def test_an_answer_is_kept_a_day(store: Store) -> None:
    opens(store)
    takes(store, 3)
    store.transact(lambda work: once(work, "k1"))

    within = store.transact(lambda work: once(work, "k1", now=NINE + 19 * HOUR - 1))
    after = store.transact(lambda work: answers.given(work, "press desk-1", "k1", "other", NINE + 24 * HOUR))

    assert within == "t-1"
    assert after is None


def test_a_key_may_be_used_again_after_a_day(store: Store) -> None:
    opens(store)
    keep = lambda now, answer: store.transact(lambda work: answers.keep(work, "s", "k", "body", answer, now))  # noqa: E731
    keep(NINE, 1)

    keep(NINE + 24 * HOUR, 2)

    assert store.transact(lambda work: answers.given(work, "s", "k", "body", NINE + 24 * HOUR)) == 2


def test_what_is_older_than_a_day_is_forgotten(store: Store) -> None:
    store.transact(lambda work: answers.keep(work, "s", "old", "body", 1, NINE))
    store.transact(lambda work: answers.keep(work, "s", "new", "body", 1, NINE + HOUR))

    store.transact(lambda work: answers.forget_old(work, NINE + 24 * HOUR))

    assert [row["key"] for row in rows(store, schema.answers)] == ["new"]


def test_an_effect_that_fails_leaves_no_answer(store: Store) -> None:
    opens(store)

    def fails(work: Work) -> None:
        once(work, "k1")
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        store.transact(fails)

    assert rows(store, schema.answers) == []
