"""python -m devices dispenser|desk|board --config FILE, and python -m devices bench.

Ends with 0 on SIGTERM, after telling the hub; with 2 and one sentence when something it needs is not right.
"""

import argparse
import logging
import os
import socket
import sys
from importlib import import_module
from pathlib import Path

from devices import DeviceError
from devices.ending import Ending
from devices.settings import KINDS, defaults, read

STUCK = 10.0  # seconds: an agent that has not done the simplest act by then gives no sign of life


def main(arguments: list[str]) -> int:
    """Runs one agent, or the bench; the exit code."""
    if arguments[:1] == ["bench"]:
        from devices import bench

        return bench.main(arguments[1:])
    asked = _parser().parse_args(arguments)
    if asked.defaults:
        print(defaults(asked.kind), end="")
        return 0
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        return _run(asked.kind, asked.config)
    except DeviceError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devices", description="One agent of the office, on its machine.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("bench", help="all devices of the offices on fakes, with their page", add_help=False)
    for kind in KINDS:
        agent = kinds.add_parser(kind, help=f"the {kind}'s agent")
        what = agent.add_mutually_exclusive_group(required=True)
        what.add_argument("--config", type=Path, metavar="FILE", help="the settings, in TOML")
        what.add_argument("--defaults", action="store_true", help="print a settings file with every default")
    return parser


def _run(kind: str, config: Path) -> int:
    """Works until SIGTERM or Ctrl-C. What systemd gets to know is told by hand: it is one datagram."""
    ending = Ending()
    agent = import_module(f"devices.{kind}").wired(read(kind, config))
    agent.start()
    _notify("READY=1")
    while not ending.asked(_watched_every()):
        if agent.answers(STUCK):
            _notify("WATCHDOG=1")
    _notify("STOPPING=1")
    agent.stop()
    return 0


def _watched_every() -> float | None:
    """Seconds between two signs of life, a quarter of what systemd waits (sd_watchdog_enabled(3)); None for none."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 4e6 if microseconds.isdigit() and int(microseconds) else None


def _notify(state: str) -> None:
    """Tells systemd, if it asked to be told (sd_notify(3)); an address that begins with @ is an abstract one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect("\0" + address[1:] if address[0] == "@" else address)
            channel.sendall(state.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
