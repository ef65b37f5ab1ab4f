"""Tickets, desks and the office they make up; and the lawful moves of each, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .errors import NotNow
from .plan import Appointment, DeskPlan, Moment, Plan

Rank = tuple[int, ...]  # (class, moment, moment, number of the ticket, places behind others ...)
WAITED_TOO_LONG = "waited_too_long"  # the reason of a call made by the bound on unfairness


class Stage(StrEnum):
    """Where a ticket is on its way through the office."""

    WAITING = "waiting"
    CALLED = "called"
    SERVING = "serving"
    PARKED = "parked"
    ABSENT = "absent"
    DONE = "done"
    LEFT = "left"
    VOIDED = "voided"
    CLOSED = "closed"


class Move(StrEnum):
    """What can happen to a ticket."""

    CALL = "call"
    RECALL = "recall"
    START = "start"
    DONE = "done"
    CONTINUE = "continue"  # the next of several services, at the same desk
    REQUEUE = "requeue"  # the next of several services, at another desk
    ABSENT = "absent"
    REJOIN = "rejoin"
    PARK = "park"
    RESUME = "resume"  # a parked ticket comes back to a desk
    RETURN = "return"  # a parked ticket goes back into the line
    TRANSFER = "transfer"
    LET_PASS = "let pass"
    REASSIGN = "reassign"  # the citizen chose the wrong procedure
    LEAVE = "leave"
    VOID = "void"
    CLOSE = "close"  # the day ends


_AT_DESK = {
    Move.DONE: Stage.DONE,
    Move.CONTINUE: Stage.SERVING,
    Move.REQUEUE: Stage.WAITING,
    Move.PARK: Stage.PARKED,
    Move.TRANSFER: Stage.WAITING,
    Move.CLOSE: Stage.CLOSED,
}

TICKET_MOVES: dict[Stage, dict[Move, Stage]] = {
    Stage.WAITING: {
        Move.CALL: Stage.CALLED,
        Move.TRANSFER: Stage.WAITING,
        Move.LET_PASS: Stage.WAITING,
        Move.REASSIGN: Stage.WAITING,
        Move.LEAVE: Stage.LEFT,
        Move.VOID: Stage.VOIDED,
        Move.CLOSE: Stage.CLOSED,
    },
    Stage.CALLED: _AT_DESK
    | {
        Move.RECALL: Stage.CALLED,
        Move.START: Stage.SERVING,
        Move.ABSENT: Stage.ABSENT,
        Move.LET_PASS: Stage.WAITING,
        Move.LEAVE: Stage.LEFT,
    },
    Stage.SERVING: _AT_DESK,
    Stage.PARKED: {
        Move.RESUME: Stage.CALLED,
        Move.RETURN: Stage.WAITING,
        Move.LEAVE: Stage.LEFT,
        Move.CLOSE: Stage.CLOSED,
    },
    Stage.ABSENT: {Move.REJOIN: Stage.WAITING, Move.LEAVE: Stage.LEFT, Move.CLOSE: Stage.CLOSED},
    Stage.DONE: {},
    Stage.LEFT: {},
    Stage.VOIDED: {},
    Stage.CLOSED: {},
}


class DeskStage(StrEnum):
    """What a desk does."""

    CLOSED = "closed"
    PAUSED = "paused"
    FREE = "free"
    CALLING = "calling"
    SERVING = "serving"


class DeskMove(StrEnum):
    """What can happen to a desk."""

    OPEN = "open"
    CLOSE = "close"
    PAUSE = "pause"
    CALL = "call"
    SERVE = "serve"
    FREE = "free"  # whoever was there is not any more


DESK_MOVES: dict[DeskStage, dict[DeskMove, DeskStage]] = {
    DeskStage.CLOSED: {DeskMove.OPEN: DeskStage.FREE},
    DeskStage.PAUSED: {DeskMove.OPEN: DeskStage.FREE, DeskMove.CLOSE: DeskStage.CLOSED},
    DeskStage.FREE: {
        DeskMove.CLOSE: DeskStage.CLOSED,
        DeskMove.PAUSE: DeskStage.PAUSED,
        DeskMove.CALL: DeskStage.CALLING,
    },
    DeskStage.CALLING: {DeskMove.SERVE: DeskStage.SERVING, DeskMove.FREE: DeskStage.FREE},
    DeskStage.SERVING: {DeskMove.SERVE: DeskStage.SERVING, DeskMove.FREE: DeskStage.FREE},
}


@dataclass(frozen=True)
class Ticket:
    """One person's place, from the paper to the end of the visit."""

    id: str
    token: str
    label: str
    services: tuple[str, ...]  # what is still to be done; the first one is waited for or served
    issued: Moment
    number: int  # the how many-th of the day: the last tie-break of every rank
    origin: str = ""  # the dispenser, or who gave it at reception
    language: str = "ca"
    priority: bool = False
    appointment: Appointment | None = None
    back_by: Moment | None = None  # the time printed on the paper
    stage: Stage = Stage.WAITING
    desk: str | None = None  # where it was called last
    first_called: Moment | None = None
    called: Moment | None = None  # the last time
    started: Moment | None = None
    finished: Moment | None = None
    missed: Moment | None = None  # when it was marked absent
    place: tuple[Rank, ...] = ()  # its ranks behind somebody else, once it rejoined or let others pass
    placed: Moment = 0  # when that was
    room: str | None = None  # where it is parked
    reassigned: bool = False
    reason: str | None = None  # of its last call
    turn: int = 0  # the number of the event of its last call; 0: never called
    announced: Moment | None = None  # its last call or recall, for the board
    why: str | None = None  # it was closed or voided
    touched: int = 0  # the number of the last event that changed it

    @property
    def service(self) -> str:
        """What is waited for, or served, now (of a finished visit: the last one)."""
        return self.services[0]

    def after(self, move: Move) -> Stage:
        """The stage that `move` leads to; NotNow names ticket, move and stage if there is none."""
        try:
            return TICKET_MOVES[self.stage][move]
        except KeyError:
            raise NotNow(f"ticket {self.label} is {self.stage}: it cannot {move} now") from None


@dataclass(frozen=True)
class Desk:
    """One desk of the office today."""

    id: str
    services: tuple[str, ...]
    stage: DeskStage = DeskStage.CLOSED
    ticket: str | None = None  # who is called or served here
    since: Moment = 0
    version: int = 0  # grows when what is shown (state, label, service) changes

    @property
    def is_open(self) -> bool:
        """Whether the desk works: neither closed nor paused."""
        return self.stage not in (DeskStage.CLOSED, DeskStage.PAUSED)

    def after(self, move: DeskMove) -> DeskStage:
        """The stage that `move` leads to; NotNow names desk, move and stage if there is none."""
        try:
            return DESK_MOVES[self.stage][move]
        except KeyError:
            raise NotNow(f"desk {self.id} is {self.stage}: it cannot {move} now") from None


@dataclass(frozen=True)
class Step:
    """What a desk's last act changed, to take it back: the desk and the tickets as they were."""

    number: int  # of its first event
    last: int  # of its last event
    desk: Desk
    tickets: Mapping[str, Ticket]


@dataclass(frozen=True)
class Pause:
    """The whole office stands still."""

    since: Moment
    message: str


@dataclass(frozen=True)
class State:
    """An office on one day: everything that its events since `day.opened` say."""

    office: str
    seq: int = 0  # of the last event in it
    plan: Plan = None  # type: ignore[assignment]  # None until the first day.opened; `decide` refuses all but a plan
    day: str = ""
    tickets: Mapping[str, Ticket] = field(default_factory=dict)
    desks: Mapping[str, Desk] = field(default_factory=dict)
    steps: Mapping[str, Step] = field(default_factory=dict)
    paused: Pause | None = None
    pauses: tuple[tuple[Moment, Moment], ...] = ()  # those that are over

    @property
    def bounded(self) -> bool:
        """Whether the last call that stands (none taken back) was made by the bound on unfairness."""
        last = max(self.tickets.values(), key=lambda ticket: ticket.turn, default=None)
        return last is not None and last.reason == WAITED_TOO_LONG


def desk_of(plan: DeskPlan, version: int, at: Moment) -> Desk:
    """The desk as a day begins: closed, its version carried on."""
    return Desk(plan.id, plan.services, since=at, version=version)
