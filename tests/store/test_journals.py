"""Dispensers' journals: every numbered fact is stored once, with its effect."""

from hub.store import Store, devices, journals, schema
from hub.store.store import Work
from tests.store.mornings import NINE, OFFICE, opens, rows, ticket
from tests.store.test_log import together


def fact(seq: int, refused: str | None = None) -> dict[str, object]:
    """One fact as the bridge hands it over."""
    return {"seq": seq, "fact": "ticket.issued", "ticket": f"t-{seq}", "refused": refused}


def stores(work: Work, seq: int, now: int = NINE) -> bool:
    """Stores a fact and its ticket if it is the next one; whether it was."""
    if seq != journals.stored(work, "dispenser-1", "9f2c") + 1:
        return False
    work.do(OFFICE, ticket(f"t-{seq}", seq), now)
    journals.store_facts(work, "dispenser-1", "9f2c", [fact(seq)], now)
    return True


def test_a_new_journal_begins_at_nothing(store: Store) -> None:
    assert store.transact(lambda work: journals.stored(work, "dispenser-1", "9f2c")) == 0
    assert store.transact(lambda work: journals.latest(work, "dispenser-1")) is None


def test_facts_and_their_number_go_together(store: Store, other: Store) -> None:
    opens(store)
    for seq in (1, 2):
        store.transact(lambda work, seq=seq: stores(work, seq))

    assert other.transact(lambda work: journals.stored(work, "dispenser-1", "9f2c")) == 2
    assert [row["seq"] for row in rows(store, schema.facts)] == [1, 2]


def test_one_fact_sent_to_several_processes_at_once_is_stored_once(store: Store, other: Store) -> None:
    opens(store)

    stored = together(*(lambda s=s: s.transact(lambda work: stores(work, 1)) for s in (store, other) * 3))

    assert sorted(stored) == [False] * 5 + [True]
    assert list(store.state(OFFICE).tickets) == ["t-1"]


def test_a_refused_fact_is_stored_with_its_reason(store: Store) -> None:
    store.transact(lambda work: journals.store_facts(work, "d", "j", [fact(1), fact(2, "no such service")], NINE))

    assert [row["refused"] for row in rows(store, schema.facts)] == [None, "no such service"]
    assert store.transact(lambda work: journals.stored(work, "d", "j")) == 2


def test_the_journal_heard_of_last_is_the_one_to_answer(store: Store) -> None:
    store.transact(lambda work: journals.store_facts(work, "d", "old", [fact(1), fact(2)], NINE))
    store.transact(lambda work: journals.store_facts(work, "d", "new", [fact(1)], NINE + 1))

    assert store.transact(lambda work: journals.latest(work, "d")) == ("new", 1)


def test_a_machines_last_word_is_kept(store: Store) -> None:
    devices.remember(store, "d", {"state": "ready"}, NINE)
    devices.remember(store, "d", {"state": "lost"}, NINE + 1)

    assert devices.all_health(store) == {"d": ({"state": "lost"}, NINE + 1)}


def test_several_processes_may_hear_a_machine_for_the_first_time_at_once(store: Store, other: Store) -> None:
    heard = together(*(lambda s=s: devices.remember(s, "d", {"state": "ready"}, NINE) for s in (store, other) * 4))

    assert heard == [None] * 8
    assert devices.all_health(store) == {"d": ({"state": "ready"}, NINE)}
