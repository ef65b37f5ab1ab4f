"""Web Push: brings a message to a locked phone, through its browser's own service.

RFC 8030 (delivery), RFC 8291 (only the phone can read it), RFC 8292 (the service knows who sends: VAPID). Where to
is what a browser said, or somebody who plays one: nothing is sent to this network, nothing that is answered is read
or followed, and nobody holds a sender up for long.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import ipaddress
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02

from hub.store.keys import Key
from hub.store.subscriptions import Address

from .post import Away, BadSettings, PostError, Refused

PATIENCE = 3.0  # seconds for each step
DEADLINE = 8.0  # seconds for all of them: before another process may try (subscriptions.CLAIMED)
LONGEST_ENDPOINT = 1000  # characters
SIZE = 1500  # bytes: all messages are of one length, so that it tells nobody which one it is
POINT, SECRET = 65, 16  # bytes: of a phone's key and of its secret (RFC 8291, 3)
LASTS = 12 * 3600  # seconds that a signature is good for; 24 hours at most (RFC 8292, 2)
TAKEN = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
OVER = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)  # RFC 8030, 7.3
LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
TRANSLATED = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))


class BadAddress(PostError, ValueError):
    """What a browser is said to have is no subscription; `field` says what of it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class Gone(Refused):
    """The phone does not want to be told any more, or is no more."""


@dataclass(frozen=True)
class Push:
    """How pushes go out, if they do. `private` are the hosts (HOST:PORT) of this network that may be pushed to."""

    private: frozenset[str] = frozenset()
    on: bool = True

    @cached_property
    def trusted(self) -> ssl.SSLContext:
        """Whom the system trusts."""
        return ssl.create_default_context()

    def address(self, endpoint: str, p256dh: str, auth: str) -> Address:
        """Where a browser has its messages brought, as it says so; BadAddress names what of it is none."""
        try:
            self.judged(endpoint)
        except ValueError as error:
            raise BadAddress("endpoint", str(error)) from None
        try:
            point = _bytes(p256dh)
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError:
            raise BadAddress("keys.p256dh", "must be a point of P-256") from None
        secret = _bytes(auth)
        if len(point) != POINT or len(secret) != SECRET:
            raise BadAddress("keys.auth", f"must be {SECRET} bytes")
        return Address(endpoint, point, secret)

    def judged(self, endpoint: str) -> SplitResult:
        """An endpoint in its parts; ValueError if it is none that can be pushed to."""
        if len(endpoint) > LONGEST_ENDPOINT or not (endpoint.isascii() and endpoint.isprintable()) or " " in endpoint:
            raise ValueError("is too long, or no address")
        url = urlsplit(endpoint)
        if url.scheme != "https" or not url.hostname or "@" in url.netloc or url.fragment:
            raise ValueError("must be an https address")
        if self.is_private(url):
            return url
        if url.port not in (None, 443):
            raise ValueError("must be at the usual port")
        if url.hostname.endswith(".") or "." not in url.hostname or _is_number(url.hostname):
            raise ValueError("must be at a public host")
        return url

    def is_private(self, url: SplitResult) -> bool:
        """Whether this host is one of those that were named."""
        return f"{url.hostname}:{url.port or 443}" in self.private

    def send(self, to: Address, key: Key, subject: str, topic: str, message: Mapping[str, str], ttl: int) -> None:
        """Hands a message over for `ttl` seconds at most; what waits under the same topic is replaced by it.

        `subject` says who sends (RFC 8292, 2.1). Away, Refused, or Gone.
        """
        try:
            url = self.judged(to.endpoint)
        except ValueError as error:
            raise Refused(f"the endpoint {error}") from None
        head = {
            "TTL": str(ttl),
            "Urgency": "high",
            "Topic": topic,
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "Authorization": authorization(key, url, subject),
        }
        _judge(self._answer(url, head, sealed(to, message)))

    def _answer(self, url: SplitResult, head: dict[str, str], body: bytes) -> int:
        """The status that the service answers with; nothing else of its answer is read. Away, or Refused."""
        plain = self._connected(url)
        sock = self.trusted.wrap_socket(plain, server_hostname=url.hostname, do_handshake_on_connect=False)
        late = threading.Timer(DEADLINE, _cut, (sock,))
        late.start()
        connection = http.client.HTTPConnection(str(url.hostname), timeout=PATIENCE)
        try:
            sock.do_handshake()
            connection.sock = sock
            target = url._replace(scheme="", netloc="").geturl() or "/"
            connection.request("POST", target, body, {"Host": url.netloc} | head)
            return connection.getresponse().status
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise Away(f"the push service {url.hostname} is away: {type(error).__name__}") from None
        finally:
            late.cancel()
            connection.close()
            sock.close()

    def _connected(self, url: SplitResult) -> socket.socket:
        """A connection to an address that was looked at: asking for it twice could give two answers."""
        try:
            found = socket.getaddrinfo(url.hostname, url.port or 443, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Away(f"the push service {url.hostname} is not found") from None
        places = [place[4] for place in found if self.is_private(url) or is_public(str(place[4][0]))]
        if not places:
            raise Refused(f"the push service {url.hostname} is at no public address")
        for place in places[:2]:
            with suppress(OSError):
                return socket.create_connection((str(place[0]), int(place[1])), timeout=PATIENCE)
        raise Away(f"the push service {url.hostname} does not answer")


def _bytes(text: str) -> bytes:
    """URL-safe Base64 without padding; empty for anything else."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_number(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdigit() or host.rpartition(".")[2].startswith("0x")


def is_public(address: str) -> bool:
    """Whether an IP address is of the Internet: not this machine's, its network's, or a way round to one of them."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return (
        ip.is_global and not ip.is_multicast and not any(ip in net for net in TRANSLATED if net.version == ip.version)
    )


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):  # it has ended by itself
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not TLS' own farewell: somebody is reading just now


def _judge(status: int) -> None:
    if status in TAKEN:
        return
    if status in OVER:
        raise Gone(f"the push service said {status}")
    if status in LATER or status >= 500:
        raise Away(f"the push service said {status}")
    raise Refused(f"the push service said {status}")


def sealed(to: Address, message: Mapping[str, str]) -> bytes:
    """The message as the phone alone can read it (RFC 8291), filled up to one length."""
    plain = json.dumps(message, ensure_ascii=False).encode().ljust(SIZE)
    own = ec.generate_private_key(ec.SECP256R1())
    return http_ece.encrypt(plain, private_key=own, dh=to.p256dh, auth_secret=to.auth, version="aes128gcm")


def authorization(key: Key, url: SplitResult, subject: str) -> str:
    """Says who sends, to this service alone (RFC 8292, 3)."""
    claims = {"aud": f"https://{url.netloc}", "exp": int(time.time()) + LASTS, "sub": subject}
    return str(Vapid02(key.signs, conf={"no-strict": True}).sign(claims)["Authorization"])


def from_environment(environment: Mapping[str, str] = os.environ) -> Push:
    """By `TORN_PUSH` and `TORN_PUSH_PRIVATE`; BadSettings if one cannot be read."""
    said = environment.get("TORN_PUSH", "").strip() or "on"
    if said not in ("on", "off"):
        raise BadSettings("TORN_PUSH: must be on or off")
    return Push(frozenset(_hosts(environment.get("TORN_PUSH_PRIVATE", ""))), said == "on")


def _hosts(text: str) -> Iterator[str]:
    for place in text.replace(",", " ").split():
        host, colon, port = place.rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit()):
            raise BadSettings("TORN_PUSH_PRIVATE: must be HOST:PORT, with commas between several")
        yield f"{host.lower()}:{int(port)}"
