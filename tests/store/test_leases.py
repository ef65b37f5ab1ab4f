"""Leases: one process works for an office, and another takes over when it is gone."""

import sqlalchemy as sa

from hub.store import Store, leases, schema
from tests.parts import wait_until
from tests.store.test_log import together


def renewed(store: Store, holder: str, term: int) -> bool:
    """Whether the holder could renew."""
    with store.begin(write=True) as connection:
        return leases.renew(connection, store, "office:x", holder, term)


def lapses(store: Store) -> None:
    """Three seconds pass on the database's clock: the lease's end is put into its past."""
    with store.begin(write=True) as connection:
        connection.execute(schema.leases.update().values(until=schema.leases.c.until - 3001))


def test_a_lease_has_one_holder(store: Store, other: Store) -> None:
    first = leases.take(store, "office:x", "a")

    assert first == 1
    assert leases.take(other, "office:x", "b") is None
    assert leases.take(other, "office:y", "b") == 1


def test_of_many_who_ask_at_once_one_gets_it(store: Store, other: Store) -> None:
    asked = together(*(lambda n=n, s=s: leases.take(s, "office:x", f"h{n}") for n, s in enumerate((store, other) * 4)))

    assert sorted(term for term in asked if term is not None) == [1]


def test_a_lease_lasts_three_seconds_by_the_databases_clock(store: Store) -> None:
    leases.take(store, "office:x", "a")
    with store.begin() as connection:
        left = connection.execute(sa.select(schema.leases.c.until - leases._CLOCKS[store.engine.dialect.name])).scalar()

    assert 2000 < left <= 3000


def test_a_lease_that_ran_out_is_taken_over_with_a_greater_term(store: Store, other: Store) -> None:
    first = leases.take(store, "office:x", "a")
    lapses(store)

    second = leases.take(other, "office:x", "b")

    assert (first, second) == (1, 2)
    assert not renewed(store, "a", first)
    assert renewed(other, "b", second)


def test_a_lease_that_ran_out_is_free_by_the_clock_alone(store: Store, other: Store) -> None:
    leases.take(store, "office:x", "a")

    term = wait_until(lambda: leases.take(other, "office:x", "b"), 6, "the end of the lease")

    assert term == 2


def test_a_renewed_lease_is_not_free(store: Store, other: Store) -> None:
    term = leases.take(store, "office:x", "a")
    lapses(store)

    assert renewed(store, "a", term)
    assert leases.take(other, "office:x", "b") is None


def test_a_lease_is_held_until_another_takes_it(store: Store, other: Store) -> None:
    def held(holder: str, term: int) -> bool:
        with store.begin() as connection:
            return leases.is_held(connection, "office:x", holder, term)

    term = leases.take(store, "office:x", "a")
    lapses(store)
    alone = held("a", term)
    leases.take(other, "office:x", "b")

    assert alone
    assert not held("a", term)
    assert held("b", term + 1)


def test_who_takes_its_own_lease_again_begins_a_new_term(store: Store) -> None:
    first = leases.take(store, "office:x", "a")

    second = leases.take(store, "office:x", "a")

    assert second == first + 1
    assert not renewed(store, "a", first)


def test_a_lease_given_back_is_free_at_once(store: Store, other: Store) -> None:
    term = leases.take(store, "office:x", "a")

    leases.give_back(store, "office:x", "a", term)

    assert leases.take(other, "office:x", "b") == 2


def test_nobody_gives_back_what_another_holds(store: Store, other: Store) -> None:
    old = leases.take(store, "office:x", "a")
    lapses(store)
    leases.take(other, "office:x", "b")

    leases.give_back(store, "office:x", "a", old)

    assert leases.take(store, "office:x", "a") is None


def test_the_numbers_of_topics_are_kept(store: Store, other: Store) -> None:
    with store.begin(write=True) as connection:
        leases.write_seqs(connection, {"torn/v1/office/x/line": 4, "torn/v1/office/x_/line": 9}, known=set())
    with store.begin(write=True) as connection:
        seqs = {"torn/v1/office/x/line": 5, "torn/v1/office/x/calls": 1}
        leases.write_seqs(connection, seqs, known={"torn/v1/office/x/line"})

    assert leases.read_seqs(other, "torn/v1/office/x/") == seqs
