"""What comes in over the API, checked at the door, and what goes out, described for openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Language = Literal["ca", "es", "en", "fr"]


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
