"""openapi.json says what there is: every route of the API, and what really comes back."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from .conftest import OFFICE, Web


@pytest.fixture
def document(web: Web) -> dict[str, Any]:
    return web.client().get("/api/openapi.json").get_json()


def test_every_route_of_the_api_is_described(web: Web, document: dict[str, Any]) -> None:
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in web.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/v1/")
    }

    described = {(path, method) for path, methods in document["paths"].items() for method in methods}

    assert routes == described
    assert document["openapi"].startswith("3.1")


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))

    assert references <= set(document["components"]["schemas"])


def test_staff_routes_say_that_they_need_a_token(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/v1/offices/{office}/desks/{desk}/next"]["post"]

    assert operation["security"] == [{"token": []}]
    assert "security" not in document["paths"]["/api/v1/offices"]["get"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", "/api/v1/offices", None),
        ("get", "/api/v1/offices/{office}/line", None),
        ("get", "/api/v1/tickets/{token}", None),
        ("post", "/api/v1/offices/{office}/pause", {"message": "Simulacre"}),
        ("post", "/api/v1/offices/{office}/resume", None),
        ("post", "/api/v1/offices/{office}/tickets", {"service": "padro"}),
        ("post", "/api/v1/offices/{office}/desks/{desk}/next", {}),
        ("post", "/api/v1/offices/{office}/desks/{desk}/open", {}),
        ("post", "/api/v1/offices/{office}/desks/{desk}/transfer", {}),
    ],
)
def test_what_comes_back_is_what_is_described(
    web: Web, document: dict[str, Any], method: str, path: str, body: Any
) -> None:
    names = {"office": "mont-roig", "desk": "1", "token": web.give()["token"]}

    answer = web.client().open(path.format(**names), method=method.upper(), json=body, headers=web.headers())

    responses = document["paths"][path][method]["responses"]
    content = responses.get(str(answer.status_code), responses["default"])["content"][answer.content_type]
    schema = {**content["schema"], "components": document["components"]}
    assert list(Draft202012Validator(schema).iter_errors(answer.get_json())) == []


def test_the_description_lists_each_key_of_a_desks_answer(web: Web, document: dict[str, Any]) -> None:
    answer = web.client().post(f"{OFFICE}/desks/1/open", headers=web.headers()).get_json()

    assert set(answer) == set(document["components"]["schemas"]["Desk"]["properties"])
