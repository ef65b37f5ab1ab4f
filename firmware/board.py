"""A small sign in the waiting room: the last calls with their desks, and each new one with flash and chime.

What stands on it are the office's last four calls, which the broker keeps; what is announced are the
single calls, one after the other, so that none hides another. A call is told by its `seq`: however
often it arrives it is announced once, and one older than ten seconds of the hub's time not at all.

News that is old is worse than none: six seconds without the hub and the sign says so; after two
minutes, and until the hub has told the time, it shows no numbers.
"""

import asyncio

import wire
from spoken import Spoken

FRESH = 10000  # ms: a call older than this is not announced
FLASH_FOR = 4000  # ms that a new call has the sign to itself
BLINK = 500  # ms: slower than the three flashes a second of WCAG 2.3.1
OLD_NEWS = 120000  # ms without the hub until the numbers go
OF_TODAY = 43200000  # ms: an older call is of another day
KNOWN = 32  # calls whose seq is remembered
TICK = 40  # ms between two looks while something is under way
DASHES = "--------"  # on seven segments: no connection
CHIME = ((659, 400), (523, 600))  # Hz and ms: E5, C5


class Board:
    """Shows and announces the calls of its office.

    Args:
        link: the way to the hub.
        parts: has clock, screen and buzzer (has `freq(hz)` and `duty_u16(n)`, or None).
        language: before the hub has named the office's.
    """

    def __init__(self, link, parts, language):
        self._link, self._clock = link, parts.clock
        self._screen, self._buzzer = parts.screen, parts.buzzer
        self._say = Spoken("board", language)
        self._config = self._office = self._calls = None
        self._seq = 0  # of the newest list
        self._known = []  # the calls' seq
        self._unaged = []  # calls that came before the hub's time was known
        self._to_announce = []
        self._new, self._new_ends = None, 0
        self._here_at = None  # when the hub was last there
        self._shown = None
        link.on(wire.device_topic(link.device, "config"), "config", self._configured)
        link.on_change(self._link_changed)

    async def run(self, alive):
        """For ever: announces, lets the flash end, and old news go."""
        while True:
            alive()
            self._strike(self._clock.ms())
            await asyncio.sleep_ms(TICK if self._new or self._screen.moving else 250)

    # --- what the hub says ---

    def _configured(self, message, _retained):
        self._config = message
        self._say.speak(message["languages"])
        if message["office"] != self._office:
            if self._office:
                self._link.off(wire.calls_topic(self._office))
                self._link.off(wire.call_topic(self._office))
            self._office, self._calls, self._seq = message["office"], None, 0
            self._link.on(wire.calls_topic(self._office), "calls", self._listed)
            self._link.on(wire.call_topic(self._office), "call", self._called)
        self.draw()

    def _listed(self, message, retained):
        """The last calls; a retained list is the truth, a live one must not be older than the last."""
        if retained or message["seq"] >= self._seq:
            self._calls, self._seq = message["calls"], message["seq"]
            self.draw()

    def _called(self, call, retained):
        if retained or call["seq"] in self._known:
            return
        self._known = self._known[1 - KNOWN :] + [call["seq"]]
        self._unaged = self._unaged[1 - KNOWN :] + [call]
        self._judge()

    def _judge(self):
        """Takes up the calls that are fresh by the hub's time; until that is known they wait."""
        now = self._clock.hub_now()
        if now is not None:
            self._to_announce += [call for call in self._unaged if now - wire.instant(call["at"]) <= FRESH]
            self._unaged = []
            self._strike(self._clock.ms())

    def _link_changed(self):
        """A hub that comes back may count from further back: a restored database."""
        self._seq = 0
        self._judge()
        self.draw()

    # --- what it shows ---

    def draw(self):
        """Shows what is so now, if that has changed."""
        now = self._clock.ms()
        if self._link.hub_here():
            self._here_at = now
        shown = self._now_shown(now)
        if shown != self._shown:
            self._screen.show(*shown)
            self._shown = shown

    def _now_shown(self, now):
        """(lines, digits, phase of the flash)."""
        if self._new:
            lit = (self._new_ends - now) // BLINK % 2 == 1
            return (self._new["label"], self._place(self._new)), self._new["label"], lit
        calls = self._calls_of_today()
        if self._link.hub_here():
            return self._news(calls), calls[0]["label"] if calls else "", None
        if not calls or now - self._here_at > OLD_NEWS:
            return (self._say["lost"], self._say[self._link.trouble]), DASHES, None
        return (calls[0]["label"], self._place(calls[0]), self._say["old"]), DASHES, None

    def _news(self, calls):
        """The newest call large, those before it in a row each; the office's name while there is none."""
        if not calls:
            return (self._config["name"],) if self._config else ()
        before = ["%s %s" % (call["label"], call["desk"]) for call in calls[1:3]]
        return tuple([calls[0]["label"], self._place(calls[0])] + before)

    def _calls_of_today(self):
        """The calls; none before the hub has told the time."""
        now = self._clock.hub_now()
        if now is None:
            return []
        return [call for call in self._calls or () if now - wire.instant(call["at"]) < OF_TODAY]

    def _place(self, call):
        return "%s %s" % (self._say["desk"], call["desk"])

    # --- moments ---

    def _strike(self, now):
        if self._new and now >= self._new_ends:
            self._new = None
        if self._new is None and self._to_announce:
            self._new, self._new_ends = self._to_announce.pop(0), now + FLASH_FOR
            if self._buzzer:
                asyncio.create_task(self._chime())
        self._screen.tick(now)
        self.draw()

    async def _chime(self):
        """Ding dong."""
        for hz, ms in CHIME:
            self._buzzer.freq(hz)
            self._buzzer.duty_u16(32768)
            await asyncio.sleep_ms(ms)
        self._buzzer.duty_u16(0)
