"""The board of a waiting room: the last calls with their desks, and each new one with chime, flash and voice.

What stands on the board is the office's retained line, whole; what is announced are the single calls,
one after the other, so that none hides another. A call is told by its `seq`: however often it arrives
it is announced once, and one older than ten seconds of the hub's time not at all.

News that is old is worse than none: six seconds without the hub's beat and the board says so; after
two minutes, and until the hub has told what day it is, it shows no numbers.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from devices import panels
from devices.day import day_of
from devices.hardware import Pins, Screen, screen
from devices.link import Link
from devices.loop import Loop
from devices.panels import Call, View
from devices.paper import rounded
from devices.settings import BoardSettings
from devices.speech import Voice, spoken
from firmware import wire

FRESH_MS = 10_000  # a call older than this is not announced
FLASH_FOR = 4.0  # seconds that a new call has the board to itself
PAGE = 2.0  # seconds that a small panel shows one text
BLINK = 0.5  # seconds: slower than the three flashes a second of WCAG 2.3.1
CHIME = (7 / 12, 7 / 12, 3 / 12, 3 / 12, 3 / 12, None)  # octaves above A4, then silence: E5, C5
NOTE = 0.2  # seconds
OLD_NEWS = 120.0  # seconds without the hub until the numbers go

WORDS = {
    "ca": {
        "lost": "Sense connexió",
        "old": "Sense connexió: pot no estar al dia",
        "desk": "Taula",
        "closed": "Tancat",
        "waiting": "{} en espera",
        "said": "Número {}, taula {}",
    },
    "es": {
        "lost": "Sin conexión",
        "old": "Sin conexión: puede no estar al día",
        "desk": "Mesa",
        "closed": "Cerrado",
        "waiting": "{} en espera",
        "said": "Número {}, mesa {}",
    },
    "en": {
        "lost": "No connection",
        "old": "No connection: may be out of date",
        "desk": "Desk",
        "closed": "Closed",
        "waiting": "{} waiting",
        "said": "Number {}, desk {}",
    },
    "fr": {
        "lost": "Pas de connexion",
        "old": "Pas de connexion : peut-être périmé",
        "desk": "Guichet",
        "closed": "Fermé",
        "waiting": "{} en attente",
        "said": "Numéro {}, guichet {}",
    },
}


class Board:
    """Shows and announces the calls of its office.

    Args:
        link: the way to the hub.
        pins: where the buzzer is.
        buzzer: its pin, 0 for none.
        screen: a panel of at least 32 rows.
        matrix: a row of LED modules.
        voice: speaks without making anybody wait.
    """

    def __init__(self, link: Link, pins: Pins, buzzer: int, screen: Screen, matrix: Screen, voice: Voice) -> None:
        self.link, self.pins, self.screen, self.matrix, self.voice = link, pins, screen, matrix, voice
        self.buzzer = pins.buzzer(buzzer) if buzzer else None
        self.view = View()
        self._loop = Loop(self._due, self._strike)
        self._thread = threading.Thread(target=self._loop.run, name=link.device, daemon=True)
        self._config: dict | None = None
        self._line: dict | None = None
        self._seq = 0  # of the newest line
        self._unaged: list[dict] = []  # calls that came before the hub's time was known
        self._to_announce: deque[Call] = deque()
        self._known: deque[int] = deque(maxlen=256)  # the calls' seq, so that a duplicate chimes once
        self._new: Call | None = None
        self._new_until = 0.0
        self._here_at = 0.0  # when the hub was last there
        link.on(wire.device_topic(link.device, "config"), "config", self._told(self._configured))
        link.on_change(lambda: self._loop.soon(self._link_changed))

    def start(self) -> None:
        """Begins to work, in a thread of its own."""
        self._show(self.view)
        self._thread.start()
        self.link.start()

    def answers(self, within: float) -> bool:
        """Whether it still does what it is told, within so many seconds: what a watchdog asks."""
        return self._loop.answers(within)

    def stop(self, clean: bool = True) -> None:
        """Ends; unless `clean`, without a word to the hub, as in a power cut."""
        self.link.stop(clean)
        self._loop.stop()
        self._thread.join()
        self.voice.close()
        self.pins.close()
        self.screen.close()
        self.matrix.close()

    # --- what the hub says ---

    def _told(self, hear: Callable[[dict, bool], None]) -> Callable[[dict, bool], None]:
        return lambda message, retained: self._loop.soon(hear, message, retained)

    def _configured(self, config: dict, _retained: bool) -> None:
        before, self._config = self._config, config
        if before is None or before["office"] != config["office"]:
            if before:
                self.link.off(wire.line_topic(before["office"]))
                self.link.off(wire.call_topic(before["office"]))
            self._line, self._seq = None, 0
            self.link.on(wire.line_topic(config["office"]), "line", self._told(self._lined))
            self.link.on(wire.call_topic(config["office"]), "call", self._told(self._called))
        self._draw(time.monotonic())

    def _lined(self, line: dict, retained: bool) -> None:
        """The office's line; a retained one is the truth, a live one must not be older than the last."""
        mine = self._config is not None and line["office"] == self._config["office"]
        if mine and (retained or line["seq"] >= self._seq):
            self._line, self._seq = line, line["seq"]
            self._draw(time.monotonic())

    def _called(self, call: dict, retained: bool) -> None:
        if not retained and call["seq"] not in self._known:
            self._known.append(call["seq"])
            self._unaged.append(call)
            self._judge()

    def _judge(self) -> None:
        """Takes up the calls that are fresh by the hub's time; until that is known they wait."""
        now = self.link.hub_now()
        if now is None:
            return
        fresh = [call for call in self._unaged if now - wire.instant(call["at"]) <= FRESH_MS]
        self._to_announce.extend(Call(call["label"], call["desk"]) for call in fresh)
        self._unaged = []
        self._strike(time.monotonic())

    def _link_changed(self) -> None:
        """A hub that comes back may count from further back: a restored database."""
        self._seq = 0
        self._judge()
        self._draw(time.monotonic())

    # --- what it shows ---

    def _announce(self, call: Call, now: float) -> None:
        """A new call: a chime, a flash that has the board to itself, a voice."""
        self._new, self._new_until = call, now + FLASH_FOR
        tongue = language(self._config)
        self._chime()
        self.voice.say(WORDS[tongue]["said"].format(spoken(call.label), call.desk), tongue)

    def _chime(self) -> None:
        """Ding dong: gpiozero plays the notes in a thread of its own."""
        if self.buzzer is not None:
            self.buzzer.source_delay = NOTE
            self.buzzer.source = iter(CHIME)

    def _draw(self, now: float) -> None:
        if self.link.hub_here(now):
            self._here_at = now
        view = self._now_shown(now)
        if view != self.view:
            self._show(view)
            self.view = view

    def _show(self, view: View) -> None:
        self.screen.draw(partial(panels.board, view=view))
        self.matrix.draw(partial(panels.matrix, view=view))

    def _now_shown(self, now: float) -> View:
        words = WORDS[language(self._config)]
        here, line = self.link.hub_here(now), self._line_of_today()
        view = View(desk=words["desk"], title=(self._config or {}).get("name", ""), page=int(now // PAGE))
        if line is None or (not here and now - self._here_at > OLD_NEWS):
            return replace(view, note="" if here else words["lost"])
        if line["paused"] is not None:
            return replace(view, note=line["paused"])
        return replace(
            view,
            calls=tuple(Call(call["label"], call["desk"]) for call in line["calls"]),
            note=_note(line, words) if here else words["old"],
            new=self._new,
            lit=self._new is not None and int((self._new_until - now) / BLINK) % 2 == 1,
        )

    def _line_of_today(self) -> dict | None:
        """The line, unless it is of another day than the hub's time says, or the hub has never said."""
        now = self.link.hub_now()
        if self._line is None or self._config is None or now is None:
            return None
        zone = self._config.get("timezone")
        stale = zone and self._line["day"] != day_of(now, zone, self._config.get("day_starts", "04:00"))
        return None if stale else self._line

    # --- moments ---

    def _due(self) -> float | None:
        now = time.monotonic()
        moments = [(now // PAGE + 1) * PAGE]
        if self._new is not None:
            moments += [self._new_until, self._new_until - int((self._new_until - now) / BLINK) * BLINK]
        return min(moments)

    def _strike(self, now: float) -> None:
        if self._new is not None and now >= self._new_until:
            self._new = None
        if self._new is None and self._to_announce:
            self._announce(self._to_announce.popleft(), now)
        self._draw(now)


def _note(line: dict, words: dict[str, str]) -> str:
    if not line["open"] and not line["waiting"]:
        return words["closed"]
    return words["waiting"].format(line["waiting"]) + _range(line) if line["waiting"] else ""


def _range(line: dict) -> str:
    """From the shortest to the longest wait of whoever would take a ticket now, as far as it is forecast."""
    waits = [service["wait"] for service in line["services"].values() if service["wait"]]
    if not waits:
        return ""
    low, high = rounded(min(wait["p10"] for wait in waits), max(wait["p90"] for wait in waits))
    return f", {low}-{high} min"


def language(config: dict | None) -> str:
    """The first of the office's languages that the board speaks."""
    return next((each for each in (config or {}).get("languages", ()) if each in WORDS), "ca")


def wired(settings: BoardSettings) -> Board:
    """The board of a machine's settings, with its hardware and its link; `start` sets it to work."""
    link = Link(settings.device, "board", settings.broker)
    panel = screen(settings.screen, (256, 64))
    matrix = screen(settings.matrix, (8 * settings.modules, 8), settings.modules)
    return Board(link, Pins(settings.fakes), settings.buzzer, panel, matrix, Voice(settings.voice))
