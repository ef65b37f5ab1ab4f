"""Appointments over HTTP: who may do what, and what is said when it cannot be done."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator
from structlog.testing import capture_logs

from hub.clock import now
from hub.line.plan import local
from hub.store import schema, staff
from tests.booking.conftest import Web, dni

BOOK = "/api/v1/appointments"
OFFICE = "/api/v1/offices/mont-roig"


def book(web: Web, number: int = 12345678, role: str | None = None, **more: Any) -> dict[str, Any]:
    """A new appointment."""
    answer = web.client(role).post(BOOK, json=web.asked(number, **more))
    assert answer.status_code == 201, answer.text
    return answer.get_json()


def path(one: dict[str, Any]) -> str:
    """Where an appointment is."""
    return f"{BOOK}/{one['locator']}"


def soon(web: Web) -> str:
    """The next hour that staff may book; on the office's day that is now."""
    return web.client("clerk").get(f"{OFFICE}/slots?service=padro").get_json()["slots"][0]["start"]


# --- free hours -------------------------------------------------------------------------------


def test_free_hours_are_said_on_the_offices_clock(web: Web) -> None:
    plan = web.fleet.plans["mont-roig"]

    first = web.slots()[0]

    start = datetime.fromisoformat(first["start"])
    assert start.utcoffset() == local(plan, round(start.timestamp() * 1000)).utcoffset()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d0:00[+]0[12]:00", first["start"])
    assert first["free"] == 3


def test_free_hours_are_those_of_the_days_asked_for(web: Web) -> None:
    day = (local(web.fleet.plans["mont-roig"], now()) + timedelta(days=3)).date().isoformat()

    found = web.slots(**{"from": day, "to": day})

    assert {slot["start"][:10] for slot in found} == {day}
    assert len(found) == 144


def test_several_procedures_in_one_visit_are_asked_for_together(web: Web) -> None:
    day = (local(web.fleet.plans["mont-roig"], now()) + timedelta(days=1)).date().isoformat()

    one, both = (web.slots(service=services, **{"from": day, "to": day}) for services in ("padro", "padro,tributs"))

    assert one[0] == both[0]
    assert one[-1]["start"] > both[-1]["start"]  # the doors close too soon for two


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("service=unknown", "service"),
        ("", "service"),
        ("service=padro&from=tomorrow", "from"),
        ("service=padro&to=2026-13-01", "to"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered_with_its_field(web: Web, query: str, field: str) -> None:
    answer = web.client().get(f"{OFFICE}/slots?{query}")

    assert (answer.status_code, answer.get_json()["field"]) == (422, field)


# --- booking ----------------------------------------------------------------------------------


def test_a_booking_is_answered_with_what_opens_it(web: Web) -> None:
    start = web.slots()[0]["start"]

    one = book(web, start=start)

    assert re.fullmatch(r"\d{9}", one["locator"])
    assert len(one["secret"]) == 22
    assert (one["start"], one["services"], one["state"]) == (start, ["padro"], "booked")
    assert not {"name", "document"} & set(one)


def test_any_spelling_of_the_same_hour_will_do(web: Web) -> None:
    start = web.slots()[0]["start"]
    utc = datetime.fromisoformat(start).timestamp()

    one = book(web, start=datetime.fromtimestamp(utc, UTC).isoformat())

    assert one["start"] == start


def test_a_taken_place_is_a_conflict(web: Web) -> None:
    slot = web.slots()[0]
    for number in range(slot["free"]):
        book(web, number + 1, start=slot["start"])

    answer = web.client().post(BOOK, json=web.asked(9, start=slot["start"]))

    assert (answer.status_code, answer.get_json()["code"]) == (409, "slot_taken")
    assert web.slots()[0] != slot


def test_one_document_has_one_open_appointment_for_a_procedure(web: Web) -> None:
    book(web)

    answer = web.client().post(BOOK, json=web.asked())

    assert (answer.status_code, answer.get_json()["code"]) == (409, "already_booked")
    assert book(web, service="tributs")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"office": "nowhere"}, "office"),
        ({"service": "unknown"}, "service"),
        ({"service": []}, "service"),
        ({"service": 7}, "service"),
        ({"start": "tomorrow"}, "start"),
        ({"start": "2026-11-24T09:10:00"}, "start"),
        ({"start": "2001-01-01T09:00:00Z"}, "start"),
        ({"start": "2999-01-01T09:00:00Z"}, "start"),
        ({"document": {"kind": "dni", "number": "12345678A"}}, "document"),
        ({"document": {"kind": "licence", "number": "1"}}, "document.kind"),
        ({"document": None}, "document"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x\u0000y"}, "name"),
        ({"email": "nobody"}, "email"),
        ({"phone": "call me"}, "phone"),
        ({"language": "xx"}, "language"),
    ],
)
def test_what_is_wrong_is_said_by_its_field_and_never_repeated(web: Web, wrong: dict[str, Any], field: str) -> None:
    asked = web.asked(start=web.slots()[0]["start"]) | wrong

    answer = web.client().post(BOOK, json=asked)

    assert answer.status_code == 422
    assert answer.get_json()["field"].startswith(field)
    assert "12345678" not in answer.text


def test_the_public_books_ahead_and_the_staff_at_once_and_without_a_document(web: Web) -> None:
    start = soon(web)
    asked = web.asked(start=start, document=None)

    assert web.client("operator").post(BOOK, json=asked).status_code == 201
    assert web.client().post(BOOK, json=web.asked(start=start)).get_json()["field"] == "start"


def test_the_telephones_seats_are_for_staff_who_ask_for_them(web: Web) -> None:
    day = (local(web.fleet.plans["mont-roig"], now()) + timedelta(days=2)).date().isoformat()
    hour = f"{day}T10:"
    number = 100
    while slot := next((s for s in web.slots(**{"from": day, "to": day}) if s["start"].startswith(hour)), None):
        book(web, number, "clerk", start=slot["start"])
        number += 1
    query = f"{OFFICE}/slots?service=padro&from={day}&to={day}&internal=1"

    offered = [web.client(role).get(query).get_json()["slots"] for role in (None, "operator")]

    public, telephone = ([s["start"] for s in some if s["start"].startswith(hour)] for some in offered)
    assert public == []
    assert telephone
    assert book(web, number, "operator", start=telephone[0], internal=True)
    refused = web.client().post(BOOK, json=web.asked(number + 1, start=telephone[0], internal=True))
    assert refused.get_json()["code"] == "slot_taken"


def test_a_booking_that_is_sent_again_is_answered_again(web: Web) -> None:
    asked, key = web.asked(), {"Idempotency-Key": "k1"}

    first, second = (web.client().post(BOOK, json=asked, headers=key) for _ in range(2))
    other = web.client().post(BOOK, json=asked | {"name": "Another"}, headers=key)

    assert first.get_json() == second.get_json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.get_json()["field"]) == (422, "Idempotency-Key")


# --- whose it is ------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["get", "patch", "delete"])
def test_the_locator_alone_opens_nothing(web: Web, verb: str) -> None:
    one = book(web)
    body = {"json": {"start": web.slots()[1]["start"]}} if verb == "patch" else {}

    for query in ("", "?secret=", "?document=", f"?secret={'x' * 22}", f"?document={dni(1)}"):
        assert getattr(web.client(), verb)(path(one) + query, **body).status_code == 404
    assert getattr(web.client("clerk", "miami-platja"), verb)(path(one), **body).status_code == 404


@pytest.mark.parametrize("proof", ["secret", "document", "staff"])
def test_its_secret_its_document_and_the_staff_open_an_appointment(web: Web, proof: str) -> None:
    one = book(web)
    query = {"secret": {"secret": one["secret"]}, "document": {"document": "12.345.678-z"}, "staff": {}}[proof]

    answer = web.client("clerk" if proof == "staff" else None).get(path(one), query_string=query)

    assert answer.get_json() == {key: value for key, value in one.items() if key != "secret"}


@pytest.mark.parametrize("locator", ["000000000", "1", "x" * 500, "१२३४५६७८९", "12345678%00"])
def test_a_locator_that_nobody_has_is_not_found(web: Web, locator: str) -> None:
    assert web.client("admin").get(f"{BOOK}/{locator}").status_code == 404


def test_who_guesses_is_slowed_down(web: Web) -> None:
    one, guesser = book(web), web.client()

    answers = [guesser.get(path(one), query_string={"secret": f"guess-{n}"}).status_code for n in range(25)]

    assert answers == [404] * 20 + [429] * 5


def test_who_knows_is_not(web: Web) -> None:
    one, owner = book(web), web.client()

    answers = {owner.get(path(one), query_string={"secret": one["secret"]}).status_code for _ in range(40)}

    assert answers == {200}


# --- moving and cancelling --------------------------------------------------------------------


def test_an_appointment_moves_or_stays(web: Web) -> None:
    one, other = book(web), web.slots()[5]
    query = {"secret": one["secret"]}

    moved = web.client().patch(path(one), query_string=query, json={"start": other["start"]})
    refused = web.client().patch(path(one), query_string=query, json={"start": "2001-01-01T09:00:00Z"})

    assert moved.get_json()["start"] == other["start"]
    assert (refused.status_code, refused.get_json()["field"]) == (422, "start")
    assert web.client().get(path(one), query_string=query).get_json()["start"] == other["start"]


def test_a_move_to_a_taken_place_is_a_conflict(web: Web) -> None:
    one, slot = book(web), web.slots()[5]
    for number in range(slot["free"]):
        book(web, number + 1, start=slot["start"])

    answer = web.client("clerk").patch(path(one), json={"start": slot["start"]})

    assert (answer.status_code, answer.get_json()["code"]) == (409, "slot_taken")


def test_a_cancelled_place_is_offered_at_once(web: Web) -> None:
    before = web.slots()
    one = book(web, start=before[0]["start"])

    answer = web.client().delete(path(one), query_string={"document": dni(12345678)})

    assert (answer.status_code, answer.get_json()["state"]) == (200, "cancelled")
    assert web.slots() == before
    moved = web.client("clerk").patch(path(one), json={"start": before[1]["start"]})
    assert (moved.status_code, moved.get_json()["code"]) == (409, "cancelled")


# --- at reception -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["document", "locator"])
def test_reception_checks_in_by_document_or_locator(web: Web, how: str) -> None:
    one = book(web, role="clerk", start=soon(web))
    spoken = f"{one['locator'][:3]} {one['locator'][3:6]} {one['locator'][6:]}"
    said = {"document": {"kind": "dni", "number": dni(12345678)}} if how == "document" else {"locator": spoken}

    answer = web.client("clerk").post(f"{OFFICE}/check-ins", json=said)
    again = web.client("clerk").post(f"{OFFICE}/check-ins", json=said)

    assert answer.status_code == 201
    assert (answer.get_json()["label"], answer.get_json()["wait"]) == ("C900", None)
    assert web.client().get(f"/api/v1/tickets/{answer.get_json()['token']}").get_json()["state"] == "waiting"
    assert (again.status_code, again.get_json()["code"]) == (409, "already_checked_in")
    assert web.client("clerk").get(path(one)).get_json()["state"] == "arrived"


def test_reception_finds_nobody_who_is_not_expected_here_today(web: Web) -> None:
    elsewhere = book(web, 1, "clerk", office="miami-platja", start=soon(web))
    cancelled = book(web, 2, "clerk", start=soon(web))
    web.client("clerk").delete(path(cancelled))
    far = web.slots(**{"from": (local(web.fleet.plans["mont-roig"], now()) + timedelta(days=4)).date().isoformat()})
    later = book(web, 3, start=far[0]["start"])
    said = [{"locator": one["locator"]} for one in (elsewhere, cancelled, later)]
    said += [{"document": {"kind": "dni", "number": dni(number)}} for number in (1, 2, 3, 4)] + [{"locator": "1"}]

    answers = [web.client("clerk").post(f"{OFFICE}/check-ins", json=each) for each in said]

    assert {(answer.status_code, answer.get_json()["code"]) for answer in answers} == {(404, "no_appointment")}


@pytest.mark.parametrize("body", [{}, {"locator": "1", "document": {"kind": "dni", "number": dni(1)}}])
def test_a_check_in_says_who_comes_in_one_way(web: Web, body: dict[str, Any]) -> None:
    assert web.client("clerk").post(f"{OFFICE}/check-ins", json=body).status_code == 422
    assert web.client().post(f"{OFFICE}/check-ins", json=body).status_code == 401


def test_who_has_an_appointment_now_passes_ahead_of_walk_ins(web: Web) -> None:
    clerk = web.client("clerk")
    walk_in = clerk.post(f"{OFFICE}/tickets", json={"service": "padro"}).get_json()
    book(web, role="clerk", start=soon(web))
    mine = clerk.post(f"{OFFICE}/check-ins", json={"document": {"kind": "dni", "number": dni(12345678)}}).get_json()

    called = [clerk.post(f"{OFFICE}/desks/1/next", json={}).get_json() for _ in range(2)]

    assert [each["label"] for each in called] == [mine["label"], walk_in["label"]]
    assert called[0]["reason"] == "appointment"


# --- names ------------------------------------------------------------------------------------


def test_a_clerk_learns_the_name_of_who_is_expected_today_or_at_the_desk(web: Web) -> None:
    clerk = web.client("clerk", "mont-roig")
    book(web, 1, "clerk", start=soon(web), name="Maria Vidal")
    tomorrow = book(web, 2, name="Joan Ferrer", start=web.slots()[-1]["start"])
    expected = clerk.get(f"{OFFICE}/expected").get_json()["appointments"]
    clerk.post(f"{OFFICE}/check-ins", json={"document": {"kind": "dni", "number": dni(1)}})
    nobody = clerk.get(f"{OFFICE}/desks/1/person")
    clerk.post(f"{OFFICE}/desks/1/next", json={})

    at_desk = clerk.get(f"{OFFICE}/desks/1/person").get_json()

    assert [(each["name"], each["presence"]) for each in expected] == [("Maria Vidal", "expected")]
    assert (nobody.status_code, at_desk["name"], at_desk["label"]) == (404, "Maria Vidal", "C900")
    assert clerk.get(f"{OFFICE}/expected").get_json()["appointments"][0]["presence"] == "arrived"
    assert "Joan" not in clerk.get(path(tomorrow)).text
    assert web.client("clerk", "miami-platja").get(f"{OFFICE}/expected").status_code == 403
    assert web.client().get(f"{OFFICE}/expected").status_code == 401


def test_the_desks_page_names_who_is_there_and_nobody_else(web: Web) -> None:
    staff.add_person(web.store, "anna", "una contrasenya llarga", "clerk", now(), "mont-roig")
    page, clerk, start = web.client(), web.client("clerk"), soon(web)
    page.post("/staff/sign-in", data={"name": "anna", "password": "una contrasenya llarga"})
    for number, name in enumerate(("Maria Vidal", "Joan Ferrer"), 1):
        one = book(web, number, "clerk", start=start, name=name)
        clerk.post(f"{OFFICE}/check-ins", json={"locator": one["locator"]})
    waiting = page.get("/staff/mont-roig/desk/1").text
    clerk.post(f"{OFFICE}/desks/1/next", json={})

    here = [page.get("/staff/mont-roig/desk/1").text for _ in range(2)]

    assert "Maria" not in waiting
    assert ["Maria Vidal" in each for each in here] == [True, True]
    assert "Joan" not in here[0]
    with web.store.begin() as connection:
        seen = connection.execute(sa.select(schema.looks.c.who, schema.looks.c.what)).all()
    assert seen == [("anna", "at the desk")]


def test_no_line_of_the_hubs_log_names_a_person(web: Web) -> None:
    with capture_logs() as lines:
        one = book(web, name="Maria Vidal", email="maria@example.cat", phone="600 123 123")
        web.client().post(BOOK, json=web.asked(name="Maria Vidal"))
        web.client().get(path(one), query_string={"document": dni(1)})
        web.client().post(BOOK, json=web.asked(2, name="Maria Vidal", email="no"))
        wrong = {"document": {"kind": "dni", "number": "12345678A"}}
        web.client("clerk").post(f"{OFFICE}/check-ins", json=wrong)

    assert lines
    for word in ("Maria", "12345678", "maria@", "600", dni(1), one["secret"], one["locator"]):
        assert word not in str(lines)


# --- its own description ----------------------------------------------------------------------


def test_what_comes_back_is_what_is_described(web: Web) -> None:
    document = web.client().get("/api/openapi.json").get_json()
    one = book(web, role="clerk", start=soon(web))
    clerk = web.client("clerk")
    checked = clerk.post(f"{OFFICE}/check-ins", json={"locator": one["locator"]})
    clerk.post(f"{OFFICE}/desks/1/next", json={})
    said = {
        ("/api/v1/appointments", "post", "201"): one,
        ("/api/v1/appointments/{locator}", "get", "200"): clerk.get(path(one)).get_json(),
        ("/api/v1/offices/{office}/slots", "get", "200"): clerk.get(f"{OFFICE}/slots?service=padro").get_json(),
        ("/api/v1/offices/{office}/check-ins", "post", "201"): checked.get_json(),
        ("/api/v1/offices/{office}/expected", "get", "200"): clerk.get(f"{OFFICE}/expected").get_json(),
        ("/api/v1/offices/{office}/desks/{desk}/person", "get", "200"): clerk.get(
            f"{OFFICE}/desks/1/person"
        ).get_json(),
    }

    for (address, method, status), answer in said.items():
        content = document["paths"][address][method]["responses"][status]["content"]["application/json"]["schema"]
        Draft202012Validator({**content, "components": document["components"]}).validate(answer)
    assert [p["name"] for p in document["paths"]["/api/v1/offices/{office}/slots"]["get"]["parameters"]] == [
        "office",
        "service",
        "from",
        "to",
        "internal",
    ]
