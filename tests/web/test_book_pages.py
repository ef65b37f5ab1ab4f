"""Booking in a real browser: by keyboard alone, on a phone, without script, in each language, without a barrier."""

import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.booking.conftest import dni
from tests.parts import Hub, barriers

PHONE = {"width": 360, "height": 740}
NUMBERS = count(20_000_000)
GROUPED = re.compile(r"^\d{3} \d{3} \d{3}$")
TITLES = {
    "ca": (
        "Per a què veniu?",
        "On i quan?",
        "Quin dia i a quina hora?",
        "Qui vindrà?",
        "És tot correcte?",
        "Teniu la cita reservada",
    ),
    "es": (
        "¿Para qué viene?",
        "¿Dónde y cuándo?",
        "¿Qué día y a qué hora?",
        "¿Quién vendrá?",
        "¿Es todo correcto?",
        "Su cita está reservada",
    ),
    "en": (
        "What do you come for?",
        "Where and when?",
        "Which day and hour?",
        "Who will come?",
        "Is all of this right?",
        "Your appointment is booked",
    ),
    "fr": (
        "Pour quelle démarche venez-vous ?",
        "Où et quand ?",
        "Quel jour et à quelle heure ?",
        "Qui viendra ?",
        "Tout est-il correct ?",
        "Votre rendez-vous est réservé",
    ),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub for the whole file: each test books for people of its own."""
    running = Hub(tmp_path_factory.mktemp("hub")).start()
    yield running
    running.stop()


def heading(page: Page, name: str) -> None:
    """Waits for a page; also for its styles, which a busy machine may bring later than its words."""
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    page.wait_for_load_state()


def fits(page: Page) -> bool:
    """Whether nothing is wider than the screen."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def fill(page: Page) -> None:
    """Somebody who was never here before."""
    page.locator("#number").fill(dni(next(NUMBERS)))
    page.locator("#name").fill("Maria Vidal Pons")


def choose(page: Page, hub: Hub, day: int = 3) -> None:
    """The first free hour of one of the next days."""
    page.goto(hub.url("/book/when?service=padro&office=mont-roig"))
    page.locator(".month a").nth(day).click()
    page.locator(".hour button").first.click()


def book(page: Page, hub: Hub, day: int = 3) -> str:
    """Books it; the address of the appointment's page."""
    choose(page, hub, day)
    fill(page)
    page.get_by_role("button", name="Continua").click()
    page.get_by_role("button", name="Reserveu la cita").click()
    heading(page, "Teniu la cita reservada")
    return page.url


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    """Goes to something by the tabulator, and presses a key there."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return page.keyboard.press(key)
    raise AssertionError(f"the tabulator does not lead to {wanted}")


def test_on_a_phone_each_procedures_name_stands_beside_its_box(hub: Hub, another: Callable[..., Page]) -> None:
    page = another(viewport=PHONE, locale="ca-ES")
    page.goto(hub.url("/book"))

    choices = page.locator(".procedure .choice").all()

    assert choices
    for choice in choices:
        box, words = (choice.locator(part).bounding_box() for part in ("input", "span"))
        assert words["x"] > box["x"] + box["width"] and words["y"] < box["y"] + box["height"]


@pytest.mark.parametrize("language", sorted(TITLES))
def test_an_appointment_is_booked_on_a_phone_in_each_language(
    hub: Hub, another: Callable[..., Page], language: str
) -> None:
    page = another(viewport=PHONE, locale=language)
    titles = iter(TITLES[language])

    def seen() -> None:
        heading(page, next(titles))
        assert fits(page)

    page.goto(hub.url("/book"))
    seen()
    page.get_by_role("checkbox").first.check()
    page.locator(".go button").click()
    seen()
    page.locator("a.button").first.click()
    seen()
    page.locator(".month a").nth(1).click()
    page.locator(".hour button").last.click()
    seen()
    assert barriers(page) == []
    fill(page)
    page.locator(".go button").click()
    seen()
    page.locator("button.primary").click()
    seen()

    assert barriers(page) == []
    expect(page.locator(".digits")).to_have_text(GROUPED)


@pytest.mark.parametrize(
    "path", ["/book", "/book/where?service=padro", "/book/when?service=padro&office=mont-roig", "/book/mine"]
)
def test_a_page_of_booking_has_no_barrier(hub: Hub, page: Page, path: str) -> None:
    page.goto(hub.url(path))

    assert barriers(page) == []


def test_an_appointment_is_booked_moved_and_cancelled_by_keyboard_alone(hub: Hub, page: Page) -> None:
    page.goto(hub.url("/book"))
    press(page, page.get_by_label("Tributs i rebuts"), "Space")
    press(page, page.get_by_role("button", name="Mireu les hores lliures"))
    press(page, page.get_by_role("link", name=re.compile("Tots els dies i hores.*Miami")))
    press(page, page.locator(".month a").nth(5))
    expect(page.locator("#hours")).to_be_focused()
    press(page, page.locator(".hour button").nth(2))
    heading(page, "Qui vindrà?")
    press(page, page.locator("#number"), "1")
    press(page, page.get_by_role("button", name="Continua"))
    expect(page.get_by_role("alert")).to_be_focused()
    assert barriers(page) == []
    press(page, page.get_by_role("alert").get_by_role("link").first)
    expect(page.locator("#number")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type(dni(next(NUMBERS)))
    page.keyboard.press("Tab")
    page.keyboard.type("Maria Vidal Pons")
    page.keyboard.press("Enter")
    heading(page, "És tot correcte?")
    assert barriers(page) == []
    press(page, page.get_by_role("button", name="Reserveu la cita"))
    heading(page, "Teniu la cita reservada")

    press(page, page.get_by_role("link", name="Trieu una altra hora"))
    press(page, page.locator(".hour button").first)
    press(page, page.get_by_role("button", name="Sí, canvieu-la"))
    expect(page.get_by_text("S'ha canviat a aquesta hora.")).to_be_visible()
    press(page, page.get_by_role("link", name="Anul·leu la cita"))
    heading(page, "Voleu anul·lar la cita?")
    assert barriers(page) == []
    press(page, page.get_by_role("button", name="Sí, anul·leu-la"))

    heading(page, "La vostra cita està anul·lada")


def test_all_of_it_works_without_script(hub: Hub, another: Callable[..., Page]) -> None:
    page = another(viewport=PHONE, java_script_enabled=False)

    mine = book(page, hub)
    locator = page.locator(".digits").inner_text()
    page.get_by_role("link", name="La meva cita").click()
    page.get_by_label("Localitzador").fill(locator)
    page.get_by_label("Número del document").fill(dni(next(NUMBERS) - 1))
    page.get_by_role("button", name="Consulteu-la").click()
    heading(page, "La vostra cita")
    page.get_by_role("link", name="Anul·leu la cita").click()
    page.get_by_role("button", name="Sí, anul·leu-la").click()

    page.goto(mine)
    heading(page, "La vostra cita està anul·lada")


def test_another_language_in_the_middle_of_the_form_keeps_what_was_typed(hub: Hub, page: Page) -> None:
    choose(page, hub)
    fill(page)
    number = page.locator("#number").input_value()

    page.get_by_role("button", name="Castellano").click()

    heading(page, "¿Quién vendrá?")
    expect(page.locator("#number")).to_have_value(number)
    page.get_by_role("button", name="Continuar").click()
    page.get_by_role("link", name="English").click()
    heading(page, "Is all of this right?")


def test_the_ten_minutes_run_out_calmly_and_the_place_is_booked_all_the_same(hub: Hub, page: Page) -> None:
    page.clock.install()
    choose(page, hub)
    expect(page.get_by_text("Us guardem aquesta hora fins a les")).to_be_visible()

    page.clock.fast_forward(11 * 60_000)
    expect(page.get_by_text("Els deu minuts s'han acabat.")).to_be_visible()
    assert barriers(page) == []
    fill(page)
    page.get_by_role("button", name="Continua").click()
    page.get_by_role("button", name="Reserveu la cita").click()

    heading(page, "Teniu la cita reservada")


def test_of_two_who_want_the_last_place_one_gets_it_and_the_other_the_nearest(
    hub: Hub, another: Callable[..., Page]
) -> None:
    pages = [another(), another()]
    for page in pages:
        page.goto(hub.url("/book/when?service=padro&office=miami-platja"))
        page.locator(".month a").nth(8).click()
    last = pages[0].locator(".hour button").nth(7)
    start, form = last.get_attribute("value"), {"service": "padro", "office": "miami-platja"}
    for _ in range(2):
        requests.post(hub.url("/book/hold"), data={**form, "start": start}, timeout=10)

    for page in pages:
        page.locator(f".hour button[value='{start}']").click()

    heading(pages[0], "Qui vindrà?")
    expect(pages[1].get_by_text("Aquesta hora ja no és lliure.")).to_be_visible()
    assert barriers(pages[1]) == []
    pages[1].locator("#nearest button").first.click()
    heading(pages[1], "Qui vindrà?")


def test_a_form_pressed_twice_or_loaded_again_books_once_and_the_way_back_is_safe(hub: Hub, page: Page) -> None:
    choose(page, hub)
    fill(page)
    page.get_by_role("button", name="Continua").click()
    heading(page, "És tot correcte?")
    page.go_back()
    expect(page.locator("#name")).to_have_value("Maria Vidal Pons")
    page.get_by_role("button", name="Continua").click()

    page.get_by_role("button", name="Reserveu la cita").dblclick()
    heading(page, "Teniu la cita reservada")
    locator = page.locator(".digits").inner_text()
    page.reload()
    expect(page.locator(".digits")).to_have_text(locator)
    page.go_back()
    heading(page, "La meva cita")
    page.go_forward()

    expect(page.locator(".digits")).to_have_text(locator)


def test_a_cancelled_place_is_offered_to_the_next_who_looks(hub: Hub, page: Page, another: Callable[..., Page]) -> None:
    other = another()
    mine = book(page, hub, day=12)
    other.goto(hub.url("/book/when?service=padro&office=mont-roig"))
    other.locator(".month a").nth(12).click()
    start = other.locator(".hour button").first
    for _ in range(2):
        form = {"service": "padro", "office": "mont-roig", "start": start.get_attribute("value")}
        requests.post(hub.url("/book/hold"), data=form, timeout=10)
    value = form["start"]
    other.reload()
    expect(other.locator(f".hour button[value='{value}']")).to_have_count(0)

    page.goto(mine)
    page.get_by_role("link", name="Anul·leu la cita").click()
    page.get_by_role("button", name="Sí, anul·leu-la").click()
    other.reload()

    expect(other.locator(f".hour button[value='{value}']")).to_have_count(1)
