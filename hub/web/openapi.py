"""openapi.json, made from the routes that there are and the models they use."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from . import models as m

SCHEMAS = "#/components/schemas/{model}"
ROLE_TOKEN = "token"


@dataclass(frozen=True)
class Description:
    """What a route of the API does, takes and gives."""

    summary: str
    answer: type[BaseModel]
    body: type[m.Body] | None
    status: int
    query: tuple[str, ...] = ()  # the names of what may stand after the question mark


def described(
    summary: str,
    answer: type[BaseModel],
    body: type[m.Body] | None = None,
    status: int = HTTPStatus.OK,
    query: tuple[str, ...] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Says beside a view what openapi.json says of it."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        view.described = Description(summary, answer, body, status, query)  # type: ignore[attr-defined]
        return view

    return decorate


def document(app: Flask, version: str) -> dict[str, Any]:
    """The API's own description (OpenAPI 3.1)."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=str):
        view = app.view_functions[rule.endpoint]
        if hasattr(view, "described"):
            (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            operation = _operation(rule.endpoint, rule.arguments, view, method)
            paths.setdefault(_path(rule.rule), {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Torn", "version": version, "description": "The turn at a town hall's citizen offices."},
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": {ROLE_TOKEN: {"type": "http", "scheme": "bearer"}}},
    }


def _path(rule: str) -> str:
    return re.sub(r"<(\w+)>", r"{\1}", rule)


def _operation(endpoint: str, names: set[str], view: Any, method: str) -> dict[str, Any]:
    said: Description = view.described
    role = getattr(view, "role", None)
    parameters = [_in_path(name) for name in sorted(names)] + [_in_query(name) for name in said.query]
    operation: dict[str, Any] = {
        "operationId": endpoint.rpartition(".")[2],
        "summary": said.summary,
        "parameters": parameters + ([_KEY] if method == "POST" else []),
        "responses": {str(int(said.status)): _content(said.answer, "application/json", "done"), "default": _PROBLEM},
    }
    if said.body:
        required = any(field.is_required() for field in said.body.model_fields.values())
        content = {"application/json": {"schema": _ref(said.body)}}
        operation["requestBody"] = {"required": required, "content": content}
    if role:
        operation["security"] = [{ROLE_TOKEN: []}]
        operation["x-role"] = role
    return operation


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": name == "service", "schema": {"type": "string"}}


_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "one effect and one answer for 24 hours, however often the request is sent",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": SCHEMAS.format(model=model.__name__)}


def _content(model: type[BaseModel], kind: str, words: str) -> dict[str, Any]:
    return {"description": words, "content": {kind: {"schema": _ref(model)}}}


_PROBLEM = _content(m.Problem, "application/problem+json", "what is wrong (RFC 9457)")


def _schemas() -> dict[str, Any]:
    models = [each for each in vars(m).values() if isinstance(each, type) and issubclass(each, BaseModel)]
    own = [(each, "validation") for each in models if each is not BaseModel]
    return models_json_schema(own, ref_template=SCHEMAS)[1]["$defs"]  # type: ignore[arg-type]
