"""Tells locked phones, in a thread of each bridge: what there is to tell at the offices that it works for.

What a phone is to be told is noted with what it was told so far, in one transaction, so that it is told once
whatever bridges do; then it is claimed and pushed, by any of them. It is dropped if it is not true any more, or
too old to help.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection
from functools import partial

import structlog

from hub.clock import now
from hub.line.model import State
from hub.line.order import ahead
from hub.line.plan import Moment
from hub.line.views import Expected
from hub.store import Store, StoreError, subscriptions
from hub.store.subscriptions import Subscription

from .alerts import LIVES, Notice, Seen, is_over, is_true, news, seen, worded
from .post import Away, PostError
from .push import Gone, Push

log = structlog.get_logger()
EVERY = 2.0  # seconds: a moment to set off comes without an event
REST = 0.2  # seconds before a look: answers, signs and open pages go first
AT_ONCE = 8  # pushes
FORGETS = 1800  # looks between two at what is too old


class Pusher(threading.Thread):
    """`wake` it when something has changed; `look` does all there is to do, once."""

    def __init__(
        self,
        store: Store,
        push: Push,
        public_url: str,
        offices: Callable[[], Collection[str]],
        expected: Callable[[str], Expected],
    ) -> None:
        super().__init__(name="pusher", daemon=True)
        self.store = store
        self.push = push
        self.public_url = public_url
        self.offices = offices  # those that this process works for
        self.expected = expected  # what is forecast of one of them, while it counts
        self.stopping = threading.Event()
        self._woken = threading.Event()
        self._free = threading.Semaphore(AT_ONCE)
        self._looks = 0

    def wake(self) -> None:
        """Something has changed; safe from any thread."""
        self._woken.set()

    def run(self) -> None:
        """Looks until `stop`; no error ends it."""
        while not self.stopping.is_set():
            self._woken.wait(EVERY)
            self._woken.clear()
            self.stopping.wait(REST)
            try:
                self.look()
            except StoreError as error:
                log.warning("no phone is told: the database is away", reason=str(error))
            except Exception:
                log.exception("telling phones failed")

    def stop(self) -> None:
        """Ends the thread; what was just being sent has a moment to be noted."""
        self.stopping.set()
        self._woken.set()
        if self.is_alive():
            self.join(1)

    def look(self) -> None:
        """Notes what there is to tell, and has it sent."""
        if self._looks % FORGETS == 0:
            self.store.transact(partial(subscriptions.forget_old, before=now()), one_view=False)
        self._looks += 1
        mine: dict[str, list[Subscription]] = {}
        for one in subscriptions.of(self.store, list(self.offices())):
            mine.setdefault(one.office, []).append(one)
        for office, some in mine.items():
            self._note(self.store.state(office), some)
        if mine:
            self._send()

    # --- what there is to tell ----------------------------------------------------------------

    def _note(self, state: State, some: list[Subscription]) -> None:
        at = now()
        before, expected = ahead(state, at), self.expected(state.office)
        for one in some:
            ticket = state.tickets.get(one.ticket)
            if ticket is None or is_over(ticket):
                self._forget(one)
                continue
            notice, told = news(one, seen(state, ticket, before.get(ticket.id), expected), at)
            if told.packed() != one.told:
                self.store.transact(
                    partial(subscriptions.tell, one=one, told=told.packed(), notice=notice), one_view=False
                )

    def _forget(self, one: Subscription) -> None:
        self.store.transact(partial(subscriptions.forget, id=one.id), one_view=False)

    # --- telling it ---------------------------------------------------------------------------

    def _send(self) -> None:
        """Hands on as much as there are hands; the next look takes what is left."""
        if not subscriptions.is_due(self.store):
            return
        hands = 0
        while hands < AT_ONCE and self._free.acquire(blocking=False):
            hands += 1
        claimed = self.store.transact(partial(subscriptions.claim, most=hands), one_view=False) if hands else []
        for _ in range(hands - len(claimed)):
            self._free.release()
        for one, age in claimed:
            threading.Thread(target=self._sent, args=(one, age), name="push", daemon=True).start()

    def _sent(self, one: Subscription, age: Moment) -> None:
        try:
            again = self._tried(one, age)
            self.store.transact(partial(subscriptions.settle, one=one, again=again), one_view=False)
        except StoreError as error:
            log.warning("a push could not be noted", reason=str(error))  # it is tried again, once its claim is over
        except Exception:
            log.exception("a push failed")
        finally:
            self._free.release()
            self.wake()

    def _tried(self, one: Subscription, age: Moment) -> bool:
        """Pushes what is to be told, if it is true and of use still; whether to try again."""
        notice = Notice(one.notice or "")
        left = LIVES[notice] - age // 1000
        shown = self._seen(one)
        if shown is None or left <= 0 or not is_true(notice, shown):
            log.info("a push is dropped: it is too late", kind=notice.value, office=one.office)
            return False
        try:
            self._pushed(one, notice, shown, left)
        except Away as error:
            log.warning("a push was not sent", kind=notice.value, reason=str(error))
            return True
        except (Gone, subscriptions.keys.KeyMissing, subscriptions.keys.Damaged):
            self._forget(one)
        except PostError as error:
            log.warning("a push was refused", kind=notice.value, reason=str(error))
            self._forget(one)
        return False

    def _seen(self, one: Subscription) -> Seen | None:
        """The ticket as it is now."""
        state = self.store.state(one.office)
        ticket = state.tickets.get(one.ticket)
        if ticket is None:
            return None
        return seen(state, ticket, ahead(state, now()).get(ticket.id), self.expected(one.office))

    def _pushed(self, one: Subscription, notice: Notice, shown: Seen, left: int) -> None:
        known = subscriptions.address(self.store, one.id)
        if known is None:
            return
        address, key = known
        topic = hashlib.sha256(one.id.encode()).hexdigest()[:32]  # RFC 8030, 5.4: 32 letters at most
        message = worded(notice, one, shown) | {"url": f"/t/{shown.ticket.token}", "topic": topic}
        self.push.send(address, key, self.public_url, topic, message, left)
