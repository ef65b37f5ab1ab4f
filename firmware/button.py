"""What a finger meant: short, long and double presses, told from a button's contact.

The rules are those of the Raspberry Pis' devices/gestures.py, and a test holds the two together:
  - A level counts once it has stood for 20 ms: contacts bounce for a few.
  - Held for 0.8 s is a long press, told while the finger is still down.
  - Two presses within 0.35 s, from release to next press, are a double press.
  - Anything else is a short press, told at once by a button that knows nothing longer.
  - One finger is one gesture: however long it is held, it is told once.

Times are milliseconds of one clock that never runs back.
"""

import asyncio

SETTLE, LONG, DOUBLE = 20, 800, 350  # ms
STUCK = 20000  # ms: nobody holds a button for so long
SAMPLE = 10  # ms: half of what a contact needs to settle
IDLE, DOWN, BETWEEN, TOLD = 0, 1, 2, 3


class Finger:
    """One button's contact and what has been made of it so far.

    Args:
        longer: whether the button knows long and double presses, or short ones only.
    """

    def __init__(self, longer):
        self.longer = longer
        self.contact = False  # as it last changed, bouncing or not
        self.changed = 0
        self.down = False  # the level that has stood long enough to count
        self.state = IDLE
        self.since = 0  # when `state` began

    def resting(self):
        """Nothing is under way: the next edge begins a new gesture."""
        return self.state == IDLE and not self.contact

    def edge(self, down, at):
        """The contact is `down` at `at`; returns the gestures that are over by then."""
        meant = self.lapse(at)
        if down != self.contact:
            self.contact, self.changed = down, at
        return meant

    def lapse(self, now):
        """Time has come to `now`; what stood long enough counts, in the order of its moments."""
        meant = []
        moment = self.due()
        while moment is not None and moment <= now:
            gesture = self._pass(moment)
            if gesture:
                meant.append(gesture)
            moment = self.due()
        return meant

    def due(self):
        """The next moment at which `lapse` has something to do, or None."""
        changing = self.contact != self.down
        # A contact that is just changing is given the time to settle before the clock decides.
        settling = SETTLE if changing else 0
        moment = self.changed + SETTLE if changing else None
        if self.longer and self.state in (DOWN, BETWEEN):
            other = self.since + (LONG if self.state == DOWN else DOUBLE) + settling
            moment = other if moment is None else min(moment, other)
        return moment

    def stuck(self, now):
        """Whether it has been held for longer than anybody would."""
        return self.down and self.contact and now - self.changed > STUCK

    def _pass(self, moment):
        if self.contact != self.down and self.changed + SETTLE == moment:
            self.down = self.contact
            return self._pressed() if self.down else self._released()
        return self._tell("long" if self.state == DOWN else "short", TOLD if self.down else IDLE)

    def _pressed(self):
        if self.state == BETWEEN:
            return self._tell("double", TOLD)
        self.state, self.since = DOWN, self.changed
        return None if self.longer else self._tell("short", TOLD)

    def _released(self):
        if self.state == TOLD:
            self.state = IDLE
            return None
        if not self.longer:
            return self._tell("short", IDLE)
        self.state, self.since = BETWEEN, self.changed
        return None

    def _tell(self, gesture, state):
        self.state = state
        return gesture


class Button:
    """One physical button: asks what its gestures mean, and remembers what was on the sign when it came down.

    Args:
        name: of the pin in the settings: next, recall, absent or done.
        pin: closes to ground; has `value()`.
        asks: what each gesture asks, such as {"short": "next"}.
        seen: says what a finger that comes down now has seen.
        asked: called with (press, what was seen) for each gesture that asks something.
    """

    def __init__(self, name, pin, asks, clock, seen, asked):
        self.name, self._pin, self._asks = name, pin, asks
        self._clock, self._seen, self._asked = clock, seen, asked
        self._finger = Finger(len(asks) > 1)
        self._question = None

    def stuck(self):
        """Whether it has been held for longer than anybody would."""
        return self._finger.stuck(self._clock.ms())

    async def watch(self, alive):
        """For ever; `alive()` shows that it lives."""
        while True:
            self._look()
            alive()
            await asyncio.sleep_ms(SAMPLE)

    def _look(self):
        now, down = self._clock.ms(), not self._pin.value()
        if down and self._finger.resting():
            self._question = self._seen()
        for gesture in self._finger.edge(down, now) + self._finger.lapse(now):
            if gesture in self._asks:
                self._asked(self._asks[gesture], self._question)
