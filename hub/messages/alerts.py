"""What a locked phone is told, and when: the same moments at which its open page sounds. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from hub.line.evolve import ENDED
from hub.line.model import Stage, State, Ticket
from hub.line.plan import MINUTE, Moment, local
from hub.line.views import Expected, ticket_document
from hub.store.subscriptions import Subscription

from .texts import words


class Notice(StrEnum):
    """What somebody is told."""

    CALLED = "called"
    RECALLED = "recalled"
    RETURN = "return"
    NEAR = "near"
    PAUSED = "paused"
    RESUMED = "resumed"


LIVES = {  # seconds: whatever comes later would send somebody running for nothing
    Notice.CALLED: 120,
    Notice.RECALLED: 120,
    Notice.RETURN: 600,
    Notice.NEAR: 300,
    Notice.PAUSED: 600,
    Notice.RESUMED: 600,
}


@dataclass(frozen=True)
class Told:
    """What a phone was told so far."""

    announced: Moment = 0  # of the last call or recall
    turn: int = 0  # of the last call
    placed: Moment = 0  # of the place for which the two below were told
    returned: bool = False
    warned: bool = False
    paused: bool = False

    def packed(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self))


def beginning(state: State) -> Told:
    """What somebody knows who looks at the page: that the office stands still is no news."""
    return Told(paused=state.paused is not None)


@dataclass(frozen=True)
class Seen:
    """A ticket as its page shows it."""

    state: State
    ticket: Ticket
    before: int | None  # so many are ahead
    back_by: Moment | None

    @property
    def waits(self) -> bool:
        """Whether it stands in line."""
        return self.ticket.stage is Stage.WAITING and self.before is not None


def seen(state: State, ticket: Ticket, before: int | None, expected: Expected) -> Seen:
    """The same figures as on the page."""
    document = ticket_document(state, ticket, before, _as_it_is, expected)
    return Seen(state, ticket, document["ahead"], document["back_by"])


def _as_it_is(moment: Moment) -> Moment:
    return moment


def is_over(ticket: Ticket | None) -> bool:
    """Whether there is nothing more to tell of a ticket."""
    return ticket is None or ticket.stage in ENDED


def news(one: Subscription, seen: Seen, at: Moment) -> tuple[Notice | None, Told]:
    """What is to be told now, the most pressing of all there is; and what has been told then."""
    told = Told(**json.loads(one.told))
    if told.placed != seen.ticket.placed:  # who let others pass, or rejoined, waits anew
        told = replace(told, placed=seen.ticket.placed, returned=False, warned=False)
    found = list(_news(one, told, seen, at))
    after = replace(
        told,
        returned=told.returned or Notice.RETURN in found,
        warned=told.warned or Notice.NEAR in found,
        paused=seen.state.paused is not None,
    )
    if seen.ticket.stage is Stage.CALLED:
        after = replace(after, announced=seen.ticket.announced or 0, turn=seen.ticket.turn)
    return (found[0] if found else None), after


def _news(one: Subscription, told: Told, seen: Seen, at: Moment) -> Iterator[Notice]:
    ticket = seen.ticket
    if ticket.stage is Stage.CALLED and ticket.announced != told.announced:
        yield Notice.RECALLED if ticket.turn == told.turn else Notice.CALLED
    if not told.returned and is_time(one, seen, at):
        yield Notice.RETURN
    if not told.warned and is_near(one, seen):
        yield Notice.NEAR
    if told.paused != (seen.state.paused is not None):
        yield Notice.PAUSED if seen.state.paused else Notice.RESUMED


def is_time(one: Subscription, seen: Seen, at: Moment) -> bool:
    """Whether who has said how long their way is must set off."""
    return bool(seen.waits and one.walk and seen.back_by) and (seen.back_by or 0) - one.walk * MINUTE <= at


def is_near(one: Subscription, seen: Seen) -> bool:
    """Whether so few are ahead as somebody asked to be warned of."""
    return seen.waits and one.warn > 0 and (seen.before or 0) <= one.warn


def is_true(notice: Notice, seen: Seen) -> bool:
    """Whether it still is as somebody is about to be told."""
    match notice:
        case Notice.CALLED | Notice.RECALLED:
            return seen.ticket.stage is Stage.CALLED
        case Notice.RETURN | Notice.NEAR:
            return seen.waits  # a forecast that has moved a little since takes nothing back
        case Notice.PAUSED:
            return seen.state.paused is not None
        case Notice.RESUMED:
            return seen.state.paused is None


def worded(notice: Notice, one: Subscription, seen: Seen) -> dict[str, str]:
    """Title and text, in the language of the phone's page. The office's own words about a pause are as they are."""
    _ = words(one.language)
    label = seen.ticket.label
    desk = _("Desk %(desk)s") % {"desk": seen.ticket.desk}
    match notice:
        case Notice.CALLED:
            title, text = _("%(label)s: it is your turn"), desk
        case Notice.RECALLED:
            title, text = _("%(label)s: you are called again"), desk
        case Notice.RETURN:
            hour = local(seen.state.plan, seen.back_by).strftime("%H:%M") if seen.back_by else ""
            title, text = _("%(label)s: come back now"), _("Be back by %(hour)s.") % {"hour": hour} if hour else ""
        case Notice.NEAR if not seen.before:
            title, text = _("%(label)s: you are next"), _("Stay close.")
        case Notice.NEAR:
            title, text = (
                _("%(label)s: it is nearly your turn"),
                _("Ahead of you: %(people)s") % {"people": seen.before},
            )
        case Notice.PAUSED:
            message = seen.state.paused.message if seen.state.paused else ""
            kept = _("Your place is kept.")
            title, text = _("%(label)s: the office stands still"), f"{message} {kept}".strip()
        case Notice.RESUMED:
            title, text = _("%(label)s: the office goes on"), _("Your place was kept.")
    return {"title": title % {"label": label}, "text": text, "language": one.language}
