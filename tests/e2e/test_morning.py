"""The whole way: a press at the dispenser, paper, the phone's page, a press at the desk, the board, the phone."""

from playwright.sync_api import Page, expect

from firmware import wire
from tests.e2e.house import BOARD, DESK, DISPENSER, OFFICE, House, token_of
from tests.parts import wait_until

SECONDS = 10_000  # ms


def test_a_person_without_appointment_is_called_from_the_desk_and_sees_it_on_board_and_phone(
    house_on_either_broker: House, page: Page
):
    house, faults = house_on_either_broker, []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    board = page.context.new_page()
    board.goto(house.hub.url(f"/board/{OFFICE}"))
    dark = house.view(BOARD)["pictures"]["screen"]

    page.goto(house.take_paper("padro"))
    expect(page.locator("[data-field=label]")).to_have_text("P001", timeout=SECONDS)
    expect(page.locator("#ticket")).to_have_attribute("data-face", "next", timeout=SECONDS)
    house.hand("press", DESK, "next")

    expect(page.locator("#ticket")).to_have_attribute("data-face", "called", timeout=SECONDS)
    expect(page.locator(".turn [data-field=desk]")).to_have_text("1")
    expect(board.locator("[data-newest] [data-label]")).to_have_text("P001", timeout=SECONDS)
    expect(board.locator("[data-newest] [data-desk]")).to_have_text("1")
    wait_until(lambda: house.view(BOARD)["pictures"]["screen"] > dark, what="the board's new picture")
    wait_until(lambda: house.recorder.last(wire.desk_topic(OFFICE, "1")).get("label") == "P001", what="the desk's sign")
    assert [call["label"] for call in house.recorder.of(wire.call_topic(OFFICE))] == ["P001"]
    assert house.recorder.last(wire.line_topic(OFFICE))["calls"][0]["label"] == "P001"
    assert faults == []
    assert house.recorder.faults() == []
    kinds = {wire.route(said.topic)[0] for said in house.recorder.said}
    assert kinds >= {"hub", "line", "calls", "call", "desk", "state", "fact", "stored", "press", "answer", "config"}


def test_people_are_called_in_the_order_of_their_paper_whatever_button_calls_them(house):
    tokens = [token_of(house.take_paper(service)) for service in ("padro", "idcat", "tributs")]
    wait_until(lambda: house.ticket(tokens[2]).get("ahead") == 2, what="the third ticket, with two ahead")

    house.hand("press", DESK, "next")
    wait_until(lambda: house.ticket(tokens[0])["state"] == "called", what="the first call")
    by_program = house.at_desk("next", "2").json()["label"]
    house.hand("press", "montroig-desk-3", "next")
    wait_until(lambda: house.ticket(tokens[2])["state"] == "called", what="the third call")

    assert [house.ticket(token)["desk"] for token in tokens] == ["1", "2", "3"]
    assert by_program == "I001"
    assert [call["label"] for call in house.recorder.of(wire.call_topic(OFFICE))] == ["P001", "I001", "T001"]


def test_one_button_calls_again_marks_absent_and_the_phone_brings_its_owner_back(house, page):
    page.goto(house.take_paper("padro"))
    expect(page.locator("#ticket")).to_have_attribute("data-face", "next", timeout=SECONDS)
    house.clerk_presses("short")
    expect(page.locator("#ticket")).to_have_attribute("data-face", "called", timeout=SECONDS)

    house.clerk_presses("long")
    wait_until(lambda: len(house.recorder.of(wire.call_topic(OFFICE))) == 2, what="the recall")
    house.clerk_presses("double")
    expect(page.locator("#ticket")).to_have_attribute("data-face", "absent", timeout=SECONDS)
    page.locator("form[action$=rejoin] button").click()

    expect(page.locator("#ticket")).to_have_attribute("data-face", "next", timeout=SECONDS)
    assert [call["recall"] for call in house.recorder.of(wire.call_topic(OFFICE))] == [False, True]
    assert house.recorder.faults() == []


def test_paper_taken_while_the_network_is_cut_comes_alive_on_the_phone_by_itself(house, page):
    house.hand("break", DISPENSER, "network")

    page.goto(house.take_paper("registre"))
    expect(page.locator("#ticket")).to_have_attribute("data-face", "unknown", timeout=SECONDS)
    house.hand("mend", DISPENSER, "network")

    expect(page.locator("#ticket")).to_have_attribute("data-face", "next", timeout=2 * SECONDS)
    expect(page.locator("[data-field=label]")).to_have_text("R001")


def test_a_desk_that_shows_no_connection_sends_nothing_later(house):
    token = token_of(house.take_paper("padro"))
    wait_until(lambda: house.ticket(token).get("state") == "waiting", what="the ticket at the hub")
    house.hand("break", DESK, "network")
    wait_until(lambda: not house.view(DESK)["connected"], what="the desk without connection")

    house.hand("press", DESK, "next")
    wait_until(
        lambda: house.view(DESK)["light"], what="the light's no"
    )  # sooner, a second press would make it a double
    house.hand("mend", DESK, "network")
    wait_until(lambda: house.view(DESK)["connected"], 20, "the desk's connection")

    house.hand("press", DESK, "next")
    wait_until(lambda: house.ticket(token)["state"] == "called", what="the call")
    assert len(house.recorder.of(wire.device_topic(DESK, "press"))) == 1
