"""A store of each test's own, on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from hub.store import Store
from hub.store.upgrade import upgrade


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """An empty database with its tables."""
    opened = Store(database)
    upgrade(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def other(store: Store, database: str) -> Iterator[Store]:
    """The same database as another process of the hub sees it: with nothing read yet."""
    opened = Store(database)
    yield opened
    opened.dispose()
