"""A desk's button, or its four, and the sign beside it.

One button: a short press calls the next person, a long one calls again, a double one marks absent.
Four buttons: next, recall, absent, done.

A press is a question to the hub and is never queued: it carries the version of the desk that the
sign showed when the finger came down, so that a clerk can never act on what they could not see.
Where the hub is not there, or does not answer within a second, the light says no.
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from devices import gestures, panels
from devices.gestures import Finger, Timing
from devices.hardware import Pins, Screen, screen
from devices.link import Link
from devices.loop import Loop
from devices.settings import DeskPins, DeskSettings
from firmware import wire

ANSWER_WITHIN = 1.0  # seconds until silence counts as no
NOTE_FOR = 3.0  # seconds that a refusal stands on the sign
ONE_BUTTON = {"short": "next", "long": "recall", "double": "absent"}
PLAIN, ONE_TIMING = Timing(), Timing(long=0.8, double=0.35)

WORDS = {
    "ca": {
        "lost": "Sense connexió",
        "unset": "Sense configurar",
        "closed": "Tancada",
        "free": "Lliure",
        "waiting": "{} en espera",
        "silent": "Sense resposta",
        "unknown": "Botó desconegut",
        "too_late": "Massa tard: torneu a prémer",
        "out_of_date": "Ha canviat: torneu a prémer",
        "desk_closed": "Taula tancada",
        "not_now": "Ara no es pot",
        "nobody_waiting": "No hi ha ningú esperant",
    },
    "es": {
        "lost": "Sin conexión",
        "unset": "Sin configurar",
        "closed": "Cerrada",
        "free": "Libre",
        "waiting": "{} en espera",
        "silent": "Sin respuesta",
        "unknown": "Botón desconocido",
        "too_late": "Tarde: pulse otra vez",
        "out_of_date": "Ha cambiado: pulse otra vez",
        "desk_closed": "Mesa cerrada",
        "not_now": "Ahora no se puede",
        "nobody_waiting": "No hay nadie esperando",
    },
    "en": {
        "lost": "No connection",
        "unset": "Not set up",
        "closed": "Closed",
        "free": "Free",
        "waiting": "{} waiting",
        "silent": "No answer",
        "unknown": "Unknown button",
        "too_late": "Too late: press again",
        "out_of_date": "It changed: press again",
        "desk_closed": "Desk closed",
        "not_now": "Not now",
        "nobody_waiting": "Nobody is waiting",
    },
    "fr": {
        "lost": "Pas de connexion",
        "unset": "Non configuré",
        "closed": "Fermé",
        "free": "Libre",
        "waiting": "{} en attente",
        "silent": "Pas de réponse",
        "unknown": "Bouton inconnu",
        "too_late": "Trop tard : appuyez encore",
        "out_of_date": "Changé : appuyez encore",
        "desk_closed": "Guichet fermé",
        "not_now": "Pas maintenant",
        "nobody_waiting": "Personne n'attend",
    },
}


@dataclass(frozen=True)
class Shown:
    """What the sign says, and the version of the desk it says it of (None: nothing can be asked)."""

    lines: tuple[str, ...] = ()
    digits: str = ""  # the same for a seven-segment sign: at most 8 characters
    version: int | None = None


@dataclass(frozen=True)
class Question:
    """What a finger asked about: what it saw, and the hub's time then in ms since 1970."""

    version: int | None = None
    now: int | None = None


@dataclass
class Button:
    """One physical button: what each of its gestures asks, and what its finger is doing."""

    asks: Mapping[str, str]
    timing: Timing = PLAIN
    finger: Finger = field(default_factory=Finger)
    question: Question = field(default_factory=Question)


def buttons_of(names: tuple[str, ...]) -> dict[str, Button]:
    """The buttons a desk has: one alone does everything, several do what they are named for."""
    if len(names) == 1:
        return {names[0]: Button(ONE_BUTTON, ONE_TIMING)}
    return {name: Button({"short": name}) for name in names}


class Desk:
    """Asks the hub what the clerk's finger meant, and shows what the desk does.

    Args:
        link: the way to the hub.
        pins: where the buttons and the light are.
        wires: which pin is which; with `next` alone one button does everything.
        screen: the sign, a panel or eight seven-segment digits.
    """

    def __init__(self, link: Link, pins: Pins, wires: DeskPins, screen: Screen) -> None:
        self.link, self.pins, self.screen = link, pins, screen
        self.light = pins.light(wires.light)
        self.buttons = buttons_of(tuple(name for name in wire.PRESSES if getattr(wires, name)))
        self.shown = Shown()
        self._loop = Loop(self._due, self._strike)
        self._thread = threading.Thread(target=self._loop.run, name=link.device, daemon=True)
        self._config: dict | None = None
        self._topic: str | None = None  # of this desk's document
        self._desk: dict | None = None
        self._seq = 0  # of the newest document
        self._waiting: dict[str, float] = {}  # what was asked, by id, and until when an answer counts
        self._note, self._note_ends = "", 0.0
        # A prefix of one's own: two boots may share four digits, two ids may never.
        self._prefix, self._count = f"{link.boot}{secrets.token_hex(4)}", 0
        link.on(wire.device_topic(link.device, "config"), "config", self._told(self._configured))
        link.on(wire.device_topic(link.device, "answer"), "answer", self._told(self._answered))
        link.on_change(lambda: self._loop.soon(self._link_changed))
        for name in self.buttons:
            pins.button(getattr(wires, name), partial(self.edge, name, True), partial(self.edge, name, False))

    def start(self) -> None:
        """Begins to work, in a thread of its own."""
        self._draw()
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
        self.pins.close()
        self.screen.close()

    def edge(self, name: str, down: bool) -> None:
        """A button's contact closed or opened; from any thread, bouncing or not."""
        self._loop.soon(self._edge, name, down, time.monotonic(), Question(self.shown.version, self.link.hub_now()))

    # --- fingers ---

    def _edge(self, name: str, down: bool, at: float, question: Question) -> None:
        button = self.buttons[name]
        if down and button.finger.resting:
            button.question = question
        button.finger, meant = gestures.edge(button.finger, button.timing, down, at)
        self._ask(button, meant)

    def _ask(self, button: Button, meant: list[gestures.Gesture]) -> None:
        for gesture in meant:
            if gesture.kind in button.asks:
                self._press(button.asks[gesture.kind], button.question)

    def _press(self, press: str, question: Question) -> None:
        """Puts the question to the hub now, or says no: a press is never kept for later."""
        if question.version is None or question.now is None or not self.link.hub_here(time.monotonic()):
            return self._say_no("lost")
        self._count += 1
        message = {
            "id": f"{self._prefix}-{self._count}",
            "press": press,
            "version": question.version,
            "now": wire.stamp(question.now),
        }
        if not self.link.publish(wire.device_topic(self.link.device, "press"), "press", message):
            return self._say_no("lost")
        self._waiting[message["id"]] = time.monotonic() + ANSWER_WITHIN

    # --- what the hub says ---

    def _told(self, hear: Callable[[dict, bool], None]) -> Callable[[dict, bool], None]:
        return lambda message, retained: self._loop.soon(hear, message, retained)

    def _configured(self, message: dict, _retained: bool) -> None:
        topic = wire.desk_topic(message["office"], message["desk"]) if "desk" in message else None
        self._config = message
        if topic != self._topic:
            if self._topic:
                self.link.off(self._topic)
            self._topic, self._desk, self._seq = topic, None, 0
            if topic:
                self.link.on(topic, "desk", self._told(self._heard))
        self._draw()

    def _heard(self, message: dict, retained: bool) -> None:
        """The desk's own document; a retained one is the truth, a live one must not be older than the last."""
        mine = wire.desk_topic(message["office"], message["desk"]) == self._topic
        if mine and (retained or message["seq"] >= self._seq):
            self._desk, self._seq = message, message["seq"]
            self._draw()

    def _link_changed(self) -> None:
        """A hub that comes back may count from further back: a restored database."""
        self._seq = 0
        self._draw()

    def _answered(self, message: dict, _retained: bool) -> None:
        if self._waiting.pop(message["id"], None) is None:
            return  # too late to be told: the desk's document has shown it
        if not message["ok"]:
            return self._say_no(message.get("why", "unknown"))
        self._note_ends = 0.0
        self._draw()

    # --- sign and light ---

    def _say_no(self, why: str) -> None:
        self._note, self._note_ends = why, time.monotonic() + NOTE_FOR
        self._draw()
        self.light.blink(on_time=0.08, off_time=0.08)

    def _draw(self) -> None:
        """Shows what is so now. `shown` changes only once the sign does: it is what a finger saw."""
        shown = self._now_shown()
        if shown != self.shown:
            self.screen.draw(partial(panels.sign, rows=shown.lines, digits=shown.digits))
            self.shown = shown
        if time.monotonic() >= self._note_ends:
            self.light.on() if shown.version is not None else self.light.off()

    def _now_shown(self) -> Shown:
        words = WORDS[language(self._config)]
        if not self.link.hub_here(time.monotonic()):
            return Shown((words["lost"],), "--------")
        if self._config is None or self._desk is None:
            return Shown((words["unset"],), "--------")
        desk, version = self._desk, self._desk["version"]
        large = desk["label"] or words["closed" if desk["state"] == "closed" else "free"]
        if time.monotonic() < self._note_ends:
            return Shown((large, words[self._note]), digits(desk)[:6] + "no", version)
        return Shown((large, words["waiting"].format(desk["waiting"])), digits(desk), version)

    # --- moments ---

    def _due(self) -> float | None:
        moments = [gestures.due(button.finger, button.timing) for button in self.buttons.values()]
        note = [self._note_ends] if self._note_ends else []
        return min([m for m in moments if m is not None] + [*self._waiting.values(), *note], default=None)

    def _strike(self, now: float) -> None:
        for button in self.buttons.values():
            button.finger, meant = gestures.lapse(button.finger, button.timing, now)
            self._ask(button, meant)
        silent = [each for each, until in self._waiting.items() if until <= now]
        for each in silent:
            del self._waiting[each]
        if silent:
            self._say_no("silent")
        if self._note_ends and self._note_ends <= now:
            self._note_ends = 0.0
            self._draw()


def language(config: dict | None) -> str:
    """The first of the office's languages that the signs speak."""
    return next((each for each in (config or {}).get("languages", ()) if each in WORDS), "ca")


def digits(desk: dict) -> str:
    """The desk in eight characters: what is called at the left, who waits at the right."""
    state = desk["label"] or ("CLOSED" if desk["state"] == "closed" else "")
    return f"{state:<6}{min(desk['waiting'], 99):>2}"


def wired(settings: DeskSettings) -> Desk:
    """The desk of a machine's settings, with its hardware and its link; `start` sets it to work."""
    link = Link(settings.device, "desk", settings.broker)
    return Desk(link, Pins(settings.fakes), settings.buttons, screen(settings.screen))
