"""Signing in at a provider: a real one, a process of its own, spoken to by HTTP alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask.testing import FlaskClient

from hub.clock import now
from hub.settings import SettingsError
from hub.store import staff
from hub.web.provider import Provider, provider
from tests.parts import Process, free_port, listens, wait_until

from .conftest import Web, csrf
from .oidc import CLIENT, SECRET

START = "/staff/sign-in/provider"


@dataclass
class Idp:
    """The provider, and one browser in front of it."""

    process: Process
    url: str
    browser: requests.Session

    def control(self, **said: Any) -> list[dict[str, str]]:
        """Says who has an account and what is to be wrong; what was asked so far."""
        return requests.post(f"{self.url}/control", json=said, timeout=10).json()

    def person(self, name: str, *groups: str, **claims: Any) -> None:
        """Somebody with these groups."""
        self.control(people={name: {"password": "secret", "claims": {"groups": list(groups), **claims}}})

    def goes_through(self, url: str, name: str = "anna") -> str:
        """The browser follows the hub's address, says who it is if it is asked, and is sent back: path and query."""
        answer = self.browser.get(url, allow_redirects=False, timeout=10)
        if answer.status_code == 200:
            form = {"name": name, "password": "secret"}
            answer = self.browser.post(url, data=form, allow_redirects=False, timeout=10)
        back = urlsplit(answer.headers["Location"])
        return f"{back.path}?{back.query}"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Process, str]]:
    """One provider for this file."""
    port = free_port()
    process = Process("-m", "tests.web.oidc", port, environment={"AUTHLIB_INSECURE_TRANSPORT": "1"}).start()
    wait_until(lambda: listens(port), 30, "the provider's port")
    yield process, f"http://127.0.0.1:{port}"
    process.stop()


@pytest.fixture
def idp(running: tuple[Process, str]) -> Idp:
    """The provider, with nothing wrong with it, and a new browser."""
    found = Idp(*running, requests.Session())
    found.person("anna", "torn:clerk@mont-roig")
    return found


@pytest.fixture
def town(web: Web, idp: Idp) -> Web:
    """The hub whose staff sign in there."""
    use(web, Provider(idp.url, CLIENT, SECRET, "Ajuntament"))
    return web


def use(web: Web, chosen: Provider) -> None:
    web.app.extensions["hall"] = replace(web.app.extensions["hall"], provider=chosen)


def signs_in(town: Web, idp: Idp, name: str = "anna", client: FlaskClient | None = None) -> Any:
    """The last answer of a whole sign-in, in English."""
    client = client or town.client()
    started = client.get(f"{START}?next=/staff/devices")
    return client.get(idp.goes_through(started.headers["Location"], name), headers={"Accept-Language": "en"})


@pytest.mark.parametrize(
    ("language", "said"),
    [("ca", "Entreu amb"), ("es", "Entrar con"), ("en", "Sign in with"), ("fr", "Se connecter avec")],
)
def test_the_page_has_one_button_for_the_provider_beside_the_password(town: Web, language: str, said: str) -> None:
    page = town.client().get(f"/staff/sign-in?lang={language}").text

    assert page.count("/staff/sign-in/provider") == 1
    assert f"{said} Ajuntament" in page
    assert 'type="password"' in page


def test_without_a_provider_there_is_no_button(web: Web) -> None:
    assert START not in web.client().get("/staff/sign-in").text
    assert web.client().get(START).status_code == 404


def test_the_first_sign_in_makes_an_account_with_the_roles_of_its_groups(town: Web, idp: Idp) -> None:
    idp.person("anna", "torn:clerk@mont-roig", "torn:manager@miami-platja", "torn:clerk@miami-platja", "golf club")
    client = town.client()

    answer = signs_in(town, idp, client=client)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/staff/devices")
    (account,) = staff.accounts(town.store, now())
    assert (account.name, account.is_local) == ("anna", False)
    assert account.roles == (("miami-platja", "manager"), ("mont-roig", "clerk"))
    assert client.get("/staff/mont-roig/desk/1").status_code == 200


def test_the_provider_is_asked_for_a_code_with_pkce_state_and_nonce(town: Web, idp: Idp) -> None:
    first, second = (parse_qs(urlsplit(town.client().get(START).headers["Location"]).query) for _ in range(2))

    assert first["response_type"] == ["code"]
    assert first["code_challenge_method"] == ["S256"]
    assert first["redirect_uri"] == ["http://localhost/staff/sign-in/back"]
    assert all(first[each] != second[each] and len(first[each][0]) >= 43 for each in ("state", "nonce"))
    assert "code_verifier" not in first


@pytest.mark.parametrize(
    "wrong",
    [
        {"claims": {"nonce": "of another sign-in"}},
        {"claims": {"nonce": None}},
        {"claims": {"aud": "another client"}},
        {"claims": {"aud": ["torn", "another"], "azp": "another"}},
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"sub": None}},
        {"claims": {"sub": ""}},
        {"claims": {"exp": None}},
        {"claims": {"at_hash": "of another access token"}},
        {"times": {"exp": -3600}},
        {"times": {"iat": 3600, "exp": 7200}},
        {"signed": "none"},
        {"signed": "HS256"},
        {"signed": "another key"},
    ],
    ids=str,
)
def test_a_token_that_is_not_wholly_right_lets_nobody_in(town: Web, idp: Idp, wrong: dict[str, Any]) -> None:
    idp.control(wrong=wrong)

    answer = signs_in(town, idp)

    assert answer.status_code == 401
    assert "could not be completed" in answer.text
    assert staff.accounts(town.store, now()) == []


def test_the_same_token_with_nothing_wrong_lets_in(town: Web, idp: Idp) -> None:
    idp.control(wrong={"signed": "RS256"})

    assert signs_in(town, idp).status_code == 303


@pytest.mark.parametrize(
    ("proof", "secret"), [("client_secret_basic", SECRET), ("client_secret_post", SECRET), ("none", "")]
)
def test_the_client_proves_itself_as_the_provider_wants_it(web: Web, idp: Idp, proof: str, secret: str) -> None:
    use(web, Provider(idp.url, CLIENT, secret, "Ajuntament"))
    idp.control(wrong={"proof": proof})

    assert signs_in(web, idp).status_code == 303


def test_groups_that_are_not_in_the_token_are_asked_for(town: Web, idp: Idp) -> None:
    idp.control(wrong={"claims": {"groups": None}})

    assert signs_in(town, idp).status_code == 303
    (account,) = staff.accounts(town.store, now())
    assert account.roles == (("mont-roig", "clerk"),)


@pytest.mark.parametrize("userinfo", [{"sub": "id-pere"}, {"sub": None}, {"groups": None}])
def test_what_is_said_of_somebody_else_counts_for_nothing(town: Web, idp: Idp, userinfo: dict[str, str | None]) -> None:
    idp.control(wrong={"claims": {"groups": None}, "userinfo": userinfo})

    assert signs_in(town, idp).status_code == 403


def test_a_way_back_that_belongs_to_another_browser_lets_nobody_in(town: Web, idp: Idp) -> None:
    thief, victim = town.client(), town.client()
    back = idp.goes_through(thief.get(START).headers["Location"])
    victim.get(START)

    answers = [victim.get(back), town.client().get(back), town.client().get("/staff/sign-in/back")]

    assert [answer.status_code for answer in answers] == [401] * 3


def test_a_code_works_once(town: Web, idp: Idp) -> None:
    client = town.client()
    started = client.get(START)
    cookie = client.get_cookie("torn_signing_in", path="/staff/sign-in").value
    back = idp.goes_through(started.headers["Location"])
    assert client.get(back).status_code == 303

    client.set_cookie("torn_signing_in", cookie, path="/staff/sign-in")

    assert client.get(back).status_code == 401


@pytest.mark.parametrize("groups", [(), ("torn:clerk@nowhere",), ("torn:queen",), ("clerk",)])
def test_who_has_no_role_here_is_told_so(town: Web, idp: Idp, groups: tuple[str, ...]) -> None:
    idp.person("anna", *groups)

    answer = signs_in(town, idp)

    assert answer.status_code == 403
    assert "Ajuntament knows you, but has given you no role at these offices." in answer.text


def test_roles_are_what_the_provider_says_at_each_sign_in_and_a_change_ends_the_other_sessions(
    town: Web, idp: Idp
) -> None:
    before, after = town.client(), town.client()
    signs_in(town, idp, client=before)
    idp.person("anna", "torn:operator@miami-platja")

    signs_in(town, idp, client=after)

    assert before.get("/staff/").status_code == 303
    assert after.get("/staff/mont-roig/desk/1").status_code == 403
    assert after.get("/staff/bookings?office=miami-platja").status_code == 200


def test_who_loses_every_role_is_out_at_the_next_sign_in(town: Web, idp: Idp) -> None:
    before = town.client()
    signs_in(town, idp, client=before)
    idp.person("anna")

    assert signs_in(town, idp).status_code == 403
    assert before.get("/staff/").status_code == 303


def test_an_account_is_known_by_its_subject_and_not_by_its_name(town: Web, idp: Idp) -> None:
    staff.add_person(town.store, "anna", "una contrasenya llarga", "admin", now())
    signs_in(town, idp)
    idp.person("anna", "torn:clerk@mont-roig", preferred_username="anna.vidal")
    signs_in(town, idp)

    found = {account.name: account.roles for account in staff.accounts(town.store, now())}

    assert found == {"anna": (("", "admin"),), "anna (2)": (("mont-roig", "clerk"),)}


def test_a_provider_that_is_away_is_said_and_passwords_go_on_working(web: Web) -> None:
    use(web, Provider(f"http://127.0.0.1:{free_port()}", CLIENT, SECRET, "Ajuntament"))
    staff.add_person(web.store, "pere", "una contrasenya llarga", "clerk", now())

    away = web.client().get(f"{START}?lang=en")
    local = web.client().post("/staff/sign-in", data={"name": "pere", "password": "una contrasenya llarga"})

    assert away.status_code == 503
    assert "Ajuntament does not answer now." in away.text
    assert 'type="password"' in away.text
    assert local.status_code == 303


@pytest.mark.parametrize(
    "discovery", [{"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/"}, {"jwks_uri": None}]
)
def test_what_answers_in_the_providers_place_is_not_believed(
    town: Web, idp: Idp, discovery: dict[str, str | None]
) -> None:
    idp.control(wrong={"discovery": discovery})

    assert town.client().get(START).status_code == 503


def test_signing_out_leads_to_the_providers_sign_out_and_back(town: Web, idp: Idp) -> None:
    client = town.client()
    signs_in(town, idp, client=client)
    page = client.post("/staff/sign-out", data={"csrf": csrf(client)}).text
    there = page.split('content="0; url=')[1].split('"')[0].replace("&amp;", "&")

    left = idp.browser.get(there, allow_redirects=False, timeout=10)

    assert left.headers["Location"] == "http://localhost/staff/sign-in"
    assert client.get("/staff/").status_code == 303
    again = town.client().get(START).headers["Location"]
    assert idp.browser.get(again, allow_redirects=False, timeout=10).status_code == 200  # asks who it is


def test_who_signs_in_there_confirms_there_and_is_really_asked_again(town: Web, idp: Idp) -> None:
    idp.person("anna", "torn:admin")
    client = town.client()
    signs_in(town, idp, client=client)
    page = client.get("/staff/confirm?next=/staff/audit").text

    answer = signs_again(idp, client)

    assert "again=1" in page
    assert 'type="password"' not in page
    assert answer.headers["Location"] == "/staff/audit"
    assert client.get("/staff/audit/download").status_code == 200
    said = idp.control()[-1]
    assert (said["prompt"], said["max_age"]) == ("login", "0")


def signs_again(idp: Idp, client: FlaskClient, name: str = "anna") -> Any:
    started = client.get(f"{START}?again=1&next=/staff/audit")
    return client.get(idp.goes_through(started.headers["Location"], name))


def test_a_provider_that_asked_nobody_again_opens_no_exports(town: Web, idp: Idp) -> None:
    idp.person("anna", "torn:admin")
    client = town.client()
    signs_in(town, idp, client=client)
    idp.control(wrong={"asks nobody": True}, forget=3600)

    answer = signs_again(idp, client)

    assert answer.status_code == 401
    assert client.get("/staff/audit/download").status_code == 303


def test_somebody_else_cannot_confirm_for_who_is_signed_in(town: Web, idp: Idp) -> None:
    idp.person("anna", "torn:admin")
    idp.person("pere", "torn:admin")
    client = town.client()
    signs_in(town, idp, client=client)

    answer = signs_again(idp, client, "pere")

    assert answer.status_code == 401
    assert client.get("/staff/audit/download").status_code == 303


def test_a_file_has_one_group_a_line_and_a_group_may_be_a_directorys_long_name(tmp_path: Path) -> None:
    (tmp_path / "roles").write_text("CN=OAC,OU=Miami,DC=town=clerk@miami-platja\nTIC=admin\n")
    found = provider(
        {
            "TORN_OIDC_ISSUER": "https://idp.example.cat",
            "TORN_OIDC_CLIENT": "torn",
            "TORN_OIDC_ROLES": str(tmp_path / "roles"),
        }
    )

    assert found
    assert found.roles == {"CN=OAC,OU=Miami,DC=town": ("miami-platja", "clerk"), "TIC": ("", "admin")}


def test_another_claim_and_the_towns_own_groups_can_be_named() -> None:
    said = {"ISSUER": "https://idp.example.cat", "CLIENT": "torn", "CLAIM": "realm_access.roles"}
    roles = "OMAC clerks=clerk@mont-roig, CN=TIC,OU=x=admin".replace(",OU", " OU")
    found = provider({f"TORN_OIDC_{name}": value for name, value in {**said, "ROLES": roles}.items()})

    assert found is not None
    claims = {"realm_access": {"roles": ["OMAC clerks", "nothing"]}}
    assert found._roles(claims) == {"mont-roig": "clerk"}
    assert found.roles["CN=TIC OU=x"] == ("", "admin")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"ISSUER": "http://idp.example.cat", "CLIENT": "torn"}, "TORN_OIDC_ISSUER: must be https"),
        ({"ISSUER": "https://idp.example.cat"}, "TORN_OIDC_CLIENT: is needed"),
        ({"ISSUER": "https://x.cat", "CLIENT": "torn", "ROLES": "x=queen"}, "TORN_OIDC_ROLES: 'x=queen'"),
        ({"ISSUER": "https://x.cat", "CLIENT": "torn", "SECRET": "/nowhere"}, "TORN_OIDC_SECRET: /nowhere"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(said: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        provider({f"TORN_OIDC_{name}": value for name, value in said.items()})
