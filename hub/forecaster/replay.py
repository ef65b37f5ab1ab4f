"""Plays a day again, in a process of its own: `Replays.played` starts one and waits for it; this file run is it.

Playing takes a processor for a tenth of a second to some seconds, and Python runs one thread at a time: inside a web
process phones would wait for it. The process is nice to all others, and is ended if it takes too long.
"""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from hub.line.plan import Plan, local
from hub.store import Store, forecasts
from hub.systemd import give_way

AT_ONCE = 2  # of one web process, at different offices
PATIENCE = 20.0  # seconds
COMMAND = [sys.executable, "-m", "hub.forecaster.replay"]
NICENESS = 15
NO_DAY, NOBODY, NO_HOUR = "no day", "nobody", "no hour"  # why a day cannot be played


class ReplayError(Exception):
    """A day that was not played."""


class Busy(ReplayError, BlockingIOError):
    """One is played already, at this office or at too many others."""


class Failed(ReplayError, RuntimeError):
    """It took too long, or came to nothing."""


class Unplayable(ReplayError, ValueError):
    """There is no such day, nobody came, or an hour is none; `why` says which."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Asked:
    """The form as it was sent; hours as 09:00, empty for as it was; `booked` a share in hundredths."""

    day: str
    desks: int = 0
    begins: str = ""
    ends: str = ""
    opens: str = ""
    closes: str = ""
    booked: str = ""


class Replays:
    """One day at a time for each office; whoever comes meanwhile is told so."""

    def __init__(self, store: Store) -> None:
        self._database = store.engine.url.render_as_string(hide_password=False)
        self._busy: set[str] = set()
        self._turn = threading.Lock()

    def played(self, plan: Plan, asked: Asked) -> dict[str, Any]:
        """What happened (`was`), the same day played (`again`), and with the change. Busy, Unplayable or Failed."""
        with self._turn:
            if plan.office in self._busy or len(self._busy) >= AT_ONCE:
                raise Busy("a day is being played already")
            self._busy.add(plan.office)
        try:
            return _answer(pickle.dumps((self._database, plan, asked)))
        finally:
            self._busy.discard(plan.office)


def _answer(question: bytes) -> dict[str, Any]:
    """Nothing that is asked stands in the command line: the database's address may hold a password."""
    try:
        done = subprocess.run(COMMAND, input=question, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"a day took longer than {PATIENCE:.0f} s to be played") from None
    if done.returncode:
        raise Failed(f"a day could not be played: exit {done.returncode}")
    answer = json.loads(done.stdout)
    if "why" in answer:
        raise Unplayable(answer["why"])
    return answer


# --- in the process of its own --------------------------------------------------------------


def main() -> None:
    """Reads a question, writes the answer; ends by itself even if nobody waits any more."""
    give_way(NICENESS)
    seconds = round(PATIENCE) + 5
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    database, plan, asked = pickle.load(sys.stdin.buffer)  # from the process that started this one
    try:
        answer = play_again(Store(database), plan, asked)
    except Unplayable as error:
        answer = {"why": error.why}
    print(json.dumps(answer))


def play_again(store: Store, plan: Plan, asked: Asked) -> dict[str, Any]:
    """The three outcomes. Unplayable."""
    from hub.forecast.laws import before_history, for_plan, unpacked  # numpy: the web process has no use for it
    from hub.forecast.whatif import Changes, past_day, play

    with store.begin() as connection:
        begun, events = forecasts.one_day(connection, plan.office, asked.day)
        body = forecasts.newest_laws(connection, plan.office)
    if not events:
        raise Unplayable(NO_DAY)
    laws = for_plan(unpacked(body) if body else before_history(plan), plan)
    past = past_day(begun, events, laws)
    if not past.visitors:
        raise Unplayable(NOBODY)
    opened = local(plan, past.at)
    offset = _offset(opened.hour * 60 + opened.minute)
    changes = Changes(
        desks=max(-2, min(2, asked.desks)),
        begins=offset(asked.begins, 0.0),
        ends=offset(asked.ends, past.closes),
        opens=offset(asked.opens, 0.0),
        closes=offset(asked.closes, past.closes),
        booked=_share(asked.booked),
    )
    if changes.ends <= changes.begins:
        raise Unplayable(NO_HOUR)
    again, changed = play(past, laws, Changes()), play(past, laws, changes)
    return {"was": asdict(past.outcome), "again": asdict(again), "changed": asdict(changed)}


def _share(text: str) -> float | None:
    try:
        return min(100, max(0, int(text))) / 100 if text else None
    except ValueError:
        raise Unplayable(NO_HOUR) from None


def _offset(opened: int) -> Callable[[str, float], float]:
    """Reads an hour as minutes after the doors opened."""
    from hub.offices import minutes

    def offset(hour: str, otherwise: float) -> float:
        try:
            return float(minutes(hour) - opened) if hour else otherwise
        except ValueError:
            raise Unplayable(NO_HOUR) from None

    return offset


if __name__ == "__main__":
    main()
