"""What an operator watches and is woken by, in Prometheus' text format (docs/hub.md has the table).

Web processes alone are asked: bridges and forecasters have no door. What those do is seen in the database and in the
documents that they publish, so that each figure is there also when nobody does the work any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from firmware import wire
from hub.clock import now
from hub.line.plan import Moment
from hub.store import StoreError, devices, outbox
from hub.store.store import oldest_after

from .hall import Hall

# name: what it is, and by what it is told apart.
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "torn_streams": ("Phones, and boards with staff pages, that are open at this process", ("kind",)),
    "torn_broker_connected": ("Whether this process is connected to the broker", ()),
    "torn_hub_here": ("Whether this process hears the hub's beat", ()),
    "torn_database_answers": ("Whether the database answers this process", ()),
    "torn_waiting": ("People who wait", ("office",)),
    "torn_forecast_age_seconds": ("Age of the last forecast; +Inf if there is none", ("office",)),
    "torn_relay_lag_seconds": ("Age of the oldest event that no published line knows of", ("office",)),
    "torn_unstored_seconds": ("Age of the oldest fact that a dispenser says is not stored", ("office", "device")),
    "torn_device_away": ("Whether a device is away", ("office", "device", "kind")),
    "torn_paper": ("What a dispenser's paper is: 1 for the one word that is true", ("office", "device", "paper")),
    "torn_messages": ("Messages to people with an appointment that are kept", ("state",)),
}
Sample = tuple[str, tuple[str, ...], float]  # name, what it is told apart by, value


class Metrics:
    """What this process counts, and what it sees when it is asked."""

    def __init__(self, hall: Hall) -> None:
        r = self.registry = CollectorRegistry()
        self.requests = Counter("torn_requests", "Requests answered", ("audience", "status"), registry=r)
        self.seconds = Histogram("torn_request_seconds", "Time to answer", ("audience",), registry=r)
        r.register(_Seen(hall))

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)


class _Seen(Collector):
    """The gauges, looked at when they are asked for: what cannot be seen now is left out, not told as it was."""

    def __init__(self, hall: Hall) -> None:
        self.hall = hall

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Every gauge, without values: registering looks at nothing."""
        return _families().values()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Every gauge with what is to be seen now."""
        families = _families()
        for name, labels, value in seen(self.hall, now()):
            families[name].add_metric(labels, value)
        return families.values()


def _families() -> dict[str, GaugeMetricFamily]:
    return {name: GaugeMetricFamily(name, about, labels=labels) for name, (about, labels) in GAUGES.items()}


def count(app: Flask, hall: Hall) -> None:
    """Counts and times every request."""
    metrics = app.extensions["metrics"] = Metrics(hall)

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        audience = request.blueprint or "none"
        metrics.requests.labels(audience, response.status_code).inc()
        metrics.seconds.labels(audience).observe(time.perf_counter() - g.begun)
        return response


def seen(hall: Hall, at: Moment) -> Iterator[Sample]:
    """What is to be seen: of this process, in the broker's documents, and in the database if it answers."""
    try:
        kept = [*_devices(hall, at), *_relay(hall, at), *_messages(hall)]
    except StoreError:
        kept = []
    yield "torn_database_answers", (), bool(kept)
    yield from kept
    live = hall.live
    yield "torn_streams", ("board",), live.boards
    yield "torn_streams", ("phone",), live.streams - live.boards
    yield "torn_hub_here", (), live.hub_here
    yield "torn_broker_connected", (), hall.link.connected
    for office in hall.fleet.plans:
        line, forecast = live.line(office), live.expected(office).at
        yield "torn_waiting", (office,), line["waiting"] if line else 0
        yield "torn_forecast_age_seconds", (office,), _age(at, forecast) if forecast else float("inf")


def _devices(hall: Hall, at: Moment) -> Iterator[Sample]:
    """From what each machine said last, as a bridge wrote it down."""
    said = devices.all_health(hall.store)
    for device in hall.fleet.devices.values():
        health, heard = said.get(device.id, ({}, 0))
        away = health.get("state", "lost") == "lost" or devices.is_silent(heard, at)
        yield "torn_device_away", (device.office, device.id, device.kind), away
        if device.kind == "dispenser":
            own = (device.office, device.id)
            for paper in wire.PAPERS:
                yield "torn_paper", (*own, paper), health.get("paper", "unknown") == paper
            since = health.get("unsent_since")
            yield "torn_unstored_seconds", own, _age(at, wire.instant(since)) if since else 0


def _relay(hall: Hall, at: Moment) -> Iterator[Sample]:
    """From the log, beside the line that the broker brought last; nothing until it has brought one."""
    with hall.store.begin() as connection:
        for office, events in hall.live.relayed().items():
            oldest = oldest_after(connection, office, events)
            yield "torn_relay_lag_seconds", (office,), _age(at, oldest) if oldest else 0


def _messages(hall: Hall) -> Iterator[Sample]:
    for state, many in outbox.counts(hall.store).items():
        yield "torn_messages", (state,), many


def _age(at: Moment, then: Moment) -> float:
    """Seconds; a clock that is ahead makes nothing older than new."""
    return max(0, at - then) / 1000
