"""What an eye sees of the machines: screens, lamps and paper, looked at twenty times a second.

The fakes say nothing of their own accord when they change, and an agent must not know that it is being
watched; so they are looked at. Whoever watches the camera is woken only when something has changed.
"""

import io
import logging
import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from PIL import Image, ImageChops, ImageDraw

from devices.bench.fleet import Machine

log = logging.getLogger("torn.bench")

EVERY = 0.05  # seconds
SHOWN = 3  # slips that hang from a dispenser at most
OLED, LED = (206, 238, 255), (255, 96, 46)  # the colours of the light


class Camera:
    """Keeps the latest view of each machine: `wait(seen)` gives those that changed after `seen`."""

    def __init__(self, machines: Iterable[Machine]) -> None:
        self._machines = list(machines)
        self._views: dict[str, tuple[int, dict[str, Any]]] = {}
        self._pictures: dict[tuple[str, str], tuple[Image.Image, int]] = {}
        self._changes = 0
        self._news = threading.Condition()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """Looks no more; whoever waits is let go."""
        self._end.set()
        self._thread.join()
        with self._news:
            self._news.notify_all()

    @property
    def ended(self) -> bool:
        """Whether `stop` was called."""
        return self._end.is_set()

    def wait(self, seen: int, seconds: float) -> tuple[int, list[dict[str, Any]]]:
        """The views that changed after the change `seen` (0: all), and the change to ask from the next time."""
        with self._news:
            self._news.wait_for(lambda: self._changes > seen or self.ended, seconds)
            return self._changes, [view for change, view in self._views.values() if change > seen]

    def picture(self, machine: str, part: str) -> bytes | None:
        """What a panel shows, as a PNG; None if there is no such panel, or it is dark."""
        image, _ = self._pictures.get((machine, part), (None, 0))
        if image is None:
            return None
        return png(behind_glass(image, 6, LED, True) if part == "matrix" else behind_glass(image, 4, OLED, False))

    def _run(self) -> None:
        while not self._end.wait(EVERY):
            try:
                self._look()
            except Exception:
                log.exception("the camera missed a picture")

    def _look(self) -> None:
        for machine in self._machines:
            view = self._view(machine)
            if view != self._views.get(machine.id, (0, None))[1]:
                with self._news:
                    self._changes += 1
                    self._views[machine.id] = (self._changes, view)
                    self._news.notify_all()

    def _view(self, machine: Machine) -> dict[str, Any]:
        agent = machine.agent
        return {
            "id": machine.id,
            "kind": machine.kind,
            "on": agent is not None,
            "connected": agent is not None and agent.link.hub_here() and _shows_it(machine.kind, agent),
            "faults": sorted(machine.faults),
            "light": agent is not None and machine.kind != "board" and bool(agent.light.is_lit),
            "chime": agent is not None and machine.kind == "board" and agent.buzzer.value is not None,
            "pictures": {part: self._number(machine.id, part, agent) for part in ("screen", "matrix")},
            "papers": [{"n": n, "links": list(paper.links)} for n, paper in machine.papers[-SHOWN:]],
        }

    def _number(self, machine: str, part: str, agent: Any) -> int:
        """A number that grows with each new picture of a panel; 0 while it is dark.

        luma's fake keeps a fresh copy of each image it is given, so that identity tells them apart.
        """
        panel = getattr(agent, part, None)
        image = panel.image if panel is not None else None
        if image is None:
            self._pictures.pop((machine, part), None)
            return 0
        last, number = self._pictures.get((machine, part), (None, self._changes))
        if image is not last:
            number += 1
            self._pictures[machine, part] = (image, number)
        return number


def _shows_it(kind: str, agent: Any) -> bool:
    """Whether the machine's face has followed: a desk asks only for what its sign shows."""
    return kind != "desk" or agent.shown.version is not None


def behind_glass(image: Image.Image, dot: int, colour: tuple[int, int, int], round_dots: bool) -> Image.Image:
    """A panel's image as the eye sees it: each pixel a dot of light, the dark ones not quite black."""
    size = (image.width * dot, image.height * dot)
    light = image.convert("L").point(lambda value: max(value, 14)).resize(size, Image.Resampling.NEAREST)
    light = ImageChops.multiply(light, _grid(size, dot, round_dots))
    return Image.merge("RGB", [light.point(lambda value, part=part: value * part // 255) for part in colour])


@lru_cache(maxsize=8)
def _grid(size: tuple[int, int], dot: int, round_dots: bool) -> Image.Image:
    """White where a dot can shine: squares with a hair between them, or round lamps."""
    tile = Image.new("L", (dot, dot), 0 if round_dots else 120)
    shape = ImageDraw.Draw(tile).ellipse if round_dots else ImageDraw.Draw(tile).rectangle
    shape((0, 0, dot - 2, dot - 2), fill=255)
    grid = Image.new("L", size)
    for x in range(0, size[0], dot):
        grid.paste(tile, (x, 0))
    row = grid.crop((0, 0, size[0], dot))
    for y in range(dot, size[1], dot):
        grid.paste(row, (0, y))
    return grid


def png(image: Image.Image) -> bytes:
    """The image as the bytes of a PNG."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
