"""The telephone in a real browser: a booking by keyboard alone, without script, the list, the sheet on paper."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.parts import Hub, Mosquitto, barriers, where_it_is_noon

from .conftest import PASSWORD
from .listening import Clerk

DESK = "/staff/bookings"
A4 = re.compile(rb"/MediaBox \[0 0 59[45](\.\d+)? 84[12](\.\d+)?\]")


@pytest.fixture
def hub(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Hub]:
    """The whole hub, at offices where it is noon."""
    running = Hub(tmp_path / "hub", broker=mosquitto.url, offices=where_it_is_noon(tmp_path)).start()
    yield running
    running.stop()


@pytest.fixture
def clerk(hub: Hub) -> Clerk:
    """Somebody who uses the API meanwhile."""
    return Clerk(hub)


@pytest.fixture
def staffed(hub: Hub, chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page as somebody of a role who has signed in."""
    contexts = []

    def opened(role: str, path: str, **options: Any) -> Page:
        hub.account("anna", role, PASSWORD)
        contexts.append(
            chromium.new_context(**{"locale": "ca-ES", "viewport": {"width": 1280, "height": 800}} | options)
        )
        page = contexts[-1].new_page()
        page.goto(hub.url(path))
        page.fill("[name=name]", "anna")
        page.fill("[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        return page

    yield opened
    for context in contexts:
        context.close()


class Keyboard:
    """Counts what is pressed, apart from what is typed of the person."""

    def __init__(self, page: Page) -> None:
        self.page, self.pressed = page, 0

    def press(self, *keys: str) -> None:
        """Single keys."""
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed += 1


def booked(clerk: Clerk, name: str = "Maria Vidal", nth: int = 0) -> dict[str, Any]:
    """An appointment today, over the API."""
    path = "/api/v1/offices/mont-roig/slots?service=padro"
    start = clerk.session.get(clerk.hub.url(path), timeout=10).json()["slots"][nth]["start"]
    return clerk.post("/api/v1/appointments", office="mont-roig", service="padro", start=start, name=name)


def test_a_call_is_booked_in_eight_keys_besides_what_is_dictated(staffed: Callable[..., Page], clerk: Clerk) -> None:
    page = staffed("operator", DESK)
    expect(page.get_by_text("Tria un tràmit")).to_be_visible()
    assert barriers(page) == []
    keys = Keyboard(page)

    keys.press("2", "p")
    expect(page.locator("input[name=start]:checked")).to_be_focused()
    assert barriers(page) == []
    keys.press("ArrowDown", "ArrowRight", "Enter")
    page.keyboard.type("Maria Vidal")
    keys.press("Tab")
    page.keyboard.type("600112233")
    keys.press("Enter")
    expect(page.locator(".aloud")).to_contain_text(
        "a l'oficina OMAC Miami Platja: Padró d'habitants. El localitzador és"
    )
    assert barriers(page) == []
    keys.press("Enter")

    expect(page.get_by_label("OMAC Miami Platja")).to_be_checked()
    assert keys.pressed == 8


def test_waits_are_live_and_what_is_typed_stays_when_the_procedure_changes(
    staffed: Callable[..., Page], clerk: Clerk
) -> None:
    page = staffed("operator", f"{DESK}?service=padro")
    waiting = page.locator("[data-total=mont-roig] strong")
    expect(waiting).to_have_text("0")
    page.get_by_label("Nom").fill("Maria Vidal")

    clerk.give()
    expect(waiting).to_have_text("1")
    page.get_by_label("Nom").press("Escape")
    page.keyboard.press("t")

    expect(page.locator("input[type=hidden][name=service][value=tributs]")).to_have_count(1)
    expect(page.get_by_label("Nom")).to_have_value("Maria Vidal")


def test_the_whole_call_works_without_script(staffed: Callable[..., Page]) -> None:
    page = staffed("operator", DESK, java_script_enabled=False)

    page.get_by_label("Padró d'habitants").check(force=True)
    page.get_by_role("button", name="Mostra les hores lliures").click()
    page.get_by_label("Nom").fill("Maria Vidal")
    page.get_by_role("button", name="Reserva", exact=False).last.click()
    expect(page.get_by_text("Reservada.")).to_be_visible()
    page.get_by_label("Qui truca").fill("vidal maria")
    page.get_by_role("button", name="Cerca").click()
    page.get_by_role("link", name="Maria Vidal").click()
    page.locator("input[name=start]").nth(4).check(force=True)
    page.get_by_role("button", name="Canvia-la").click()
    expect(page.get_by_text("Canviada")).to_be_visible()
    page.get_by_text("Anul·la la cita").click()
    page.get_by_role("button", name="Sí, anul·la-la").click()

    expect(page.get_by_text("Aquesta cita es va anul·lar.")).to_be_visible()


def test_the_list_of_the_day_is_live_and_checks_in_by_one_press(staffed: Callable[..., Page], clerk: Clerk) -> None:
    one, other = booked(clerk), booked(clerk, "Joan Ferrer", 1)
    page = staffed("clerk", f"{DESK}/day/mont-roig")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    assert barriers(page) == []

    clerk.post("/api/v1/offices/mont-roig/check-ins", locator=other["locator"])
    expect(rows.filter(has_text="Joan Ferrer")).to_contain_text("ha arribat")
    rows.filter(has_text="Maria Vidal").get_by_role("button", name="Farà tard").click()
    expect(rows.filter(has_text="Maria Vidal")).to_contain_text("+15 min")
    rows.filter(has_text="Maria Vidal").get_by_role("button", name="Registra l'arribada").click()
    expect(page.locator(".slip .label")).to_have_text("C901")
    assert barriers(page) == []
    page.keyboard.press("n")

    expect(rows.filter(has_text="C901")).to_contain_text("Maria Vidal")
    assert one["locator"] not in page.content()


def test_the_sheet_on_paper_is_a4_with_office_and_date_and_without_buttons(
    staffed: Callable[..., Page], clerk: Clerk
) -> None:
    booked(clerk)
    page = staffed("clerk", f"{DESK}/day/mont-roig")
    expect(page.locator("tbody tr")).to_have_count(1)

    paper = page.pdf(prefer_css_page_size=True)
    page.emulate_media(media="print")

    assert len(A4.findall(paper)) == 1
    expect(page.get_by_text("Llibre de família")).to_be_visible()
    expect(page.locator(".paper")).to_contain_text("OMAC Mont-roig del Camp")
    expect(page.get_by_role("button").locator("visible=true")).to_have_count(0)
    expect(page.get_by_role("navigation").locator("visible=true")).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 420])
def test_no_page_of_the_telephone_has_a_barrier(staffed: Callable[..., Page], clerk: Clerk, width: int) -> None:
    one = booked(clerk)
    label = clerk.give()["label"]
    page = staffed("manager", f"{DESK}/number/{label}", viewport={"width": width, "height": 800})
    expect(page.get_by_text("Sou la persona següent.")).to_be_visible()
    assert barriers(page) == []

    page.get_by_label("Qui truca").fill(one["locator"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Maria Vidal")).to_be_focused()
    assert barriers(page) == []
    page.keyboard.press("Enter")
    expect(page.locator(".aloud")).to_be_visible()
    assert barriers(page) == []
    page.goto(clerk.hub.url(f"{DESK}/person"))
    page.get_by_label("Document o localitzador").fill(one["locator"])
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Esborra").click()
    expect(page.get_by_role("button", name="No, guarda-ho")).to_be_focused()
    assert barriers(page) == []

    assert page.evaluate("document.documentElement.scrollWidth") <= width
