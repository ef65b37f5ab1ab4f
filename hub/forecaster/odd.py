"""What is odd at an office: the forecast goes on all the same, and the log says so once for as long as it lasts."""

from __future__ import annotations

from typing import NamedTuple

from hub.forecast.draws import forgotten
from hub.forecast.laws import UNSURE, Laws, for_plan
from hub.forecast.watch import LONGEST, Watch
from hub.line.model import Stage
from hub.line.plan import MINUTE, Moment

MOST_TICKETS = 2000  # whose waits are published: a document has its bounds
JUMP = 5_000  # ms by which a clock may go wrong between two looks; it is set right by less than that


class Odd(NamedTuple):
    """A line of the log, with what it is about."""

    line: str
    about: tuple[tuple[str, str], ...] = ()


def odd(watch: Watch, laws: Laws, at: Moment) -> set[Odd]:
    """All that is odd at an office now."""
    state, known = watch.state, for_plan(laws, watch.state.plan)
    found = {
        Odd("a desk has stood longer than any visit: it counts as away", (("desk", desk),))
        for desk in forgotten(state, known, at)
    }
    found |= {
        Odd(
            "a visit was longer than any is: nothing is learned from it",
            (("desk", visit.desk), ("service", visit.service), ("hours", f"{visit.minutes / 60:.1f}")),
        )
        for visit in watch.visits
        if visit.minutes > LONGEST
    }
    new = sorted(service.id for service in state.plan.services if known.services[service.id].sd >= UNSURE)
    if new:
        found.add(Odd("services without a past: their planned minutes count", (("services", ",".join(new)),)))
    if sum(ticket.stage is Stage.WAITING for ticket in state.tickets.values()) > MOST_TICKETS:
        found.add(Odd("more people wait than are told how long", (("told", str(MOST_TICKETS)),)))
    return found


class Clock:
    """Notices that a machine's clock has jumped, by one that only counts seconds."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def jumped(self, at: Moment, seconds: float) -> float:
        """By how many minutes the clock has jumped since the last look; 0 if it has not."""
        ahead, before = at - seconds * 1000, self._ahead
        self._ahead = ahead
        off = 0.0 if before is None else ahead - before
        return off / MINUTE if abs(off) > JUMP else 0.0
