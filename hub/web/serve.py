"""The web process: streams in gevent's loop, pages in ordinary threads beside it.

Nothing is monkey-patched. A stream (`/t/<token>/events`, `/line/<office>/events`, `/staff/<office>/events`)
is a greenlet that waits for its end while live.py writes to it; it makes no database call in the loop. Every
other request is read by a greenlet and answered by Flask in one of gevent's native threads, where SQL,
locks and time are what they are everywhere.
"""

from __future__ import annotations

import gc
import io
import re
import resource
import signal
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    MisplacedEnvelopeHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer
from werkzeug.http import parse_cookie

from hub.link import Broker, Link
from hub.offices import Fleet
from hub.store import Store

from .app import MOST_BYTES, create_app
from .guard import SESSION_COOKIE
from .live import Live
from .provider import Provider

MOST_STREAMS = 20_000
OTHER_FILES = 200  # that this process needs beside its streams
IDLE = 60  # seconds that a connection may stand without a word; a stream may for ever
BODY_WITHIN = 10  # seconds for a request's body to arrive
ENDING = 1  # seconds for requests under way, at the end
STREAM = re.compile(r"/(t|line|staff)/([A-Za-z0-9_-]{1,512})/events")
STREAM_HEAD = (  # its end is the connection's (RFC 9112, 6.3): no chunks, so that what is written is what is read
    "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\n"
    "X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    "Connection: close\r\n\r\n"
)
NOT_YOURS = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


# Lines that are no headers. A form's body is not there yet when its headers are read: that is no defect of them.
NOT_HEADERS = (FirstHeaderLineIsContinuationDefect, MisplacedEnvelopeHeaderDefect, MissingHeaderBodySeparatorDefect)


def unambiguous(headers: Any) -> Any:
    """The headers of a request; ValueError, answered by 400, if where its body ends can be read in two ways.

    A proxy before us might read the other one, and take a part of one request for another (RFC 9112, 6.3 and 11.2).
    """
    lengths, codings = headers.get_all("Content-Length", []), headers.get_all("Transfer-Encoding", [])
    if any(isinstance(defect, NOT_HEADERS) for defect in headers.defects) or len(lengths) + len(codings) > 1:
        raise ValueError("a header that is none, or more than one length")
    if not all(length.isascii() and length.isdigit() for length in lengths):
        raise ValueError("Content-Length: must be digits")
    if any(coding.lower() != "chunked" for coding in codings):
        raise ValueError("Transfer-Encoding: must be chunked")
    headers.get("Host", "").partition(":")[0].encode("idna")  # no address can be made of others (RFC 9110, 7.2)
    return headers


class Door(WSGIHandler):
    """One connection: streams are kept here, all else goes to the application."""

    close_connection: bool

    def MessageClass(self, *words: Any) -> Any:  # gevent's name for what reads the headers
        """The headers of one request."""
        return unambiguous(super().MessageClass(*words))

    def handle(self) -> None:
        """Serves a connection until it closes, or has been idle for too long."""
        self.socket.settimeout(IDLE)
        super().handle()

    def run_application(self) -> None:
        """Serves a stream until it ends, or has the application answer."""
        found = STREAM.fullmatch(self.environ["PATH_INFO"]) if self.command == "GET" else None
        follow = self.server.stream(*found.groups(), self.environ.get("HTTP_COOKIE", "")) if found else None
        if follow is None:
            # Whoever asks for an upgrade gets none, and no more of the connection is read than the body.
            self.environ["wsgi.input"] = self.wsgi_input
            super().run_application()
            if self.close_connection:
                with suppress(OSError):  # the other end was quicker
                    self.socket.shutdown(socket.SHUT_RD)  # the rest of a body that never ends is not waited for
            return
        self.close_connection = True
        del self.environ, self.headers  # a stream lives long, and needs neither
        follow(self.socket, (STREAM_HEAD % formatdate(usegmt=True)).encode())


class Server(WSGIServer):
    """Listens at one address, for pages and streams."""

    handler_class = Door

    def __init__(self, http: tuple[str, int], app: Any, live: Live) -> None:
        super().__init__(http, _Threaded(app), log=None, error_log=None, spawn=Pool(), backlog=4096)
        self.live = live
        self.most_streams = min(MOST_STREAMS, _all_files() - OTHER_FILES)

    def init_socket(self) -> None:
        """Nagle's algorithm and delayed acknowledgements together would cost 40 ms an event."""
        super().init_socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def stream(self, kind: str, name: str, cookies: str) -> Callable[[Any, bytes], None] | None:
        """What serves this stream; None if there is no such office."""
        if kind != "t" and name not in self.live.offices:
            return None
        if self.live.streams >= self.most_streams:
            return lambda sock, head: sock.sendall(FULL)
        if kind == "staff":
            secret = parse_cookie(cookies).get(SESSION_COOKIE, "")
            return lambda sock, head: self._staff(name, secret, sock, head)
        serve = self.live.follow_ticket if kind == "t" else self.live.follow_line
        return lambda sock, head: serve(name, sock, head)

    def _staff(self, office: str, secret: str, sock: Any, head: bytes) -> None:
        refused = self.live.follow_staff(office, secret, sock, head)
        if refused:
            sock.sendall(NOT_YOURS if refused == HTTPStatus.UNAUTHORIZED else FULL)


def _all_files() -> int:
    """A stream is an open file: this process takes as many as the system lets it, and says how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


class _Threaded:
    """A WSGI application whose every request is answered by a native thread."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = None
        with gevent.Timeout(BODY_WITHIN, False):
            body = environ["wsgi.input"].read(MOST_BYTES + 1)
        if body is None:
            start_response("408 Request Timeout", [("Connection", "close"), ("Content-Length", "0")])
            return [b""]
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "wsgi.errors": io.StringIO()}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        status, headers, answer = gevent.get_hub().threadpool.apply(_answer, (self.app, environ))
        if len(body) > MOST_BYTES:
            headers.append(("Connection", "close"))
        start_response(status, headers)
        return [answer]


def _answer(app: Any, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    """The whole answer of a WSGI application."""
    begun: list[Any] = []
    chunks = app(environ, lambda status, headers, error=None: begun.extend((status, headers)))
    try:
        return begun[0], begun[1], b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()


def run(
    store: Store,
    fleet: Fleet,
    http: tuple[str, int],
    broker: Broker,
    public_url: str,
    provider: Provider | None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serves until SIGTERM or SIGINT; calls `ready` once it accepts connections."""
    link = Link(broker, "web")
    live = Live(store, fleet, link)
    server = Server(http, create_app(store, fleet, live, link, public_url, provider), live)
    ended = Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(sign, ended.set)
    gc.freeze()  # what is imported stays: looking through it again and again would hold phones up
    gc.set_threshold(50_000, 20, 20)
    live.start()
    link.start()
    server.start()
    ready()
    ended.wait()
    live.stop()
    server.stop(timeout=ENDING)
    link.stop()
