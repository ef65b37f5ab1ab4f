"""How good the forecast was, as managers see it."""

from typing import Any

import pytest
import sqlalchemy as sa

from hub.store import schema
from hub.store.forecasts import Kept, keep_told, told
from hub.web.scores import by, measured

from .conftest import Web

OTHERS = {"people x mean / desks": 20.0, "last wait": 4.0}


def kept(wait: float, service: str = "padro", **said: Any) -> Kept:
    """Somebody was told 5 to 20 minutes, back by 4, and waited so long."""
    return Kept("2026-11-24", service, 0, {"p5": 4, "p10": 5, "p50": 10, "p90": 20, "others": OTHERS, **said}, wait)


def visited(web: Web, wait: int, **said: Any) -> None:
    """Somebody has been told a forecast, waited so many minutes, and is done."""
    ticket = web.give()["ticket"]
    web.desk("next")
    web.desk("done")
    state = web.store.state("mont-roig")
    keep_told(web.store, "mont-roig", state.day, {ticket: kept(wait).said | {"at": "x"} | said})
    with web.store.begin(write=True) as connection:
        own = schema.visits.c.ticket == ticket
        connection.execute(
            schema.visits.update().where(own).values(first_called=schema.visits.c.issued + wait * 60_000)
        )


def test_error_bias_and_shares_are_of_the_same_visits() -> None:
    one = measured([kept(10), kept(30), kept(2), kept(4)])

    assert (one.people, one.error, one.bias) == (4, (0 + 20 + 8 + 6) / 4, (0 - 20 + 8 + 6) / 4)
    assert (one.inside, one.before) == (25, 25)
    assert one.others == {"people x mean / desks": (13.5, 8.5), "last wait": (8.5, -7.5)}


def test_groups_come_in_order_and_each_has_its_own_measures() -> None:
    groups = by([kept(10, "tributs"), kept(12, "padro"), kept(14, "padro")], lambda one: one.service)

    assert [(name, one.people, one.error) for name, one in groups] == [("padro", 2, 3.0), ("tributs", 1, 0.0)]


def test_visits_from_before_the_simple_estimates_were_kept_are_shown_without_them() -> None:
    assert measured([kept(10), kept(10, others={})]).others == {}


def test_a_manager_sees_what_people_were_told_beside_simple_estimates(web: Web) -> None:
    for wait in (10, 30, 12, 14):
        visited(web, wait)

    page = web.signed_in("manager").get("/staff/forecast?lang=en").text

    assert "off by 6.5 minutes on average, for 4 people" in page
    assert "75 in a hundred were called within the range" in page
    assert "People ahead × mean / desks" in page
    assert page.count("<svg") == 3 + 3


def test_a_clerk_does_not(web: Web) -> None:
    client = web.signed_in("clerk")

    assert client.get("/staff/forecast").status_code == 403
    assert "/staff/forecast" not in client.get("/staff/").text


@pytest.mark.parametrize("query", ["", "?days=x", "?days=30&office=nowhere", "?days=-7"])
def test_without_visits_or_with_a_strange_question_the_page_says_so(web: Web, query: str) -> None:
    page = web.signed_in("manager").get(f"/staff/forecast{query}")

    assert page.status_code == 200
    assert "<svg" not in page.text


def test_who_missed_the_call_and_rejoined_is_judged_by_the_call_they_were_told_of(web: Web) -> None:
    given = web.give()
    web.give()
    for verb in ("next", "absent"):
        web.desk(verb)
    web.client().post(f"/t/{given['token']}/rejoin")
    for verb in ("next", "next", "done"):
        web.desk(verb)
    state = web.store.state("mont-roig")
    keep_told(web.store, "mont-roig", state.day, {given["ticket"]: kept(0).said | {"at": "x"}})
    with web.store.begin(write=True) as connection:
        rejoined = schema.visits.c.ticket == given["ticket"]
        first, last = connection.execute(
            sa.select(schema.visits.c.first_called, schema.visits.c.called).where(rejoined)
        ).one()
        later = {"called": last + 3_600_000}  # an hour after the first
        connection.execute(schema.visits.update().where(rejoined).values(later))

        (one,) = told(connection, "mont-roig", state.day, state.day)

    assert first < last
    assert one.wait < 1


def test_a_call_that_was_taken_back_is_none(web: Web) -> None:
    given = web.give()
    for verb in ("next", "undo"):
        web.desk(verb)

    with web.store.begin() as connection:
        row = connection.execute(sa.select(schema.visits).where(schema.visits.c.ticket == given["ticket"])).one()

    assert (row.first_called, row.called) == (None, None)


def test_somebody_who_is_told_that_they_need_not_wait_is_not_counted(web: Web) -> None:
    visited(web, 1, p5=0, p10=0, p50=0, p90=0)

    with web.store.begin() as connection:
        assert connection.execute(sa.select(schema.visits.c.forecast)).scalar()
    assert "<svg" not in web.signed_in("manager").get("/staff/forecast").text
