"""What systemd gets to know, by hand: it is one datagram (sd_notify(3)); and what it may not let a process do."""

import os
import socket
from contextlib import suppress


def tell(state: str) -> None:
    """READY=1 or WATCHDOG=1, if systemd asked for it; an address that begins with @ is an abstract one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect("\0" + address[1:] if address[0] == "@" else address)
            channel.sendall(state.encode())


def give_way(niceness: int) -> None:
    """Lets all others have the processor first (nice(2)), where a filter of system calls does not forbid that."""
    with suppress(PermissionError):
        os.nice(niceness)


def say_ready() -> None:
    """To whoever waits: `ready` on a line of its own, in one piece, so that no line of the log comes between."""
    print("ready\n", end="", flush=True)
    tell("READY=1")
