"""Each page's main act in a real browser, by keyboard where it is meant for it, and axe without a finding."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.parts import Hub, Mosquitto, barriers

from .conftest import PASSWORD
from .listening import OFFICE, Clerk, dispenser, issued

TOKEN = "B" * 22
WITHOUT_SCRIPT = {"java_script_enabled": False, "locale": "ca-ES"}


@pytest.fixture
def clerk(hub: Hub) -> Clerk:
    return Clerk(hub)


@pytest.fixture
def staffed(hub: Hub, another: Callable[..., Page]) -> Page:
    """The browser of a clerk who has signed in by keyboard."""
    hub.account("anna", "clerk", PASSWORD)
    page = another(viewport={"width": 1280, "height": 800})
    page.goto(hub.url("/staff/"))
    assert barriers(page) == []
    page.keyboard.type("anna")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Oficines i taules")).to_be_visible()
    return page


def test_a_phone_follows_its_ticket_from_waiting_to_done(hub: Hub, clerk: Clerk, page: Page) -> None:
    clerk.give()
    given = clerk.give()
    page.goto(hub.url(f"/t/{given['token']}"))
    expect(page.locator("[data-field=ahead]")).to_have_text("1")
    assert barriers(page) == []

    clerk.desk("next")
    expect(page.get_by_role("heading", name="Sou la persona següent")).to_be_visible()
    clerk.desk("next", desk="3")
    expect(page.get_by_role("heading", name="És el vostre torn")).to_be_visible()
    expect(page.locator(".turn strong")).to_have_text("3")
    assert barriers(page) == []
    clerk.desk("done", desk="3")

    expect(page.get_by_role("heading", name="Hem acabat")).to_be_visible()
    expect(page).to_have_title(f"{given['label']} · Hem acabat")


def test_a_phone_sounds_and_vibrates_when_called_after_a_tap(hub: Hub, clerk: Clerk, page: Page) -> None:
    given = clerk.give()
    page.add_init_script("navigator.vibrate = (pattern) => { window.shaken = (window.shaken || 0) + 1; };")
    page.goto(hub.url(f"/t/{given['token']}"))

    page.get_by_role("button", name="Activeu el so i la vibració").click()
    expect(page.get_by_role("button", name="So i vibració activats")).to_be_visible()
    before = page.evaluate("window.shaken")
    clerk.desk("next")
    expect(page.get_by_role("heading", name="És el vostre torn")).to_be_visible()

    assert page.evaluate("window.shaken") == before + 1

    clerk.desk("done")
    expect(page.get_by_role("heading", name="Hem acabat")).to_be_visible()
    expect(page.locator("[data-sound]")).to_be_hidden()  # there is nothing more to sound for


def test_a_phone_sounds_and_vibrates_once_when_so_few_are_ahead_as_asked(hub: Hub, clerk: Clerk, page: Page) -> None:
    for _ in range(4):
        clerk.give()
    given = clerk.give()
    page.add_init_script("navigator.vibrate = (pattern) => { window.shaken = (window.shaken || 0) + 1; };")
    page.goto(hub.url(f"/t/{given['token']}"))
    page.get_by_role("button", name="Activeu el so i la vibració").click()
    page.get_by_label("Aviseu-me quan").select_option("2")
    before = page.evaluate("window.shaken")

    shaken = []
    for ahead in ("3", "2", "1"):
        clerk.desk("next")
        expect(page.locator("[data-field=ahead]")).to_have_text(ahead)
        shaken.append(page.evaluate("window.shaken") - before)

    assert shaken == [0, 1, 1]


def test_a_phone_that_was_without_network_is_right_again(hub: Hub, clerk: Clerk, page: Page) -> None:
    given = clerk.give()
    page.goto(hub.url(f"/t/{given['token']}"))
    expect(page.get_by_role("heading", name="Sou la persona següent")).to_be_visible()

    page.context.set_offline(True)
    clerk.desk("next")
    page.context.set_offline(False)

    expect(page.get_by_role("heading", name="És el vostre torn")).to_be_visible(timeout=30_000)


def test_a_phone_that_hears_nothing_for_too_long_says_that_its_news_is_old(hub: Hub, clerk: Clerk, page: Page) -> None:
    given = clerk.give()
    page.clock.install()
    page.goto(hub.url(f"/t/{given['token']}"))
    expect(page.get_by_role("heading", name="Sou la persona següent")).to_be_visible()

    page.route("**/events", lambda route: route.abort())
    page.context.set_offline(True)
    page.clock.fast_forward(60_000)

    expect(page.locator("[data-old]")).to_be_visible()


def test_a_phone_turns_live_when_its_ticket_arrives(hub: Hub, mosquitto: Mosquitto, clerk: Clerk, page: Page) -> None:
    day = clerk.session.get(hub.url(f"{OFFICE}/line"), timeout=10).json()["day"]
    page.goto(hub.url(f"/t/{TOKEN}"))
    expect(page.get_by_role("heading", name="El vostre tiquet encara no ha arribat")).to_be_visible()
    assert barriers(page) == []

    with dispenser(mosquitto) as device:
        device.publish("torn/v1/dev/montroig-dispenser-1/fact", issued(TOKEN, day), qos=1)
        expect(page.locator(".label")).to_have_text("P001")

    expect(page.get_by_text("Padró d'habitants").first).to_be_visible()


def test_a_citizen_leaves_only_after_saying_so_twice(hub: Hub, clerk: Clerk, page: Page) -> None:
    page.goto(hub.url(f"/t/{clerk.give()['token']}"))

    page.get_by_text("Deixeu la cua", exact=True).click()
    expect(page.get_by_role("heading", name="Sou la persona següent")).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("button", name="Sí, vull deixar la cua").click()

    expect(page.get_by_role("heading", name="Heu deixat la cua")).to_be_visible()


def test_everything_of_the_phones_page_works_without_script(hub: Hub, clerk: Clerk, another) -> None:
    page = another(**WITHOUT_SCRIPT)
    tokens = [clerk.give()["token"] for _ in range(2)]
    page.goto(hub.url(f"/t/{tokens[0]}"))

    page.get_by_role("button", name="Deixeu passar").click()
    expect(page.locator("[data-field=ahead]")).to_have_text("1")
    page.get_by_text("M'he equivocat de tràmit").click()
    page.get_by_label("Tributs i rebuts").check()
    page.get_by_role("button", name="Canvieu de tràmit").click()

    expect(page.locator(".service")).to_have_text("Tributs i rebuts")
    expect(page.get_by_text("M'he equivocat de tràmit")).to_have_count(0)


def test_a_board_shows_simultaneous_calls_one_after_the_other(hub: Hub, clerk: Clerk, another) -> None:
    board = another(viewport={"width": 1920, "height": 1080})
    board.goto(hub.url("/board/mont-roig"))
    expect(board.get_by_text("Us donem la benvinguda")).to_be_visible()
    labels = [clerk.give()["label"] for _ in range(3)]
    board.evaluate(
        """() => {
            const label = document.querySelector("[data-label]");
            window.seen = [];
            new MutationObserver(() => window.seen.push(label.textContent)).observe(label, { childList: true });
        }"""
    )

    for desk in ("1", "2", "3"):
        clerk.desk("next", desk=desk)
    expect(board.locator("[data-label]")).to_have_text(labels[2], timeout=20_000)

    assert board.evaluate("window.seen") == labels
    expect(board.locator(".before li")).to_have_count(2)
    assert barriers(board) == []


def test_a_board_says_why_nothing_is_called(hub: Hub, clerk: Clerk, page: Page) -> None:
    page.goto(hub.url("/board/mont-roig"))

    clerk.post(f"{OFFICE}/pause", message="Simulacre d'incendi")
    expect(page.get_by_text("Simulacre d'incendi")).to_be_visible()
    clerk.post(f"{OFFICE}/resume")

    expect(page.get_by_text("Simulacre d'incendi")).to_have_count(0)


def test_the_waits_of_an_office_are_live(hub: Hub, clerk: Clerk, page: Page) -> None:
    page.goto(hub.url("/"))
    assert barriers(page) == []
    page.get_by_role("link", name="OMAC Mont-roig del Camp").click()
    waiting = page.locator("[data-service=padro] [data-waiting]")
    expect(waiting).to_have_text("0")

    label = clerk.give()["label"]
    expect(waiting).to_have_text("1")
    clerk.desk("next")

    expect(waiting).to_have_text("0")
    expect(page.locator("[data-calls] li")).to_contain_text([label])
    assert barriers(page) == []


def test_a_desk_works_by_keyboard_alone(hub: Hub, clerk: Clerk, staffed: Page) -> None:
    first, second = clerk.give(), clerk.give("tributs")
    staffed.goto(hub.url("/staff/mont-roig/desk/1"))
    expect(staffed.locator("tr.first")).to_contain_text(first["label"])
    expect(staffed.locator("tr.first")).to_contain_text("és qui més ha esperat")
    here = staffed.locator(".here")

    staffed.keyboard.press("n")
    expect(here.locator(".label")).to_have_text(first["label"])
    assert barriers(staffed) == []
    staffed.keyboard.press("s")
    expect(here.get_by_role("heading", name="A la taula")).to_be_visible()
    staffed.keyboard.press("p")
    staffed.keyboard.type("Sala 2")
    staffed.keyboard.press("Enter")
    expect(staffed.locator(".parked")).to_contain_text("Sala 2")
    staffed.keyboard.press("n")
    expect(here.locator(".label")).to_have_text(second["label"])
    staffed.keyboard.press("u")
    expect(here.get_by_role("heading", name="La taula està lliure")).to_be_visible()

    assert clerk.session.get(hub.url(f"/api/v1/tickets/{second['token']}"), timeout=10).json()["state"] == "waiting"


def test_a_desk_page_follows_what_others_do_and_keeps_what_is_being_typed(
    hub: Hub, clerk: Clerk, staffed: Page
) -> None:
    clerk.give()
    staffed.goto(hub.url("/staff/mont-roig/desk/1"))
    staffed.keyboard.press("n")
    expect(staffed.locator(".here .label")).to_have_text("P900")
    staffed.keyboard.press("p")
    staffed.keyboard.type("Sal")

    clerk.give()
    expect(staffed.locator("tr.first")).to_contain_text("P901")
    staffed.keyboard.type("a 2")
    staffed.keyboard.press("Enter")

    expect(staffed.locator(".parked")).to_contain_text("Sala 2")


def test_the_keys_are_shown_and_can_be_turned_off(hub: Hub, clerk: Clerk, staffed: Page) -> None:
    clerk.give()
    staffed.goto(hub.url("/staff/mont-roig/desk/1"))

    staffed.keyboard.press("?")
    expect(staffed.get_by_role("dialog")).to_be_visible()
    assert barriers(staffed) == []
    staffed.get_by_label("Fes servir dreceres").uncheck()
    staffed.keyboard.press("Escape")
    staffed.keyboard.press("n")
    staffed.get_by_role("button", name="Obre i crida").click()

    expect(staffed.locator(".here .label")).to_have_text("P900")


def test_reception_shows_a_code_that_leads_to_the_ticket(hub: Hub, staffed: Page) -> None:
    staffed.goto(hub.url("/staff/mont-roig/reception"))
    assert barriers(staffed) == []

    staffed.get_by_label("idCAT").check()
    staffed.get_by_role("button", name="Dona el tiquet").click()
    expect(staffed.locator(".slip .label")).to_have_text("I900")
    assert barriers(staffed) == []
    staffed.goto(staffed.locator(".slip .quiet").inner_text())

    expect(staffed.get_by_role("heading", name="Sou la persona següent")).to_be_visible()


@pytest.mark.parametrize("path", ["/staff/", "/staff/devices", "/nothing"])
def test_a_staff_page_has_no_barrier(hub: Hub, staffed: Page, path: str) -> None:
    staffed.goto(hub.url(path))

    assert barriers(staffed) == []


def test_a_phone_says_when_it_is_time_to_come_back(hub: Hub, clerk: Clerk, page: Page) -> None:
    clerk.give()
    clerk.desk("next")
    given = [clerk.give() for _ in range(3)][-1]
    page.goto(hub.url(f"/t/{given['token']}"))
    expect(page.locator("[data-field=wait]")).to_contain_text("min", timeout=20_000)
    expect(page.get_by_text("Torneu ara")).to_be_hidden()

    page.get_by_label("Per tornar em calen").select_option("30")

    expect(page.get_by_text("Torneu ara")).to_be_visible()
    expect(page.get_by_text("Poseu-vos en camí a les")).to_be_visible()
    assert barriers(page) == []
