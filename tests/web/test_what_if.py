"""The manager's page on which a day is played again."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from hub.clock import now
from hub.line import commands as c
from hub.line.plan import MINUTE, day_begins, day_of

from .conftest import Web

ASKED = "/staff/what-if?lang=en&desks=1&begins=09:30&ends=13:00&day="


def yesterday(web: Web) -> str:
    """Has a short morning stand in the log of the other office, as it was yesterday; its date."""
    plan = replace(web.fleet.plans["mont-roig"], office="other")
    day = (date.fromisoformat(day_of(plan, now())) - timedelta(days=1)).isoformat()
    at = day_begins(plan, day) + 300 * MINUTE
    web.fleet.plans["other"] = plan
    commands: list[tuple[c.Command, int]] = [(c.Adopt("hub", plan), 0), (c.Open("anna", "1"), 0)]
    for number in range(8):
        issue = c.Issue("dispenser-1", f"t{number}", f"token-of-{number}", f"P{number:03d}", ("padro",))
        commands += [(issue, 2), (c.Next("anna", "1"), 5)]
    for command, minutes in [*commands, (c.Done("anna", "1"), 9)]:
        at += minutes * MINUTE
        web.store.transact(lambda work, command=command, at=at: work.do("other", command, at))
    web.store.transact(lambda work: work.do("other", c.Tick("hub"), now()))
    return day


def test_a_manager_sees_the_day_as_it_was_as_it_plays_and_with_the_change(web: Web) -> None:
    day = yesterday(web)

    page = web.signed_in("manager").get(f"{ASKED}{day}&office=other").text

    assert "With the change" in page
    assert page.count('<td class="number">') == 3 * 5


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("day=2020-01-01", "There is no such day"),
        ("day=yesterday", "That is no day or hour"),
        ("day=2020-13-01", "That is no day or hour"),
        ("desks=x", "That is no day or hour"),
        ("office=other&day={day}&begins=25:00", "That is no day or hour"),
        ("office=other&day={day}&begins=12:00&ends=11:00", "That is no day or hour"),
        ("office=other&day={day}&booked=many", "That is no day or hour"),
        ("office=other&day={today}", "There is no such day"),
    ],
)
def test_what_cannot_be_played_is_said(web: Web, query: str, said: str) -> None:
    today = web.store.state("mont-roig").day

    page = web.signed_in("manager").get(f"/staff/what-if?lang=en&{query.format(day=yesterday(web), today=today)}")

    assert page.status_code == 200
    assert said in page.text


def test_a_clerk_plays_nothing(web: Web) -> None:
    assert web.signed_in("clerk").get("/staff/what-if").status_code == 403
