"""The project's own processes: paper from the dispenser, the hub's start, the agents' memory."""

import re
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import psutil

from devices.dispenser import Dispenser, wired
from devices.hardware import FakePort
from devices.settings import Broker, Buttons, DispenserSettings, defaults
from tests.bench import limits
from tests.bench.machines import waited
from tests.bench.office import DISPENSER, Office, folder, working
from tests.bench.table import Row, spread
from tests.parts import Hub, Mosquitto, Process, wait_until

# --- from the button to the paper ---------------------------------------------------------------

SERVICES = {"padro": 5, "registre": 6, "idcat": 13, "tributs": 19, "informacio": 26}
PUSHES = 200
AT_REST = 0.32  # seconds: a contact that moves sooner is one that bounces


def paper() -> Iterator[Row]:
    """From a press on the dispenser's button to the last byte at a printer that takes no time itself."""
    with working() as office:
        dispenser = waiting_dispenser(office, Buttons(services=SERVICES))
        try:
            taken = spread(_pushed(dispenser))
        finally:
            dispenser.stop()
        commit = limits.durable_commit(office.folder, AT_REST / len(SERVICES))
    yield Row("dispenser press to the printer's last byte", taken, "ms", {"p99": 40}, {"durable commit p50": commit})


def waiting_dispenser(office: Office, buttons: Buttons) -> Dispenser:
    """The real agent on fakes, once it has heard of its office."""
    broker = Broker(port=office.broker.port)
    data = str(office.folder)
    settings = DispenserSettings(device=DISPENSER, data=data, fakes=True, voice=False, buttons=buttons, broker=broker)
    dispenser = wired(settings)
    dispenser.start()
    wait_until(lambda: dispenser.setup is not None and dispenser.link.hub_here(), 20, "the dispenser's configuration")
    return dispenser


def _pushed(dispenser: Dispenser) -> list[float]:
    """Seconds from push to paper, for one button after the other."""
    printed, taken = papers(dispenser), []
    moved = dict.fromkeys(SERVICES.values(), 0.0)
    for pin in islice(cycle(moved), PUSHES):
        limits.PAUSE.wait(max(0.0, moved[pin] + AT_REST - time.monotonic()))
        printed.clear()
        begun = time.perf_counter()
        dispenser.pins.push(pin)
        waited(printed, "the paper")
        taken.append(time.perf_counter() - begun)
        dispenser.pins.let_go(pin)
        moved[pin] = time.monotonic()
    return taken


def papers(dispenser: Dispenser) -> threading.Event:
    """Set when the last byte of a paper is at the printer; TypeError for a real one, whose own time would count."""
    port, printed = dispenser.printer.port, threading.Event()
    if not isinstance(port, FakePort):
        raise TypeError("the printer is a real one: its own time would count")
    port.printed = lambda _: printed.set()
    return printed


# --- the hub's start ------------------------------------------------------------------------------

STARTS = 3


def start() -> Iterator[Row]:
    """`hub up` with its own broker until it says `ready`: on an empty folder, and on one that it knows."""
    first, again = [], []
    for _ in range(STARTS):
        with folder() as place:
            first.append(_start(place))
            again.append(_start(place))
    begun = time.perf_counter()
    subprocess.run(limits.IMPORTS, check=True)
    beside = {"python -c 'import flask, sqlalchemy'": time.perf_counter() - begun}
    yield Row("hub up until ready, the first time", {"": statistics.median(first)}, "s", {"": 2}, beside)
    yield Row("hub up until ready, again", {"": statistics.median(again)}, "s", {"": 2}, beside)


def _start(place: Path) -> float:
    hub, begun = Hub(place), time.perf_counter()
    try:
        hub.start()
        return time.perf_counter() - begun
    finally:
        hub.stop()


# --- the agents' memory -----------------------------------------------------------------------------


def memory() -> Iterator[Row]:
    """What each agent keeps in memory (its resident set), on fakes, connected and told of its office."""
    bare = _resident(Process("-c", limits.BARE_CLIENT).start("ready"))
    with folder() as place:
        broker = Mosquitto(place / "mosquitto").start()
        hub = Hub(place / "hub", broker=broker.url).start()
        try:
            for kind, device in AGENTS.items():
                agent = Process("-m", "devices", kind, "--config", _settings(kind, device, broker, place)).start()
                wait_until(lambda agent=agent: "the hub is here" in " ".join(agent.lines), 20, f"the {kind}")
                beside = {"Python with paho-mqtt alone": bare}
                yield Row(f"memory of a {kind}", {"": _resident(agent)}, "MiB", {"": 60}, beside)
        finally:
            hub.stop()
            broker.stop()


AGENTS = {"dispenser": DISPENSER, "desk": "montroig-desk-1", "board": "montroig-board-1"}


def _resident(process: Process) -> float:
    """MiB; ends the process."""
    resident = psutil.Process(process.pid).memory_info().rss / 1024 / 1024
    process.stop()
    return resident


def _settings(kind: str, device: str, broker: Mosquitto, place: Path) -> Path:
    """The agent's default settings, but on fakes."""
    told = {f'"{kind}-1"': f'"{device}"', "port = 1883": f"port = {broker.port}", '"/var/lib/torn"': f'"{place}"'}
    told |= {"fakes = false": "fakes = true", "voice = true": "voice = false"}
    text = re.sub(r'screen = "\w+"', 'screen = "fake"', defaults(kind))
    for old, new in told.items():
        text = text.replace(old, new)
    file = place / f"{kind}.toml"
    file.write_text(text, encoding="utf-8")
    return file
