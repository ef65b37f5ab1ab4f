"""The staff's pages: who gets in, and that each form works without script."""

import re

import pytest

from hub.clock import now
from hub.store import staff
from hub.store.devices import remember

from .conftest import PASSWORD, Web, csrf

PAGES = ["/staff/", "/staff/mont-roig/desk/1", "/staff/mont-roig/reception", "/staff/devices"]


@pytest.mark.parametrize("path", PAGES)
def test_who_has_not_signed_in_is_asked_to_and_comes_back(web: Web, path: str) -> None:
    client = web.client()
    staff.add_person(web.store, "anna", PASSWORD, "clerk", now())

    asked = client.get(path)
    came_back = client.post("/staff/sign-in", data={"name": "anna", "password": PASSWORD, "next": path})

    assert asked.status_code == 303
    assert asked.headers["Location"].startswith("/staff/sign-in?next=")
    assert came_back.headers["Location"] == path


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example/staff/", "/\\evil.example", "/staff/\\x", "/staff/\r\nX: y"]
)
def test_sign_in_leads_to_a_staff_page_and_nowhere_else(web: Web, target: str) -> None:
    staff.add_person(web.store, "anna", PASSWORD, "clerk", now())

    answer = web.client().post("/staff/sign-in", data={"name": "anna", "password": PASSWORD, "next": target})

    assert answer.headers["Location"] == "/staff/"


def test_the_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(web: Web) -> None:
    staff.add_person(web.store, "anna", PASSWORD, "clerk", now())

    answer = web.client().post("/staff/sign-in", data={"name": "anna", "password": PASSWORD})

    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/staff" in cookie


@pytest.mark.parametrize("given", [{"name": "anna", "password": "wrong"}, {"name": "nobody", "password": PASSWORD}, {}])
def test_a_wrong_name_and_a_wrong_password_look_alike(web: Web, given: dict[str, str]) -> None:
    staff.add_person(web.store, "anna", PASSWORD, "clerk", now())

    answer = web.client().post("/staff/sign-in?lang=en", data=given)

    assert answer.status_code == 401
    assert "Wrong name or password." in answer.text
    assert "Set-Cookie: torn_session" not in str(answer.headers)


def test_guessing_gets_slower(web: Web) -> None:
    staff.add_person(web.store, "anna", PASSWORD, "clerk", now())

    answers = [web.client().post("/staff/sign-in", data={"name": "anna", "password": "wrong"}) for _ in range(7)]

    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429


def test_sign_out_ends_the_session(web: Web) -> None:
    client = web.signed_in()
    secret = client.get_cookie("torn_session", path="/staff").value

    client.post("/staff/sign-out", data={"csrf": csrf(client)})

    client.set_cookie("torn_session", secret, path="/staff")
    assert client.get("/staff/").status_code == 303


@pytest.mark.parametrize("mark", ["", "0" * 64, "é"])
def test_a_form_without_the_sessions_mark_does_nothing(web: Web, mark: str) -> None:
    web.give()
    client = web.signed_in()

    answer = client.post("/staff/mont-roig/desk/1/next", data={"csrf": mark, "version": "0"})

    assert answer.status_code == 403
    assert web.store.state("mont-roig").desks["1"].ticket is None


@pytest.mark.parametrize("origin", ["https://evil.example", "http://[::1", "http://localhost.evil.example"])
def test_a_form_of_another_site_does_nothing(web: Web, origin: str) -> None:
    client = web.signed_in()
    form = {"csrf": csrf(client), "version": "0"}

    answer = client.post("/staff/mont-roig/desk/1/open", data=form, headers={"Origin": origin})

    assert answer.status_code == 403
    assert not web.store.state("mont-roig").desks["1"].is_open


def test_somebody_of_one_office_sees_no_other(web: Web) -> None:
    client = web.signed_in("clerk", "miami-platja")

    page = client.get("/staff/").text

    assert "Miami Platja" in page
    assert "Mont-roig" not in page
    assert client.get("/staff/mont-roig/desk/1").status_code == 403
    assert "montroig-dispenser-1" not in client.get("/staff/devices").text


def test_the_desk_page_shows_who_is_next_and_why(web: Web) -> None:
    web.give("padro")
    web.give("tributs")
    client = web.signed_in()

    page = client.get("/staff/mont-roig/desk/1?lang=en").text

    rows = re.findall(r'<th scope="row">(\w+)</th>', page)
    assert rows == ["P900", "T900"]
    assert "has waited longest" in page


def test_a_desk_shows_only_those_it_serves_and_how_many_others_wait(web: Web) -> None:
    web.give("padro")
    web.give("registre")
    client = web.signed_in()

    page = client.get("/staff/mont-roig/desk/4?lang=en").text

    assert re.findall(r'<th scope="row">(\w+)</th>', page) == ["R900"]
    assert "Waiting for other desks: 1" in page


def press(web: Web, client, verb: str, **form: str):
    version = web.store.state("mont-roig").desks["1"].version
    return client.post(f"/staff/mont-roig/desk/1/{verb}", data={"csrf": csrf(client), "version": version} | form)


def test_a_desk_works_by_plain_forms(web: Web) -> None:
    first, second = web.give(), web.give()
    client = web.signed_in()

    answers = [
        press(web, client, "next"),
        press(web, client, "park", room="Sala 2"),
        press(web, client, "next"),
        press(web, client, "start"),
        press(web, client, "done"),
        press(web, client, "resume", ticket=first["ticket"]),
    ]

    assert [answer.status_code for answer in answers] == [303] * 6
    assert web.ticket(first["token"])["state"] == "called"
    assert web.ticket(second["token"])["state"] == "done"


def test_a_press_on_a_page_that_is_out_of_date_shows_the_desk_as_it_is(web: Web) -> None:
    web.give()
    client = web.signed_in()
    mark = csrf(client)
    web.desk("next")

    answer = client.post("/staff/mont-roig/desk/1/next?lang=en", data={"csrf": mark, "version": "0"})

    assert answer.status_code == 409
    assert "The screen had changed meanwhile" in answer.text
    assert "P900" in answer.text


@pytest.mark.parametrize(("verb", "form", "status"), [("fly", {}, 404), ("next", {"version": "x"}, 422)])
def test_a_press_that_means_nothing_is_refused(web: Web, verb: str, form: dict[str, str], status: int) -> None:
    client = web.signed_in()

    answer = client.post(f"/staff/mont-roig/desk/1/{verb}", data={"csrf": csrf(client)} | form)

    assert answer.status_code == status


def test_an_office_is_stopped_and_goes_on(web: Web) -> None:
    client = web.signed_in()

    client.post("/staff/mont-roig/pause", data={"csrf": csrf(client), "message": "Simulacre d'incendi"})
    stopped = web.client().get("/api/v1/offices/mont-roig/line").get_json()["paused"]
    client.post("/staff/mont-roig/resume", data={"csrf": csrf(client)})

    assert stopped == "Simulacre d'incendi"
    assert web.store.state("mont-roig").paused is None


def test_reception_gives_a_ticket_with_its_code_and_loading_again_gives_no_second_one(web: Web) -> None:
    client = web.signed_in()
    page = client.get("/staff/mont-roig/reception").text
    form = dict(re.findall(r'type="hidden" name="(csrf|key)" value="([\w-]+)"', page)) | {"service": "idcat"}

    first, again = (client.post("/staff/mont-roig/reception", data=form) for _ in range(2))

    tickets = list(web.store.state("mont-roig").tickets.values())
    assert [ticket.label for ticket in tickets] == ["I900"]
    assert f"http://localhost/t/{tickets[0].token}" in again.text
    assert 'src="data:image/svg+xml' in first.text


def test_machines_without_paper_come_first(web: Web) -> None:
    client = web.signed_in()
    health = {"state": "ready", "kind": "dispenser", "boot": "a", "conn": 1}
    remember(web.store, "montroig-dispenser-1", health | {"paper": "out"}, now())
    remember(web.store, "miamiplatja-dispenser-1", health | {"paper": "low"}, now())
    remember(web.store, "montroig-desk-1", {"state": "ready", "kind": "desk", "boot": "a", "conn": 1}, now())

    rows = re.findall(r'<th scope="row">([\w-]+)', client.get("/staff/devices").text)

    assert rows[:2] == ["montroig-dispenser-1", "miamiplatja-dispenser-1"]
    assert rows[-1] == "montroig-desk-1"


def test_a_machine_that_was_never_heard_is_silent(web: Web) -> None:
    page = web.signed_in().get("/staff/devices?lang=en").text

    assert page.count("silent") == len(web.fleet.devices)
