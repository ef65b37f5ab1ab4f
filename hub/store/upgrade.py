"""Brings a database to the newest shape (Alembic); quick where it has it already."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from . import keys
from .store import Store, StoreError

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0008"  # the newest of migrations/versions; a test compares


def upgrade(store: Store) -> None:
    """The newest shape, and a key for personal data. StoreError if the database is newer than this program."""
    shape(store, HEAD)
    keys.ensure(store)


def shape(store: Store, to: str) -> None:
    """Makes or changes the tables, up to a shape. StoreError if the database is newer than this program."""
    version = version_of(store)
    if version is not None and version > HEAD:
        raise StoreError(f"the database is of a newer version ({version}) than this program ({HEAD})")
    if version != to:
        _run_alembic(store, to)
        _leave_no_traces(store)


def version_of(store: Store) -> str | None:
    """Which shape the database has; None for one without tables."""
    with store.begin() as connection:
        known = sa.inspect(connection).has_table("alembic_version")
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() if known else None


def _leave_no_traces(store: Store) -> None:
    """What was rewritten does not stay behind in SQLite's log of changes."""
    if store.engine.dialect.name == "sqlite":
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _run_alembic(store: Store, to: str) -> None:
    from alembic import command  # a third of a second to import, and seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with store.begin(write=True) as connection:
        if connection.dialect.name == "postgresql":  # of several processes that start at once, one makes the tables
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('torn upgrade'))"))
        config.attributes["connection"] = connection
        command.upgrade(config, to)
