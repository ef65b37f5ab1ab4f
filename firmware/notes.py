"""What went wrong, kept for the hub until it is back, and printed for whoever has a cable.

The last few stand in the board's state document, so that they are told as soon as there is somebody.
"""

import wire

KEPT = 4
LONGEST = 100  # characters


class Notes:
    """The last faults of this boot, newest last."""

    def __init__(self, clock):
        self._clock = clock
        self._kept = []  # [when by our clock, text]
        self.changed = False

    def add(self, text):
        """Writes a fault down; one that repeats itself stands there once, with its first time."""
        text = str(text)[:LONGEST]
        text = "".join([text[n : n + 1] for n in range(len(text)) if text[n : n + 1] >= " "])  # slices: see wire.py
        if text not in [each[1] for each in self._kept]:
            print("note:", text)
            self._kept = self._kept[1 - KEPT :] + [[self._clock.ms(), text]]
            self.changed = True

    def told(self):
        """As texts for the hub, each with its time if that is known by now."""
        now, ms = self._clock.hub_now(), self._clock.ms()
        if now is None:
            return [text for _, text in self._kept]
        return ["%s %s" % (wire.stamp(now - ms + at)[:19] + "Z", text) for at, text in self._kept]
