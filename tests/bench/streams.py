"""Phones, as many as one likes: open event streams that cost the machine next to nothing on their side."""

import select
import socket
import time
from collections.abc import Iterable, Iterator, Sequence

IP_BIND_ADDRESS_NO_PORT = 24  # ip(7): the port is chosen at connect, so that one address has enough of them
A_SOURCE = 5000  # streams from one address
TOGETHER = 250  # opened at once
WITHIN = 60.0  # seconds


class Streams:
    """Open streams, each known by its number; one epoll reads them all."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._sockets: list[socket.socket] = []
        self._numbers: dict[int, int] = {}
        self._epoll = select.epoll()

    def open(self, paths: Iterable[str], ports: Sequence[int] = ()) -> list[int]:
        """Opens one for each path, at the ports in turn; their numbers, once each has had its first event."""
        paths, self.ports = list(paths), ports or (self.port,)
        numbers: list[int] = []
        for start in range(0, len(paths), TOGETHER):
            some = [self._opened(path) for path in paths[start : start + TOGETHER]]
            self.told(some, b"event: ")
            numbers += some
        return numbers

    def told(self, numbers: Iterable[int], mark: bytes) -> float:
        """The moment at which the last of these streams has had `mark`; what else comes is read and forgotten."""
        missing, last = set(numbers), time.perf_counter()
        deadline = last + WITHIN
        while missing and last < deadline:
            missing -= {number for number, words in self._read(1.0) if mark in words}
            last = time.perf_counter()
        if missing:
            raise RuntimeError(f"{len(missing)} streams were not told {mark!r} within {WITHIN:.0f} s")
        return last

    def rest(self, seconds: float) -> None:
        """Reads until nothing has come for so long."""
        while any(words for _, words in self._read(seconds)):
            pass

    def close(self) -> None:
        """Hangs up on all."""
        self._epoll.close()
        for each in self._sockets:
            each.close()

    def _read(self, seconds: float) -> Iterator[tuple[int, bytes]]:
        for file, _ in self._epoll.poll(seconds, 1024):
            number = self._numbers[file]
            yield number, self._sockets[number].recv(65536)

    def _opened(self, path: str) -> int:
        number = len(self._sockets)
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((f"127.0.0.{2 + number // A_SOURCE}", 0))
        port = self.ports[number % len(self.ports)]
        sock.connect(("127.0.0.1", port))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        self._sockets.append(sock)
        self._numbers[sock.fileno()] = number
        self._epoll.register(sock, select.EPOLLIN)
        return number
