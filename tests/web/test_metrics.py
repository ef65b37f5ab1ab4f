"""What an operator is told: each figure from where it is known, and nothing that is only remembered."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from firmware import wire
from hub.clock import now
from hub.store import devices
from tests.web.conftest import Web

DISPENSER = {"office": "mont-roig", "device": "montroig-dispenser-1"}
MINUTE = 60_000


def told(web: Web, name: str, **labels: str) -> float | None:
    """The value of one series; None if there is none."""
    families = text_string_to_metric_families(web.client().get("/metrics").text)
    samples = [each for family in families for each in family.samples if each.name == name]
    return next((each.value for each in samples if each.labels == labels), None)


def says(web: Web, device: str = DISPENSER["device"], ago: int = 0, **health: object) -> None:
    """What a device said some milliseconds ago, as a bridge writes it down."""
    devices.remember(web.store, device, {"state": "ready", "boot": "a3f1", "conn": 1, **health}, now() - ago)


def line_came(web: Web, events: int) -> None:
    """A line document from the broker that knows of so many events."""
    state = {"seq": 9, "at": wire.stamp(now()), "office": "mont-roig", "day": "2026-11-24", "open": True}
    state |= {"paused": None, "waiting": 0, "services": {}, "desks": {}, "calls": [], "events": events}
    web.app.extensions["hall"].live._line_came(wire.line_topic("mont-roig"), wire.encode("line", state), True)


def test_the_age_of_the_oldest_fact_that_is_not_stored_is_what_the_dispenser_says(web: Web) -> None:
    says(web, unsent=3, unsent_since=wire.stamp(now() - 2 * MINUTE))

    assert 120 <= told(web, "torn_unstored_seconds", **DISPENSER) < 180


@pytest.mark.parametrize("since", [{}, {"unsent_since": None}, {"unsent_since": "2199-01-01T00:00:00.000Z"}])
def test_nothing_is_older_than_new_where_nothing_waits_or_a_clock_is_ahead(web: Web, since: dict) -> None:
    says(web, **since)

    assert told(web, "torn_unstored_seconds", **DISPENSER) == 0


def test_the_relays_lag_is_the_age_of_the_oldest_event_that_no_line_knows_of(web: Web) -> None:
    web.give()
    last = web.store.state("mont-roig").seq

    line_came(web, last)
    upto_date = told(web, "torn_relay_lag_seconds", office="mont-roig")
    line_came(web, last - 1)
    behind = told(web, "torn_relay_lag_seconds", office="mont-roig")

    assert upto_date == 0
    assert 0 < behind < 60


def test_an_office_of_which_no_line_came_has_no_lag_to_tell(web: Web) -> None:
    assert told(web, "torn_relay_lag_seconds", office="mont-roig") is None


def test_a_forecast_that_never_came_is_endlessly_old(web: Web) -> None:
    assert told(web, "torn_forecast_age_seconds", office="mont-roig") == float("inf")


def test_a_forecast_is_as_old_as_it_says(web: Web) -> None:
    forecast = {"seq": 1, "at": wire.stamp(now() - 2 * MINUTE), "services": {}, "tickets": {}}

    web.app.extensions["hall"].live._expected_came(
        wire.forecast_topic("mont-roig"), wire.encode("forecast", forecast), True
    )

    assert 120 <= told(web, "torn_forecast_age_seconds", office="mont-roig") < 180


@pytest.mark.parametrize(
    ("health", "away"),
    [(None, 1), ({}, 0), ({"state": "lost"}, 1), ({"ago": 4 * MINUTE}, 1)],
    ids=["never heard", "here", "lost", "of which no bridge has written for long"],
)
def test_a_device_is_away_when_nobody_hears_it(web: Web, health: dict | None, away: int) -> None:
    if health is not None:
        says(web, **health)

    assert told(web, "torn_device_away", **DISPENSER, kind="dispenser") == away


@pytest.mark.parametrize("paper", wire.PAPERS)
def test_paper_has_one_word_that_is_true(web: Web, paper: str) -> None:
    says(web, paper=paper)

    values = {each: told(web, "torn_paper", **DISPENSER, paper=each) for each in wire.PAPERS}

    assert values == {each: each == paper for each in wire.PAPERS}


def test_what_cannot_be_seen_is_left_out_while_the_database_is_away(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, OSError("the disk is gone"))

    before = told(web, "torn_database_answers")
    monkeypatch.setattr(web.store.engine, "connect", gone)

    assert (before, told(web, "torn_database_answers")) == (1, 0)
    assert told(web, "torn_device_away", **DISPENSER, kind="dispenser") is None
    assert told(web, "torn_hub_here") == 1  # until it has been silent for six seconds
