"""How a process of the hub is asked to end: by SIGTERM, from systemd, or by Ctrl-C."""

import signal
from queue import Empty, SimpleQueue


class Ending:
    """From now on SIGTERM and SIGINT only ask: whoever waits here ends by itself. For the main thread.

    An Event does not do: its lock is not reentrant, and a handler that sets it while the same thread is just
    beginning to wait for it stands still for ever. A SimpleQueue's `put` is made to interrupt its `get`.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[int] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: self._asked.put(number))

    def asked(self, within: float | None = None) -> bool:
        """Whether it has been asked to end; waits for that so many seconds, or for ever."""
        try:
            self._asked.put(self._asked.get(timeout=within))  # it stays asked
        except Empty:
            return False
        return True
