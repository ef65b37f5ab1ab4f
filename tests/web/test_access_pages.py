"""Signing in, exporting and being signed out in a real browser, at the real hub and a real provider."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.parts import Hub, Mosquitto, Process, barriers, free_port, listens, wait_until

from .oidc import CLIENT, SECRET


@pytest.fixture
def idp() -> Iterator[str]:
    """A provider at which anna is administrator here."""
    port = free_port()
    process = Process("-m", "tests.web.oidc", port, environment={"AUTHLIB_INSECURE_TRANSPORT": "1"}).start()
    wait_until(lambda: listens(port), 30, "the provider's port")
    people = {"anna": {"password": "secret", "claims": {"groups": ["torn:admin"]}}}
    requests.post(f"http://127.0.0.1:{port}/control", json={"people": people}, timeout=10)
    yield f"http://127.0.0.1:{port}"
    process.stop()


@pytest.fixture
def town(tmp_path: Path, mosquitto: Mosquitto, idp: str) -> Iterator[Hub]:
    """The hub, set up as its docs say."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    said = {"ISSUER": idp, "CLIENT": CLIENT, "SECRET": str(secret), "NAME": "Ajuntament"}
    environment = {f"TORN_OIDC_{name}": value for name, value in said.items()}
    running = Hub(tmp_path / "hub", broker=mosquitto.url, environment=environment).start()
    yield running
    running.stop()


def at_the_provider(page: Page) -> None:
    page.fill("[name=name]", "anna")
    page.fill("[name=password]", "secret")
    page.get_by_role("button").click()


def test_one_signs_in_at_the_provider_exports_and_is_signed_out(
    town: Hub, idp: str, another: Callable[..., Page]
) -> None:
    page = another()
    page.goto(town.url("/staff/audit"))
    assert barriers(page) == []
    page.get_by_role("link", name="Entreu amb Ajuntament").click()
    at_the_provider(page)
    expect(page.get_by_role("heading", name="Registre d'activitat")).to_be_visible()
    assert barriers(page) == []

    page.get_by_role("link", name="Confirmeu qui sou").click()
    assert barriers(page) == []
    page.get_by_role("link", name="Confirma amb Ajuntament").click()
    at_the_provider(page)  # asks, though it knows this browser
    with page.expect_download() as file:
        page.get_by_role("link", name="Descarrega en CSV").click()
    assert "exports opened" in Path(file.value.path()).read_text()
    for path in ("/staff/account", "/staff/accounts"):
        page.goto(town.url(path))
        assert barriers(page) == []

    page.goto(town.url("/staff/mont-roig/desk/1"))
    expect(page.locator("#desk")).to_be_visible()
    town.command_line("user", "end", "anna")
    page.wait_for_url("**/staff/sign-in?next=**")  # by itself: nobody has touched the page

    page.get_by_role("link", name="Entreu amb Ajuntament").click()  # the provider still knows who it is
    page.get_by_role("button", name="Surt").click()
    page.wait_for_url("**/staff/sign-in")
    page.get_by_role("link", name="Entreu amb Ajuntament").click()
    page.wait_for_url(f"{idp}/authorize?**")  # asks: signed out there, too
