"""What comes in over the API, checked at the door, and what goes out, described for openapi.json."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Language = Literal["ca", "es", "en", "fr"]
LONGEST_GRACE = 240  # minutes


class Body(BaseModel):
    """A request's body; keys that nobody knows are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Verb(Body):
    """What every verb of a desk takes."""

    version: Annotated[int, Field(ge=0)] | None = Field(None, description="of the desk, as shown to who asks")


class Park(Verb):
    """Where somebody is sent to wait."""

    room: Words = ""


class Transfer(Verb):
    """The service somebody is handed on to."""

    service: Slug


class Resume(Verb):
    """A parked ticket comes back to this desk, or returns to the line."""

    ticket: Annotated[str, Field(max_length=36)]
    to_line: bool = False


class Pause(Body):
    """The whole office stands still."""

    message: Annotated[Words, Field(min_length=1)]


class NewTicket(Body):
    """A ticket given at reception."""

    service: Slug
    priority: bool = False
    language: Language = "ca"


class Reassign(Body):
    """The service that somebody meant to choose."""

    service: Slug


class PushKeys(Body):
    """A phone's own keys, in URL-safe Base64 (Push API, 8.1)."""

    p256dh: Annotated[str, Field(max_length=100)]
    auth: Annotated[str, Field(max_length=30)]


class PushEndpoint(Body):
    """Where a phone is pushed to."""

    endpoint: Annotated[str, Field(max_length=1000)]


class PushTo(PushEndpoint):
    """A phone that is to be told while it is locked: its subscription, and what its person has set."""

    keys: PushKeys
    walk: Annotated[int, Field(ge=0, le=120, description="minutes of way back; 0: not set")] = 0
    warn: Annotated[int, Field(ge=0, le=99, description="so many ahead; 0: not set")] = 0


def _services(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _hour(value: str) -> str:
    try:
        if datetime.fromisoformat(value).tzinfo is not None:
            return value
    except ValueError:
        pass  # the same sentence for what cannot be read and what has no offset
    raise ValueError("must be a time with its offset, like 2026-11-24T09:10:00+01:00")


def _locator(value: str) -> str:
    return re.sub(r"[\s.-]", "", value)


Services = Annotated[
    list[Slug],
    Field(min_length=1, max_length=10),
    BeforeValidator(_services),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Hour = Annotated[str, Field(max_length=40), AfterValidator(_hour)]
Name = Annotated[Words, StringConstraints(strip_whitespace=True, min_length=1)]
Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s\x00-\x1f]+$")]
Phone = Annotated[str, Field(max_length=40, pattern=r"^\+?[0-9 ()./-]{6,39}$")]


class Document(Body):
    """An identity document, as its owner writes it."""

    kind: Literal["dni", "nie", "passport"]
    number: Annotated[str, Field(min_length=1, max_length=30)]


class NewAppointment(Body):
    """Who comes, when, and for what. Only staff may leave the document out, add a note, or take internal seats."""

    office: Slug
    service: Services = Field(description="a service's id, or a list for several in one visit")
    start: Hour
    document: Document | None = None
    name: Name
    email: Email | None = None
    phone: Phone | None = None
    language: Language = "ca"
    note: Annotated[Words, Field(max_length=500)] | None = None
    internal: bool = Field(False, description="one of the telephone's seats will do")


class Change(Body):
    """Another hour for the same appointment, or by staff more grace for whoever is running late."""

    start: Hour | None = None
    grace_minutes: Annotated[int, Field(ge=0, le=LONGEST_GRACE)] | None = Field(
        None, description="how much later than `late_minutes` is still in time; staff only"
    )

    @model_validator(mode="after")
    def _something(self) -> Change:
        if self.start is None and self.grace_minutes is None:
            raise ValueError("either start or grace_minutes")
        return self


class CheckIn(Body):
    """Who is here: by a document, or by the locator."""

    document: Document | None = None
    locator: Annotated[str, Field(max_length=20), AfterValidator(_locator)] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> CheckIn:
        if (self.document is None) == (self.locator is None):
            raise ValueError("either document or locator")
        return self


# --- answers --------------------------------------------------------------------------------


class Wait(BaseModel):
    """A forecast in minutes, as quantiles."""

    p5: int
    p10: int
    p50: int
    p90: int


class Ticket(BaseModel):
    """What a phone is told of its ticket."""

    seq: int
    label: str | None
    state: Literal["unknown", "waiting", "called", "serving", "done", "absent", "left", "closed"]
    ahead: int | None
    wait: Wait | None
    back_by: str | None
    desk: str | None
    paused: str | None  # the message while the whole office stands still


class GivenTicket(BaseModel):
    """A ticket given at reception; the token is for its owner alone."""

    ticket: str
    label: str
    token: str
    wait: Wait | None


class Slot(BaseModel):
    """An hour that can be booked, on the office's clock, and how many times."""

    start: str
    free: int


class Slots(BaseModel):
    """What is free, in the order of time."""

    slots: list[Slot]


class Appointment(BaseModel):
    """A booked hour, without saying whose it is."""

    appointment: str
    locator: str
    office: str
    services: list[str]
    start: str
    minutes: int
    state: Literal["booked", "cancelled", "arrived"]
    language: str
    grace_minutes: int
    label: str | None


class BookedAppointment(Appointment):
    """A new appointment; the secret opens it in links."""

    secret: str


class Expected(Appointment):
    """Somebody expected today; the name is null once it is erased."""

    presence: Literal["expected", "late", "absent", "arrived"]
    name: str | None
    note: str | None


class ExpectedToday(BaseModel):
    """Everybody with an appointment today, in the order of time."""

    day: str
    appointments: list[Expected]


class AtDesk(BaseModel):
    """Who is at a desk with an appointment."""

    label: str
    start: str
    services: list[str]
    name: str | None
    note: str | None


class Called(BaseModel):
    """Who was called, and why; all but the version are null when nobody waits."""

    label: str | None
    ticket: str | None
    service: str | None
    reason: str | None
    version: int


class Desk(BaseModel):
    """What a desk does."""

    office: str
    desk: str
    state: Literal["closed", "free", "calling", "serving"]
    label: str | None
    service: str | None
    since: str
    waiting: int
    version: int
    paused: bool


class LineService(BaseModel):
    """Those who wait for one service."""

    waiting: int
    wait: Wait | None


class LineDesk(BaseModel):
    """What one desk shows."""

    state: Literal["closed", "free", "calling", "serving"]
    label: str | None


class LineCall(BaseModel):
    """A call on the board."""

    label: str
    desk: str
    at: str


class Line(BaseModel):
    """An office's whole line; `calls` newest first."""

    seq: int
    at: str
    office: str
    day: str
    open: bool
    paused: str | None
    waiting: int
    events: int
    services: dict[str, LineService]
    desks: dict[str, LineDesk]
    calls: list[LineCall]


class Service(BaseModel):
    """A procedure that people come for."""

    id: str
    letter: str
    name: dict[str, str]
    bookable: bool
    walk_in: bool


class Office(BaseModel):
    """An office: what it is called, and whether its doors are open."""

    id: str
    name: str
    telephone: str
    timezone: str
    open: bool
    opens: str | None
    services: list[Service]
    desks: list[str]


class Offices(BaseModel):
    """All offices."""

    offices: list[Office]


class OfficeState(BaseModel):
    """Whether an office stands still, and what it says meanwhile."""

    office: str
    paused: str | None


class Problem(BaseModel):
    """What went wrong (RFC 9457); `code` is for machines, `field` names what was wrong in the body."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
