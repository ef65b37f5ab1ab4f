"""What people see and hear of the dispenser: its screen, its voice and the light in its buttons."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from devices import panels
from devices.hardware import Screen
from devices.speech import Voice
from devices.words import WORDS

NOTE_FOR = 6.0  # seconds that a sentence to one person stands on the screen

Sentence = tuple[Any, ...]  # a key of WORDS and what goes into it


class Face:
    """Shows one thing at a time: what was last said to somebody, or else what stands there at rest.

    Args:
        screen: a panel of any size.
        voice: speaks what is told.
        lamp: gpiozero's LED.
    """

    def __init__(self, screen: Screen, voice: Voice, lamp: Any) -> None:
        self.shown: tuple[str, ...] = ()
        self.note_ends = 0.0  # monotonic seconds; 0 while nothing is said to anybody
        self._screen, self._voice, self._lamp = screen, voice, lamp
        self._lit = ""

    def tell(self, text: str, language: str, shown: str = "") -> None:
        """Shows and says a sentence, with `shown` above it in letters of its own."""
        self.note((shown, text) if shown else (text,))
        self.say(text, language)

    def note(self, lines: tuple[str, ...]) -> None:
        """Shows lines to one person for a while."""
        self.note_ends = time.monotonic() + NOTE_FOR
        self._draw(lines)

    def say(self, text: str, language: str) -> None:
        """Says it aloud, where there is a voice."""
        self._voice.say(text, language)

    def rest(self, lines: tuple[str, ...]) -> None:
        """Shows what stands there while nobody presses, once the last note has had its time."""
        if time.monotonic() >= self.note_ends:
            self.note_ends = 0.0
            self._draw(lines)

    def light(self, how: str) -> None:
        """`on`, `off` or `blink`; a blinking lamp that is told again would begin again."""
        if how != self._lit:
            self._lit = how
            getattr(self._lamp, how)()

    def _draw(self, lines: tuple[str, ...]) -> None:
        if lines != self.shown:
            self._screen.draw(lambda draw, size: panels.lines(draw, size, lines))
            self.shown = lines


def in_words(sentence: Sentence, language: str) -> str:
    """A sentence of WORDS; ("opens", opening, now) takes the office's wall clock twice."""
    key, *values = sentence
    words: Mapping[str, Any] = WORDS[language]
    text: str = words[key]
    if key == "opens":
        opening, now = values
        return text.format(day=_day_in_words(opening, now, words), time=f"{opening:%H:%M}")
    return text.format(*values)


def _day_in_words(opening: datetime, now: datetime, words: Mapping[str, Any]) -> str:
    days = (opening.date() - now.date()).days
    if days < 2:
        return words["tomorrow"] if days else words["today"]
    name: str = words["days"][opening.weekday()]
    return name if days < 7 else f"{name} {opening:%d/%m}"
