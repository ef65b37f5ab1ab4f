"""Sends what waits in the outbox, in a thread of each bridge. A message is claimed before it is sent.

Killed between the server's "I have it" and the note that it was sent, it sends that message once more, by the
same Message-ID or Idempotency-Key: no protocol of mail can do better.
"""

from __future__ import annotations

import threading
import time
from functools import partial

import structlog

from hub.booking.appointments import Appointment
from hub.booking.errors import NoAppointment
from hub.booking.notices import is_true
from hub.clock import now
from hub.offices import Fleet
from hub.store import Store, StoreError, appointments, outbox
from hub.store.outbox import DROPPED, FAILED, SENT, WAITING, Message

from .post import PostError, Refused, Way, Ways
from .texts import letter

log = structlog.get_logger()
LOOKS = 1.0  # seconds between two looks
RESTS = 60.0  # seconds for which a way that did not work is left alone
Outcome = tuple[str, str | None]  # the state, and why


class Sender(threading.Thread):
    """Sends, one after the other, whatever is due. `look` does it once."""

    def __init__(self, store: Store, fleet: Fleet, ways: Ways, public_url: str) -> None:
        super().__init__(name="sender", daemon=True)
        self.store = store
        self.fleet = fleet
        self.ways = ways
        self.public_url = public_url
        self.stopping = threading.Event()
        self._rests: dict[Way, float] = {}

    def run(self) -> None:
        """Looks every second until `stop`; no error ends it."""
        if not self.ways.mail:
            log.info("nobody is told of appointments by e-mail: there is no TORN_SMTP")
        while not self.stopping.wait(LOOKS):
            try:
                self.look()
            except StoreError as error:
                log.warning("no messages are sent: the database is away", reason=str(error))
            except Exception as error:  # its text could name a person
                log.error("the sender of messages failed", error=type(error).__name__)

    def stop(self) -> None:
        """Ends the thread; what was just being sent has a moment to be noted."""
        self.stopping.set()
        if self.is_alive():
            self.join(2)

    def look(self) -> None:
        """Sends all that is due."""
        while not self.stopping.is_set() and outbox.is_due(self.store):
            message = self.store.transact(outbox.claim, one_view=False)
            if message is None:
                return
            state, reason = self._tried(message)
            note = partial(outbox.settle, message=message, state=state, reason=reason)
            self.store.transact(note, one_view=False)

    def _tried(self, message: Message) -> Outcome:
        try:
            one = self.store.transact(lambda work: appointments.by_id(work, message.appointment))
        except NoAppointment:
            return DROPPED, "there is no such appointment any more"
        if one.office not in self.fleet.plans or not is_true(message.notice, one, now()):
            return DROPPED, "it is not true any more"
        if one.sealed:
            return WAITING, "whose it is cannot be read: a key is missing"
        return self._sent(message, one)

    def _sent(self, message: Message, one: Appointment) -> Outcome:
        known = self.ways.to(one.person) if one.person else None
        if known is None:
            return DROPPED, "there is no way to tell them"
        way, address = known
        if time.monotonic() < self._rests.get(way, 0.0):
            return WAITING, "the server was away a moment ago"
        try:
            way.send(address, letter(message.notice, self.fleet.plans[one.office], one, self.public_url), message.id)
        except PostError as error:
            log.warning("a message was not sent", id=message.id, kind=message.notice.value, reason=str(error))
            if isinstance(error, Refused):
                return FAILED, str(error)
            self._rests[way] = time.monotonic() + RESTS
            return WAITING, str(error)
        return SENT, None
