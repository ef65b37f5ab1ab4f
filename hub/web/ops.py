"""For operators: is it alive, does it work, how much of it is there."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

from flask import Blueprint, Response, current_app, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from hub.store import StoreError

from . import openapi
from .hall import hall
from .metrics import Metrics

pages = Blueprint("ops", __name__)


@pages.get("/healthz")
def healthz() -> Response:
    """200 while the process is alive."""
    return jsonify(state="alive")


@pages.get("/readyz")
def readyz() -> tuple[Response, int]:
    """200 while database and broker answer; 503 says which does not."""
    answers = {"database": _database_answers(), "broker": hall().link.connected}
    status = HTTPStatus.OK if all(answers.values()) else HTTPStatus.SERVICE_UNAVAILABLE
    return jsonify({name: "ok" if fine else "away" for name, fine in answers.items()}), status


def _database_answers() -> bool:
    try:
        hall().store.answers()
    except StoreError:
        return False
    return True


@pages.get("/metrics")
def metrics() -> Response:
    """Prometheus' text format."""
    counted: Metrics = current_app.extensions["metrics"]
    return Response(counted.text(), content_type=CONTENT_TYPE_LATEST)


@pages.get("/api/openapi.json")
def openapi_json() -> Response:
    """The API's own description."""
    return jsonify(openapi.document(current_app._get_current_object(), torn_version()))  # type: ignore[attr-defined]


def torn_version() -> str:
    """Torn's version as installed, or "0" from a bare checkout."""
    try:
        return version("torn")
    except PackageNotFoundError:
        return "0"
