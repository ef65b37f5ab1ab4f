"""The machines of an offices file, each with its very own agent on the vendors' fakes.

A machine's hardware stays where it is: its cable, its roll of paper, the slips that came out, the files on
its card. The agent in it comes and goes with the power.
"""

import threading
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices import DeviceError, board, desk, dispenser
from devices.bench.cards import CARDS
from devices.bench.escpos import Paper, slips
from devices.settings import BoardSettings, Broker, Buttons, DeskPins, DeskSettings, DispenserSettings

GESTURES = {  # down and up in turn, in seconds, as a finger does it
    "short": (0.08,),
    "long": (1.0,),
    "double": (0.08, 0.12, 0.08),
}
REST = 0.35  # seconds between two taps of one button: less is a bounce to a dispenser, a double press to a desk
KEPT = 50  # slips that a machine's tray keeps
PINS = range(2, 28)  # BCM numbers of a Raspberry Pi's header
KEYS = {**{key: key for key in "0123456789XYZ"}, "again": "*", "back": "\b", "enter": "\n"}  # of a keypad, by name
SAYABLE = 400  # characters that a reader can say of one code
FAULTS = {
    "dispenser": ("network", "power", "paper-low", "paper-out", "cover", "printer"),
    "desk": ("network", "power"),
    "board": ("network", "power"),
}


class BenchError(DeviceError, ValueError):
    """The bench cannot be set up; the message names the place and the reason."""


class NoPower(DeviceError, RuntimeError):
    """A button of a machine without power: nothing happens."""


class Unknown(DeviceError, LookupError):
    """There is no such machine, button, key, document, gesture or fault on this bench."""


@dataclass(frozen=True)
class Office:
    """What the bench needs to know of an office."""

    id: str
    name: str
    services: tuple[dict[str, Any], ...]
    machines: "tuple[Machine, ...]"


@dataclass
class Machine:
    """One machine on the bench; `agent` is None while it has no power."""

    id: str
    kind: str
    place: str  # what it stands for: the office's name, or the desk's id
    pins: dict[str, int]
    build: Callable[[], Any]  # the agent with its hardware, not yet at work
    agent: Any = None
    faults: set[str] = field(default_factory=set)
    papers: list[tuple[int, Paper]] = field(default_factory=list)
    printed: int = 0
    rested: dict[str, float] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)  # one hand at a time on the machine
    finger: Any = field(default_factory=threading.Lock)  # one finger at a time on its buttons

    def switch_on(self) -> None:
        """Gives it power: the agent starts as it does on any morning."""
        with self.lock:
            if self.agent is None:
                agent = self.build()
                if self.kind == "dispenser":
                    agent.printer.port.printed = self._paper_out
                    self._set_printer(agent)
                if "network" in self.faults:
                    agent.link.cut()
                agent.start()
                self.agent = agent
            self.faults.discard("power")

    def switch_off(self, clean: bool = True) -> None:
        """Ends the agent; unless `clean`, without a word to anybody, as in a power cut."""
        with self.lock:
            agent, self.agent = self.agent, None
            if agent is not None:
                agent.stop(clean=clean)

    def push(self, button: str) -> None:
        """A finger comes down on a button."""
        self._alive(button).push(self.pins[button])

    def let_go(self, button: str) -> None:
        """The finger leaves it."""
        self._alive(button).let_go(self.pins[button])

    def tap(self, button: str, gesture: str = "short") -> None:
        """A whole gesture, in the time that a finger takes for it."""
        if gesture not in GESTURES:
            raise Unknown(f"{gesture}: must be one of {', '.join(GESTURES)}")
        with self.finger:
            self._alive(button)
            _pass(self.rested.get(button, 0.0) - time.monotonic())
            for i, seconds in enumerate(GESTURES[gesture]):
                if i % 2 == 0:
                    self.push(button)
                    _pass(seconds)
                    self.let_go(button)
                else:
                    _pass(seconds)
            self.rested[button] = time.monotonic() + REST

    def type(self, key: str) -> None:
        """A key of the keypad: one of KEYS."""
        if key not in KEYS:
            raise Unknown(f"{key}: must be one of {', '.join(KEYS)}")
        self._front().typed(KEYS[key])

    def lay(self, card: str) -> None:
        """Lays one of the sample documents on the reader."""
        zones = {each.id: each.zone for each in CARDS}
        if card not in zones:
            raise Unknown(f"{card}: must be one of {', '.join(zones)}")
        self.show(zones[card])

    def show(self, text: str) -> None:
        """Shows the reader a code that says this."""
        self._front().read(text[:SAYABLE])

    def wreck(self, fault: str) -> None:
        """Breaks something: one of FAULTS of its kind."""
        self._know(fault)
        self.faults.add(fault)
        if fault == "power":
            self.switch_off(clean=False)
        elif fault == "network" and self.agent is not None:
            self.agent.link.cut()
        elif self.agent is not None:
            self._set_printer(self.agent)

    def repair(self, fault: str) -> None:
        """Makes it whole again."""
        self._know(fault)
        self.faults.discard(fault)
        if fault == "power":
            self.switch_on()
        elif fault == "network" and self.agent is not None:
            self.agent.link.mend()
        elif self.agent is not None:
            self._set_printer(self.agent)

    def _set_printer(self, agent: Any) -> None:
        port = agent.printer.port
        port.paper = "out" if "paper-out" in self.faults else "low" if "paper-low" in self.faults else "ok"
        port.cover_open, port.gone = "cover" in self.faults, "printer" in self.faults

    def _paper_out(self, data: bytes) -> None:
        for paper in slips(data):
            self.printed += 1
            self.papers = [*self.papers[1 - KEPT :], (self.printed, paper)]

    def _front(self) -> Any:
        """The agent of a machine that has a keypad and a reader."""
        if self.kind != "dispenser":
            raise Unknown(f"{self.id} has neither keypad nor reader")
        agent = self.agent
        if agent is None:
            raise NoPower(f"{self.id} has no power")
        return agent

    def _alive(self, button: str) -> Any:
        if button not in self.pins:
            raise Unknown(f"{self.id} has no button {button}; it has {', '.join(self.pins) or 'none'}")
        agent = self.agent
        if agent is None:
            raise NoPower(f"{self.id} has no power")
        return agent.pins

    def _know(self, fault: str) -> None:
        if fault not in FAULTS[self.kind]:
            raise Unknown(f"{fault}: at a {self.kind} one can break {', '.join(FAULTS[self.kind])}")


def _pass(seconds: float) -> None:
    """Lets a finger's time pass."""
    if seconds > 0:
        threading.Event().wait(seconds)


# --- the offices file -----------------------------------------------------------------------


def read(file: Path, broker: Broker, data: Path, voice: bool = False) -> list[Office]:
    """The offices of a file with all their machines, without power yet.

    Args:
        data: the folder for the dispensers' journals.
        voice: whether dispensers and boards speak through this computer.

    Raises BenchError, which names the place and the reason.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("office", [])
        return [_office(table, broker, data, voice) for table in tables]
    except OSError as error:
        raise BenchError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BenchError(f"{file}: {error}") from error


def _office(table: dict[str, Any], broker: Broker, data: Path, voice: bool) -> Office:
    try:
        services = tuple(table["service"])
        machines = tuple(_machine(each, table, broker, data, voice) for each in table.get("device", ()))
        return Office(table["id"], table["name"], services, machines)
    except (KeyError, TypeError) as error:
        raise BenchError(f"office {table.get('id', '?')}: {error} is missing or wrong") from error


def _machine(device: dict[str, Any], office: dict[str, Any], broker: Broker, data: Path, voice: bool) -> Machine:
    name, kind = device["id"], device["kind"]
    if kind == "dispenser":
        return _dispenser(name, office, broker, data, voice)
    if kind == "desk":
        pins = {"next": 5}
        wires = DeskSettings(name, fakes=True, screen="fake", buttons=DeskPins(next=5, light=6), broker=broker)
        return Machine(name, kind, device["desk"], pins, lambda: desk.wired(wires))
    if kind == "board":
        room = BoardSettings(name, True, screen="fake", matrix="fake", buzzer=18, voice=voice, broker=broker)
        return Machine(name, kind, office["name"], {}, lambda: board.wired(room))
    raise BenchError(f"office {office['id']}, device {name}: kind must be one of {', '.join(FAULTS)}")


def _dispenser(name: str, office: dict[str, Any], broker: Broker, data: Path, voice: bool) -> Machine:
    buttons = [service["id"] for service in office["service"]] + ["appointment", "preferential", "language", "reprint"]
    if len(buttons) >= len(PINS):
        raise BenchError(f"office {office['id']}: more services than a dispenser has pins")
    pins = dict(zip(buttons, PINS, strict=False))
    services = {service["id"]: pins[service["id"]] for service in office["service"]}
    wires = Buttons(
        services, pins["appointment"], pins["preferential"], pins["language"], pins["reprint"], light=PINS[-1]
    )
    settings = DispenserSettings(name, str(data), fakes=True, voice=voice, buttons=wires, broker=broker)
    return Machine(name, "dispenser", office["name"], pins, lambda: dispenser.wired(settings))
