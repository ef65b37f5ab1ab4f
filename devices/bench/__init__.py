"""The bench: every device of the offices in one process, for whoever has no hardware.

The agents are the very same that run on the machines, each with a connection of its own to the broker; only
what they hold in their hands are the vendors' fakes. `page` shows them as the objects they stand for.

    python -m devices bench --broker 127.0.0.1:1883 --http 127.0.0.1:8090
"""

import argparse
import logging
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devices import DeviceError
from devices.ending import Ending
from devices.settings import Broker

SAMPLE = Path(__file__).resolve().parents[2] / "provisioning" / "offices.sample.toml"


def main(arguments: list[str]) -> int:
    """Runs the bench until SIGTERM or Ctrl-C; the exit code: 2 after one sentence when something is not right."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory(prefix="torn-bench-") as own:
            return _run(asked, Path(asked.data or own))
    except (DeviceError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devices bench", description="All devices on fakes, with a page.")
    parser.add_argument("--broker", type=_address, default=("127.0.0.1", 1883), metavar="HOST:PORT")
    parser.add_argument("--http", type=_address, default=("127.0.0.1", 8090), metavar="HOST:PORT")
    parser.add_argument(
        "--offices", type=Path, metavar="FILE", help="the offices; default: offices.toml here, or else the sample"
    )
    parser.add_argument("--data", metavar="DIR", help="the dispensers' journals; without it they go at the end")
    parser.add_argument("--voice", action="store_true", help="dispensers and boards speak through this computer")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: must be HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _run(asked: argparse.Namespace, data: Path) -> int:
    """Switches everything on, serves, and switches everything off."""
    from werkzeug.serving import make_server

    from devices.bench import fleet
    from devices.bench.camera import Camera
    from devices.bench.page import create_app

    ending = Ending()
    (broker, at), (host, port) = asked.broker, asked.http
    here = Path("offices.toml")
    file = asked.offices or (here if here.exists() else SAMPLE)
    offices = fleet.read(file, Broker(host=broker, port=at), data, asked.voice)
    machines = [machine for office in offices for machine in office.machines]
    camera = Camera(machines)
    server = make_server(host, port, create_app(offices, camera), threaded=True)
    with ThreadPoolExecutor(len(machines) or 1) as hands:
        list(hands.map(fleet.Machine.switch_on, machines))
        camera.start()
        threading.Thread(target=server.serve_forever, name="page", daemon=True).start()
        print(f"the bench is at http://{host}:{server.server_port}/\nready\n", end="", flush=True)
        ending.asked()
        camera.stop()
        server.shutdown()
        list(hands.map(fleet.Machine.switch_off, machines))
    return 0
