"""The audit trail in the database: only ever added to, and kept for as long as it is said."""

import pytest
import sqlalchemy as sa

from hub.clock import now
from hub.line.plan import HOUR, MINUTE
from hub.store import Store, StoreError, audit, schema
from tests.store.mornings import rows


def note(store: Store, at: int, what: str = "signed in") -> None:
    store.transact(lambda work: audit.note(work, "anna", what, at))


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'pere'", "DELETE FROM audit"])
def test_the_database_itself_refuses_to_change_it(store: Store, statement: str) -> None:
    note(store, now())

    with (
        pytest.raises((StoreError, sa.exc.IntegrityError), match="only ever added to"),
        store.begin(write=True) as connection,
    ):
        connection.execute(sa.text(statement))

    assert [row["who"] for row in rows(store, schema.audit)] == ["anna"]


def test_it_forgets_what_is_older_than_two_years_and_nothing_else(store: Store) -> None:
    note(store, now() - audit.KEPT - 24 * HOUR, "long ago")
    note(store, now() - audit.KEPT + 24 * HOUR, "not yet")

    store.transact(lambda work: audit.forget_old(work, now()))

    assert [row["what"] for row in rows(store, schema.audit)] == ["not yet"]


def test_what_strangers_do_again_and_again_is_written_down_once_a_minute(store: Store) -> None:
    at = now()
    for moment in (at, at + 1, at + MINUTE - 1, at + MINUTE + 1):
        store.transact(lambda work, moment=moment: audit.note_once(work, audit.NOBODY, "sign-in refused", moment))

    assert len(rows(store, schema.audit)) == 2
