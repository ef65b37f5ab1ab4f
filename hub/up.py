"""Everything of the hub on one machine: broker, bridge, pages and forecaster as processes, kept alive.

They are forked from one that has already read and imported what all need, so that they start
quickly; and they end with it, even if it is killed.
"""

from __future__ import annotations

import ctypes
import http.client
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkProcess

import structlog

from . import broker as embedded
from .bridge.bridge import Bridge
from .ending import Ending
from .link import Broker
from .messages.post import Ways
from .messages.push import Push
from .offices import Fleet
from .settings import SettingsError
from .store import Store
from .systemd import say_ready, tell
from .web.provider import Provider

log = structlog.get_logger()
_fork = multiprocessing.get_context("fork")

ENDING = 4.0  # seconds that the parts have to end by themselves
AGAIN, LONGEST_WAIT = 0.5, 10.0  # seconds before a part that died is started again: doubled each time
LIVED = 60.0  # seconds that a part must live for the next wait to be short again
READY_WITHIN = 30.0  # seconds: one line in the log if it takes longer
PR_SET_PDEATHSIG = 1  # prctl(2)


class Up:
    """The supervisor. `run` returns 0 after SIGTERM or SIGINT."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        http: tuple[str, int],
        own: tuple[str, int] | None,
        broker: Broker,
        url: str,
        ways: Ways,
        push: Push,
        provider: Provider | None = None,
    ) -> None:
        self.store = store
        self.fleet = fleet
        self.http = http
        self.own = own
        self.broker = broker
        self.url = url
        self.ways = ways
        self.provider = provider
        self.push = push
        self.bridged = _fork.Event()
        self._parts: dict[str, Callable[[], None]] = {
            "bridge": self._bridge,
            "web": self._web,
            "forecaster": self._forecaster,
        }
        if own:
            self._parts = {"broker": self._broker, **self._parts}
        self._running: dict[str, ForkProcess] = {}
        self._started: dict[str, float] = {}
        self._waits: dict[str, float] = {}  # of those that died: how long they had to wait the last time
        self._due: dict[str, float] = {}  # when a dead part starts again

    def run(self) -> int:
        """Starts the parts, says `ready`, starts again what dies, ends all of it."""
        for address in filter(None, (self.http, self.own)):
            _must_be_free(address)
        self.store.dispose()  # no connection crosses a fork
        self.ending = Ending()
        try:
            for name in self._parts:
                self._start(name)
            self._say_ready()
            while not self.ending.asked(0.2):
                self._revive()
                tell("WATCHDOG=1")
        finally:
            self._end()
        return 0

    # --- the parts, each in its own process -----------------------------------------------

    def _broker(self) -> None:
        if self.own:
            embedded.run(*self.own)

    def _bridge(self) -> None:
        bridge = Bridge(self.store, self.fleet, self.broker, self.url, self.ways, self.push)
        bridge.ready = self.bridged.set
        signal.signal(signal.SIGTERM, bridge.stop)
        signal.signal(signal.SIGINT, bridge.stop)
        bridge.run()

    def _forecaster(self) -> None:
        """It begins once the others serve: they are what people wait for."""
        self.bridged.wait()
        from .forecaster.forecaster import Forecaster

        forecaster = Forecaster(self.store, self.fleet, self.broker)
        signal.signal(signal.SIGTERM, forecaster.stop)
        signal.signal(signal.SIGINT, forecaster.stop)
        forecaster.run()

    def _web(self) -> None:
        from .web.serve import run

        run(self.store, self.fleet, self.http, self.broker, self.url, self.provider)

    # --- keeping them alive ---------------------------------------------------------------

    def _start(self, name: str) -> None:
        process = _fork.Process(target=_in_child, args=(self._parts[name], os.getpid()), name=name)
        process.start()
        self._running[name], self._started[name] = process, time.monotonic()

    def _revive(self) -> None:
        moment = time.monotonic()
        for name, process in self._running.items():
            if process.is_alive():
                continue
            if name not in self._due:
                wait = self._waits[name] = self._wait(name, moment)
                self._due[name] = moment + wait
                log.error("a part of the hub has died and starts again", part=name, exit=process.exitcode, seconds=wait)
            elif moment >= self._due[name]:
                del self._due[name]
                self._start(name)

    def _wait(self, name: str, moment: float) -> float:
        """How long a part that died has to wait: longer each time, unless it had lived for a while."""
        lived = moment - self._started[name]
        return AGAIN if lived > LIVED or name not in self._waits else min(2 * self._waits[name], LONGEST_WAIT)

    def _end(self) -> None:
        """The broker goes last: the others still have something to say."""
        deadline = time.monotonic() + ENDING
        for name in reversed(self._parts):
            self._running[name].terminate()
            if name == "bridge":
                self._join(name, deadline)
        for name in self._parts:
            self._join(name, deadline)

    def _join(self, name: str, deadline: float) -> None:
        process = self._running[name]
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            log.error("a part of the hub does not end and is killed", part=name)
            process.kill()
            process.join()

    def _say_ready(self) -> None:
        late = time.monotonic() + READY_WITHIN
        while not self.ending.asked(0.02):
            self._revive()
            if self.bridged.is_set() and _answers(self.http):
                say_ready()
                return
            if time.monotonic() > late:
                log.error("not ready yet: see the lines above", seconds=READY_WITHIN)
                late = float("inf")


def _in_child(part: Callable[[], None], parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before this process asked to end with it
        sys.exit(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        part()
    except KeyboardInterrupt:
        sys.exit(0)


def _must_be_free(address: tuple[str, int]) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise SettingsError(f"{address[0]}:{address[1]}: {error.strerror}") from None


def _answers(address: tuple[str, int]) -> bool:
    """Whether the pages are ready; asked directly, whatever proxy the environment names."""
    connection = http.client.HTTPConnection(*address, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()
