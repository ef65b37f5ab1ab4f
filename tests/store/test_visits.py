"""The projection of the log, one row a ticket: what reports read."""

import pytest

from hub.line import commands as c
from hub.line.plan import HOUR, MINUTE
from hub.store import Store, schema
from hub.store.store import rebuild_visits
from hub.store.visits import Visit, find_visit
from tests.store.mornings import NINE, OFFICE, does, opens, rows, takes, ticket


def morning(store: Store) -> None:
    """A bit of everything: called, absent, back, parked, transferred, taken back, left, voided, chosen again."""
    opens(store)
    takes(store, 8)
    steps = [
        c.Next("anna", "1"),
        c.Start("anna", "1"),
        c.Next("pere", "2"),
        c.MarkAbsent("pere", "2"),
        c.Rejoin("citizen", "t-2"),
        c.Transfer("anna", "1", service="registre"),
        c.Undo("anna", "1"),
        c.Next("anna", "1"),
        c.Park("anna", "1", room="sala 2"),
        c.Leave("citizen", "t-5"),
        c.Void("dispenser-1", "t-6", "printer"),
        c.Reassign("citizen", "t-7", "idcat"),
        c.Next("anna", "1"),
        c.Undo("anna", "1"),
    ]
    for minute, command in enumerate(steps, 1):
        does(store, command, NINE + minute * MINUTE)


def test_a_visit_has_the_times_of_its_ticket(store: Store) -> None:
    opens(store)
    takes(store, 1)
    does(store, c.Next("anna", "1"), NINE + MINUTE)
    does(store, c.Start("anna", "1"), NINE + 2 * MINUTE)
    does(store, c.Done("anna", "1"), NINE + 9 * MINUTE)

    (visit,) = rows(store, schema.visits)

    assert visit == {
        "office": OFFICE,
        "day": "2026-11-24",
        "ticket": "t-1",
        "token": "token-of-t-1",
        "label": "P001",
        "service": "padro",
        "origin": "dispenser-1",
        "priority": False,
        "appointment": None,
        "issued": NINE,
        "first_called": NINE + MINUTE,
        "called": NINE + MINUTE,
        "started": NINE + 2 * MINUTE,
        "finished": NINE + 9 * MINUTE,
        "desk": "1",
        "outcome": "done",
        "forecast": None,
    }


def test_the_visits_made_again_from_the_log_are_those_that_were_kept(store: Store, other: Store) -> None:
    morning(store)
    does(store, c.Tick("hub"), NINE + 24 * HOUR)
    does(other, ticket("u-1"), NINE + 24 * HOUR)
    kept = rows(store, schema.visits)

    made = rebuild_visits(store)

    assert made == len(kept) == 9
    assert rows(store, schema.visits) == kept
    assert {visit["outcome"] for visit in kept} == {"waiting", "done", "closed", "left", "voided"}


def test_what_was_taken_back_is_taken_back_in_the_visits_too(store: Store) -> None:
    opens(store)
    takes(store, 1)
    does(store, c.Next("anna", "1"), NINE + MINUTE)

    does(store, c.Undo("anna", "1"), NINE + 2 * MINUTE)

    (visit,) = rows(store, schema.visits)
    assert (visit["outcome"], visit["called"], visit["desk"]) == ("waiting", None, None)


def test_the_end_of_the_day_is_written_into_the_visits_of_that_day(store: Store) -> None:
    opens(store)
    takes(store, 2)

    does(store, c.Tick("hub"), NINE + 24 * HOUR)

    assert [(visit["day"], visit["outcome"]) for visit in rows(store, schema.visits)] == [("2026-11-24", "closed")] * 2


def test_several_changes_of_one_ticket_in_one_act_leave_its_last(store: Store) -> None:
    opens(store)

    def all_at_once(work) -> None:
        work.do(OFFICE, ticket("a"), NINE)
        work.do(OFFICE, c.Next("anna", "1"), NINE)
        work.do(OFFICE, c.Done("anna", "1"), NINE + MINUTE)

    store.transact(all_at_once)

    (visit,) = rows(store, schema.visits)
    assert visit["outcome"] == "done"


def test_a_visit_is_found_by_its_token_on_any_day(store: Store) -> None:
    opens(store)
    takes(store, 2)
    does(store, c.Tick("hub"), NINE + 24 * HOUR)

    found = find_visit(store, "token-of-t-2")

    assert found == Visit(OFFICE, "2026-11-24", "t-2", "P002", "closed")


@pytest.mark.parametrize("token", ["", "token", "token-of-t-9", "a\x00b", "\ud800", "' OR 1=1 --", "ñ" * 500])
def test_no_visit_has_a_token_that_nobody_was_given(store: Store, token: str) -> None:
    opens(store)
    takes(store, 1)

    assert find_visit(store, token) is None
