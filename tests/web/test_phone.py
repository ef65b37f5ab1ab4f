"""The phone's page for one ticket, as a form and as a program sees it."""

import re

import pytest

from firmware import wire
from hub.clock import now
from hub.line import commands as c
from hub.line.views import Expected
from hub.offices import minutes

from .conftest import OFFICE, Web

JSON = {"Accept": "application/json"}


def test_the_page_shows_the_number_and_how_many_are_ahead_without_script(web: Web) -> None:
    web.give()
    second = web.give()

    page = web.client().get(f"/t/{second['token']}").text

    assert second["label"] in page
    assert '<p class="big" data-field="ahead">1</p>' in page
    assert '<noscript><meta http-equiv="refresh"' in page


def test_a_token_that_is_not_known_yet_says_so(web: Web) -> None:
    page = web.client().get("/t/" + "x" * 22)

    assert page.status_code == 200
    assert 'data-face="unknown"' in page.text


def test_the_page_cannot_be_stored_indexed_or_told_to_others(web: Web) -> None:
    headers = web.client().get(f"/t/{web.give()['token']}").headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Robots-Tag"] == "noindex"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_page_says_why_the_whole_office_stands_still(web: Web) -> None:
    token = web.give()["token"]
    web.client().post(f"{OFFICE}/pause", json={"message": "Simulacre"}, headers=web.headers())

    paused, page = web.ticket(token)["paused"], web.client().get(f"/t/{token}?lang=ca").text
    web.client().post(f"{OFFICE}/resume", headers=web.headers())

    assert paused == "Simulacre"
    assert '<span data-field="paused">Simulacre</span>' in page
    assert web.ticket(token)["paused"] is None


def test_leaving_gives_the_place_up(web: Web) -> None:
    token = web.give()["token"]

    answer = web.client().post(f"/t/{token}/leave")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/t/{token}")
    assert web.ticket(token)["state"] == "left"


def test_letting_some_pass_puts_a_ticket_behind_them(web: Web) -> None:
    tokens = [web.give()["token"] for _ in range(5)]

    answer = web.client().post(f"/t/{tokens[0]}/later", headers=JSON)

    assert answer.get_json()["ahead"] == 3
    assert [web.ticket(token)["ahead"] for token in tokens] == [3, 0, 1, 2, 4]


def test_who_missed_the_call_rejoins_after_the_first_in_line(web: Web) -> None:
    missed, other = web.give()["token"], web.give()["token"]
    web.desk("next")
    web.desk("absent")

    web.client().post(f"/t/{missed}/rejoin", headers=JSON)

    assert (web.ticket(other)["ahead"], web.ticket(missed)["ahead"]) == (0, 1)


def test_a_wrong_procedure_is_changed_once_and_keeps_the_time(web: Web) -> None:
    token, _ = web.give("padro")["token"], web.give("tributs")

    first = web.client().post(f"/t/{token}/reassign", data={"service": "tributs"}, headers=JSON)
    second = web.client().post(f"/t/{token}/reassign", data={"service": "idcat"}, headers=JSON)

    assert (first.status_code, first.get_json()["ahead"]) == (200, 0)
    assert (second.status_code, second.get_json()["code"]) == (409, "not_now")
    assert "reassign" not in web.client().get(f"/t/{token}").text


def test_a_procedure_that_is_not_there_is_refused_with_its_field(web: Web) -> None:
    token = web.give()["token"]

    answers = [web.client().post(f"/t/{token}/reassign", json=body, headers=JSON) for body in ({}, {"service": "nope"})]

    assert [answer.get_json()["field"] for answer in answers] == ["service", "service"]
    assert [answer.status_code for answer in answers] == [422, 422]


@pytest.mark.parametrize("act", ["leave", "later", "rejoin"])
def test_what_cannot_be_done_now_is_said_on_the_page_as_it_is(web: Web, act: str) -> None:
    token = web.give()["token"]
    web.desk("next")
    web.desk("done")

    page = web.client().post(f"/t/{token}/{act}")
    program = web.client().post(f"/t/{token}/{act}", headers=JSON)

    assert page.status_code == 409
    assert 'data-face="done"' in page.text
    assert 'role="alert"' in page.text
    assert (program.status_code, program.content_type) == (409, "application/problem+json")


@pytest.mark.parametrize("act", ["leave", "later", "rejoin"])
def test_an_act_on_a_token_that_nobody_has_is_not_found(web: Web, act: str) -> None:
    answer = web.client().post(f"/t/{'x' * 22}/{act}", headers=JSON)

    assert (answer.status_code, answer.get_json()["code"]) == (404, "unknown")


def test_a_key_makes_letting_pass_happen_once(web: Web) -> None:
    tokens = [web.give()["token"] for _ in range(8)]
    headers = JSON | {"Idempotency-Key": "k"}

    for _ in range(2):
        web.client().post(f"/t/{tokens[0]}/later", headers=headers)

    assert web.ticket(tokens[0])["ahead"] == 3


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_a_form_of_another_site_does_nothing(web: Web, headers: dict[str, str]) -> None:
    token = web.give()["token"]

    answer = web.client().post(f"/t/{token}/leave", headers=headers)

    assert answer.status_code == 403
    assert web.ticket(token)["state"] == "waiting"


def test_a_form_of_our_own_page_is_taken_though_the_browser_hides_its_origin(web: Web) -> None:
    token = web.give()["token"]

    answer = web.client().post(f"/t/{token}/leave", headers={"Origin": "null"})

    assert answer.status_code == 303


def test_the_ticket_of_a_day_that_is_over_is_closed(web: Web) -> None:
    token = web.give()["token"]
    tomorrow = now() + 24 * 3_600_000

    web.store.transact(lambda work: work.do("mont-roig", c.Tick("hub"), tomorrow))

    refused = web.client().post(f"/t/{token}/rejoin", headers=JSON)
    assert web.ticket(token)["state"] == "closed"
    assert 'data-face="closed"' in web.client().get(f"/t/{token}").text
    assert (refused.status_code, refused.get_json()["code"]) == (409, "day_over")


@pytest.mark.parametrize(
    ("asked", "heading"),
    [
        ("ca", "Persones davant vostre"),
        ("es", "Personas delante de usted"),
        ("en", "People ahead of you"),
        ("fr", "Personnes avant vous"),
    ],
)
def test_the_page_speaks_the_language_that_was_chosen_at_the_dispenser(web: Web, asked: str, heading: str) -> None:
    body = {"service": "padro", "language": asked}
    token = web.client().post(f"{OFFICE}/tickets", json=body, headers=web.headers()).get_json()["token"]

    page = web.client().get(f"/t/{token}", headers={"Accept-Language": "de"})

    assert heading in page.text
    assert f'<html lang="{asked}">' in page.text


def test_a_language_that_was_chosen_on_the_page_stays(web: Web) -> None:
    client, token = web.client(), web.give()["token"]

    client.get(f"/t/{token}?lang=fr")

    assert "Personnes avant vous" in client.get(f"/t/{token}").text


def expects(web: Web, ticket: str, p5: int, p90: int = 23, late: int = 0) -> None:
    """The forecaster has said, `late` milliseconds ago, how long this ticket waits."""
    wait = {"p5": p5, "p10": p5 + 2, "p50": p5 + 7, "p90": p90}
    live = web.app.extensions["hall"].live
    live.offices["mont-roig"].expected = Expected(now() - late, {"padro": wait}, {ticket: wait})


def test_the_page_tells_the_wait_as_one_says_it_and_when_to_be_back(web: Web) -> None:
    given = web.give()
    expects(web, given["ticket"], 14)

    page, ticket = web.client().get(f"/t/{given['token']}?lang=en").text, web.ticket(given["token"])

    assert ">15 to 25 min</dd>" in page
    assert ticket["wait"] == {"p5": 14, "p10": 16, "p50": 21, "p90": 23}
    assert 13 < (wire.instant(ticket["back_by"]) - now()) / 60_000 <= 14


def test_who_says_how_long_the_way_back_takes_is_told_when_to_set_off(web: Web) -> None:
    given = web.give()
    web.give()
    expects(web, given["ticket"], 30)

    page = web.client().get(f"/t/{given['token']}?walk=10&lang=en").text

    back, leave = (re.search(f'data-field="{name}">([0-9:]+)<', page)[1] for name in ("back_by", "leave"))
    assert (minutes(back) - minutes(leave)) % 1440 == 10
    assert '<option value="10" selected>' in page


@pytest.mark.parametrize("walk", ["", "-5", "x", "99999", "１０"])
def test_a_walk_that_is_none_counts_as_not_set(web: Web, walk: str) -> None:
    given = web.give()
    expects(web, given["ticket"], 30)

    page = web.client().get(f"/t/{given['token']}?walk={walk}")

    assert page.status_code == 200
    assert "<div data-leave hidden>" in page.text


def test_when_it_is_time_to_set_off_the_page_says_so_without_script(web: Web) -> None:
    web.give()
    given = web.give()
    expects(web, given["ticket"], 10)

    page = web.client().get(f"/t/{given['token']}?walk=15&lang=en").text

    assert '<p class="news return" data-return role="alert" >Come back now</p>' in page


def test_without_a_fresh_forecast_the_page_says_so(web: Web) -> None:
    given = web.give()
    expects(web, given["ticket"], 14, late=91_000)

    page, ticket = web.client().get(f"/t/{given['token']}?lang=en").text, web.ticket(given["token"])

    assert "no forecast now" in page
    assert (ticket["wait"], ticket["back_by"]) == (None, None)


def test_without_any_forecast_the_offices_page_says_so_once(web: Web) -> None:
    web.give()

    page = web.client().get("/line/mont-roig?lang=en").text

    assert '<p class="quiet" data-unforeseen >Wait: no forecast now</p>' in page
    assert page.count('<td class="number" data-wait hidden>') == len(web.fleet.plans["mont-roig"].services)


def test_reception_tells_the_wait_of_a_ticket_but_not_of_a_preferential_one(web: Web) -> None:
    expects(web, "somebody", 14)
    asked = {"service": "padro", "priority": True}

    plain = web.give()
    preferential = web.client().post(f"{OFFICE}/tickets", json=asked, headers=web.headers()).get_json()

    assert plain["wait"] == {"p5": 14, "p10": 16, "p50": 21, "p90": 23}
    assert preferential["wait"] is None
