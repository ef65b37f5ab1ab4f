"""What holds for every answer: headers, limits, languages, errors that show no insides."""

import logging
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from structlog.testing import capture_logs

import hub.web

from .conftest import OFFICE, Web

FOLDER = Path(hub.web.__file__).parent
PAGES = [
    "/",
    "/line/mont-roig",
    "/board/mont-roig",
    "/t/" + "x" * 22,
    "/staff/sign-in",
    "/book",
    "/book/mine",
    "/nothing",
]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_forbids_foreign_and_inline_script(web: Web, path: str) -> None:
    answer = web.client().get(path)

    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "style=" not in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["ca", "es", "en", "fr"])
def test_every_page_speaks_four_languages_and_lets_one_change(web: Web, path: str, language: str) -> None:
    page = web.client().get(path, headers={"Accept-Language": language}).text

    assert f'<html lang="{language}">' in page
    assert page.count("?lang=") == 3


def test_who_asks_for_none_of_them_gets_catalan(web: Web) -> None:
    assert '<html lang="ca">' in web.client().get("/", headers={"Accept-Language": "de"}).text


def strings() -> set[object]:
    found = extract_from_dir(FOLDER, [("**.py", "python"), ("templates/**.html", "jinja2")])
    return {message for _, _, message, _, _ in found}


def sentences(catalogue: Catalog) -> dict[object, object]:
    """Each one with its translation; those with a number are pairs: of one, and of several."""
    return {_pair(one.id): _pair(one.string) for one in catalogue if one.id}


def _pair(text: str | list[str] | tuple[str, ...]) -> object:
    return text if isinstance(text, str) else tuple(text)


@pytest.mark.parametrize("language", ["ca", "es", "fr"])
def test_every_string_is_translated_and_compiled(language: str) -> None:
    folder = FOLDER / "translations" / language / "LC_MESSAGES"

    with (folder / "messages.po").open("rb") as file:
        written = sentences(read_po(file, locale=language))
    with (folder / "messages.mo").open("rb") as file:
        compiled = sentences(read_mo(file))

    assert set(written) == strings()
    assert compiled == written
    assert [text for text, said in written.items() if not (said if isinstance(said, str) else all(said))] == []


def test_too_much_from_one_address_is_refused_and_says_when_to_come_again(web: Web) -> None:
    client = web.client()

    answers = [client.post(f"/t/{'x' * 22}/leave", headers={"Accept": "application/json"}) for _ in range(25)]

    assert answers[0].status_code == 404
    assert answers[-1].status_code == 429
    assert answers[-1].headers["Retry-After"] == "60"
    assert answers[-1].get_json()["code"] == "too_many"


def test_sign_in_is_limited_for_each_address(web: Web) -> None:
    client = web.client()

    answers = [client.post("/staff/sign-in", data={"name": f"name{n}", "password": "x"}) for n in range(21)]

    assert answers[-1].status_code == 429


def test_who_has_a_token_is_not_limited(web: Web) -> None:
    client, headers = web.client(), web.headers()

    answers = {client.post(f"{OFFICE}/resume", headers=headers).status_code for _ in range(130)}

    assert answers == {200}


def test_a_token_lifts_the_limits_of_the_phones_page_too(web: Web) -> None:
    client, headers, token = web.client(), web.headers("admin"), web.give()["token"]

    answers = {client.get(f"/t/{token}", headers=headers).status_code for _ in range(10)}
    answers |= {client.post(f"/t/{token}/leave", json={}, headers=headers).status_code for _ in range(130)}

    assert 429 not in answers


def test_a_proxy_on_this_machine_is_believed_about_addresses_and_nobody_else(web: Web) -> None:
    client = web.client()
    path, wrong = f"/t/{'x' * 22}/leave", {"Accept": "application/json"}

    by_proxy = [client.post(path, headers=wrong | {"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(25)]
    by_liar = [
        client.post(path, headers=wrong | {"X-Forwarded-For": f"10.0.1.{n}"}, environ_base={"REMOTE_ADDR": "10.9.9.9"})
        for n in range(25)
    ]

    assert by_proxy[-1].status_code == 404
    assert by_liar[-1].status_code == 429


def test_a_database_that_is_away_is_said_on_a_page_that_tries_again(web: Web, tmp_path: Path) -> None:
    token = web.give()["token"]
    web.store.dispose()
    (tmp_path / "torn.db").rename(tmp_path / "gone.db")
    (tmp_path / "torn.db").mkdir()

    page, program = web.client().get(f"/t/{token}"), web.client().get(f"/api/v1/tickets/{token}")
    ready, book = web.client().get("/readyz"), web.client().get("/book")
    hours = web.client().get("/book/where?service=padro")
    (tmp_path / "torn.db").rmdir()
    (tmp_path / "gone.db").rename(tmp_path / "torn.db")

    assert page.status_code == program.status_code == ready.status_code == hours.status_code == 503
    assert book.status_code == 200
    assert '<meta http-equiv="refresh"' in page.text
    assert (program.content_type, program.get_json()["code"]) == ("application/problem+json", "away")
    assert ready.get_json()["database"] == "away"
    assert web.client().get(f"/t/{token}").status_code == 200


def test_a_fault_of_ours_shows_no_insides(web: Web) -> None:
    web.app.add_url_rule("/api/v1/fault", "fault", lambda: 1 / 0)
    logging.disable()

    answer = web.client().get("/api/v1/fault")

    logging.disable(logging.NOTSET)
    assert (answer.status_code, answer.get_json()["code"]) == (500, "failed")
    assert "ZeroDivisionError" not in answer.text


def test_a_refusal_is_one_line_in_the_log_without_the_tickets_token(web: Web) -> None:
    token = web.give()["token"]
    web.client().post(f"/t/{token}/rejoin")

    with capture_logs() as lines:
        web.client().get(f"/t/{token}/nothing")

    assert len(lines) == 1
    assert token not in str(lines)


def test_the_process_is_alive_and_says_what_it_counts(web: Web) -> None:
    web.client().get("/")

    assert web.client().get("/healthz").status_code == 200
    metrics = web.client().get("/metrics").text
    assert 'torn_requests_total{audience="public",status="200"} 1.0' in metrics
    assert 'torn_streams{kind="phone"} 0.0' in metrics


def test_the_home_page_says_which_offices_are_open(web: Web) -> None:
    page = web.client().get("/?lang=en").text

    assert page.count('<span class="badge good">') + page.count('<p class="badge good">') == 2
    assert "OMAC Miami Platja" in page


@pytest.mark.parametrize("path", ["/line/nowhere", "/board/nowhere"])
def test_an_office_that_is_not_there_is_a_page_that_says_so(web: Web, path: str) -> None:
    answer = web.client().get(path, headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert "<h1>" in answer.text
