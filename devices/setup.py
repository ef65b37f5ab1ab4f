"""What the hub tells a dispenser of its office, judged before it is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from devices import DeviceError
from devices.day import day_of
from devices.words import WORDS
from firmware import wire


class SetupError(DeviceError, ValueError):
    """A configuration that this dispenser cannot work by; the message names the key."""


@dataclass(frozen=True)
class Setup:
    """What the hub tells a dispenser of its office: the message `config`, with what is missing filled in."""

    office: str
    name: str
    day: str
    languages: tuple[str, ...]
    timezone: str
    services: Mapping[str, Mapping[str, Any]]  # by id: letter and name by language
    seq: int = 0
    day_starts: str = "04:00"
    telephone: str | None = None
    track: str | None = None  # the tracking address up to the token
    hours: tuple[Mapping[str, str], ...] = ()
    first_number: int = 1
    last_number: int | None = None
    numbers: Mapping[str, int] | None = None
    priority: bool = True
    appointment_letter: str = "C"
    early_minutes: int = 30  # an appointment is due so long before its hour
    late_minutes: int = 15  # and so long after it

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Setup":
        """Reads a `config`; raises SetupError for one that is not for a dispenser, or makes no sense."""
        known = {key: config[key] for key in cls.__dataclass_fields__ if key in config}
        if config["kind"] != "dispenser" or "services" not in config or "timezone" not in config:
            raise SetupError("config: a dispenser needs kind dispenser, services and timezone")
        if not wire.is_label(config.get("appointment_letter", "C") + "001"):
            raise SetupError(f"config: appointment_letter {config['appointment_letter']!r} must be one or two capitals")
        for service in config["services"]:
            if not wire.is_label(service["letter"] + "001"):
                raise SetupError(f"config: letter {service['letter']!r} of {service['id']} must be one or two capitals")
        _check_clock(config["timezone"], config.get("day_starts", "04:00"))
        known["languages"] = tuple(each for each in config["languages"] if each in WORDS) or ("ca",)
        known["hours"] = tuple(config.get("hours", ()))
        return cls(**{**known, "services": {service["id"]: service for service in config["services"]}})


def _check_clock(timezone: str, day_starts: str) -> None:
    try:
        ZoneInfo(timezone)
        day_of(0, timezone, day_starts)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SetupError(f"config: timezone {timezone!r} or day_starts {day_starts!r} is wrong: {error}") from error
