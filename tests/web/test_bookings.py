"""The telephone's pages and the list of the day: who may do what, and that each form works without script."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from markupsafe import escape
from werkzeug.test import TestResponse

from hub.booking.appointments import Appointment, Standing
from hub.booking.slots import TAKEN_OVER
from hub.clock import now
from hub.line.commands import PauseOffice
from hub.line.plan import HOUR, MINUTE, local
from hub.store import appointments as store
from hub.store import schema
from tests.booking.conftest import somebody
from tests.parts import where_it_is_noon

from .conftest import PASSWORD, Web, csrf

DESK = "/staff/bookings"
TODAY = "/staff/bookings/day/mont-roig"
WHOSE = "/staff/bookings/person"


@pytest.fixture
def offices(tmp_path: Path) -> Path:
    """It is noon."""
    return where_it_is_noon(tmp_path)


def a_booking(web: Web, number: int = 12345678, service: str = "padro", minutes: int = 30, **more: Any) -> Appointment:
    """Somebody's appointment so many minutes from now, booked a day ahead; `more` as in an Appointment."""
    plan = web.fleet.plans[more.pop("office", "mont-roig")]
    start = now() // MINUTE * MINUTE + minutes * MINUTE
    asked = store.new(plan.office, (service,), start, person=somebody(number), **more)
    act = partial(store.book, plan=plan, asked=asked, now=start - 24 * HOUR, terms=TAKEN_OVER)
    return web.store.transact(act, one_view=False)


def said(client: FlaskClient, path: str, **words: str) -> TestResponse:
    """A form of this session, sent."""
    return client.post(path, data={"csrf": csrf(client)} | words)


def filled(client: FlaskClient, **words: str) -> dict[str, str]:
    """The operator's form as the page gives it, with the first free hour, filled in."""
    page = client.get(f"{DESK}?service=padro").text
    fields = dict(re.findall(r'type="hidden" name="(csrf|key|office|service)" value="([\w-]+)"', page))
    start = re.findall(r'name="start" value="(\d+)"', page)[1]
    return fields | {"start": start, "name": "Núria Vidal", "kind": "", "number": "", "language": "ca"} | words


def booked(web: Web) -> list[Appointment]:
    """All appointments that there are, in the order of time."""
    with web.store.begin() as connection:
        ids = list(connection.execute(sa.select(schema.appointments.c.id)).scalars())
    found = web.store.transact(lambda work: [store.by_id(work, id) for id in ids])
    return sorted(found, key=lambda one: one.start)


def looks(web: Web) -> set[tuple[str, str]]:
    """Who is written down to have looked, and where."""
    with web.store.begin() as connection:
        return {(row.who, row.what) for row in connection.execute(sa.select(schema.looks))}


# --- who may do what --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "roles"),
    [
        (DESK, "operator manager admin"),
        (f"{DESK}/number/P900", "operator manager admin"),
        (TODAY, "clerk operator manager admin"),
        (f"{TODAY}?day=2026-12-01", "operator manager admin"),
        (WHOSE, "manager admin"),
    ],
)
def test_each_page_is_for_its_roles(web: Web, path: str, roles: str) -> None:
    answers = {role: web.signed_in(role).get(path).status_code for role in ("clerk", "operator", "manager", "admin")}

    assert {role for role, status in answers.items() if status == 200} == set(roles.split())
    assert {status for status in answers.values() if status != 200} <= {403}


@pytest.mark.parametrize("path", [DESK, TODAY, WHOSE])
def test_who_has_not_signed_in_is_asked_to(web: Web, path: str) -> None:
    assert web.client().get(path).headers["Location"].startswith("/staff/sign-in?next=")


def test_an_operator_sees_and_finds_only_the_offices_they_cover(web: Web) -> None:
    other = a_booking(web)
    client = web.signed_in("operator", "miami-platja")

    page = client.get(DESK).text
    found = said(client, f"{DESK}/find", text="Persona 12345678").text

    assert "Miami Platja" in page
    assert "Mont-roig" not in page
    assert "Persona 12345678" not in found.replace('value="Persona 12345678"', "")
    assert client.get(f"{DESK}/{other.id}").status_code == 404
    assert said(client, f"{DESK}/{other.id}/cancel").status_code == 404
    assert client.get(TODAY).status_code == 403
    assert client.post(DESK, data=filled(client) | {"office": "mont-roig"}).status_code == 403
    assert booked(web)[0].standing is Standing.BOOKED


@pytest.mark.parametrize(
    "path", [DESK, f"{DESK}/find", f"{TODAY}/check-in", f"{TODAY}/late", WHOSE, f"{WHOSE}/erase", f"{WHOSE}/export"]
)
def test_a_form_without_the_sessions_mark_does_nothing(web: Web, path: str) -> None:
    assert web.signed_in("admin").post(path, data={"csrf": "0" * 64}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [f"{DESK}?service=padro&from=9999-12-31", f"{DESK}?service=no&from=x", f"{TODAY}?day=9999-12-31", f"{TODAY}?day=0"],
)
def test_a_day_that_makes_no_sense_shows_one_that_does(web: Web, path: str) -> None:
    assert web.signed_in("operator").get(path).status_code == 200


# --- booking ----------------------------------------------------------------------------------


def test_a_booking_needs_no_document_and_is_read_back(web: Web) -> None:
    client = web.signed_in("operator")

    answer = client.post(DESK, data=filled(client, note="Ve amb cadira de rodes"))
    page = client.get(answer.headers["Location"]).text

    one = booked(web)[0]
    locator = " ".join(re.findall("...", one.locator))
    assert answer.status_code == 303
    assert (one.person.name, one.person.document, one.person.note) == ("Núria Vidal", None, "Ve amb cadira de rodes")
    assert not one.public
    assert f"El localitzador és {locator}." in page
    assert local(web.fleet.plans["mont-roig"], one.start).strftime("a les %H:%M") in page


def test_what_is_read_back_is_in_the_callers_language(web: Web) -> None:
    client = web.signed_in("operator")

    answer = client.post(f"{DESK}?lang=ca", data=filled(client, language="fr"))

    assert "Le code de rendez-vous est" in client.get(answer.headers["Location"]).text


def test_a_form_sent_twice_books_once(web: Web) -> None:
    client = web.signed_in("operator")
    form = filled(client)

    first, again = (client.post(DESK, data=form) for _ in range(2))

    assert first.headers["Location"] == again.headers["Location"]
    assert len(booked(web)) == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": " "}, "Write the name of who will come."),
        ({"number": "12345678A"}, "This is no DNI or NIE: check the digits and the letter."),
        ({"number": "?", "kind": "passport"}, "A passport has 5 to 15 letters and digits."),
        ({"phone": "abc"}, "A telephone has 6 digits or more."),
        ({"email": "nuria"}, "This is no e-mail address."),
        ({"start": ""}, "Choose an hour."),
        ({"start": "1"}, "This hour is not free any more: choose another one."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_typed_is_lost(web: Web, wrong: dict[str, str], sentence: str) -> None:
    client = web.signed_in("operator")

    answer = client.post(f"{DESK}?lang=en", data=filled(client, note="tard") | wrong)

    assert answer.status_code in (409, 422)
    assert sentence in answer.text
    assert 'value="tard"' in answer.text
    assert booked(web) == []


def test_a_document_with_an_open_appointment_leads_to_it(web: Web) -> None:
    one = a_booking(web, minutes=90)
    client = web.signed_in("operator")

    answer = client.post(f"{DESK}?lang=en", data=filled(client, number="12345678Z"))

    assert answer.status_code == 409
    assert f'href="/staff/bookings/{one.id}"' in answer.text


def test_the_telephones_own_places_are_offered_and_marked(web: Web) -> None:
    plan, client = web.fleet.plans["mont-roig"], web.signed_in("operator")
    hour = (now() // HOUR + 2) * HOUR
    day = local(plan, hour).date()
    for number in range(100):
        free = store.free_slots(web.store, plan, ("padro",), day, day, now())
        starts = [slot.start for slot in free if hour <= slot.start < hour + HOUR]
        if not starts:
            break
        asked = store.new("mont-roig", ("padro",), starts[0], person=somebody(number))
        web.store.transact(partial(store.book, plan=plan, asked=asked, now=now()), one_view=False)

    chips = re.findall(
        r'class="chip( own)?"><input type="radio" name="start" value="(\d+)"', client.get(f"{DESK}?service=padro").text
    )

    assert {own for own, start in chips if hour <= int(start) < hour + HOUR} == {" own"}
    assert {own for own, start in chips if int(start) >= hour + HOUR} == {""}


# --- who calls again --------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["12.345.678-Z", "persona 12345678", "+34 600 11 22 33", "locator"])
def test_who_calls_again_is_found_and_the_look_is_written_down(web: Web, text: str) -> None:
    client = web.signed_in("operator")
    client.post(DESK, data=filled(client, name="Persona Àuria", phone="600 112 233", number="12345678Z"))
    one = booked(web)[0]
    asked = {"locator": one.locator, "persona 12345678": "auria persona"}.get(text, text)

    found = said(client, f"{DESK}/find", text=asked).text

    assert f'href="/staff/bookings/{one.id}"' in found
    assert "Persona Àuria" in found
    assert ("anna", "found by search") in looks(web)


def test_who_is_still_filling_in_the_webs_form_is_not_shown(web: Web) -> None:
    plan, at = web.fleet.plans["mont-roig"], now()
    start = store.free_slots(web.store, plan, ("padro",), local(plan, at).date(), local(plan, at).date(), at)[0].start
    asked = store.new("mont-roig", ("padro",), start, person=somebody())
    held = web.store.transact(partial(store.hold, plan=plan, asked=asked, now=at), one_view=False)
    client = web.signed_in("operator")

    assert client.get(f"{DESK}/{held.id}").status_code == 404
    assert held.id not in said(client, f"{DESK}/find", text="12345678Z").text


def test_the_data_of_who_called_before_fill_in_the_next_booking(web: Web) -> None:
    one = a_booking(web)

    page = web.signed_in("operator").get(f"{DESK}?like={one.id}").text

    assert 'value="Persona 12345678"' in page
    assert 'value="12345678Z"' in page


# --- one appointment --------------------------------------------------------------------------


def test_an_appointment_is_moved_noted_made_late_and_cancelled(web: Web) -> None:
    client = web.signed_in("operator")
    client.post(DESK, data=filled(client))
    one = booked(web)[0]
    page = f"{DESK}/{one.id}"
    other = re.findall(r'name="start" value="(\d+)"', client.get(page).text)[3]

    answers = [
        said(client, f"{page}/move", start=other),
        said(client, f"{page}/note", note="Porta  la clau"),
        said(client, f"{page}/late", grace="15"),
        said(client, f"{page}/late", grace="15"),
    ]
    changed = booked(web)[0]
    answers.append(said(client, f"{page}/cancel"))

    assert [answer.status_code for answer in answers] == [303] * 5
    assert (changed.start, changed.person.note, changed.grace_minutes) == (int(other), "Porta la clau", 15)
    assert booked(web)[0].standing is Standing.CANCELLED


def test_who_has_checked_in_is_shown_with_their_number(web: Web) -> None:
    one = a_booking(web)
    client = web.signed_in("operator")
    said(client, f"{TODAY}/check-in", appointment=one.id)

    page = client.get(f"{DESK}/{one.id}?lang=en").text
    refused = said(client, f"{DESK}/{one.id}/cancel")

    assert "Has checked in, with number C900." in page
    assert refused.status_code == 409


# --- a number on paper ------------------------------------------------------------------------


def test_a_number_says_how_many_are_ahead_and_lets_others_pass_once(web: Web) -> None:
    given = [web.give() for _ in range(6)]
    client = web.signed_in("operator")
    found = said(client, f"{DESK}/find", text="p 900")
    page = client.get(found.headers["Location"] + "?lang=en").text
    key = re.search(r'name="key" value="([\w-]+)"', page)[1]
    path = f"{DESK}/number/mont-roig/{given[0]['ticket']}/later"

    answers = [said(client, path, key=key) for _ in range(2)]

    assert "Sou la persona següent." in page
    assert [answer.status_code for answer in answers] == [303, 303]
    assert web.ticket(given[0]["token"])["ahead"] == 3
    assert "Persones davant vostre: 3." in client.get(answers[0].headers["Location"]).text


def test_who_missed_the_call_is_put_back_and_who_did_not_is_refused(web: Web) -> None:
    given = web.give()
    client = web.signed_in("operator")
    path = f"{DESK}/number/mont-roig/{given['ticket']}/rejoin"

    too_soon = said(client, path, key="a")
    web.desk("next")
    web.desk("absent")
    answer = said(client, path, key="b")

    assert too_soon.status_code == 409
    assert answer.status_code == 303
    assert web.ticket(given["token"])["state"] == "waiting"


# --- the list of the day ----------------------------------------------------------------------


def test_the_list_shows_who_is_expected_late_absent_and_arrived(web: Web) -> None:
    for number, minutes in ((1, 60), (2, -5), (3, -20), (4, -20)):
        a_booking(web, number, minutes=minutes, grace_minutes=15 if number == 4 else 0)
    arrived = a_booking(web, 5, minutes=20)
    client = web.signed_in("clerk")
    said(client, f"{TODAY}/check-in", appointment=arrived.id)

    page = client.get(f"{TODAY}?lang=en").text

    rows = re.findall(r'<tr class="(\w+)" id="row-', page)
    assert sorted(rows) == ["absent", "arrived", "expected", "late", "late"]
    assert "Persona 3" in page
    assert ("anna", "list of the day") in looks(web)


def test_while_the_office_stands_still_nobody_on_the_list_becomes_late_or_absent(web: Web) -> None:
    for number, minutes in ((1, -20), (2, 30)):
        a_booking(web, number, minutes=minutes)
    paused, at = PauseOffice("anna", "Simulacre"), now()
    web.store.transact(lambda work: work.do("mont-roig", paused, at - 30 * MINUTE))

    page = web.signed_in("clerk").get(f"{TODAY}?lang=en").text

    assert re.findall(r'<tr class="(\w+)" id="row-', page) == ["expected", "expected"]


def test_a_name_is_on_the_list_only_until_the_visit_is_over(web: Web) -> None:
    one = a_booking(web)
    client = web.signed_in("clerk")
    said(client, f"{TODAY}/check-in", appointment=one.id)
    web.desk("next")
    here = client.get("/staff/mont-roig/desk/1").text
    web.desk("done")

    page = client.get(TODAY).text

    assert "Persona 12345678" in here
    assert "C900" in page
    assert "Persona 12345678" not in page


def test_the_list_says_which_papers_belong_to_the_procedure(web: Web) -> None:
    a_booking(web)

    page = web.signed_in("clerk").get(TODAY).text

    papers = web.fleet.plans["mont-roig"].service("padro").bring["ca"]
    assert papers
    assert all(escape(paper) in page for paper in papers)


@pytest.mark.parametrize("by", ["12345678-z", "locator"])
def test_reception_checks_in_by_document_or_locator_and_says_the_number_again(web: Web, by: str) -> None:
    one = a_booking(web)
    client = web.signed_in("clerk")
    text = one.locator if by == "locator" else by

    first, again = (said(client, f"{TODAY}/check-in", said=text) for _ in range(2))
    slip = client.get(first.headers["Location"]).text

    assert first.headers["Location"] == again.headers["Location"]
    assert "C900" in slip
    assert 'src="data:image/svg+xml' in slip
    assert len(web.store.state("mont-roig").tickets) == 1


def test_reception_is_told_beside_the_field_when_there_is_no_appointment(web: Web) -> None:
    a_booking(web, office="miami-platja")

    answer = said(web.signed_in("clerk"), f"{TODAY}/check-in?lang=en", said="12345678Z")

    assert answer.status_code == 404
    assert "There is no appointment here today for this document or locator." in answer.text


def test_a_clerk_writes_down_that_somebody_is_running_late(web: Web) -> None:
    one = a_booking(web)
    client = web.signed_in("clerk")

    answers = [said(client, f"{TODAY}/late", appointment=one.id, grace="15") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert booked(web)[0].grace_minutes == 15
    assert said(client, f"{TODAY}/late", appointment=one.id, grace="9999").status_code == 422


def test_more_grace_is_given_over_the_api_by_staff_alone(web: Web) -> None:
    one = a_booking(web)
    path = f"/api/v1/appointments/{one.locator}"

    staff = web.client().patch(path, json={"grace_minutes": 20}, headers=web.headers("clerk"))
    owner = web.client().patch(f"{path}?secret={one.secret}", json={"grace_minutes": 200})
    nothing = web.client().patch(path, json={}, headers=web.headers("clerk"))

    assert (staff.status_code, staff.get_json()["grace_minutes"]) == (200, 20)
    assert owner.status_code == 403
    assert nothing.status_code == 422
    assert booked(web)[0].grace_minutes == 20


# --- one person's data ------------------------------------------------------------------------


def test_a_persons_data_are_shown_and_exported_with_who_looked(web: Web) -> None:
    a_booking(web)
    a_booking(web, service="tributs", office="miami-platja", minutes=90)
    client = web.signed_in("manager")

    page = said(client, f"{WHOSE}?lang=en", said="12345678Z").text
    said(client, "/staff/confirm", password=PASSWORD)
    answer = said(client, f"{WHOSE}/export", said="12345678Z")

    kept = json.loads(answer.text)
    assert "data shown on request" in page
    assert "attachment" in answer.headers["Content-Disposition"]
    assert [each["document"]["number"] for each in kept["appointments"]] == ["12345678Z"] * 2
    assert {look["what"] for each in kept["appointments"] for look in each["looks"]} == {"shown on request", "exported"}


def test_a_persons_data_are_erased_after_one_more_question(web: Web) -> None:
    a_booking(web)
    client = web.signed_in("manager")

    asked = said(client, f"{WHOSE}?lang=en", said="12345678Z", erase="1")
    before = booked(web)[0]
    answer = said(client, f"{WHOSE}/erase", said="12345678Z")

    assert "Yes, erase" in asked.text
    assert before.person is not None
    assert answer.status_code == 303
    assert (booked(web)[0].person, booked(web)[0].standing) == (None, Standing.CANCELLED)
    assert ("anna", "erased") in looks(web)
    assert said(client, WHOSE, said="12345678Z").status_code == 404
