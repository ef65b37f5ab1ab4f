"""A cable between a board and its broker that can fall silent: connections stay open, and nothing arrives."""

import select
import socket
import threading


class Cable:
    """Forwards bytes from `port` to the broker's, each connection by a thread of its own, until it is silent.

    `lets` is after how many bytes of the broker's a new connection falls silent; None for never.
    """

    def __init__(self, broker_port: int, lets: int | None = None) -> None:
        self.lets, self.calls = lets, 0
        self._broker, self._ends = broker_port, []
        self._over = threading.Event()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def silent(self) -> None:
        """From now on nothing passes, on old connections or new ones."""
        self.lets = 0

    def mended(self) -> None:
        """Whoever connects from now on reaches the broker; what hung before is lost."""
        self.lets = None

    def stop(self) -> None:
        """Takes it away."""
        self._over.set()
        for thread in self._threads:
            thread.join(5)
        for end in (self._door, *self._ends):
            end.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            if select.select([self._door], [], [], 0.05)[0]:
                self.calls += 1
                ours = self._door.accept()[0]
                theirs = socket.create_connection(("127.0.0.1", self._broker)) if self.lets != 0 else None
                self._ends += [end for end in (ours, theirs) if end]
                if theirs:
                    self._threads.append(threading.Thread(target=self._forward, args=(ours, theirs, self.lets)))
                    self._threads[-1].start()

    def _forward(self, ours: socket.socket, theirs: socket.socket, left: int | None) -> None:
        """Both ways, until one of them ends, the connection has had its bytes, or the cable falls silent."""
        while not self._over.is_set() and self.lets != 0 and left != 0:
            for end in select.select([ours, theirs], [], [], 0.02)[0]:
                data = end.recv(4096 if left is None or end is ours else left)
                if not data:
                    return _end(ours, theirs)
                (theirs if end is ours else ours).sendall(data)
                if left is not None and end is theirs:
                    left -= len(data)
        return None


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        each.shutdown(socket.SHUT_RDWR)
