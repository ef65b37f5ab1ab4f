"""The manager's page on which a day is played again."""

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import date, timedelta

import pytest
import requests
from structlog.testing import capture_logs

from hub.clock import now
from hub.forecaster import replay
from hub.line import commands as c
from hub.line.plan import MINUTE, day_begins, day_of
from tests.parts import Hub, wait_until

from .conftest import PASSWORD, Web

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


def test_one_day_at_a_time_is_played_for_an_office_and_who_comes_meanwhile_is_told(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What plays is a real process; one that reads its question and never answers stands in for a long day."""
    day, manager = yesterday(web), web.signed_in("manager")
    sleeper = "import sys; sys.stdin.buffer.read(); import threading; threading.Event().wait()"
    with monkeypatch.context() as patched:
        patched.setattr(replay, "COMMAND", [sys.executable, "-c", sleeper])
        patched.setattr(replay, "PATIENCE", 3.0)
        first = threading.Thread(target=lambda: pages.append(manager.get(f"{ASKED}{day}&office=other").text))
        pages: list[str] = []
        first.start()
        wait_until(lambda: web.app.extensions["hall"].replays._busy == {"other"})
        meanwhile = web.app.test_client()
        meanwhile.post("/staff/sign-in", data={"name": "anna", "password": PASSWORD})

        second = meanwhile.get(f"{ASKED}{day}&office=other").text
        first.join(20)

    assert "A day is being played for somebody else" in second
    assert "That took too long to play" in pages[0]
    assert "With the change" in manager.get(f"{ASKED}{day}&office=other").text  # the place is free again


def test_a_process_that_breaks_is_said_and_logged(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    day, manager = yesterday(web), web.signed_in("manager")
    monkeypatch.setattr(replay, "COMMAND", [sys.executable, "-c", "raise SystemExit(3)"])

    with capture_logs() as lines:
        page = manager.get(f"{ASKED}{day}&office=other").text

    assert "took too long" in page
    assert "a day could not be played: exit 3" in [line.get("reason") for line in lines]


def test_the_web_process_itself_plays_nothing(web: Web) -> None:
    """Neither numpy nor the simulation is imported where phones are served."""
    code = "import sys, hub.web.serve; print(*sorted({'numpy', 'hub.forecast.simulate'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_a_running_web_process_has_another_one_play(hub: Hub) -> None:
    hub.account("marta", "manager", PASSWORD)
    browser = requests.Session()
    browser.post(hub.url("/staff/sign-in"), data={"name": "marta", "password": PASSWORD}, timeout=10)

    page = browser.get(hub.url("/staff/what-if?lang=en&day=2020-01-01"), timeout=30)

    assert "There is no such day" in page.text
