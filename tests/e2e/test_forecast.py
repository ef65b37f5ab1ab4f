"""The wait as everybody is told it: on paper, on the phone and on the pages, from one forecast."""

from typing import Any

from playwright.sync_api import Page, expect

from firmware import wire
from tests.e2e.house import DISPENSER, OFFICE, House, token_of
from tests.parts import wait_until

MINUTE = 60_000


def line(house: House) -> dict[str, Any]:
    return house.recorder.last(wire.line_topic(OFFICE))


def facts(house: House) -> list[dict[str, Any]]:
    """What the dispenser has told of its tickets, each once."""
    told = {fact["seq"]: fact for fact in house.recorder.of(wire.device_topic(DISPENSER, "fact"))}
    return [fact for fact in told.values() if fact["fact"] == "ticket.issued"]


def test_paper_phone_and_pages_tell_one_forecast_and_a_dispenser_alone_carries_it_on(house: House, page: Page) -> None:
    for desk in "12":
        house.at_desk("open", desk)
    for _ in range(10):
        house.give_ticket()
    for desk in "12":
        house.at_desk("next", desk)
    forecast = lambda: house.recorder.last(wire.forecast_topic(OFFICE))  # noqa: E731
    wait_until(lambda: len(forecast().get("tickets", {})) == 8, 20, "a forecast of all who wait")
    services = forecast()["services"]
    wait_until(lambda: line(house)["services"]["padro"]["wait"] == services["padro"], 20, "the line with it")

    token = token_of(house.take_paper())
    (fact,) = wait_until(lambda: facts(house), what="the dispenser's fact")
    promised = wire.instant(fact["back_by"])
    assert promised == (wire.instant(fact["at"]) // MINUTE + services["padro"]["p5"]) * MINUTE
    ticket = wait_until(lambda: (t := house.ticket(token)).get("wait") and t, 20, "the ticket's own forecast")
    assert wire.instant(ticket["back_by"]) >= promised
    page.goto(house.hub.url(f"/t/{token}"))
    expect(page.locator("[data-field=wait]")).to_contain_text("min")
    expect(page.locator("[data-field=back_by]")).to_have_text(local_clock(page, ticket["back_by"]))
    page.goto(house.hub.url(f"/line/{OFFICE}"))
    expect(page.locator("[data-service=padro] [data-wait]")).to_contain_text("min")
    page.goto(house.hub.url(f"/board/{OFFICE}"))
    expect(page.locator("[data-wait]")).to_contain_text("min")

    house.hub.kill()
    wait_until(lambda: not house.view(DISPENSER)["connected"], 20, "the dispenser misses the hub")
    for _ in range(3):
        house.take_paper()
    alone = [wire.instant(each["back_by"]) for each in wait_until(lambda: len(facts(house)) == 4 and facts(house))[1:]]
    assert promised - 2 * MINUTE <= alone[0] < alone[2]  # each ticket given since lengthens it


def local_clock(page: Page, moment: str) -> str:
    """A moment on the office's wall clock, as the browser writes it."""
    how = "{ hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: 'Europe/Madrid' }"
    return page.evaluate(f"new Date('{moment}').toLocaleTimeString('ca', {how})")
