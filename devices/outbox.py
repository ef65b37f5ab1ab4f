"""What the dispenser has written and the hub has not stored yet, on its way.

The rules (a naive "send everything again at each acknowledgement" turns 100 facts with one lost into 6,750 messages):
  - At most 20 facts are in flight.
  - From `stored` on, all is sent again on connect, when `stored` comes again without progress (at most once a
    second), and after 10 s without any.
  - A retained `stored` may be older than the hub: if it goes back, one fact is sent, and the answer counts.
"""

import time
from typing import Any

from devices.journal import Journal
from devices.link import Link
from firmware import wire

IN_FLIGHT = 20
AGAIN_EVERY = 1.0  # seconds
PATIENCE = 10.0  # seconds without any progress


class Outbox:
    """Sends the journal's facts in order, and hears what the hub has stored.

    Not for several threads: the dispenser's own calls everything here.
    """

    def __init__(self, journal: Journal, link: Link) -> None:
        self._journal = journal
        self._link = link
        self._topic = wire.device_topic(link.device, "fact")
        self._sent = journal.stored  # the last fact handed to the broker
        self._moved = -PATIENCE  # when there was progress last, or everything was sent again; monotonic
        self._asked = False  # `stored` has come again without progress since

    def send(self) -> None:
        """Sends what is waiting, as far as it may be in flight."""
        if self._sent == self._journal.stored:
            self._moved = time.monotonic()  # nothing is in flight: patience begins now
        room = self._journal.stored + IN_FLIGHT - self._sent
        for fact in self._journal.facts(self._sent, max(0, room)):
            if not self._link.publish(self._topic, "fact", fact):
                break
            self._sent = fact["seq"]
        since = self._journal.unsent_since
        self._link.report(unsent=self._journal.unsent, unsent_since=since and wire.stamp(since))

    def send_again(self) -> None:
        """Sends everything again that the hub has not stored."""
        self._sent = self._journal.stored
        self._progress()

    def _progress(self) -> None:
        self._moved, self._asked = time.monotonic(), False
        self.send()

    def stored(self, message: dict[str, Any], retained: bool) -> None:
        """The hub's word on what is safe in its database."""
        name, before = self._journal.name, self._journal.stored
        back = message["journal"] != name or message["seq"] < before
        if retained and back:
            self._sent = min(self._sent, max(0, before - 1))
            return self.send()
        self._journal.acknowledge(message["journal"], message["seq"])
        if self._journal.name != name or self._journal.stored < before:
            self.send_again()
        elif self._journal.stored > before:
            self._sent = max(self._sent, self._journal.stored)
            self._progress()
        elif not retained:
            self._asked = True

    def due(self) -> float | None:
        """When to send again if nothing moves until then; None while nothing waits or nobody listens."""
        patience = AGAIN_EVERY if self._asked else PATIENCE
        return self._moved + patience if self._link.connected and self._journal.unsent else None
