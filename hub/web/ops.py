"""For operators: is it alive, does it work, how much of it is there."""

from __future__ import annotations

import time
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hub.store import StoreError, outbox

from . import openapi
from .hall import hall

pages = Blueprint("ops", __name__)


class Metrics:
    """What this process counts."""

    def __init__(self) -> None:
        r = self.registry = CollectorRegistry()
        self.requests = Counter("torn_requests", "Requests answered", ("audience", "status"), registry=r)
        self.seconds = Histogram("torn_request_seconds", "Time to answer", ("audience",), registry=r)
        self.streams = Gauge("torn_streams", "Phones, boards and staff pages that are open", registry=r)
        self.waiting = Gauge("torn_waiting", "People who wait", ("office",), registry=r)
        self.messages = Gauge("torn_messages", "Messages to people with an appointment", ("state",), registry=r)
        self.hub = Gauge("torn_hub_here", "Whether the hub's beat is heard", registry=r)
        self.broker = Gauge("torn_broker_connected", "Whether the broker is connected", registry=r)


def count(app: Flask) -> None:
    """Counts and times every request."""
    metrics = app.extensions["metrics"] = Metrics()

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        audience = request.blueprint or "none"
        metrics.requests.labels(audience, response.status_code).inc()
        metrics.seconds.labels(audience).observe(time.perf_counter() - g.begun)
        return response


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
    live = hall().live
    counted.streams.set(live.streams)
    counted.hub.set(live.hub_here)
    counted.broker.set(hall().link.connected)
    for state, count in _messages().items():
        counted.messages.labels(state).set(count)
    for office in hall().fleet.plans:
        line = live.line(office)
        counted.waiting.labels(office).set(line["waiting"] if line else 0)
    return Response(generate_latest(counted.registry), content_type=CONTENT_TYPE_LATEST)


def _messages() -> dict[str, int]:
    try:
        return outbox.counts(hall().store)
    except StoreError:
        return {}  # /readyz says so


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
