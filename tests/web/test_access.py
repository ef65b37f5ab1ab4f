"""Who may do what where; sessions that end; the audit trail; exports for a while."""

import csv
import hashlib
import hmac
import io
import re

import pytest
from flask.testing import FlaskClient

from hub.clock import now
from hub.store import staff
from hub.store.staff import EVERYWHERE, ROLES, Identity

from .conftest import OFFICE, PASSWORD, Web, csrf

PUBLIC = {"GET /staff/sign-in", "POST /staff/sign-in", "GET /staff/sign-in/provider", "GET /staff/sign-in/back"}
# What each address asks for at least; EVERY: at every office. Each office's own name it.
EVERY = "at every office"
NEEDS = {
    "GET /staff/": "clerk",
    "GET /staff/devices": "clerk",
    "GET /staff/account": "clerk",
    "POST /staff/account/end": "clerk",
    "GET /staff/confirm": "clerk",
    "POST /staff/confirm": "clerk",
    "POST /staff/confirm/end": "clerk",
    "POST /staff/sign-out": "clerk",
    "POST /staff/<office>/pause": "clerk",
    "POST /staff/<office>/resume": "clerk",
    "GET /staff/<office>/desk/<desk>": "clerk",
    "POST /staff/<office>/desk/<desk>/<verb>": "clerk",
    "GET /staff/<office>/reception": "clerk",
    "POST /staff/<office>/reception": "clerk",
    "GET /staff/bookings/day/<office>": "clerk",
    "POST /staff/bookings/day/<office>/check-in": "clerk",
    "GET /staff/bookings/day/<office>/slip/<ticket>": "clerk",
    "POST /staff/bookings/day/<office>/late": "clerk",
    "GET /staff/bookings": "operator",
    "POST /staff/bookings": "operator",
    "POST /staff/bookings/find": "operator",
    "GET /staff/bookings/<id>": "operator",
    "POST /staff/bookings/<id>/move": "operator",
    "POST /staff/bookings/<id>/cancel": "operator",
    "POST /staff/bookings/<id>/note": "operator",
    "POST /staff/bookings/<id>/late": "operator",
    "GET /staff/bookings/number/<label>": "operator",
    "POST /staff/bookings/number/<office>/<ticket>/<act>": "operator",
    "GET /staff/forecast": "manager",
    "GET /staff/what-if": "manager",
    "GET /staff/bookings/person": "manager",
    "POST /staff/bookings/person": "manager",
    "POST /staff/bookings/person/export": "manager",
    "POST /staff/bookings/person/erase": "manager",
    "GET /staff/audit": "admin",
    "GET /staff/audit/download": "admin",
    "GET /staff/accounts": f"admin {EVERY}",
    "POST /staff/accounts/end": f"admin {EVERY}",
}
WORDS = {"desk": "1", "verb": "open", "ticket": "x", "id": "x", "label": "P900", "act": "later"}


def session(web: Web, *roles: tuple[str, str], name: str = "anna") -> FlaskClient:
    """The browser of somebody with these roles (office, role), without the wait that a password takes."""
    client = web.client()
    secret = staff.sign_in_by(web.store, Identity("https://idp", name, name, roles, "token"), now())
    client.set_cookie("torn_session", secret, path="/staff")
    return client


def asked(web: Web, route: str, *roles: tuple[str, str], office: str = "mont-roig") -> int:
    """The status of an address for somebody with these roles."""
    client = session(web, *roles)
    method, path = route.split()
    for name, word in {"office": office, **WORDS}.items():
        path = path.replace(f"<{name}>", word)
    secret = client.get_cookie("torn_session", path="/staff").value
    mark = hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()
    return client.open(path, method=method, data={"csrf": mark} if method == "POST" else None).status_code


def test_the_table_has_every_address_of_the_staff(web: Web) -> None:
    rules = [rule for rule in web.app.url_map.iter_rules() if rule.rule.startswith("/staff")]
    found = {f"{method} {rule.rule}" for rule in rules for method in rule.methods - {"HEAD", "OPTIONS"}}

    assert found == set(NEEDS) | PUBLIC


@pytest.mark.parametrize("role", ROLES)
def test_each_address_is_for_whom_the_table_says_at_their_own_office_and_at_no_other(web: Web, role: str) -> None:
    for route, needed in NEEDS.items():
        high_enough = ROLES.index(role) >= ROLES.index(needed.split()[0])
        own = asked(web, route, ("mont-roig", role))
        other = asked(web, route, ("miami-platja", role))
        every = asked(web, route, (EVERYWHERE, role))

        assert (own != 403) == (high_enough and EVERY not in needed), f"{role}, own office: {route}"
        assert (every != 403) == high_enough, f"{role}, every office: {route}"
        if "<office>" in route:
            assert other == 403, f"{role}, other office: {route}"


@pytest.mark.parametrize("route", NEEDS)
def test_nobody_who_has_not_signed_in_is_let_in_anywhere(web: Web, route: str) -> None:
    method, path = route.split()
    answer = web.client().open(path.replace("<office>", "mont-roig").replace("<", "").replace(">", ""), method=method)

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/staff/sign-in")


def test_somebody_may_be_this_at_one_office_and_that_at_another(web: Web) -> None:
    roles = (("miami-platja", "clerk"), ("mont-roig", "manager"))

    assert asked(web, "GET /staff/bookings/day/<office>", *roles, office="miami-platja") == 200
    assert asked(web, "POST /staff/bookings/number/<office>/<ticket>/<act>", *roles, office="miami-platja") == 403
    assert asked(web, "POST /staff/bookings/number/<office>/<ticket>/<act>", *roles) == 404


# --- sessions that end ----------------------------------------------------------------------


def test_one_signs_out_everywhere(web: Web) -> None:
    here, there, other = (session(web, (EVERYWHERE, "clerk"), name=name) for name in ("anna", "anna", "pere"))

    here.post("/staff/account/end", data={"csrf": csrf(here)})

    assert [client.get("/staff/").status_code for client in (here, there, other)] == [303, 303, 200]


def test_an_administrator_ends_anothers_sessions(web: Web) -> None:
    admin, anna = session(web, (EVERYWHERE, "admin"), name="root"), session(web, (EVERYWHERE, "clerk"))

    page = admin.get("/staff/accounts?lang=en").text
    answer = admin.post("/staff/accounts/end", data={"csrf": csrf(admin), "name": "anna"})
    nobody = admin.post("/staff/accounts/end", data={"csrf": csrf(admin), "name": "nobody"})

    assert 'aria-label="Sign anna out everywhere"' in page
    assert (answer.status_code, nobody.status_code) == (303, 404)
    assert anna.get("/staff/").status_code == 303
    assert "anna is signed out everywhere" in admin.get(answer.headers["Location"] + "&lang=en").text


@pytest.mark.parametrize("change", ["role given", "role taken", "removed", "password"])
def test_a_changed_role_or_password_ends_the_sessions_at_once(web: Web, change: str) -> None:
    client = web.signed_in("manager")
    acts = {
        "role given": lambda: staff.give_role(web.store, "anna", "clerk", now(), "mont-roig"),
        "role taken": lambda: staff.take_role(web.store, "anna", now()),
        "removed": lambda: staff.remove(web.store, "anna", now()),
        "password": lambda: staff.add_person(web.store, "anna", "una de nova i llarga", "manager", now()),
    }

    acts[change]()

    assert client.get("/staff/").status_code == 303


# --- the trail ------------------------------------------------------------------------------


def entries(client: FlaskClient, query: str = "") -> list[tuple[str, ...]]:
    """Who, what, where and with what, as the page shows it in English, the newest first."""
    page = client.get(f"/staff/audit?lang=en&{query}").text
    rows = re.findall(r"<tr><td>.*?</td><th[^>]*>(.*?)</th><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", page)
    return [tuple(row) for row in rows]


def test_the_trail_says_who_did_what_at_which_office_with_what(web: Web) -> None:
    web.give()
    client = session(web, (EVERYWHERE, "admin"))
    client.post("/staff/mont-roig/desk/1/next", data={"csrf": csrf(client), "version": "0"})
    web.client().post("/staff/sign-in", data={"name": "12345678Z", "password": "x"})

    found = entries(client)

    office = next(name for who, what, name, _ in found if what == "called")
    assert ("anna", "called", office, "Desk 1 P900") in found
    assert ("anna", "signed in", "–", "–") in found
    assert ("unknown name", "sign-in refused", "–", "–") in found
    assert "12345678Z" not in str(found)
    assert any(what == "API token made" for _, what, _, _ in found)


def test_the_trail_is_narrowed_by_day_person_and_kind(web: Web) -> None:
    client = session(web, (EVERYWHERE, "admin"))
    web.desk("open")

    assert {who for who, *_ in entries(client, "who=anna")} == {"anna"}
    assert {what for _, what, *_ in entries(client, "kind=line")} == {"desk opened"}
    assert entries(client, "first=2020-01-01&last=2020-01-02") == []
    assert entries(client, "first=x&last=y&kind=z") == entries(client)


def test_an_administrator_of_one_office_sees_its_trail_alone(web: Web) -> None:
    web.desk("open")
    staff.new_token(web.store, "clerk", now())

    own, other = (entries(session(web, (office, "admin"))) for office in ("mont-roig", "miami-platja"))

    assert "desk opened" in {what for _, what, *_ in own}
    assert other == []


def test_what_the_telephone_changes_stands_in_the_trail(web: Web) -> None:
    slots = web.client().get(f"{OFFICE}/slots?service=padro").get_json()["slots"]
    body = {"office": "mont-roig", "service": "padro", "start": slots[-1]["start"], "name": "Maria Vidal"}
    one = web.client().post("/api/v1/appointments", json=body, headers=web.headers("operator")).get_json()
    client = session(web, (EVERYWHERE, "admin"))
    mark = {"csrf": csrf(client)}
    client.post(f"/staff/bookings/{one['appointment']}/note", data=mark | {"note": "wheelchair"})
    client.post(f"/staff/bookings/{one['appointment']}/cancel", data=mark)

    found = entries(client, "kind=appointments")

    assert [what for _, what, *_ in found] == [
        "appointment cancelled",
        "note on an appointment changed",
        "appointment booked",
    ]
    assert {about for *_, about in found} == {one["appointment"]}
    assert "Maria" not in client.get("/staff/audit").text


# --- exports, for a while -------------------------------------------------------------------


def test_an_export_asks_for_the_password_again_and_holds_for_a_while(web: Web) -> None:
    client = web.signed_in("admin")
    refused = client.get("/staff/audit/download?who=anna")
    confirm = refused.headers["Location"]
    mark = {"csrf": csrf(client), "next": "/staff/audit/download?who=anna"}
    wrong = client.post("/staff/confirm", data=mark | {"password": "not mine"})
    right = client.post("/staff/confirm", data=mark | {"password": PASSWORD})

    file = client.get(right.headers["Location"])

    assert (refused.status_code, wrong.status_code, right.status_code) == (303, 401, 303)
    assert confirm == "/staff/confirm?next=/staff/audit/download?who%3Danna"
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert {row["who"] for row in rows} == {"anna"}
    assert {"signed in", "exports refused", "exports opened"} <= {row["what"] for row in rows}
    assert entries(client)[0][:2] == ("anna", "this trail downloaded")


def test_what_is_left_of_it_is_shown_and_it_can_be_ended(web: Web) -> None:
    client = session(web, (EVERYWHERE, "admin"))
    staff.open_exports(web.store, client.get_cookie("torn_session", path="/staff").value, "anna", now())
    shown = client.get("/staff/bookings/person?lang=en").text

    client.post("/staff/confirm/end", data={"csrf": csrf(client), "next": "/staff/audit"})

    assert "Exports are open: 10 min left." in shown
    assert client.get("/staff/audit/download").status_code == 303
    assert "Exports are closed." in client.get("/staff/audit?lang=en").text
    assert entries(client)[0][1] == "exports closed"


def test_a_persons_data_are_not_exported_without_it(web: Web) -> None:
    client = session(web, (EVERYWHERE, "manager"))

    answer = client.post("/staff/bookings/person/export", data={"csrf": csrf(client), "said": "12345678Z"})

    assert answer.headers["Location"] == "/staff/confirm?next=/staff/bookings/person"


def test_it_is_for_one_session_alone(web: Web) -> None:
    here, there = (session(web, (EVERYWHERE, "admin")) for _ in range(2))
    staff.open_exports(web.store, here.get_cookie("torn_session", path="/staff").value, "anna", now())

    assert here.get("/staff/audit/download").status_code == 200
    assert there.get("/staff/audit/download").status_code == 303


def test_a_cell_of_the_file_is_never_a_formula(web: Web) -> None:
    client = session(web, (EVERYWHERE, "admin"), name="=1+1")
    staff.open_exports(web.store, client.get_cookie("torn_session", path="/staff").value, "=1+1", now())

    rows = list(csv.DictReader(io.StringIO(client.get("/staff/audit/download").text)))

    assert {row["who"] for row in rows} == {"'=1+1"}


# --- guesses from an address that many share ------------------------------------------------


def test_wrong_locators_of_one_do_not_lock_out_the_others_behind_the_same_address(web: Web) -> None:
    client = web.client()
    tries = [client.post("/book/mine", data={"locator": "111111111", "document": f"{n:08d}"}) for n in range(21)]

    neighbour = client.post("/book/mine", data={"locator": "222222222", "document": "87654321X"})

    assert [answer.status_code for answer in tries] == [404] * 20 + [429]
    assert neighbour.status_code == 404


def test_one_document_is_not_tried_with_many_locators(web: Web) -> None:
    client = web.client()

    tries = [client.post("/book/mine", data={"locator": f"{n:09d}", "document": "12345678Z"}) for n in range(21)]

    assert [answer.status_code for answer in tries] == [404] * 20 + [429]
