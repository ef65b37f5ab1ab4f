"""What machines say, as commands: facts of dispensers, presses on desks.

Each function works inside one transaction (`Work`), so that an effect and its acknowledgement or
answer are kept together or not at all.
"""

from __future__ import annotations

from typing import Any

import structlog

from firmware import wire
from hub.booking.errors import BookingError
from hub.line import commands as c
from hub.line.errors import DeskClosed, LineError, OutOfDate, Unknown
from hub.line.events import AtDesk, TicketCalled, TicketVoided
from hub.line.plan import HOUR, Moment
from hub.offices import Device
from hub.store import Work, answers, appointments, journals

log = structlog.get_logger()
Message = dict[str, Any]
FRESH = 5_000  # ms: an older press is not obeyed
LONGEST_WALK = 24 * HOUR  # nobody is told to be back later: a clock was wrong


# --- facts ----------------------------------------------------------------------------------


def take_facts(
    work: Work, device: Device, journal: str, facts: list[Message], now: Moment
) -> tuple[list[Message], int]:
    """Stores what comes next in one journal: (the facts that are new, the number up to which all is safe).

    A fact stored before is passed over; at a gap it stops.
    """
    stored = journals.stored(work, device.id, journal)
    new, rows = [], []
    for fact in facts:
        if fact["seq"] == stored + 1:
            stored += 1
            new.append(fact)
            refused = _refusal(work, device, fact, now)
            rows.append({"seq": stored, "fact": fact["fact"], "ticket": fact.get("ticket"), "refused": refused})
    if rows:
        journals.store_facts(work, device.id, journal, rows, now)
    return new, stored


def _refusal(work: Work, device: Device, fact: Message, now: Moment) -> str | None:
    """Applies one fact; the reason if it cannot be applied."""
    try:
        _apply(work, device, fact, now)
        return None
    except (LineError, BookingError) as error:
        log.warning("a fact is refused", device=device.id, fact=fact["fact"], seq=fact["seq"], reason=str(error))
        return str(error)


def _apply(work: Work, device: Device, fact: Message, now: Moment) -> None:
    command = _command(device, fact, now)
    if command is None:
        return
    if isinstance(command, c.Issue) and not command.services:
        one = appointments.by_id(work, fact["appointment"], lock=True)
        appointments.check_in(work, work.state(device.office).plan, one, command, now)
    elif any(isinstance(event, TicketVoided) for event in work.do(device.office, command, now)):
        appointments.not_arrived(work, work.state(device.office).plan, fact["ticket"], now)
    if isinstance(command, c.Issue):
        _report_a_label_given_twice(work, device, command)


def _command(device: Device, fact: Message, now: Moment) -> c.Command | None:
    """What a fact asks of the office; None for what it only tells. LineError if it cannot be asked."""
    match fact["fact"]:
        case "ticket.issued":
            return _issue(device, fact, (fact["service"],), now)
        case "appointment.checked_in":  # what it is for, the appointment says
            return _issue(device, fact, (), now)
        case "ticket.rejoined":
            return c.Rejoin(device.id, fact["ticket"], wire.instant(fact["at"]))
        case "ticket.voided":
            return c.Void(device.id, fact["ticket"], fact["why"])
    return None


def _issue(device: Device, fact: Message, services: tuple[str, ...], now: Moment) -> c.Issue:
    """A time to be back that no paper of today can carry is left out: the ticket itself stays good."""
    back_by = wire.instant(fact["back_by"]) if fact.get("back_by") else None
    return c.Issue(
        by=device.id,
        ticket=fact["ticket"],
        token=fact["token"],
        label=fact["label"],
        services=services,
        at=wire.instant(fact["at"]),
        day=fact["day"],
        language=fact.get("language", "ca"),
        priority=fact.get("priority", False),
        back_by=back_by if back_by and back_by <= now + LONGEST_WALK else None,
    )


def _report_a_label_given_twice(work: Work, device: Device, command: c.Issue) -> None:
    tickets = work.state(device.office).tickets.values()
    others = [t.origin for t in tickets if t.label == command.label and t.id != command.ticket]
    if others:
        log.warning("a label was given twice", label=command.label, device=device.id, other=others[0])


# --- presses --------------------------------------------------------------------------------

_VERBS: dict[str, type[c.DeskCommand]] = {
    "next": c.Next,
    "recall": c.Recall,
    "absent": c.MarkAbsent,
    "done": c.Done,
}


def take_press(work: Work, device: Device | None, id: str, press: Message, now: Moment) -> Message:
    """The answer to a press; a repeated id gets the answer it had, and has no further effect.

    One that was not to the contract comes with its id alone: nobody knows what it asks.
    """
    scope = f"press {id}"
    before = answers.given(work, scope, press["id"], "", now)
    if before is not None:
        return before
    answer = {"id": press["id"]} | _obey(work, device, press, now)
    if answer.get("why") != "unknown":  # strangers leave no trace
        answers.keep(work, scope, press["id"], "", answer, now)
    return answer


def _obey(work: Work, device: Device | None, press: Message, now: Moment) -> Message:
    if device is None or device.kind != "desk" or device.desk is None or "press" not in press:
        return {"ok": False, "why": "unknown"}
    if abs(now - wire.instant(press["now"])) > FRESH:
        return {"ok": False, "why": "too_late"}
    try:
        command = _VERBS[press["press"]](device.id, device.desk, press["version"])
        events = work.do(device.office, command, now)
    except OutOfDate:
        return {"ok": False, "why": "out_of_date"}
    except DeskClosed:
        return {"ok": False, "why": "desk_closed"}
    except LineError as error:
        return {"ok": False, "why": "unknown" if isinstance(error, Unknown) else "not_now"}
    last = events[-1] if events else None  # a desk that is open and free, and nobody waits: nothing has happened
    if not isinstance(last, AtDesk) or (press["press"] == "next" and not isinstance(last, TicketCalled)):
        return {"ok": False, "why": "nobody_waiting"}
    return {"ok": True, "label": work.state(device.office).tickets[last.ticket].label}
