"""What the forecaster says, as bridges and web processes take it from the broker."""

from __future__ import annotations

from firmware import wire
from hub.line.plan import Moment
from hub.line.views import UNEXPECTED, Expected


def read_expected(payload: bytes) -> Expected:
    """The forecast in a message; ValueError for what is none. An empty one clears it."""
    if not payload:
        return UNEXPECTED
    said = wire.decode("forecast", payload)
    return Expected(wire.instant(said["at"]), said["services"], said["tickets"])


def fresh(expected: Expected, now: Moment) -> Expected:
    """The forecast, while it counts: one that is late, or of a clock that has jumped, is none."""
    return expected if abs(now - expected.at) <= wire.FORECAST_COUNTS else UNEXPECTED
