"""What is open now: phones, boards and staff pages, each told at once when something changes for it.

One process holds every office's newest documents in memory. The broker's network thread only notes
which office has changed and wakes the loop; the loop has the log read by a thread of its own, once,
and writes to those whose document is another one. A stream that takes no more is cut, not waited
for: it comes back and is told the newest.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http import HTTPStatus
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

import gevent
import structlog
from gevent.event import Event
from gevent.socket import SHUT_RDWR, socket

from firmware import wire
from hub.clock import now
from hub.forecaster.expected import fresh, read_expected
from hub.line import events as happened
from hub.line import views
from hub.line.evolve import evolve
from hub.line.model import Stage, State
from hub.line.order import ahead
from hub.line.plan import Moment
from hub.link import Link
from hub.offices import Fleet
from hub.store import Store, StoreError, staff
from hub.store.visits import find_visit

from .hall import UNKNOWN, line_of, look, past

log = structlog.get_logger()

COMMENT_EVERY = 15  # seconds, to each stream
HUB_LOST_AFTER = 6  # seconds without a live beat
CALM = 0.02  # seconds between two looks at an office: nobody sees it, and a rush costs little
AGAIN_AFTER = 1  # seconds, when the database does not answer
_as_json = json.JSONEncoder(separators=(",", ":")).encode  # one for all: ten thousand at a time
T = TypeVar("T")
Documents = dict[str, dict[str, Any]]
Passed = tuple[int, str, dict[str, Any]]  # seq, token, document


class Watched:
    """One ticket with phones open, and what they were told last."""

    __slots__ = ("document", "event", "sockets")

    def __init__(self, seq: int, document: dict[str, Any]) -> None:
        self.document = document
        self.event = ticket_event(seq, document)
        self.sockets: set[socket] = set()

    def tell(self, seq: int, document: dict[str, Any]) -> None:
        """Tells its phones, if that is something else than before."""
        if document != self.document:
            self.document, self.event = document, ticket_event(seq, document)
            for sock in list(self.sockets):
                tell(sock, self.event)


class Office:
    """One office: its newest documents, and who follows them."""

    def __init__(self) -> None:
        self.read: Read | None = None  # last
        self.watched: dict[str, Watched] = {}
        self.expected = views.UNEXPECTED  # as the forecaster said last
        self.line: dict[str, Any] | None = None  # as the bridge published it last
        self.sockets: set[socket] = set()  # boards and staff pages
        self.reading: gevent.Greenlet | None = None  # reads the log for all who have come together

    @property
    def seq(self) -> int:
        """Of the last event that is known of."""
        return self.read.state.seq if self.read else 0

    @property
    def documents(self) -> Documents:
        """Of all of today's tickets, by token."""
        return self.read.documents if self.read else {}

    @property
    def line_event(self) -> bytes:
        """The line as boards and staff pages get it; nothing while there is none."""
        return event("line", self.line["seq"], self.line) if self.line else b""


class Live:
    """All streams of this process. Only the loop's own greenlets change what is in it."""

    def __init__(self, store: Store, fleet: Fleet, link: Link) -> None:
        self.store = store
        self.fleet = fleet
        self.link = link
        self.offices = {id: Office() for id in fleet.plans}
        self.strangers: dict[str, Watched] = {}  # tokens that are not of today
        self.hub_here = True  # until it has been silent for too long
        self._lines: dict[str, bytes] = {}  # by office: what came from the broker last, read by who needs it
        self._shown: dict[str, bytes] = {}  # and what boards were told of it
        self._beat = time.monotonic()
        self._changed: set[str] = set()
        self._woken = Event()
        self._looked_at: dict[str, float] = {}  # when an office was looked at last
        self._looks_later: set[str] = set()
        self.sessions: dict[str, set[socket]] = {}  # the streams of the staff, by their session's digest
        self._unread: set[str] = set()  # offices that have changed while no phone followed
        self._streams: list[set[socket]] = [set() for _ in range(COMMENT_EVERY)]
        self._opened = 0
        link.on(wire.line_topic("+"), self._line_came)
        link.on(wire.forecast_topic("+"), self._expected_came)
        link.on(wire.HUB_TOPIC, self._beat_came)
        link.on(wire.device_topic("+", "answer"), self._answer_came)
        link.on_connected(self._all_changed)

    def start(self) -> None:
        """Begins to follow the offices; to be called in the loop."""
        self._waker = gevent.get_hub().loop.async_()
        self._waker.start(self._woken.set)
        gevent.spawn(self._follow)
        gevent.spawn(self._keep_alive)
        gevent.spawn(self._look_at_sessions)
        self._all_changed()

    def stop(self) -> None:
        """Ends all streams."""
        for sock in list(chain(*self._streams)):
            cut(sock)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return sum(map(len, self._streams))

    @property
    def boards(self) -> int:
        """How many of them follow an office's line: boards and staff pages. The others are phones."""
        return sum(len(office.sockets) for office in self.offices.values())

    def line(self, office: str) -> dict[str, Any] | None:
        """The office's line document as it was published last, or None."""
        return self.offices[office].line

    def relayed(self) -> dict[str, int]:
        """By office: the last event that a line from the broker knew of."""
        lines = {office: _legible(office, payload) for office, payload in list(self._lines.items())}
        return {office: line.get("events", 0) for office, line in lines.items() if line}

    def expected(self, office: str) -> views.Expected:
        """What the forecaster said last of an office, however old."""
        return self.offices[office].expected if office in self.offices else views.UNEXPECTED

    # --- from the broker's network thread -------------------------------------------------

    def _line_came(self, topic: str, payload: bytes, retained: bool) -> None:
        office = topic.split("/")[3]
        if office in self.offices:
            self._lines[office] = payload
            self.note(office)

    def _expected_came(self, topic: str, payload: bytes, retained: bool) -> None:
        try:
            expected = read_expected(payload)
            office = wire.route(topic)[1][0]
        except ValueError as error:
            log.warning("a forecast was refused", topic=topic, reason=str(error))
            return
        if office in self.offices:
            self.offices[office].expected = expected
            self.note(office)

    def _beat_came(self, topic: str, payload: bytes, retained: bool) -> None:
        """Only a beat that arrives live proves that the hub is there."""
        if retained:
            return
        try:
            state = wire.decode("hub", payload)["state"]
        except ValueError as error:
            log.warning("a beat was refused", reason=str(error))
            return
        self._beat = time.monotonic() if state == "ready" else float("-inf")

    def _answer_came(self, topic: str, payload: bytes, retained: bool) -> None:
        """A press has been answered: its office's phones need not wait for the line document."""
        device = self.fleet.devices.get(wire.route(topic)[1][0])
        if device:
            self.note(device.office)

    def _all_changed(self) -> None:
        for office in self.offices:
            self.note(office)

    def note(self, office: str) -> None:
        """Notes that an office has changed, and wakes the loop; safe from any thread."""
        self._changed.add(office)
        if hasattr(self, "_waker"):
            self._waker.send()

    # --- in the loop ----------------------------------------------------------------------

    def _follow(self) -> None:
        while True:
            self._woken.wait()
            self._woken.clear()
            while self._changed:
                self._look_at(self._changed.pop())

    def _look_at(self, id: str) -> None:
        """Tells an office's boards at once, its phones too unless they were told just now."""
        self._tell_line(self.offices[id], self._line(id))
        if not self._followed(id):
            self._unread.add(id)
            return
        rest = self._looked_at.get(id, 0.0) + CALM - time.monotonic()
        if rest <= 0.0:
            seq = self.offices[id].seq
            if not self._refreshed(id):
                self._look_later(id, AGAIN_AFTER)
            elif self.offices[id].seq > seq:  # a new forecast alone holds nobody's news up
                self._looked_at[id] = time.monotonic()
        else:
            self._look_later(id, rest)

    def _line(self, id: str) -> dict[str, Any] | None:
        """The line document that has come since it was looked for last, if one has that can be read."""
        payload = self._lines.get(id)
        if payload is None or payload is self._shown.get(id):
            return None
        self._shown[id] = payload
        return _legible(id, payload)

    def _followed(self, id: str) -> bool:
        """Whether the log is to be read: for phones, or for the line while the broker brings none."""
        office = self.offices[id]
        return self._has_phones(office) or self._unheard(office)

    def _has_phones(self, office: Office) -> bool:
        """Whether a phone follows a ticket of the office, or one that may be its."""
        return bool(office.watched or self.strangers)

    def _unheard(self, office: Office) -> bool:
        return office.line is None or not self.link.connected

    def _look_later(self, id: str, seconds: float) -> None:
        if id not in self._looks_later:
            self._looks_later.add(id)
            gevent.spawn_later(seconds, self._look_again, id)

    def _look_again(self, id: str) -> None:
        self._looks_later.discard(id)
        self.note(id)

    def _refreshed(self, id: str) -> bool:
        """Whether all was told; nothing that goes wrong may end the loop."""
        try:
            return self._refresh(id)
        except Exception:
            log.exception("an office's phones could not be told", office=id)
            return False

    def _refresh(self, id: str) -> bool:
        office = self.offices[id]
        last = office.read if self._has_phones(office) else None  # nobody was there whom a step could miss
        read = in_thread(read_office, self.store, id, now(), last, office.expected, self._unheard(office))
        if read is None:
            return False
        if last is None and office.read and self._has_phones(office):
            return self._refresh(id)  # somebody has come meanwhile, who is to be told each step
        if read.line and office.line:
            read.line["seq"] = office.line["seq"]
        self._tell_line(office, read.line)
        if read.state.seq >= office.seq:  # another greenlet may have read more meanwhile
            self._tell_phones(office, read)
        return True

    def _tell_line(self, office: Office, line: dict[str, Any] | None) -> None:
        if line is None:
            return
        office.line = line
        words = office.line_event if office.sockets else b""
        for sock in list(office.sockets):
            tell(sock, words)

    def _tell_phones(self, office: Office, read: Read) -> None:
        """Tells each ticket's phones, if there is something else to say than before."""
        since, office.read = office.seq, read
        for token in self.strangers.keys() & read.documents.keys():
            office.watched[token] = self.strangers.pop(token)
        for seq, token, document in read.passed:
            if token in office.watched and seq > since:
                office.watched[token].tell(seq, document)
        for token, watched in list(office.watched.items()):
            document = read.documents.get(token) or past(watched.document["label"], watched.document["state"])
            watched.tell(office.seq, document)

    def _keep_alive(self) -> None:
        """Each second a comment to a fifteenth of the streams; to all when the hub goes or comes."""
        for second in self._seconds():
            here = time.monotonic() - self._beat < HUB_LOST_AFTER
            if here and not self.hub_here:
                self._all_changed()
            due = chain(*self._streams) if here != self.hub_here else self._streams[second % COMMENT_EVERY]
            self.hub_here = here
            for sock in list(due):
                tell(sock, self.comment)

    def _seconds(self) -> Iterable[int]:
        second = 0
        while True:
            yield (second := second + 1)
            gevent.sleep(1)

    @property
    def comment(self) -> bytes:
        """What keeps a stream alive; it says whether the hub is there."""
        return b": hub here\n\n" if self.hub_here else b": hub lost\n\n"

    # --- one stream, in its own greenlet --------------------------------------------------

    def follow_ticket(self, token: str, sock: socket, head: bytes) -> None:
        """Serves a phone until it goes away."""
        watched = self._watched(token)
        watched.sockets.add(sock)
        try:
            self._hold(sock, head + watched.event + self.comment)
        finally:
            watched.sockets.discard(sock)
            if not watched.sockets:
                for place in (self.strangers, *(office.watched for office in self.offices.values())):
                    if place.get(token) is watched:
                        del place[token]

    def _watched(self, token: str) -> Watched:
        """The ticket as it is now: what whoever opens the stream has just done, or seen, is in it."""
        id = next((id for id, office in self.offices.items() if token in office.documents), None)
        visit = None if id else in_thread(find_visit, self.store, token)
        self._catch_up(visit.office if visit else id)
        other_day = visit and not self._known(token)
        seen = in_thread(look, self.store, token, now(), self.expected) if other_day else None
        found = self._known(token)  # asked last: another phone of the same ticket may have come meanwhile
        if found is None:
            seq, document = (seen.seq, seen.document) if seen else (0, UNKNOWN)
            found = self.strangers[token] = Watched(seq, document)
        for office in self._unread:  # what came while this one was not a follower yet
            self.note(office)
        self._unread.clear()
        return found

    def _catch_up(self, id: str | None) -> None:
        """Reads what the log has and this process does not know yet; most often that is nothing.

        A whole waiting room may come back at once: one reads for all of them.
        """
        last = in_thread(last_seq, self.store, id) if id in self.offices else None
        while id and last is not None and last > self.offices[id].seq:
            office = self.offices[id]
            if not office.reading:
                office.reading = gevent.spawn(self._refreshed, id)
            if not office.reading.get():
                return

    def _known(self, token: str) -> Watched | None:
        for office in self.offices.values():
            if token in office.watched:
                return office.watched[token]
            if token in office.documents:
                watched = office.watched[token] = Watched(office.seq, office.documents[token])
                return watched
        return self.strangers.get(token)

    def follow_line(self, id: str, sock: socket, head: bytes) -> None:
        """Serves a board or a staff page until it goes away."""
        office = self.offices[id]
        office.sockets.add(sock)
        try:
            self._hold(sock, head + office.line_event + self.comment)
        finally:
            office.sockets.discard(sock)

    def follow_staff(self, id: str, secret: str, sock: socket, head: bytes) -> int | None:
        """The same for somebody of the staff, for as long as their session lasts; the HTTP status if it cannot be."""
        asked = in_thread(_whose, self.store, secret)
        if asked is None:
            return HTTPStatus.SERVICE_UNAVAILABLE
        if asked.who is None or not asked.who.may("clerk", id):
            return HTTPStatus.UNAUTHORIZED
        mark = staff.digest(secret)
        self.sessions.setdefault(mark, set()).add(sock)
        try:
            self.follow_line(id, sock, head)
        finally:
            self.sessions[mark].discard(sock)
            if not self.sessions[mark]:
                del self.sessions[mark]
        return None

    def _look_at_sessions(self) -> None:
        """Each second, while there are any: a session that is over, wherever it was ended, has no stream any more."""
        for _ in self._seconds():
            marks = set(self.sessions)
            open = in_thread(staff.still_open, self.store, marks, now()) if marks else set()
            for mark in marks - open if open is not None else ():
                for sock in list(self.sessions.get(mark, ())):
                    cut(sock)

    def _hold(self, sock: socket, first: bytes) -> None:
        """Says the first words, then waits for the other end to close; what it says is not heard."""
        self._opened += 1
        streams = self._streams[self._opened % COMMENT_EVERY]
        streams.add(sock)
        sock.settimeout(None)
        try:
            tell(sock, first)
            while sock.recv(1024):
                pass
        except OSError:
            pass  # gone without a word: as good as closed
        finally:
            streams.discard(sock)


def _legible(office: str, payload: bytes) -> dict[str, Any] | None:
    """A line document; None, and a line in the log, if it is none."""
    try:
        return wire.decode("line", payload)
    except ValueError as error:
        log.warning("a line document was refused", office=office, reason=str(error))
        return None


def in_thread(act: Callable[..., T], *words: Any) -> T | None:
    """What `act` gives in a native thread, while the loop goes on; None if the database does not answer."""
    return gevent.get_hub().threadpool.apply(_or_nothing, (act, *words))


def _or_nothing(act: Callable[..., T], *words: Any) -> T | None:
    try:
        return act(*words)
    except StoreError as error:
        log.warning("the database does not answer", act=act.__name__, reason=str(error))
        return None


class Asked(NamedTuple):
    """Whose a session is; None if it is over."""

    who: staff.Person | None


def _whose(store: Store, secret: str) -> Asked:
    return Asked(staff.signed_in(store, secret, now()))


class Read(NamedTuple):
    """What an office has to say."""

    state: State
    documents: Documents  # of all of today's tickets, by token
    passed: list[Passed]  # what tickets were for a moment since
    line: dict[str, Any] | None  # if it was asked for


def read_office(
    store: Store, id: str, at: Moment, last: Read | None, expected: views.Expected, line_too: bool
) -> Read | None:
    """An office as the log has it now, and what happened since it was read `last`; None before its first day."""
    state, waits = store.state(id), fresh(expected, at)
    if state.plan is None:
        return None
    ended: Documents = {}
    passed: list[Passed] = []
    if last:
        ended = {ticket.token: last.documents[ticket.token] for ticket in views.over(last.state, state)}
        news = state.seq - last.state.seq
        if sum(t.touched > last.state.seq for t in state.tickets.values()) < news:
            passed = list(passed_through(last.state, state, store.events(id, last.state.seq), at, waits))
    documents = views.ticket_documents(state, at, wire.stamp, waits, ended)
    return Read(state, documents, passed, line_of(state, at, waits) if line_too else None)


def passed_through(
    state: State, until: State, events: Iterable[happened.Event], at: Moment, waits: views.Expected
) -> Iterator[Passed]:
    """What tickets were for a moment between two states: a phone is told each step, however quick they follow."""
    for event in islice(events, until.seq - state.seq):
        state = evolve(state, event)
        for ticket in state.tickets.values():
            last = until.tickets.get(ticket.id)
            if ticket.touched == state.seq and last and last.touched > state.seq:
                before = ahead(state, at).get(ticket.id) if ticket.stage is Stage.WAITING else None
                yield state.seq, ticket.token, views.ticket_document(state, ticket, before, wire.stamp, waits)


def last_seq(store: Store, id: str) -> int:
    """The number of the office's last event."""
    return store.state(id).seq


def ticket_event(seq: int, document: dict[str, Any]) -> bytes:
    """A ticket's document as a phone gets it."""
    return event("ticket", seq, {"seq": seq, **document})


def event(name: str, seq: int, data: dict[str, Any]) -> bytes:
    """One server-sent event (HTML standard, 9.2.5)."""
    return f"event: {name}\nid: {seq}\ndata: {_as_json(data)}\n\n".encode()


def tell(sock: socket, words: bytes) -> None:
    """Writes to a stream without waiting; one that takes no more is cut."""
    try:
        told = sock.send(words, timeout=0.0)
    except OSError:
        told = 0
    if told != len(words):
        cut(sock)


def cut(sock: socket) -> None:
    """Ends a stream; the greenlet that holds it sees the end."""
    with suppress(OSError):  # the other end was quicker
        sock.shutdown(SHUT_RDWR)
