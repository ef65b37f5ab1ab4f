"""The tables, and how a database comes to have them."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from hub.store import Store, StoreError, schema, staff
from hub.store.upgrade import HEAD, MIGRATIONS, shape, upgrade
from tests.store.mornings import opens, takes
from tests.store.test_log import together


def test_the_migrations_lead_to_the_tables_that_the_program_uses(store: Store) -> None:
    with store.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, schema.metadata)

    assert differences == []


def test_the_program_knows_the_newest_migration() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


def test_to_upgrade_again_changes_nothing(store: Store) -> None:
    opens(store)
    takes(store, 2)
    before = store.state("mont-roig")

    upgrade(store)

    assert store.state("mont-roig") == before


def test_several_processes_may_start_on_an_empty_database_at_once(database: str) -> None:
    stores = [Store(database) for _ in range(4)]

    answers = together(*(lambda s=s: upgrade(s) for s in stores))

    assert answers == [None] * 4
    opens(stores[0])
    for store in stores:
        store.dispose()


def test_a_database_newer_than_the_program_is_left_alone(store: Store) -> None:
    with store.begin(write=True) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(StoreError, match=rf"the database is of a newer version \(9999\) than this program \({HEAD}\)"):
        upgrade(store)


def test_accounts_of_older_versions_keep_their_role_at_their_office(database: str) -> None:
    store = Store(database)
    shape(store, "0006")
    with store.begin(write=True) as connection:
        for name, role, office in (("anna", "clerk", "mont-roig"), ("root", "admin", None)):
            values = {"name": name, "password": "x", "role": role, "office": office, "at": 0}
            connection.execute(sa.text("INSERT INTO staff VALUES (:name, :password, :role, :office, :at)"), values)

    upgrade(store)

    held = {account.name: account.roles for account in staff.accounts(store, 0)}
    assert held == {"anna": (("mont-roig", "clerk"),), "root": (("", "admin"),)}
    store.dispose()
