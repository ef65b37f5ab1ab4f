"""A cable between a machine and the broker that can be told to fail in the ways of real ones."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

PUBLISH, PUBACK = 3, 4  # MQTT 3.1.1, 2.2.1: the packet's type, in the first byte's upper half


class Cable:
    """Carries MQTT packets between `port` and the broker.

    `deaf_to` names a leaf, such as "fact": acknowledgements of what is said there get lost on their way back.
    `cut_after` names one, too: the next thing said there arrives, and then the cable breaks.
    """

    def __init__(self, broker: int) -> None:
        self.deaf_to: str | None = None
        self.cut_after: str | None = None
        self.lost = self.cuts = 0
        self._broker = broker
        self._plugs: list[Plug] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._accept, name="cable", daemon=True).start()

    def pull(self) -> None:
        """Pulls it once: whoever connects again is carried again."""
        for plug in self._plugs:
            plug.pull()

    def stop(self) -> None:
        """Pulls it for good."""
        close(self._door)
        self.pull()

    def _accept(self) -> None:
        with suppress(OSError):  # the door is closed: that was all
            while True:
                machine, _ = self._door.accept()
                self._plug(machine)

    def _plug(self, machine: socket.socket) -> None:
        try:
            broker = socket.create_connection(("127.0.0.1", self._broker), timeout=5)
        except OSError:
            close(machine)
            return
        broker.settimeout(None)
        self._plugs.append(Plug(self, machine, broker))


class Plug:
    """One connection through the cable."""

    def __init__(self, cable: Cable, machine: socket.socket, broker: socket.socket) -> None:
        self.cable, self.machine, self.broker = cable, machine, broker
        self._unheard: set[bytes] = set()  # identifiers of packets whose acknowledgement gets lost
        for start, end, passes in ((machine, broker, self._out), (broker, machine, self._back)):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._carry, args=(start, end, passes), daemon=True).start()

    def pull(self) -> None:
        """Both ends see the connection close."""
        close(self.machine, self.broker)

    def _carry(self, start: socket.socket, end: socket.socket, passes: Callable[[bytes, socket.socket], None]) -> None:
        """One direction, until either end goes."""
        with suppress(OSError):
            for packet in packets(start):
                passes(packet, end)
        self.pull()

    def _out(self, packet: bytes, broker: socket.socket) -> None:
        leaf, identifier = published(packet)
        if leaf and leaf == self.cable.deaf_to:
            self._unheard.add(identifier)
        broker.sendall(packet)
        if leaf and leaf == self.cable.cut_after:
            self.cable.cut_after, self.cable.cuts = None, self.cable.cuts + 1
            self.pull()

    def _back(self, packet: bytes, machine: socket.socket) -> None:
        if packet[0] >> 4 == PUBACK and packet[2:4] in self._unheard:
            self._unheard.discard(packet[2:4])
            self.cable.lost += 1
        else:
            machine.sendall(packet)


def packets(sock: socket.socket) -> Iterator[bytes]:
    """Whole packets: a byte, the remaining length in up to four bytes of seven bits (MQTT 3.1.1, 2.2.3), the rest."""
    with sock.makefile("rb") as stream:
        while head := stream.read(1):
            length = shift = 0
            while True:
                digit = stream.read(1)
                if not digit:
                    return
                head += digit
                length |= (digit[0] & 0x7F) << shift
                shift += 7
                if digit[0] < 0x80:
                    break
            yield head + stream.read(length)


def published(packet: bytes) -> tuple[str, bytes]:
    """The last part of the topic of a PUBLISH and its packet identifier (3.3.2); empty for another packet."""
    if packet[0] >> 4 != PUBLISH:
        return "", b""
    start = next(i for i in range(1, 5) if packet[i] < 0x80) + 3
    end = start + int.from_bytes(packet[start - 2 : start], "big")
    return packet[start:end].rpartition(b"/")[2].decode("utf-8", "replace"), packet[end : end + 2]


def close(*socks: socket.socket) -> None:
    """Wakes whoever waits at them, and gives them back."""
    for sock in socks:
        with suppress(OSError):  # it was closed already
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
