"""Checking in for an appointment: how one says who one is, and the conversation that leads to a number.

The rules:
  - What is typed or read is forgotten as soon as its digest is made; it is never stored, logged or printed.
  - One prompt takes a DNI or NIE without its letter, or the locator; a reader takes cards, passports and the QR.
  - Every failure leaves a way on: the locator, a walk-in ticket with one press, reception.
  - After 20 s of silence it asks whether more time is needed, and after as long again it forgets.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from devices import DeviceError, mrz
from devices.agenda import Booked, Verdict
from devices.face import Sentence, in_words

SILENCE = 20.0  # seconds without a key: then it asks, and after as many again it forgets
LONGEST = 9  # characters that can be typed: a DNI with its letter, a NIE, a locator
OFFERS = ("early", "late", "elsewhere")  # verdicts on which one press decides
ERASE, AGAIN, ENTER = "\b", "*", "\n"  # the keypad's keys beside 0 to 9, X, Y and Z


class CheckInError(DeviceError, ValueError):
    """What was typed or read can be no document and no locator; the message never repeats it."""


# --- what is typed and read -----------------------------------------------------------------


def typed_words(typed: str) -> str:
    """What the agenda's digest is made of, from the keypad's keys; CheckInError if it can be nothing.

    A DNI's or NIE's letter is worked out; a DNI may lack the zeros in front; nine digits are a locator.
    """
    if re.fullmatch("[0-9]{9}", typed):
        return typed
    number = typed[:-1] if mrz.fits(typed.zfill(LONGEST)) else typed
    if re.fullmatch("[0-9]{5,8}", number):
        number = number.zfill(8)
    if not re.fullmatch("[0-9]{8}|[XYZ][0-9]{7}", number):
        raise CheckInError("neither a DNI or NIE nor a locator of nine digits")
    return number + mrz.letter(number)


def read_words(text: str) -> str:
    """The same from what a reader said: the confirmation's QR, the zone of a document, or plain characters."""
    said = text.strip()
    if said.lower().startswith(("torn", "http")):
        locators = re.findall(r"(?<![0-9A-Za-z_-])[0-9]{9}(?![0-9A-Za-z_-])", said)
        if locators:
            return locators[0]
    try:
        return mrz.read(said).number
    except mrz.MrzError:
        return typed_words(re.sub("[^0-9A-Z]", "", said.upper()))


def masked(typed: str) -> str:
    """What the screen shows of it: as many points, and a DNI's or NIE's letter, to be compared with the card."""
    points = "•" * len(typed)
    return f"{points} {mrz.letter(typed)}" if re.fullmatch("[0-9]{8}|[XYZ][0-9]{7}", typed) else points


# --- the conversation -----------------------------------------------------------------------


@dataclass(frozen=True)
class Talk:
    """With one person, at one moment; frozen, so that nothing of one person stays for the next."""

    language: str
    until: float  # monotonic seconds
    typed: str = field(default="", repr=False)
    said: Sentence = ("identify",)
    verdict: Verdict | None = None  # what was found, while one press decides on it
    failures: int = 0
    asks: bool = False  # whether it has asked if more time is needed

    def goes_on(self, **changes: Any) -> "Talk":
        """Somebody is there: the silence begins again."""
        return replace(self, until=time.monotonic() + SILENCE, asks=False, **changes)

    def keyed(self, key: str) -> "Talk":
        """After one key of the keypad, Enter aside."""
        typed = {ERASE: self.typed[:-1], AGAIN: ""}.get(key, (self.typed + key)[:LONGEST])
        return self.goes_on(typed=typed, verdict=None, said=("identify",))

    def failed(self, how: str) -> "Talk":
        """After what led nowhere: first the locator is offered, then reception."""
        said = (how if self.failures == 0 else how + "_again",)
        return self.goes_on(typed="", verdict=None, said=said, failures=self.failures + 1)

    @property
    def sentence(self) -> Sentence:
        """What is to be said now."""
        return ("more_time",) if self.asks else self.said

    @property
    def line(self) -> str:
        """What the screen shows."""
        return masked(self.typed) if self.typed and not self.asks else in_words(self.sentence, self.language)


class Host(Protocol):
    """What a check-in needs of the dispenser."""

    def verdict(self, words: str) -> Verdict:
        """What the agenda has for a document or locator."""

    def sentence(self, verdict: Verdict) -> Sentence:
        """A verdict in words."""

    def check_in(self, verdict: Verdict, language: str) -> object:
        """Gives the appointment's number."""

    def print_again(self, booked: Booked, language: str) -> object:
        """Prints the number that an appointment has."""

    def pressed(self, service_id: str) -> object:
        """Gives a number without an appointment."""

    def talks(self, talk: Talk, aloud: bool) -> None:
        """Shows where the conversation stands, and says it."""


class CheckIn:
    """Leads the conversation; the dispenser does what comes of it. `talk` is None while there is none."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.talk: Talk | None = None

    @property
    def due(self) -> float | None:
        """When the silence will have lasted, in monotonic seconds."""
        return self.talk.until if self.talk else None

    def begin(self, language: str) -> None:
        """The button of those with an appointment: begins, or takes the way on that is offered."""
        if self.talk is not None and self.talk.verdict is not None:
            self._accept(self.talk, self.talk.verdict)
        else:
            self._go(Talk(self.talk.language if self.talk else language, time.monotonic() + SILENCE), aloud=True)

    def key(self, key: str) -> None:
        """A key of the keypad."""
        talk = self.talk
        if talk is None:
            return
        if key != ENTER:
            self._go(talk.keyed(key), aloud=False)
        elif talk.typed:
            self._identify(talk, typed_words, talk.typed)
        elif talk.verdict is not None:
            self._accept(talk, talk.verdict)
        else:
            self._go(talk.goes_on(), aloud=True)

    def read(self, text: str, language: str) -> None:
        """What the reader said; it may come before any button."""
        self._identify(self.talk or Talk(language, 0.0), read_words, text)

    def speaks(self, language: str) -> None:
        """The rest of the conversation is in another language."""
        if self.talk is not None:
            self._go(self.talk.goes_on(language=language), aloud=True)

    def strike(self, now: float) -> None:
        """The silence has lasted: asks once whether more time is needed; after as long again it is over."""
        talk = self.talk
        if talk is not None and now >= talk.until:
            if talk.asks:
                self.talk = None
            else:
                self._go(replace(talk, until=now + SILENCE, asks=True), aloud=True)

    def end(self) -> str | None:
        """Ends the conversation, if there is one; its language."""
        talk, self.talk = self.talk, None
        return talk.language if talk else None

    def _identify(self, talk: Talk, words_of: Callable[[str], str], said: str) -> None:
        try:
            words = words_of(said)
        except CheckInError:
            return self._go(talk.failed("unreadable"), aloud=True)
        verdict = self._host.verdict(words)
        if verdict.how in ("ready", "again"):
            self._accept(talk, verdict)
        elif verdict.how in OFFERS:
            self._go(talk.goes_on(typed="", verdict=verdict, said=self._host.sentence(verdict)), aloud=True)
        elif verdict.how == "not_found":
            self._go(talk.failed(verdict.how), aloud=True)
        else:
            self._go(talk.goes_on(typed="", verdict=None, said=(verdict.how,)), aloud=True)

    def _accept(self, talk: Talk, verdict: Verdict) -> None:
        """A number, the number again, or one without an appointment: whatever it is, the conversation is over."""
        booked = verdict.booked
        if booked is None:
            return
        if verdict.how == "elsewhere":
            self._host.pressed(booked.service)  # in the language of the conversation, which this ends
            return
        self.talk = None
        if verdict.how == "again":
            self._host.print_again(booked, talk.language)
        else:
            self._host.check_in(verdict, talk.language)

    def _go(self, talk: Talk, aloud: bool) -> None:
        self.talk = talk
        self._host.talks(talk, aloud)
