"""Phones, hundreds of them: each holds its ticket's stream open, and comes back when it is cut off."""

import json
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

AGAIN_AFTER = 0.3  # seconds; a browser's EventSource waits three
NEWS_EVERY = 0.1  # seconds between two looks for new tickets


@dataclass
class Phone:
    """One phone: all that it was told, newest last."""

    token: str
    told: list[dict[str, Any]] = field(default_factory=list)
    sock: socket.socket | None = None
    unread: bytes = b""
    next_try: float = 0.0

    @property
    def state(self) -> str:
        """What it shows."""
        return self.told[-1]["state"] if self.told else "blank"

    def read(self, more: bytes) -> None:
        """Takes what came: server-sent events, apart by an empty line (HTML standard, 9.2.5)."""
        *blocks, self.unread = (self.unread + more).split(b"\n\n")
        for block in blocks:
            lines = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            if lines.get(b"event") == b"ticket":
                self.told.append(json.loads(lines[b"data"]))


class Phones(threading.Thread):
    """One thread that holds all the phones. `tokens()` says whose papers are out by now."""

    def __init__(self, port: int, tokens: Callable[[], Iterable[str]]) -> None:
        super().__init__(name="phones", daemon=True)
        self.port = port
        self.phones: dict[str, Phone] = {}
        self._tokens = tokens
        self._selector = selectors.DefaultSelector()
        self._ending = threading.Event()

    def run(self) -> None:
        """Until `stop`."""
        while not self._ending.is_set():
            for token in self._tokens():
                self.phones.setdefault(token, Phone(token))
            for phone in list(self.phones.values()):
                if phone.sock is None and time.monotonic() >= phone.next_try:
                    self._dial(phone)
            for key, _ in self._selector.select(NEWS_EVERY):
                self._listen(key.data)
        for phone in self.phones.values():
            self._hang_up(phone)
        self._selector.close()

    def stop(self) -> None:
        """Hangs up on all."""
        self._ending.set()
        self.join(10)

    def states(self) -> dict[str, str]:
        """What each shows now, by token."""
        return {token: phone.state for token, phone in list(self.phones.items())}

    def _dial(self, phone: Phone) -> None:
        try:
            phone.sock = socket.create_connection(("127.0.0.1", self.port), timeout=2)
            phone.sock.sendall(f"GET /t/{phone.token}/events HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
            phone.sock.setblocking(False)
            self._selector.register(phone.sock, selectors.EVENT_READ, phone)
        except OSError:
            self._hang_up(phone)

    def _listen(self, phone: Phone) -> None:
        try:
            more = phone.sock.recv(65536) if phone.sock else b""
        except OSError:
            more = b""
        if more:
            phone.read(more.partition(b"\r\n\r\n")[2] if more.startswith(b"HTTP/") else more)
        else:
            self._hang_up(phone)

    def _hang_up(self, phone: Phone) -> None:
        if phone.sock is not None:
            if phone.sock.fileno() in self._selector.get_map():
                self._selector.unregister(phone.sock)
            phone.sock.close()
        phone.sock, phone.unread, phone.next_try = None, b"", time.monotonic() + AGAIN_AFTER
