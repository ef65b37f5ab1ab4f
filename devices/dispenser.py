"""The dispenser: one button a service; a press gives a number on paper, whatever the network does.

The rules:
  - A press never waits for the network: number and fact go into the journal, the paper comes out, the fact is sent.
  - A number is offered again only if no byte of it went to the printer; once printing began the ticket stays valid.
  - The office's day never goes back, and goes forward only by a clock set from NTP or by the hub's live beat.
  - A new card waits once for the hub's config, to learn where today's numbers stand.
  - What is not known (hours, forecast, people ahead) shuts nobody out and is not printed.
  - An appointment gets its number here, from the day's agenda, once; how one says who one is, is in checkin.
"""

import logging
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from devices import hardware, paper
from devices.agenda import Appointments, Booked, Verdict, judge
from devices.checkin import CheckIn, Talk
from devices.day import Clock, closes, day_of, local, opens
from devices.face import Face, Sentence, in_words
from devices.hardware import Keypad, Pins, Screen
from devices.journal import Journal, JournalError, NoNumberLeft
from devices.link import Link
from devices.loop import Loop
from devices.outbox import Outbox
from devices.paper import Slip, rounded
from devices.printer import PaperError, Printer
from devices.settings import Buttons, DispenserSettings
from devices.setup import Setup, SetupError
from devices.speech import Voice, spoken
from devices.words import LANGUAGES
from firmware import wire

log = logging.getLogger("torn.dispenser")

QUIET = 0.3  # seconds that a contact must have been at rest before a push counts as a new one
LOOK_EVERY = 5.0  # seconds between looks at the printer
CHOICE_FOR = 20.0  # seconds that a language, a preference or a number waits for the service's button
ALWAYS = 1_000_000  # minutes: without a clock that can be believed, nobody is early or late
NO_PAPER = ("out", "cover", "gone")  # what a printer says that cannot print
CARRIED = 30 * 60000  # ms for which a forecast is carried on while the hub is away
SHORTEST_WALK = 5  # minutes: with less to wait nobody is sent out


@dataclass
class OnePush:
    """However long a button is held and however its contact bounces, one push is one."""

    quiet: float = QUIET
    last: float = -QUIET

    def begins(self, at: float) -> bool:
        """Whether the edge at `at` (seconds) begins a new push: the contact has been at rest before it."""
        rested, self.last = at - self.last >= self.quiet, at
        return rested


@dataclass(frozen=True)
class Wish:
    """What one person has chosen before the service's button; forgotten after a while."""

    until: float = 0.0
    language: str | None = None
    priority: bool = False
    back: int | None = None  # the number of somebody who has come back after a missed call


def _ahead(line: Mapping[str, Any], service: Mapping[str, Any]) -> int:
    """How many wait now for a desk that serves `service`, as its phone will say too."""
    if "shares" not in service:
        return line["waiting"]
    return sum(line["services"][id]["waiting"] for id in service["shares"] if id in line["services"])


def carried(wait: Mapping[str, int], waiting: int, given: int, minutes: int) -> dict[str, int]:
    """A forecast some minutes later, without news: of `waiting` people then, and `given` tickets since.

    Each ticket lengthens it as those who waited do. That the line has moved on is counted at the early
    ends and in the middle, not at the late one: nobody knows that it has.
    """
    longer = 1 + given / (waiting + 1)
    sooner = {name: max(0, int(wait[name] * longer) - minutes) for name in ("p5", "p10", "p50")}
    return {**sooner, "p90": -int(-wait["p90"] * longer // 1)}


class Dispenser:
    """Gives numbers. Hardware and network are handed in; one thread does everything in turn.

    `pressed`, `rejoin` and `reprint` are the acts; `edge` and `typed` are where fingers arrive, from any thread.
    """

    def __init__(
        self,
        link: Link,
        journal: Journal,
        printer: Printer,
        screen: Screen,
        voice: Voice,
        pins: Pins,
        buttons: Buttons,
        clock: Clock,
    ) -> None:
        self.link, self.journal, self.printer, self.screen = link, journal, printer, screen
        self.pins, self.clock, self.light = pins, clock, pins.light(buttons.light)
        self.face = Face(screen, voice, self.light)
        self.parts: list[Any] = [voice, pins, printer, screen, journal]  # closed at the end
        self.outbox = Outbox(journal, link)
        self.setup: Setup | None = None
        self.checkin = CheckIn(self)
        self.appointments = Appointments(journal)
        self._line: dict[str, Any] | None = None
        self._since: list[str] = []  # of which services tickets were given since that line
        self._wish = Wish()
        self._next_look = 0.0
        self._trouble, self._paper = "", "unknown"
        self._failing = False  # the journal could not be written
        self._typing = ""
        self._conn = 0
        self._pushes: dict[str, OnePush] = {}
        self._acts = self._wired_buttons(buttons)
        self._loop = Loop(self._due, self._strike)
        self._thread = threading.Thread(target=self._loop.run, name=link.device, daemon=True)
        link.on(wire.device_topic(link.device, "config"), "config", self._told(self._configured))
        link.on(wire.device_topic(link.device, "stored"), "stored", self._told(self.outbox.stored))
        link.on(wire.device_topic(link.device, "agenda"), "agenda", self._told(self.appointments.came))
        link.on_change(lambda: self._loop.soon(self._link_changed))
        if journal.config is not None:
            self._set_up(journal.config)

    def start(self) -> None:
        """Begins to work, in a thread of its own."""
        self._look()
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
        if self._thread.is_alive():
            self._thread.join(10.0)
        for part in self.parts:
            part.close()

    def edge(self, name: str, down: bool) -> None:
        """A button's contact closed or opened, bouncing or not; from any thread.

        `name` is a service's id, or appointment, preferential, language or reprint.
        """
        if self._pushes.setdefault(name, OnePush()).begins(time.monotonic()) and down:
            self._loop.soon(self._acts[name])

    def typed(self, key: str) -> None:
        """A key of the keypad: * begins, digits follow, Enter ("\\n") ends; from any thread.

        While somebody checks in also X, Y, Z, and "\\b" to take the last one back.
        """
        self._loop.soon(self._typed, key)

    def read(self, text: str) -> None:
        """What a reader of documents and QR codes said; from any thread."""
        self._loop.soon(self._read, text)

    # --- the acts ---

    def pressed(self, service_id: str, priority: bool = False) -> dict[str, Any] | None:
        """Gives a number for a service; its fact as journaled, or None if people are told why there is none."""
        spoken_in = self.checkin.end()
        wish, self._wish = self._wish_now(), Wish()
        wish = replace(wish, priority=wish.priority or priority, language=wish.language or spoken_in)
        return self._given(partial(self._answer, service_id, wish), wish.language)

    def check_in(self, verdict: Verdict, language: str) -> dict[str, Any] | None:
        """Gives the number of an appointment; its fact as journaled, or None if people are told why there is none."""
        self._wish = Wish()
        return self._given(partial(self._checked_in, verdict, language), language)

    def print_again(self, booked: Booked, language: str) -> None:
        """Says and prints the number that an appointment has, given here or elsewhere; only here its code is known."""
        label, setup = booked.label, self.setup
        if label is None or setup is None:
            return
        given = self.journal.checked_in(self.journal.day or "", booked.id)
        fact = given or {"label": label, "at": wire.stamp(self.clock.now()), "appointment": booked.id}
        self._tell(("again", spoken(label)), shown=label, language=language)
        try:
            self.printer.print(paper.pieces(replace(self._slip(setup, {**fact, "language": language}), again=True)))
        except PaperError as error:
            log.warning("%s: %s", label, error)
            self._look()

    def rejoin(self, label: str) -> bool:
        """Somebody whose call was missed has come back: the hub decides whether in time. False if not ours."""
        day = self._today()
        issued = self.journal.ticket(day, label) if day else None
        if day is None or issued is None:
            self._tell(("no_such", label))
            return False
        self.journal.add(self._fact("ticket.rejoined", day, ticket=issued["ticket"]))
        self.outbox.send()
        self._tell(("back", spoken(label)), shown=label)
        return True

    def reprint(self) -> bool:
        """Prints the last ticket again, if its printing is not known to have gone well."""
        fact = self.journal.unprinted()
        if fact is None or self.setup is None:
            return False
        return self._print(replace(self._slip(self.setup, fact), again=True), fact)

    # --- giving a number ---

    def _given(self, give: Callable[[], dict[str, Any] | None], language: str | None) -> dict[str, Any] | None:
        """The fact, or None after people were told why there is no number."""
        try:
            return give()
        except NoNumberLeft as error:
            log.error("%s", error)
            self._tell(("no_number",), language=language)
        except JournalError as error:
            log.error("%s", error)
            self._failing = True
            self._report()
            self._tell(("disk",), language=language)
        finally:
            self._draw()
        return None

    def _answer(self, service_id: str, wish: Wish) -> dict[str, Any] | None:
        setup, day = self.setup, self._today()
        service = setup.services.get(service_id) if setup else None
        refusal = self._refusal(service)
        if refusal is not None or setup is None or day is None or service is None:
            self._tell(refusal or ("waiting",), language=wish.language)
            return None
        if wish.back is not None:
            self.rejoin(f"{service['letter']}{wish.back:03d}")
            return None
        return self._give(setup, day, service, wish)

    def _refusal(self, service: Mapping[str, Any] | None) -> Sentence | None:
        """Why there can be no number now, as a sentence of WORDS and what goes into it."""
        if self.setup is None or self._today() is None:
            return ("waiting",)
        return ("not_here",) if service is None else self._no_paper_now()

    def _no_paper_now(self) -> Sentence | None:
        """Why nothing is printed for anybody."""
        shut = self._shut()
        if shut is None:
            self._look()
        return shut or ((self._trouble,) if self._trouble in NO_PAPER else None)

    def _give(self, setup: Setup, day: str, service: Mapping[str, Any], wish: Wish) -> dict[str, Any]:
        """From here on a number is taken: what follows may fail, but never gives it again."""
        # What the line says is of ordinary tickets; a preferential one passes them.
        line = None if wish.priority else self._fresh_line()
        ahead = _ahead(line, service) if line else None
        wait = None if wish.priority else self._wait_for(service)
        closing = self._closing_before(wait)
        if closing:
            self._tell(("late", closing), language=wish.language)
        fact = self._issued(day, service["id"], wish, self._back_by(wait))
        issued = self._taken(setup, service["letter"], fact)
        self._since.append(service["id"])
        minutes = rounded(wait["p10"], wait["p90"]) if wait else None
        slip = replace(self._slip(setup, issued), ahead=ahead, wait=minutes, closes_at=closing)
        if self._print(slip, issued):
            self._say_number(issued["label"], ahead, slip.languages[0])
        return issued

    def _taken(self, setup: Setup, letter: str, fact: Mapping[str, Any]) -> dict[str, Any]:
        """The fact with the next number of a letter: in the journal, and on its way."""
        issued = self.journal.issue(letter, setup.first_number, setup.last_number, fact)
        self._failing = False
        self._report()
        self.outbox.send()
        return issued

    def _issued(self, day: str, service: str, wish: Wish, back_by: int | None) -> dict[str, Any]:
        """The fact of a new ticket, but for its label; what nobody chose is left out."""
        chosen = {
            "language": wish.language,
            "priority": wish.priority or None,
            "back_by": wire.stamp(back_by) if back_by is not None else None,
        }
        return self._fact(
            "ticket.issued",
            day,
            ticket=str(uuid.uuid4()),
            token=secrets.token_urlsafe(16),  # 128 random bits, 22 characters
            service=service,
            **{key: value for key, value in chosen.items() if value is not None},
        )

    def _slip(self, setup: Setup, fact: Mapping[str, Any]) -> Slip:
        """What a fact alone says on paper; what is so at the moment comes on top."""
        own = fact.get("language", setup.languages[0])
        back_by = fact.get("back_by")
        booked = self.appointments.booked(fact.get("appointment"))
        service = setup.services.get(booked.service if booked else fact.get("service", ""), {"name": {}})
        return Slip(
            office=setup.name,
            label=fact["label"],
            service=service["name"],
            languages=(own, *(each for each in setup.languages if each != own)),
            url=setup.track + fact["token"] if setup.track and "token" in fact else None,
            printed_at=self._wall(wire.instant(fact["at"])).strftime("%d/%m/%Y %H:%M") if self.clock.is_set() else None,
            telephone=setup.telephone,
            back_by=self._hour(wire.instant(back_by)) if back_by else None,
            priority=fact.get("priority", False),
            hour=self._hour(booked.start) if booked else None,
        )

    def _print(self, slip: Slip, fact: Mapping[str, Any]) -> bool:
        """Whether the slip is on paper; if not, people and hub are told what that means for the number."""
        try:
            self.printer.print(paper.pieces(slip))
        except PaperError as error:
            log.warning("%s: %s", slip.label, error)
            self._look()
            self._unprinted(slip, fact, error.began)
            return False
        try:
            self.journal.printed()
        except JournalError as error:  # it only means that a copy may be asked for
            log.error("%s", error)
        return True

    def _unprinted(self, slip: Slip, fact: Mapping[str, Any], began: bool) -> None:
        if began:
            self._tell(("unprinted", spoken(slip.label)), shown=slip.label, language=slip.languages[0])
        elif not slip.again:
            self.journal.void(fact, self._fact("ticket.voided", fact["day"], ticket=fact["ticket"], why="printer"))
            self.outbox.send()
            self._tell((self._trouble or "gone",), language=slip.languages[0])

    def _say_number(self, label: str, ahead: int | None, language: str) -> None:
        """The number in the largest letters, and aloud."""
        rest = [in_words(("ahead", ahead), language)] if ahead is not None else []
        rest.append(in_words(("take",), language))
        self.face.note((label, *rest))
        self.face.say(". ".join([in_words(("number", spoken(label)), language), *rest]), language)

    def _fact(self, kind: str, day: str, **more: Any) -> dict[str, Any]:
        return {"fact": kind, "at": wire.stamp(self.clock.now()), "day": day, **more}

    # --- appointments ---

    def verdict(self, words: str) -> Verdict:
        """What the agenda has for a document's number or a locator: the same with and without the hub."""
        setup, found = self.setup, self.appointments.found(words, self._today())
        if setup is None or found is None:
            return Verdict("no_agenda")
        early, late = (setup.early_minutes, setup.late_minutes) if self.clock.is_set() else (ALWAYS, ALWAYS)
        return judge(found, setup.office, setup.services, self.clock.now(), early, late)

    def sentence(self, verdict: Verdict) -> Sentence:
        """A verdict on which one press decides, in words."""
        booked = verdict.booked
        if booked is None:
            return (verdict.how,)
        if verdict.how == "elsewhere":
            return ("elsewhere", self.appointments.office(booked.office), self._hour(booked.start))
        return ("late_for_it" if verdict.how == "late" else verdict.how, self._hour(booked.start))

    def talks(self, talk: Talk, aloud: bool) -> None:
        """Shows where a check-in stands, and says it."""
        self.face.note((talk.line,))
        if aloud:
            self.face.say(in_words(talk.sentence, talk.language), talk.language)
        self._draw()

    def _checked_in(self, verdict: Verdict, language: str) -> dict[str, Any] | None:
        setup, day, booked = self.setup, self._today(), verdict.booked
        if setup is None or day is None or booked is None:
            return None
        refusal = self._refusal(setup.services.get(booked.service))
        if refusal is not None:
            self._tell(refusal, language=language)
            return None
        who = {"ticket": str(uuid.uuid4()), "token": secrets.token_urlsafe(16), "appointment": booked.id}
        fact = self._fact("appointment.checked_in", day, **who, language=language)
        issued = self._taken(setup, setup.appointment_letter, fact)
        if self._print(self._with_its_wait(self._slip(setup, issued), verdict.how, booked), issued):
            self._say_number(issued["label"], None, language)
        return issued

    def _with_its_wait(self, slip: Slip, how: str, booked: Booked) -> Slip:
        """Who is early or late waits among those without an appointment: the line's forecast is theirs too."""
        if self.setup is None or how not in ("early", "late"):
            return slip
        line = self._fresh_line()
        wait = line["services"].get(booked.service, {}).get("wait") if line else None
        due = self._hour(booked.start - self.setup.early_minutes * 60000) if how == "early" else None
        minutes = rounded(wait["p10"], wait["p90"]) if wait else None
        return replace(slip, ahead=line["waiting"] if line else None, wait=minutes, due_from=due, late=how == "late")

    # --- what is known of the moment ---

    def _today(self) -> str | None:
        """The office's day by which numbers are given now; None on a new card that cannot know of its numbers."""
        if self.setup is not None and self.journal.day is not None and self.clock.is_set():
            now = self.clock.now()
            day = day_of(now, self.setup.timezone, self.setup.day_starts)
            if day > self.journal.day and not self.journal.settled:
                return None
            self.journal.begin_day(day, now)
        return self.journal.day

    def _shut(self) -> Sentence | None:
        """When the office opens, as a sentence, if it is known to be shut."""
        if self.setup is None or not self.clock.is_set():
            return None
        now = self.clock.now()
        at = opens(self.setup.hours, now)
        return ("opens", self._wall(at), self._wall(now)) if at is not None else None

    def _fresh_line(self) -> dict[str, Any] | None:
        """The office's line, while the hub is there to keep it true and the office works."""
        line = self._line
        if line is None or line["paused"] is not None or line["day"] != self.journal.day or not self.link.hub_here():
            return None
        return line

    def _wait_for(self, service: Mapping[str, Any]) -> Mapping[str, int] | None:
        """The forecast of a ticket taken now: as the hub says, or carried on from what it said last."""
        fresh, line = self._fresh_line(), self._line
        if line is None or line["paused"] is not None or line["day"] != self.journal.day:
            return None
        wait = line["services"].get(service["id"], {}).get("wait")
        passed = self.clock.now() - wire.instant(line["at"])
        if fresh or wait is None or not 0 <= passed <= CARRIED:
            return wait if fresh else None
        shares = service.get("shares", [service["id"]])
        given = sum(id in shares for id in self._since)
        return carried(wait, _ahead(line, service), given, passed // 60000)

    def _back_by(self, wait: Mapping[str, int] | None) -> int | None:
        """The early end of the forecast, to the minute: what is printed is what is promised."""
        if wait is None or wait["p5"] < SHORTEST_WALK:
            return None
        return (self.clock.now() // 60000 + wait["p5"]) * 60000

    def _closing_before(self, wait: Mapping[str, int] | None) -> str | None:
        """When the doors close, if the median forecast passes it."""
        end = closes(self.setup.hours, self.clock.now()) if self.setup else None
        passes = wait is not None and end is not None and self.clock.now() + wait["p50"] * 60000 > end
        return self._hour(end) if passes and end is not None else None

    def _wall(self, at: int) -> datetime:
        return local(at, self.setup.timezone if self.setup else "UTC")

    def _hour(self, at: int) -> str:
        return f"{self._wall(at):%H:%M}"

    # --- what the hub says ---

    def _told(self, hear: Callable[[dict[str, Any], bool], None]) -> Callable[[dict[str, Any], bool], None]:
        return lambda message, retained: self._loop.soon(hear, message, retained)

    def _configured(self, config: dict[str, Any], retained: bool) -> None:
        """Retained it is the truth; live it must not be older than the last."""
        newer = retained or self.setup is None or config["seq"] >= self.setup.seq
        if newer and self._set_up(config):
            self.journal.keep_config(config)
            self._learn_numbers()
            self._draw()

    def _set_up(self, config: dict[str, Any]) -> bool:
        try:
            setup = Setup.of(config)
        except SetupError as error:
            log.error("%s", error)
            return False
        if self.setup is None or self.setup.office != setup.office:
            if self.setup is not None:
                self.link.off(wire.line_topic(self.setup.office))
            self._line = None
            self.link.on(wire.line_topic(setup.office), "line", self._told(self._lined))
        self.setup = setup
        return True

    def _learn_numbers(self) -> None:
        """A new card begins with the config of today; every card skips the numbers that the hub has seen.

        Until a clock is set the config's day is believed, and checked against the first time that is known.
        """
        setup, now = self.setup, self.clock.now()
        if setup is None or setup.numbers is None:
            return
        today = day_of(now, setup.timezone, setup.day_starts) if self.clock.is_set() else setup.day
        if setup.day >= today and not self.journal.settled:
            self.journal.begin_day(setup.day, now)
            self.journal.settle(self.clock.is_set())
        if setup.day == self._today():
            self.journal.lift(setup.day, setup.numbers, setup.first_number, setup.last_number)

    def _lined(self, line: dict[str, Any], retained: bool) -> None:
        newer = retained or self._line is None or line["seq"] >= self._line["seq"]
        if newer and self.setup is not None and line["office"] == self.setup.office:
            self._line, self._since = line, []
            self._draw()

    def _link_changed(self) -> None:
        if self.link.connected and self.link.conn != self._conn:
            self._conn = self.link.conn
            self.outbox.send_again()
        self._learn_numbers()
        self._draw()

    # --- the printer ---

    def _look(self) -> None:
        """Asks the printer how it is, and tells the hub and people at once if that has changed."""
        look = self.printer.look()
        self._next_look = time.monotonic() + LOOK_EVERY
        if look.trouble != self._trouble:
            log.warning("the printer: %s", look.trouble or "is well again")
        self._trouble, self._paper = look.trouble, look.paper
        self._report()
        day = self.journal.day
        if day is not None and look.paper != self.journal.paper:
            self.journal.paper_changed(self._fact("printer.changed", day, paper=look.paper))
            self.outbox.send()

    def _report(self) -> None:
        self.link.report(paper=self._paper, state="degraded" if self._trouble or self._failing else "ready")

    # --- fingers ---

    def _wired_buttons(self, buttons: Buttons) -> dict[str, Callable[[], Any]]:
        """What each button does, and a wire to each that has a pin."""
        acts: dict[str, Callable[[], Any]] = {name: partial(self.pressed, name) for name in buttons.services}
        acts |= {"appointment": self._has_appointment, "preferential": self._prefer}
        acts |= {"language": self._next_language, "reprint": self.reprint}
        wires = {name: getattr(buttons, name, 0) or buttons.services.get(name, 0) for name in acts}
        for name, pin in wires.items():
            if pin:
                self.pins.button(pin, partial(self.edge, name, True), partial(self.edge, name, False))
        return acts

    def _wish_now(self) -> Wish:
        return self._wish if time.monotonic() < self._wish.until else Wish()

    def _wishes(self, **chosen: Any) -> None:
        self._wish = replace(self._wish_now(), until=time.monotonic() + CHOICE_FOR, **chosen)

    def _has_appointment(self) -> None:
        """Leads to the check-in, or says at once why there is none."""
        back, language = self._wish_now().back, self._language()
        if back is not None and self.setup is not None:
            self._wish = Wish()
            self.rejoin(f"{self.setup.appointment_letter}{back:03d}")
            return
        if self._may_check_in(language):
            self.checkin.begin(language)

    def _read(self, text: str) -> None:
        """A document or code that was laid on the reader, before or after any button."""
        language = self._language()
        if self._may_check_in(language):
            self.checkin.read(text, language)

    def _may_check_in(self, language: str) -> bool:
        """Whether appointments can be looked up and numbers printed; if not, people are told."""
        refusal = ("waiting",) if self.setup is None else self._no_paper_now()
        if refusal is None and self.appointments.of(self._today()) is None:
            refusal = ("no_agenda",)
        if refusal is not None:
            self.checkin.end()
            self._tell(refusal, language=language)
            self._draw()
        return refusal is None

    def _language(self) -> str:
        """The language of who stands there, or else the office's first."""
        return self._wish_now().language or (self.setup.languages[0] if self.setup else "ca")

    def _prefer(self) -> None:
        """The next service's button gives a preferential ticket; the cause is never asked."""
        if self.setup is not None and not self.setup.priority:
            self._tell(("no_priority",))
            return
        self._wishes(priority=True)
        self._tell(("choose_priority",))

    def _next_language(self) -> None:
        languages = self.setup.languages if self.setup else ("ca",)
        talk = self.checkin.talk
        now = (talk.language if talk else self._wish_now().language) or languages[0]
        chosen = languages[(languages.index(now) + 1) % len(languages)]
        self._wishes(language=chosen)
        if talk:
            self.checkin.speaks(chosen)
            return
        self._tell(("choose",), shown=LANGUAGES[chosen])

    def _typed(self, key: str) -> None:
        if self.checkin.talk:
            self.checkin.key(key)
        elif key == "\n":
            number, self._typing = self._typing.lstrip("*"), ""
            if number.isdigit():
                self._back(int(number))
        elif key == "*" or (self._typing and len(self._typing) < 5 and key.isdigit()):
            self._typing = "*" if key == "*" else self._typing + key
            self.face.note((self._typing,))

    def _back(self, number: int) -> None:
        """A number alone may stand under several letters: then the service's button says which."""
        day = self._today()
        labels = self.journal.labels(day, number) if day else []
        if len(labels) > 1:
            self._wishes(back=number)
            self._tell(("which",))
        else:
            self.rejoin(labels[0] if labels else str(number))

    # --- what people see ---

    def _tell(self, sentence: Sentence, shown: str = "", language: str | None = None) -> None:
        """Tells a sentence of WORDS, in the person's language."""
        language = language or self._language()
        self.face.tell(in_words(sentence, language), language, shown)

    def _draw(self) -> None:
        talk = self.checkin.talk
        if talk is not None:
            self.face.rest((talk.line,))
            self.face.light("blink" if talk.asks else "on")
            return
        languages = self.setup.languages[:2] if self.setup else ("ca",)
        sentence, lamp = self._at_rest()
        self.face.rest(tuple(in_words(sentence, each) for each in languages))
        self.face.light(lamp)

    def _at_rest(self) -> tuple[Sentence, str]:
        """What stands there while nobody presses. Lamp on: press; blinking: something is wrong; off: closed."""
        if self.setup is None or self.journal.day is None:
            return ("waiting",), "blink"
        shut = self._shut()
        if shut:
            return shut, "off"
        if self._failing or self._trouble:
            return (self._trouble or "disk",), "blink" if self._failing or self._trouble in NO_PAPER else "on"
        if self._line is not None and self._line["paused"] is not None and self.link.hub_here():
            return ("paused", self._line["paused"]), "on"
        return ("choose",), "on"

    # --- moments ---

    def _due(self) -> float:
        moments = [self._next_look, self.outbox.due(), self.face.note_ends or None, self.checkin.due]
        return min(moment for moment in moments if moment is not None)

    def _strike(self, now: float) -> None:
        resend = self.outbox.due()
        if resend is not None and now >= resend:
            self.outbox.send_again()
        if now >= self._next_look:
            self._look()
        self.checkin.strike(now)
        self._draw()


def wired(settings: DispenserSettings) -> Dispenser:
    """The dispenser of a machine's settings, with its hardware and its link; `start` sets it to work."""
    link = Link(settings.device, "dispenser", settings.broker)
    dispenser = Dispenser(
        link,
        Journal(Path(settings.data) / f"{settings.device}.journal"),
        hardware.printer("fake" if settings.fakes else settings.printer, settings.profile),
        hardware.screen("fake" if settings.fakes else settings.screen),
        Voice(settings.voice),
        Pins(settings.fakes),
        settings.buttons,
        Clock(link.hub_now),
    )
    if settings.buttons.keypad:
        dispenser.parts.insert(0, Keypad(settings.buttons.keypad, dispenser.typed))
    if settings.buttons.reader:
        dispenser.parts.insert(0, hardware.reader(settings.buttons.reader, settings.buttons.layout, dispenser.read))
    return dispenser
