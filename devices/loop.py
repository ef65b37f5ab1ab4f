"""One thread for one agent: what it is told is done in turn, and its own moments strike in time."""

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

log = logging.getLogger(__name__)
LONGEST = 3600.0  # seconds: a wait that nothing ends


class Loop:
    """Runs an agent in one thread, so that it needs no locks.

    Args:
        due: the next moment (seconds of the monotonic clock) at which the agent has something to do, or None.
        strike: does what is due at the moment it is given.
    """

    def __init__(self, due: Callable[[], float | None], strike: Callable[[float], None]) -> None:
        self._due, self._strike = due, strike
        self._inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def soon(self, act: Callable[..., None], *said: object) -> None:
        """Asks, from any thread, for `act(*said)` as soon as it is its turn."""
        self._inbox.put(lambda: act(*said))

    def answers(self, within: float) -> bool:
        """Whether it still comes round: an act asked for now is done within so many seconds. From another thread."""
        done = threading.Event()
        self.soon(done.set)
        return done.wait(within)

    def stop(self) -> None:
        """Ends `run`, from any thread, after what has been asked for so far."""
        self._inbox.put(None)

    def run(self) -> None:
        """Works until `stop`. What goes wrong in one act is logged and does not stop the others."""
        while (act := self._next()) is not None:
            try:
                act()
            except Exception:
                log.exception("an act of this machine failed; it goes on")

    def _next(self) -> Callable[[], None] | None:
        moment = self._due()
        wait = LONGEST if moment is None else max(0.0, moment - time.monotonic())
        try:
            return self._inbox.get(timeout=wait)
        except Empty:
            return lambda: self._strike(time.monotonic())
