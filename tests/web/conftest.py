"""The application on a real SQLite database, without a broker: for the rules of single requests."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page
from werkzeug.test import TestResponse

from hub.bridge.bridge import adopt
from hub.clock import now
from hub.link import Broker, Link
from hub.offices import Fleet, read_offices
from hub.store import Store, staff
from hub.store.upgrade import upgrade
from hub.web.app import create_app
from hub.web.live import Live
from tests.parts import ROUND_THE_CLOCK, free_port

OFFICE = "/api/v1/offices/mont-roig"
PASSWORD = "una contrasenya llarga"


@dataclass
class Web:
    """The application, and what a test needs to talk to it."""

    app: Flask
    store: Store
    fleet: Fleet

    def client(self) -> FlaskClient:
        """A browser or program that has never been here."""
        return self.app.test_client()

    def headers(self, role: str = "clerk", office: str | None = None) -> dict[str, str]:
        """The header of a new API token."""
        return {"Authorization": f"Bearer {staff.new_token(self.store, role, now(), office)}"}

    def give(self, service: str = "padro", office: str = OFFICE) -> dict[str, Any]:
        """A new ticket of reception."""
        answer = self.client().post(f"{office}/tickets", json={"service": service}, headers=self.headers())
        assert answer.status_code == 201, answer.text
        return answer.get_json()

    def desk(self, verb: str, desk: str = "1", body: Any = None, **headers: str) -> TestResponse:
        """A verb of a desk of mont-roig, by a clerk."""
        path = f"{OFFICE}/desks/{desk}/{verb}"
        return self.client().post(path, json={} if body is None else body, headers=self.headers() | headers)

    def ticket(self, token: str) -> dict[str, Any]:
        """What the API says of a ticket."""
        return self.client().get(f"/api/v1/tickets/{token}").get_json()

    def signed_in(self, role: str = "clerk", office: str | None = None) -> FlaskClient:
        """The browser of somebody who has signed in."""
        staff.add_person(self.store, "anna", PASSWORD, role, now(), office)
        client = self.client()
        client.post("/staff/sign-in", data={"name": "anna", "password": PASSWORD})
        return client


def csrf(client: FlaskClient) -> str:
    """The mark that the forms of this session carry."""
    return re.search(r'name="csrf" value="(\w+)"', client.get("/staff/").text)[1]


@pytest.fixture
def offices() -> Path:
    """The offices file: two offices, open round the clock."""
    return ROUND_THE_CLOCK


@pytest.fixture
def web(tmp_path: Path, offices: Path) -> Iterator[Web]:
    """The application of the offices, with a database of its own."""
    store = Store(f"sqlite:///{tmp_path / 'torn.db'}")
    upgrade(store)
    fleet = read_offices(offices)
    for office in fleet.plans:
        adopt(store, fleet, office)
    link = Link(Broker("127.0.0.1", free_port()), "test")
    yield Web(create_app(store, fleet, Live(store, fleet, link), link, "http://localhost"), store, fleet)
    store.dispose()


@pytest.fixture
def another(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens one more browser, of its own."""
    contexts = []

    def opened(**options: object) -> Page:
        contexts.append(chromium.new_context(**{"locale": "ca-ES"} | options))
        return contexts[-1].new_page()

    yield opened
    for context in contexts:
        context.close()
