"""The real parts as fixtures; tests/parts.py says what each is."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import Browser, Page

from tests import parts

# A property must hold on a slow and busy machine too: no deadlines for single examples.
hypothesis.settings.register_profile("torn", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("torn")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[parts.Mosquitto]:
    """A mosquitto of this test's own, running."""
    broker = parts.Mosquitto(tmp_path / "mosquitto").start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[parts.Postgres]:
    """One PostgreSQL server for all the tests."""
    server = parts.Postgres()
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres: parts.Postgres) -> str:
    """The address of an empty PostgreSQL database of this test's own."""
    return postgres.database()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'torn.sqlite'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def hub(tmp_path: Path, mosquitto: parts.Mosquitto) -> Iterator[parts.Hub]:
    """The whole hub on SQLite and this test's mosquitto, its offices open round the clock, serving."""
    running = parts.Hub(tmp_path / "hub", broker=mosquitto.url).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One Chromium for a file of tests."""
    with parts.chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """An empty page of a browser that has never been here before and asks for Catalan."""
    context = chromium.new_context(locale="ca-ES")
    yield context.new_page()
    context.close()
