"""The hub's end of the MQTT broker; bridge and web processes each hold one.

It connects for ever, subscribes again on every connection, and never lets an exception in a
handler stop the network thread. What is published while the broker is away is dropped: whoever
publishes retained documents does so again when `on_connected` is called.
"""

from __future__ import annotations

import random
import secrets
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion

log = structlog.get_logger()

SHORTEST_DELAY = (0.2, 0.4)  # seconds before the first try again, at random; then doubled
LONGEST_DELAY = 60
KEEPALIVE = 10  # seconds
IN_FLIGHT = 2000  # messages published and not yet acknowledged

Handler = Callable[[str, bytes, bool], None]


@dataclass(frozen=True)
class Proof:
    """The PEM files by which broker and hub know each other; empty for the system's authorities, and for none."""

    ca: str = ""
    certificate: str = ""
    key: str = ""

    def context(self) -> ssl.SSLContext:
        """What TLS needs; OSError if a file cannot be used."""
        context = ssl.create_default_context(cafile=self.ca or None)
        if self.certificate or self.key:
            context.load_cert_chain(self.certificate, self.key or None)
        return context


@dataclass(frozen=True)
class Broker:
    """Where the broker is, and who we are there."""

    host: str
    port: int = 1883
    user: str | None = None
    password: str | None = None
    tls: bool = False
    proof: Proof = Proof()

    @classmethod
    def at(cls, address: str, proof: Proof = Proof()) -> Broker:
        """Reads HOST:PORT or mqtt[s]://USER:PASSWORD@HOST:PORT; ValueError for anything else."""
        url = urlsplit(address if "://" in address else f"mqtt://{address}")
        try:
            fits = url.scheme in ("mqtt", "mqtts") and bool(url.hostname) and url.port != 0
        except ValueError:  # a port that is no number
            fits = False
        if not fits:
            raise ValueError("must be HOST:PORT or mqtts://USER:PASSWORD@HOST:PORT")
        tls = url.scheme == "mqtts"
        if proof != Proof() and not tls:
            raise ValueError("certificates go with mqtts:// alone")
        user, password = (unquote(each) if each else None for each in (url.username, url.password))
        return cls(url.hostname or "", url.port or (8883 if tls else 1883), user, password, tls, proof)


def guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """The callback, made safe for paho: an exception would end the network thread unseen."""

    @wraps(callback)
    def safe(*words: Any) -> None:
        try:
            callback(*words)
        except Exception:
            log.exception("an MQTT callback failed", callback=callback.__name__)

    return safe


class Link:
    """One connection to the broker. Handlers run in its network thread and must be quick."""

    def __init__(self, broker: Broker, name: str, will: tuple[str, bytes] | None = None) -> None:
        self.broker = broker
        self.connected = False
        self._handlers: dict[str, Handler] = {}
        self._on_connected: list[Callable[[], None]] = []
        self._client = self._new_client(f"torn-{name}-{secrets.token_hex(4)}")
        if will:
            self._client.will_set(will[0], will[1], qos=1, retain=True)

    def _new_client(self, id: str) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=id, protocol=mqtt.MQTTv311)
        client.max_inflight_messages_set(IN_FLIGHT)
        client.reconnect_delay_set(random.uniform(*SHORTEST_DELAY), LONGEST_DELAY)  # type: ignore[arg-type]
        if self.broker.user:
            client.username_pw_set(self.broker.user, self.broker.password)
        if self.broker.tls:
            client.tls_set_context(self.broker.proof.context())
        client.on_connect = guarded(self._connected)
        client.on_disconnect = guarded(self._disconnected)
        client.on_message = guarded(self._came)
        client.on_publish = guarded(self._acknowledged)
        client.on_socket_open = guarded(self._opened)
        return client

    def on(self, topic_filter: str, handler: Handler) -> None:
        """Calls `handler(topic, payload, retained)` for what matches; call it before `start`."""
        self._handlers[topic_filter] = handler

    def on_connected(self, callback: Callable[[], None]) -> None:
        """Calls `callback` each time a connection stands and its subscriptions are sent."""
        self._on_connected.append(callback)

    def start(self) -> None:
        """Begins to connect; returns at once."""
        self._client.connect_async(self.broker.host, self.broker.port, keepalive=KEEPALIVE)
        self._client.loop_start()

    def stop(self) -> None:
        """Sends what is queued, disconnects and ends the network thread."""
        self._client.disconnect()
        self._client.loop_stop()
        self.connected = False

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> mqtt.MQTTMessageInfo | None:
        """Publishes with QoS 1 and returns at once; None, and nothing is kept, while the broker is away."""
        if not self.connected:
            return None
        return self._client.publish(topic, payload, qos=1, retain=retain)

    def _opened(self, client: mqtt.Client, data: Any, sock: Any) -> None:
        """Nagle's algorithm and delayed acknowledgements together would cost 40 ms a message."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _acknowledged(self, client: mqtt.Client, *_: Any) -> None:
        """Acknowledges the broker's PUBACK at once: a broker with Nagle's algorithm on waits for that, up to 40 ms."""
        sock = client.socket()
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _connected(self, client: mqtt.Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            log.warning("the broker refuses us", broker=f"{self.broker.host}:{self.broker.port}", reason=str(reason))
            return
        for topic_filter in self._handlers:
            client.subscribe(topic_filter, qos=1)
        self.connected = True
        for callback in self._on_connected:
            callback()

    def _disconnected(self, client: mqtt.Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self.connected = False
        if reason.is_failure:
            log.warning("the broker is away", broker=f"{self.broker.host}:{self.broker.port}", reason=str(reason))

    def _came(self, client: mqtt.Client, data: Any, message: mqtt.MQTTMessage) -> None:
        for topic_filter, handler in self._handlers.items():
            if mqtt.topic_matches_sub(topic_filter, message.topic):
                handler(message.topic, bytes(message.payload), message.retain)
