"""The JSON API: each route's answer, and what is said to who asks wrongly."""

import uuid
from typing import Any

import pytest

from .conftest import OFFICE, Web


def test_a_ticket_of_reception_is_in_the_line_at_once(web: Web) -> None:
    given = web.give("padro")

    assert given["label"] == "P900"
    assert len(given["token"]) >= 22
    assert uuid.UUID(given["ticket"])
    assert web.client().get(f"{OFFICE}/line").get_json()["services"]["padro"]["waiting"] == 1


def test_reception_numbers_go_on_from_its_own_range(web: Web) -> None:
    labels = [web.give(service)["label"] for service in ("padro", "padro", "tributs")]

    assert labels == ["P900", "P901", "T900"]


def test_next_calls_the_one_who_waited_longest_and_says_why(web: Web) -> None:
    first, _ = web.give("padro"), web.give("tributs")

    called = web.desk("next").get_json()

    assert called == {
        "label": first["label"],
        "ticket": first["ticket"],
        "service": "padro",
        "reason": "waited_longest",
        "version": called["version"],
    }
    assert web.ticket(first["token"])["desk"] == "1"


def test_next_says_null_when_nobody_waits(web: Web) -> None:
    answer = web.desk("next")

    assert answer.status_code == 200
    assert answer.get_json()["label"] is None
    assert web.client().get(f"{OFFICE}/line").get_json()["desks"]["1"]["state"] == "free"


@pytest.mark.parametrize(
    ("before", "verb", "body", "state", "ticket"),
    [
        ((), "open", {}, "free", "waiting"),
        (("open",), "pause", {}, "closed", "waiting"),
        (("open",), "close", {}, "closed", "waiting"),
        (("next",), "recall", {}, "calling", "called"),
        (("next",), "start", {}, "serving", "serving"),
        (("next",), "absent", {}, "free", "absent"),
        (("next", "start"), "done", {}, "free", "done"),
        (("next",), "undo", {}, "closed", "waiting"),
        (("next",), "park", {"room": "Sala 2"}, "free", "waiting"),
        (("next",), "transfer", {"service": "tributs"}, "free", "waiting"),
    ],
)
def test_a_verb_of_a_desk_does_its_act_and_answers_with_the_desk(
    web: Web, before: tuple[str, ...], verb: str, body: dict[str, Any], state: str, ticket: str
) -> None:
    token = web.give()["token"]
    for each in before:
        assert web.desk(each).status_code == 200

    answer = web.desk(verb, body=body)

    assert answer.status_code == 200
    assert answer.get_json()["state"] == state
    assert answer.get_json()["paused"] is (verb == "pause")
    assert web.ticket(token)["state"] == ticket


def test_a_parked_ticket_comes_back_to_the_desk_that_asks(web: Web) -> None:
    given = web.give()
    web.desk("next")
    web.desk("park", body={"room": "Sala 2"})
    assert web.ticket(given["token"])["ahead"] is None

    answer = web.desk("resume", body={"ticket": given["ticket"]})

    assert answer.get_json()["label"] == given["label"]


def test_a_parked_ticket_returns_to_the_line(web: Web) -> None:
    given = web.give()
    web.desk("next")
    web.desk("park")

    web.desk("resume", body={"ticket": given["ticket"], "to_line": True})

    assert web.ticket(given["token"])["ahead"] == 0


def test_a_verb_meant_for_what_the_desk_showed_before_is_refused(web: Web) -> None:
    web.give()
    shown = web.desk("open").get_json()["version"]
    web.desk("next")

    answer = web.desk("next", body={"version": shown})

    assert answer.status_code == 409
    assert answer.get_json()["code"] == "out_of_date"


def test_an_undo_is_refused_once_another_desk_has_the_ticket(web: Web) -> None:
    given = web.give()
    web.desk("next")
    web.desk("park")
    web.desk("open", desk="2")
    web.desk("resume", desk="2", body={"ticket": given["ticket"]})

    answer = web.desk("undo")

    assert answer.status_code == 409
    assert web.ticket(given["token"])["desk"] == "2"


def test_nobody_is_called_while_the_office_stands_still(web: Web) -> None:
    web.give()

    paused = web.client().post(f"{OFFICE}/pause", json={"message": "Simulacre"}, headers=web.headers())
    refused = web.desk("next")
    resumed = web.client().post(f"{OFFICE}/resume", headers=web.headers())

    assert paused.get_json() == {"office": "mont-roig", "paused": "Simulacre"}
    assert (refused.status_code, refused.get_json()["code"]) == (409, "paused")
    assert resumed.get_json()["paused"] is None
    assert web.desk("next").get_json()["label"] == "P900"


def test_the_offices_are_public_and_say_what_they_serve(web: Web) -> None:
    offices = web.client().get("/api/v1/offices").get_json()["offices"]

    assert [office["id"] for office in offices] == ["mont-roig", "miami-platja"]
    assert offices[0]["open"] is True
    assert offices[0]["services"][0]["name"]["ca"] == "Padró d'habitants"


def test_the_line_names_no_token(web: Web) -> None:
    token = web.give()["token"]
    web.desk("next")

    assert token not in web.client().get(f"{OFFICE}/line").text


# --- what is wrong is said, and how ---------------------------------------------------------

WRONG = [
    ("GET", "/api/v1/offices/nowhere/line", None, 404, "unknown", None),
    ("GET", "/api/v1/tickets/" + "x" * 22, None, 404, "unknown", None),
    ("GET", "/api/v1/nothing", None, 404, "unknown", None),
    ("GET", f"{OFFICE}/desks/1/next", None, 405, "method_not_allowed", None),
    ("POST", "/api/v1/offices/nowhere/tickets", {"service": "padro"}, 404, "unknown", None),
    ("POST", f"{OFFICE}/desks/99/next", {}, 404, "unknown", None),
    ("POST", f"{OFFICE}/desks/1/fly", {}, 404, "unknown", None),
    ("POST", f"{OFFICE}/desks/1/recall", {}, 409, "desk_closed", None),
    ("POST", f"{OFFICE}/desks/1/next", {"version": "one"}, 422, "invalid", "version"),
    ("POST", f"{OFFICE}/desks/1/next", {"version": -1}, 422, "invalid", "version"),
    ("POST", f"{OFFICE}/desks/1/next", {"version": True}, 422, "invalid", "version"),
    ("POST", f"{OFFICE}/desks/1/next", [], 400, "malformed", None),
    ("POST", f"{OFFICE}/desks/1/park", {"room": "a\u0000b"}, 422, "invalid", "room"),
    ("POST", f"{OFFICE}/desks/1/transfer", {}, 422, "invalid", "service"),
    ("POST", f"{OFFICE}/desks/1/transfer", {"service": "nope"}, 422, "unknown", "service"),
    ("POST", f"{OFFICE}/desks/1/resume", {}, 422, "invalid", "ticket"),
    ("POST", f"{OFFICE}/tickets", {}, 422, "invalid", "service"),
    ("POST", f"{OFFICE}/tickets", {"service": "nope"}, 422, "unknown", "service"),
    ("POST", f"{OFFICE}/tickets", {"service": "padro", "language": "de"}, 422, "invalid", "language"),
    ("POST", f"{OFFICE}/tickets", {"service": "padro", "priority": "yes"}, 422, "invalid", "priority"),
    ("POST", f"{OFFICE}/pause", {}, 422, "invalid", "message"),
    ("POST", f"{OFFICE}/pause", {"message": "x" * 201}, 422, "invalid", "message"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "field"), WRONG)
def test_what_is_wrong_is_problem_details_that_name_the_field(
    web: Web, method: str, path: str, body: Any, status: int, code: str, field: str | None
) -> None:
    answer = web.client().open(path, method=method, json=body, headers=web.headers())

    problem = answer.get_json()
    assert (answer.status_code, problem["code"], problem.get("field")) == (status, code, field)
    assert answer.content_type == "application/problem+json"
    assert problem["status"] == status
    assert web.store.state("mont-roig").tickets == {}


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b"version=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"x" * 65_537, "application/json", 413),
    ],
)
def test_a_body_that_is_no_json_object_changes_nothing(web: Web, data: bytes, kind: str, status: int) -> None:
    headers = web.headers()

    answer = web.client().post(f"{OFFICE}/desks/1/next", data=data, content_type=kind, headers=headers)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert web.store.state("mont-roig").desks["1"].version == 0


def test_a_body_may_be_left_out_and_unknown_keys_are_ignored(web: Web) -> None:
    nothing = web.client().post(f"{OFFICE}/desks/1/open", headers=web.headers())
    more = web.desk("pause", body={"colour": "green"})

    assert (nothing.status_code, more.status_code) == (200, 200)


# --- who may --------------------------------------------------------------------------------

STAFF_ROUTES = [f"{OFFICE}/tickets", f"{OFFICE}/pause", f"{OFFICE}/resume", f"{OFFICE}/desks/1/next"]


@pytest.mark.parametrize("path", STAFF_ROUTES)
@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_a_staff_route_needs_a_token(web: Web, path: str, sent: dict[str, str]) -> None:
    answer = web.client().post(path, json={}, headers=sent)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", STAFF_ROUTES)
def test_a_token_of_one_office_does_nothing_at_another(web: Web, path: str) -> None:
    answer = web.client().post(path, json={}, headers=web.headers("manager", "miami-platja"))

    assert answer.status_code == 403


# --- once -----------------------------------------------------------------------------------


def test_the_same_key_has_one_effect_and_one_answer(web: Web) -> None:
    headers = web.headers() | {"Idempotency-Key": "k1"}
    body = {"service": "padro"}

    first, again = (web.client().post(f"{OFFICE}/tickets", json=body, headers=headers) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(web.store.state("mont-roig").tickets) == 1


def test_the_same_key_with_another_body_is_refused(web: Web) -> None:
    headers = web.headers() | {"Idempotency-Key": "k1"}
    web.client().post(f"{OFFICE}/tickets", json={"service": "padro"}, headers=headers)

    answer = web.client().post(f"{OFFICE}/tickets", json={"service": "tributs"}, headers=headers)

    assert (answer.status_code, answer.get_json()["field"]) == (422, "Idempotency-Key")


def test_a_key_is_its_owners_and_its_routes_alone(web: Web) -> None:
    key = {"Idempotency-Key": "k1"}
    mine, other = web.headers() | key, web.headers() | key

    answers = [
        web.client().post(f"{OFFICE}/desks/1/open", headers=mine),
        web.client().post(f"{OFFICE}/desks/2/open", headers=mine),
        web.client().post(f"{OFFICE}/desks/1/open", headers=other),
    ]

    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, None, None]


def test_a_refusal_is_not_kept_under_its_key(web: Web) -> None:
    headers = {"Idempotency-Key": "k1", **web.headers()}
    refused = web.client().post(f"{OFFICE}/desks/1/recall", headers=headers)
    web.give()
    web.desk("next")

    answer = web.client().post(f"{OFFICE}/desks/1/recall", headers=headers)

    assert (refused.status_code, answer.status_code) == (409, 200)


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_that_cannot_be_used_is_refused(web: Web, key: str) -> None:
    answer = web.desk("next", **{"Idempotency-Key": key})

    assert (answer.status_code, answer.get_json()["field"]) == (422, "Idempotency-Key")
