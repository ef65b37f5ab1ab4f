"""The offices file: read, judged, and turned into plans. A mistake is named with its place.

fleet = read_offices("offices.toml")
fleet.plans["mont-roig"], fleet.devices["montroig-desk-1"]
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import structlog
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    field_validator,
    model_validator,
)

from firmware import wire

from .line.plan import DeskPlan, Plan, Rules, Season, Service, Week

log = structlog.get_logger()
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
RECEPTION_FIRST = 900  # reception's own range of numbers
HOLIDAY_YEARS = 2  # this year and the next one go into the plan
LOCAL_FEASTS = 2  # every Catalan municipality has two of its own


class OfficesError(ValueError):
    """The offices file cannot be used; the message names the place and the reason."""


@dataclass(frozen=True)
class Device:
    """A machine in an office; its id is unique in the whole fleet and is its MQTT user name."""

    id: str
    office: str
    kind: str  # dispenser | desk | board
    desk: str | None = None
    first_number: int = 1
    last_number: int | None = None  # worked out: a range ends where the next one begins


@dataclass(frozen=True)
class Fleet:
    """All offices and their machines."""

    plans: Mapping[str, Plan]
    devices: Mapping[str, Device]
    public_url: str | None = None
    municipality: str = ""  # who answers for personal data
    privacy_url: str = ""  # where it says all about them

    def of(self, office: str) -> list[Device]:
        """The machines of one office."""
        return [device for device in self.devices.values() if device.office == office]


def _slug(value: str) -> str:
    if not wire.is_slug(value):
        raise ValueError("must be 1 to 64 of a-z, 0-9 and -")
    return value


def _letter(value: str) -> str:
    if not (value.isascii() and value.isalpha() and value.isupper() and len(value) <= 2):
        raise ValueError("must be one or two capital letters")
    return value


def _printable(value: str) -> str:
    if not wire.is_text(value):
        raise ValueError("must be printable characters")
    return value


def _address(value: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+", value):
        raise ValueError("must be an address like https://torn.example.cat")
    return value.rstrip("/")


def _hours(value: dict[str, str]) -> dict[str, str]:
    week(value)
    return value


Slug = Annotated[str, AfterValidator(_slug)]
Letter = Annotated[str, AfterValidator(_letter)]
Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Address = Annotated[str, AfterValidator(_address)]
Hours = Annotated[dict[str, str], AfterValidator(_hours)]
Language = Literal["ca", "es", "en", "fr"]
Day = Annotated[date, Strict(False)]  # 2026-09-29, or the same in quotes
Minutes = Annotated[int, Field(ge=0, le=1440)]


class _Table(BaseModel):
    """A table of the file: a key that nobody knows is a mistake, most often a misspelling."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Rules(_Table):
    early_minutes: Minutes = 30
    late_minutes: Minutes = 15
    rejoin_minutes: Minutes = 10
    walk_in_alert_minutes: Minutes = 45
    walk_in_max_wait_minutes: Minutes | None = None
    let_pass: Annotated[int, Field(ge=1, le=50)] = 3
    preferential: bool = True
    lead_minutes: Annotated[int, Field(ge=0, le=60 * 24 * 30)] = 60
    horizon_days: Annotated[int, Field(ge=1, le=366)] = 30
    walk_in_share: Annotated[float, Field(ge=0, le=1)] = 0.3
    internal_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    slot_minutes: Annotated[int, Field(ge=5, le=240)] = 10
    buffer_minutes: Annotated[int, Field(ge=0, le=120)] = 0
    erase_after_days: Annotated[int, Field(ge=1, le=3650)] = 30


class _Service(_Table):
    id: Slug
    letter: Letter
    name: Annotated[dict[Language, Text], Field(min_length=1)]
    minutes: Annotated[int, Field(ge=1, le=480)] = 10
    bookable: bool = True
    by_appointment_reason: Text | None = None
    bring: dict[Language, Annotated[list[Text], Field(min_length=1, max_length=12)]] = {}


class _Desk(_Table):
    id: Slug
    services: Annotated[list[str], Field(min_length=1)]


class _Device(_Table):
    id: Slug
    kind: Literal["dispenser", "desk", "board"]
    desk: str | None = None
    first_number: Annotated[int, Field(ge=1, le=9999)] = 1

    @model_validator(mode="after")
    def _desk_has_a_desk(self) -> _Device:
        if (self.kind == "desk") != (self.desk is not None):
            raise ValueError("desk: is needed for kind 'desk', and for no other")
        return self


class _Holidays(_Table):
    country: Annotated[str, Field(min_length=2, max_length=2)]
    subdivision: str | None = None
    extra: list[Day] = []


class _Season(_Table):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    first: Day = Field(alias="from")
    to: Day
    hours: Hours

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> _Season:
        if self.to < self.first:
            raise ValueError(f"to: {self.to} is before from, {self.first}")
        return self


class _Office(_Table):
    id: Slug
    name: Annotated[Text, Field(max_length=100)]  # told to desks, whose messages stay under a kilobyte
    timezone: str
    telephone: Annotated[str, Field(max_length=40), AfterValidator(_printable)] = ""
    address: Annotated[str, Field(max_length=200), AfterValidator(_printable)] = ""
    hours: Hours
    season: list[_Season] = []
    holidays: _Holidays | None = None  # without it, no day of the week's hours is shut
    rules: _Rules = _Rules()
    day_starts: str = "04:00"
    appointment_letter: Letter = "C"
    no_appointments: list[Day] = []
    languages: Annotated[list[Language], Field(min_length=1)] = ["ca", "es", "en", "fr"]
    service: Annotated[list[_Service], Field(min_length=1)]
    desk: Annotated[list[_Desk], Field(min_length=1)]
    device: list[_Device] = []

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError(f"no time zone is called {value!r}; one is Europe/Madrid") from None
        return value

    @field_validator("day_starts")
    @classmethod
    def _day_starts_reads(cls, value: str) -> str:
        if minutes(value) == 1440:
            raise ValueError("must be an hour before 24:00")
        return value

    @model_validator(mode="after")
    def _names_agree(self) -> _Office:
        for fault in _faults(self):
            raise ValueError(fault)
        return self


class _File(_Table):
    public_url: Address | None = None
    municipality: Text | None = None
    privacy_url: Address | None = None
    office: Annotated[list[_Office], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> _File:
        _unique("office", [office.id for office in self.office])
        _unique("device", [device.id for office in self.office for device in office.device])
        return self


def _unique(what: str, ids: list[str]) -> None:
    twice = sorted({id for id in ids if ids.count(id) > 1})
    if twice:
        raise ValueError(f"{what} {twice[0]}: is there twice")


def _faults(office: _Office) -> Iterator[str]:
    """What does not fit together inside one office."""
    services, desks = [s.id for s in office.service], [d.id for d in office.desk]
    _unique("service", services)
    _unique("desk", desks)
    _unique("letter", [service.letter for service in office.service] + [office.appointment_letter])
    _unique("language", list(office.languages))
    for desk in office.desk:
        _unique(f"desk {desk.id}: service", desk.services)
        yield from (f"desk {desk.id}: there is no service {s}" for s in desk.services if s != "*" and s not in services)
    served = {service for desk in office.desk for service in desk.services}
    yield from (f"service {service}: no desk serves it" for service in services if not served & {service, "*"})
    for device in office.device:
        if device.desk is not None and device.desk not in desks:
            yield f"device {device.id}: there is no desk {device.desk}"
    starts = [device.first_number for device in office.device if device.kind == "dispenser"]
    if len(starts) != len(set(starts)) or max(starts, default=0) >= RECEPTION_FIRST:
        yield "first_number: each dispenser needs a range of its own (reception has 900 and up)"


def minutes(text: str) -> int:
    """ "09:30" as minutes after midnight; "24:00" is the next midnight."""
    hour, colon, minute = text.strip().partition(":")
    if not (colon and hour.isascii() and hour.isdigit() and re.fullmatch("[0-9]{2}", minute)):
        raise ValueError(f"{text!r} is not an hour like 09:00")
    total = int(hour) * 60 + int(minute)
    if int(minute) > 59 or total > 1440:
        raise ValueError(f"{text!r} is not an hour like 09:00")
    return total


def week(hours: dict[str, str]) -> Week:
    """{"mon": "09:00-14:00,16:00-19:00", …} as ranges of minutes, Monday first."""
    unknown = sorted(set(hours) - set(DAYS))
    if unknown:
        raise ValueError(f"{unknown[0]}: days are {', '.join(DAYS)}")
    return tuple(tuple(_ranges(day, hours[day])) if day in hours else () for day in DAYS)


def _ranges(day: str, text: str) -> list[tuple[int, int]]:
    ranges = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        opens, dash, closes = part.partition("-")
        if not dash or minutes(opens) >= minutes(closes):
            raise ValueError(f"{day}: {part!r} is not a range like 09:00-14:00")
        ranges.append((minutes(opens), minutes(closes)))
    if any(before[1] > after[0] for before, after in pairwise(ranges)):
        raise ValueError(f"{day}: the ranges of {text!r} overlap or are out of order")
    return ranges


def read_offices(path: str | Path, today: date | None = None) -> Fleet:
    """The fleet that the file describes; OfficesError names place and reason."""
    try:
        body = tomllib.loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        raise OfficesError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OfficesError(f"{path}: {error}") from None
    try:
        file = _File.model_validate(body)
    except ValidationError as error:
        raise OfficesError(f"{path}: {_place(error, body)}") from None
    year = (today or datetime.now(UTC).date()).year
    plans = {office.id: _plan(office, year) for office in file.office}
    devices = {device.id: device for office in file.office for device in _devices(office)}
    return Fleet(plans, devices, file.public_url, file.municipality or "", file.privacy_url or "")


def _place(error: ValidationError, body: dict[str, Any]) -> str:
    """The first mistake as a sentence: office mont-roig, service[2], letter: must be …"""
    first = error.errors()[0]
    place: list[str] = []
    here: Any = body
    for step in first["loc"]:
        here = here[step] if _has(here, step) else {}
        named = here.get("id") if isinstance(here, dict) else None
        if isinstance(step, int):
            place[-1] += f" {named}" if named else f"[{step + 1}]"
        else:
            place.append(str(step))
    return f"{', '.join(place)}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")


def _has(here: Any, step: Any) -> bool:
    if isinstance(here, list):
        return isinstance(step, int) and step < len(here)
    return isinstance(here, dict) and step in here


def _plan(office: _Office, year: int) -> Plan:
    services = tuple(_service(service) for service in office.service)
    every = tuple(service.id for service in services)
    return Plan(
        office=office.id,
        name=office.name,
        timezone=office.timezone,
        services=services,
        desks=tuple(DeskPlan(d.id, every if "*" in d.services else tuple(d.services)) for d in office.desk),
        hours=week(office.hours),
        rules=Rules(**{f.name: getattr(office.rules, f.name) for f in fields(Rules)}),
        telephone=office.telephone,
        address=office.address,
        seasons=tuple(Season(s.first.isoformat(), s.to.isoformat(), week(s.hours)) for s in office.season),
        closed=_closed(office, year),
        no_appointments=tuple(sorted({day.isoformat() for day in office.no_appointments})),
        day_starts=minutes(office.day_starts),
        appointment_letter=office.appointment_letter,
        languages=tuple(office.languages),
    )


def _service(service: _Service) -> Service:
    return Service(**service.model_dump() | {"bring": {at: tuple(papers) for at, papers in service.bring.items()}})


def _closed(office: _Office, year: int) -> tuple[str, ...]:
    """Public holidays of the country and its part, and the municipality's own feasts."""
    known = office.holidays
    if known is None:
        return ()
    import holidays  # slow to import, and needed once

    years = range(year, year + HOLIDAY_YEARS)
    if sum(day.year == year for day in known.extra) < LOCAL_FEASTS:
        log.warning("fewer than two local feasts in the offices file", office=office.id, year=year)
    try:
        public = holidays.country_holidays(known.country, subdiv=known.subdivision, years=years)
    except NotImplementedError as error:
        raise OfficesError(f"office {office.id}, holidays: {error}") from None
    return tuple(sorted({day.isoformat() for day in [*public, *known.extra]}))


def _devices(office: _Office) -> Iterator[Device]:
    """The office's machines; a dispenser's range ends where the next one begins."""
    starts = sorted([d.first_number for d in office.device if d.kind == "dispenser"] + [RECEPTION_FIRST])
    for device in office.device:
        end = next((start - 1 for start in starts if start > device.first_number), None)
        last = end if device.kind == "dispenser" else None
        yield Device(device.id, office.id, device.kind, device.desk, device.first_number, last)
