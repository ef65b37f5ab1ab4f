"""What people and machines ask of an office, as verbs. `decide` says what each one means."""

from __future__ import annotations

from dataclasses import dataclass

from .plan import Appointment, Moment, Plan


@dataclass(frozen=True)
class Command:
    """Something asked of an office; `by` is who asks."""

    by: str


@dataclass(frozen=True)
class Tick(Command):
    """Time has passed: a day may have ended."""


@dataclass(frozen=True)
class Adopt(Command):
    """The offices file may have changed."""

    plan: Plan


@dataclass(frozen=True)
class PauseOffice(Command):
    message: str


@dataclass(frozen=True)
class ResumeOffice(Command):
    pass


@dataclass(frozen=True)
class Issue(Command):
    """A ticket given out at `at`, on the office's day `day` (None: now).

    Without a `label` it takes the next number of a range that begins at `first_number`.
    """

    ticket: str
    token: str
    label: str
    services: tuple[str, ...]
    first_number: int = 900
    at: Moment | None = None
    day: str | None = None
    language: str = "ca"
    priority: bool = False
    back_by: Moment | None = None
    appointment: Appointment | None = None


@dataclass(frozen=True)
class TicketCommand(Command):
    ticket: str


@dataclass(frozen=True)
class Rejoin(TicketCommand):
    at: Moment | None = None


@dataclass(frozen=True)
class LetPass(TicketCommand):
    pass


@dataclass(frozen=True)
class Reassign(TicketCommand):
    service: str


@dataclass(frozen=True)
class Leave(TicketCommand):
    pass


@dataclass(frozen=True)
class Void(TicketCommand):
    why: str


@dataclass(frozen=True)
class DeskCommand(Command):
    """Something asked by a desk; `version` is of the desk as shown to who asked (None: not checked)."""

    desk: str
    version: int | None = None


@dataclass(frozen=True)
class Open(DeskCommand):
    pass


@dataclass(frozen=True)
class Close(DeskCommand):
    pass


@dataclass(frozen=True)
class PauseDesk(DeskCommand):
    pass


@dataclass(frozen=True)
class Next(DeskCommand):
    pass


@dataclass(frozen=True)
class Recall(DeskCommand):
    pass


@dataclass(frozen=True)
class MarkAbsent(DeskCommand):
    pass


@dataclass(frozen=True)
class Start(DeskCommand):
    pass


@dataclass(frozen=True)
class Done(DeskCommand):
    pass


@dataclass(frozen=True)
class Undo(DeskCommand):
    pass


@dataclass(frozen=True)
class Park(DeskCommand):
    room: str = ""


@dataclass(frozen=True)
class Transfer(DeskCommand):
    service: str = ""


@dataclass(frozen=True)
class Resume(DeskCommand):
    """A parked ticket comes back to this desk, or into the line."""

    ticket: str = ""
    to_line: bool = False
