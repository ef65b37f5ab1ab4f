"""A desk's button, or its four, and the sign beside it: equal to the Raspberry Pi's, seen from the hub.

One button: a short press calls the next person, a long one calls again, a double one marks absent.
Four buttons: next, recall, absent, done.

A press is a question to the hub and is never queued: it carries the version of the desk that the
sign showed when the finger came down. Where the hub is not there, or does not answer within a
second, the light says no.
"""

import asyncio
import binascii
import os

import wire
from button import Button
from spoken import Spoken

ANSWER_WITHIN = 1000  # ms until silence counts as no
NOTE_FOR = 3000  # ms that a refusal stands on the sign
BLINK = 80  # ms
TICK = 40  # ms between two looks while something is under way
ONE_BUTTON = {"short": "next", "long": "recall", "double": "absent"}


class Desk:
    """Asks the hub what the clerk's finger meant, and shows what the desk does.

    Args:
        link: the way to the hub.
        parts: has clock, notes, screen, light (a pin, or None) and pins (name: pin of each button).
        language: before the hub has named the office's.
    """

    def __init__(self, link, parts, language):
        self._link, self._clock, self._notes = link, parts.clock, parts.notes
        self._screen, self._light = parts.screen, parts.light
        self._say = Spoken("desk", language)
        self._version = None  # of the desk as the sign shows it; None: nothing can be asked
        self._lines = None
        self._config = self._desk = self._topic = None
        self._seq = 0  # of the newest document
        self._asked = {}  # what was asked, by id, and until when an answer counts
        self._note, self._note_ends = "", None
        # A prefix of one's own: two boots may share four digits, two ids may never.
        self._prefix = link.boot + binascii.hexlify(os.urandom(4)).decode()
        self._count = 0
        self._stuck = []
        one = len(parts.pins) == 1
        self.buttons = []
        for name, pin in parts.pins.items():
            asks = ONE_BUTTON if one else {"short": name}
            self.buttons.append(Button(name, pin, asks, parts.clock, self._seen, self._ask))
        link.on(wire.device_topic(link.device, "config"), "config", self._configured)
        link.on(wire.device_topic(link.device, "answer"), "answer", self._answered)
        link.on_change(self._link_changed)

    async def run(self, alive):
        """For ever: lets notes, answers and the light come and go at their time."""
        while True:
            alive()
            self._strike(self._clock.ms())
            await asyncio.sleep_ms(TICK if self._asked or self._note_ends or self._screen.moving else 250)

    # --- fingers ---

    def _seen(self):
        return self._version, self._clock.hub_now()

    def _ask(self, press, seen):
        """Puts the question to the hub now, or says no: a press is never kept for later."""
        version, now = seen
        if version is None or now is None or not self._link.hub_here():
            return self._say_no("lost")
        self._count += 1
        message = {
            "id": "%s-%d" % (self._prefix, self._count),
            "press": press,
            "version": version,
            "now": wire.stamp(now),
        }
        self._asked[message["id"]] = self._clock.ms() + ANSWER_WITHIN
        asyncio.create_task(self._send(message))

    async def _send(self, message):
        sent = await self._link.publish(wire.device_topic(self._link.device, "press"), "press", message)
        if not sent and self._asked.pop(message["id"], None):
            self._say_no("lost")

    # --- what the hub says ---

    def _configured(self, message, _retained):
        topic = wire.desk_topic(message["office"], message["desk"]) if "desk" in message else None
        self._config = message
        self._say.speak(message["languages"])
        if topic != self._topic:
            if self._topic:
                self._link.off(self._topic)
            self._topic, self._desk, self._seq = topic, None, 0
            if topic:
                self._link.on(topic, "desk", self._heard)
        self.draw()

    def _heard(self, message, retained):
        """The desk's own document; a retained one is the truth, a live one must not be older than the last."""
        mine = wire.desk_topic(message["office"], message["desk"]) == self._topic
        if mine and (retained or message["seq"] >= self._seq):
            self._desk, self._seq = message, message["seq"]
            self.draw()

    def _link_changed(self):
        """A hub that comes back may count from further back: a restored database."""
        self._seq = 0
        self.draw()

    def _answered(self, message, _retained):
        if self._asked.pop(message["id"], None) is None:
            return  # too late to be told: the desk's document has shown it
        if not message["ok"]:
            return self._say_no(message.get("why", "unknown"))
        self._note_ends = None
        self.draw()

    # --- sign and light ---

    def _say_no(self, why):
        self._note, self._note_ends = why, self._clock.ms() + NOTE_FOR
        self.draw()

    def draw(self):
        """Shows what is so now. The version changes only once the sign has: it is what a finger saw."""
        lines, digits, version = self._now_shown()
        if lines != self._lines:
            self._screen.show(lines, digits)
            self._lines = lines
        self._version = version
        self._shine(self._clock.ms())

    def _now_shown(self):
        say = self._say
        if not self._link.hub_here():
            return (say["lost"], say[self._link.trouble]), "--------", None
        if self._config is None or self._desk is None:
            return (say["unset"], self._link.device), "--------", None
        desk, version = self._desk, self._desk["version"]
        large = desk["label"] or say["closed" if desk["state"] == "closed" else "free"]
        if self._note_ends is not None:
            return (large, say[self._note]), digits_of(desk)[:6] + "no", version
        small = say["stuck"] if self._stuck else say["waiting"] % desk["waiting"]
        return (large, small), digits_of(desk), version

    def _shine(self, now):
        """Lit while presses are heard; blinks for no."""
        if self._light:
            lit = self._version is not None
            if self._note_ends is not None:
                lit = (self._note_ends - now) // BLINK % 2 == 0
            self._light.value(1 if lit else 0)

    # --- moments ---

    def _strike(self, now):
        silent = [each for each, until in self._asked.items() if until <= now]
        for each in silent:
            del self._asked[each]
        if silent:
            self._say_no("silent")
        if self._note_ends is not None and self._note_ends <= now:
            self._note_ends = None
        self._look_for_stuck()
        self._screen.tick(now)
        self.draw()

    def _look_for_stuck(self):
        stuck = [button.name for button in self.buttons if button.stuck()]
        if stuck != self._stuck:
            self._stuck = stuck
            for name in stuck:
                self._notes.add("button %s is stuck" % name)
            self._link.report("degraded" if stuck else "ready")


def digits_of(desk):
    """The desk in eight characters: what is called at the left, who waits at the right."""
    state = desk["label"] or ("CLOSED" if desk["state"] == "closed" else "")
    return "%-6s%2d" % (state, min(desk["waiting"], 99))
