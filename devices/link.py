"""The device's end of the MQTT broker, and the only file that touches paho.

The rules:
  - Nothing here waits for the network: `publish` answers at once, and says no when there is no connection.
  - Every connection is a new client, so that nothing of the one before (a press in flight) is sent again.
  - Only a beat that arrives live proves that the hub is there, or sets a clock; 6 s without one is "no connection".
  - The state document goes out on every connect, every 30 s and when it changes; `lost` before a clean exit.
  - Handlers and callbacks run in the network's thread: one that raises is logged, and the client goes on.
"""

import logging
import random
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from devices import SOFTWARE, DeviceError
from devices.settings import Broker
from firmware import wire

log = logging.getLogger("torn.link")

BEAT_LASTS = 6.0  # seconds: a beat comes every 2, so two may get lost
STATE_EVERY = 30.0  # seconds
NOTHING_OF_ITS_OWN = {"paper": "unknown", "unsent": 0}  # what a machine without printer and journal says of them
CALM = 1.0  # seconds between two documents that differ only in what is unsent
CALMLY = {"unsent", "unsent_since"}  # what changes with every ticket, twice
KEEPALIVE = 15  # seconds: the broker tells the others that we are lost after one and a half of it
CONNECTING = 5.0  # seconds to wait for the broker's first word
FIRST_DELAYS = (0.2, 0.5, 1.0, 2.0)  # seconds; then doubled up to LONGEST_DELAY
LONGEST_DELAY = 60.0

Handler = Callable[[dict[str, Any], bool], None]


class LinkError(DeviceError, OSError):
    """The broker cannot be spoken to as the settings say."""


class Link:
    """One device's connection to the broker, kept up for ever.

        link = Link("montroig-desk-1", "desk", Broker(host="broker"))
        link.on(wire.line_topic("mont-roig"), "line", self.line_came)   # handler(message, retained)
        link.start()

    Args:
        device: the device's id, also its MQTT user name and client id.
        kind: dispenser, desk or board.
        broker: where the broker is.
    """

    def __init__(self, device: str, kind: str, broker: Broker) -> None:
        self.device = device
        self.broker = broker
        self._tls = _tls(broker)
        self.conn = 0  # grows with each connection of this boot
        self.boot = secrets.token_hex(2)
        self._state: dict[str, Any] = {"state": "ready", "kind": kind, "software": SOFTWARE, **NOTHING_OF_ITS_OWN}
        self._handlers: dict[str, tuple[str, Handler]] = {}
        self._watchers: list[Callable[[], None]] = []
        self._asking = threading.Lock()  # held while topics are asked for or given up
        self._client: mqtt.Client | None = None
        self._network: threading.Thread | None = None  # paho's own, once it is known whether we are let in
        self._up = False
        self._plugged = True
        self._next_try = 0.0
        self._stopping = False
        self._gone = threading.Event()  # the connection has ended
        self._wake = threading.Event()  # something happened that the supervisor must look at
        self._stale_state = self._urgent = False  # a new connection's is said in any case
        self._beat_heard = -BEAT_LASTS  # monotonic seconds
        self._hub_ahead: int | None = None  # ms: the hub's clock less our monotonic one
        self._hub_was_here = False
        self._supervisor = threading.Thread(target=self._run, name=f"link-{device}", daemon=True)
        self.on(wire.HUB_TOPIC, "hub", self._beat)

    # --- what agents use ----------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in."""
        return self._up

    def hub_here(self, now: float | None = None) -> bool:
        """Whether a live beat of the hub came within 6 s; `now` in seconds of `time.monotonic`."""
        now = time.monotonic() if now is None else now
        return self._up and now - self._beat_heard < BEAT_LASTS

    def hub_now(self) -> int | None:
        """The hub's time in ms since 1970, carried on by our monotonic clock; None before the first live beat."""
        return None if self._hub_ahead is None else self._hub_ahead + _monotonic_ms()

    def on(self, topic: str, kind: str, handler: Handler) -> None:
        """Calls `handler(message, retained)` for each message of `topic`, decoded; a malformed one is logged only."""
        with self._asking:
            self._handlers[topic] = (kind, handler)
            if self._client is not None and self._up:
                self._client.subscribe(topic, qos=1)

    def off(self, topic: str) -> None:
        """No longer calls anybody for `topic`."""
        with self._asking:
            self._handlers.pop(topic, None)
            if self._client is not None and self._up:
                self._client.unsubscribe(topic)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Calls `callback()` when the connection or the hub comes or goes."""
        self._watchers.append(callback)

    def publish(self, topic: str, kind: str, message: dict[str, Any]) -> bool:
        """Hands a message to the broker; False, and nothing kept for later, when there is no connection.

        Raises ValueError for a message that is not a `kind`.
        """
        payload = wire.encode(kind, message)
        client = self._client
        if client is None or not self._up:
            return False
        return client.publish(topic, payload, qos=1).rc == mqtt.MQTT_ERR_SUCCESS

    def report(self, **changes: Any) -> None:
        """Changes keys of the state document (state, paper, unsent, unsent_since) and tells the hub."""
        if any(self._state.get(key) != value for key, value in changes.items()):
            self._state = {**self._state, **changes}
            self._urgent |= not set(changes) <= CALMLY
            self._stale_state = True
            self._wake.set()

    def start(self) -> None:
        """Connects, and connects again for ever."""
        self._supervisor.start()

    def stop(self, clean: bool = True) -> None:
        """Says `lost` and disconnects; with `clean` False just falls silent, as in a power cut."""
        if clean:
            self._say_goodbye()
        self._stopping = True
        self.cut()
        if self._supervisor.is_alive() and self._supervisor is not threading.current_thread():
            self._supervisor.join(CONNECTING + 5.0)

    def cut(self) -> None:
        """Pulls the network cable (for the bench): the connection breaks and no new one is made."""
        self._plugged = False
        self._hang_up()
        self._wake.set()

    def mend(self) -> None:
        """Puts the network cable back."""
        self._plugged, self._next_try = True, 0.0
        self._wake.set()

    # --- the supervisor's thread --------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            began = time.monotonic()
            try:
                self._live_through_one_connection()
            except Exception:
                log.exception("%s: the connection ended in an error", self.device)
            failures = 0 if time.monotonic() - began > 10.0 else failures + 1
            self._next_try = time.monotonic() + _delay(failures)
            self._rest()

    def _rest(self) -> None:
        """Until the next try, which waits for the cable and comes at once when it is put back."""
        while not self._stopping and (not self._plugged or time.monotonic() < self._next_try):
            self._pause()

    def _pause(self) -> None:
        """Until something happens, and no longer than until the hub's last beat is too old."""
        left = self._beat_heard + BEAT_LASTS - time.monotonic()
        self._wake.wait(left if 0.0 < left < 0.5 else 0.5)
        self._wake.clear()
        self._notice_hub()

    def _live_through_one_connection(self) -> None:
        client = self._new_client()
        try:
            client.connect(self.broker.host, self.broker.port, keepalive=KEEPALIVE)
        except (OSError, ValueError) as error:
            log.info("%s: no broker at %s:%d: %s", self.device, self.broker.host, self.broker.port, error)
            return
        self._client, self._network = client, None
        try:
            client.loop_start()
            self._tend(client)
        finally:
            self._up, self._client = False, None
            _shut(client)
            client.loop_stop()
            self._tell_watchers()

    def _tend(self, client: mqtt.Client) -> None:
        """Until the connection ends: keeps the state document fresh and notices when the hub falls silent."""
        began, said = time.monotonic(), float("-inf")
        while self._plugged and not self._stopping and not self._over(began):
            now = time.monotonic()
            age = STATE_EVERY if not self._stale_state else 0.0 if self._urgent else CALM
            if self._up and now - said >= age:
                self._stale_state, self._urgent, said = False, False, now
                self._say_state(client)
            self._pause()

    def _over(self, began: float) -> bool:
        """Whether there is nothing more to expect: no welcome in time, hung up, or paho's thread has died."""
        if self._network is None:
            return time.monotonic() - began > CONNECTING
        return not self._up or not self._network.is_alive()

    def _new_client(self) -> mqtt.Client:
        self.conn += 1
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self.device, clean_session=True, reconnect_on_failure=False
        )
        client.username_pw_set(self.device, self.broker.password or None)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.connect_timeout = CONNECTING
        will = {"state": "lost", "boot": self.boot, "conn": self.conn}
        client.will_set(wire.device_topic(self.device, "state"), wire.encode("state", will), qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_message, client.on_socket_open = self._on_message, _without_delay
        client.on_publish = _acknowledge_at_once
        return client

    def _say_state(self, client: mqtt.Client) -> mqtt.MQTTMessageInfo:
        document = {**self._state, "boot": self.boot, "conn": self.conn}
        payload = wire.encode("state", document)
        return client.publish(wire.device_topic(self.device, "state"), payload, qos=1, retain=True)

    def _notice_hub(self) -> None:
        here = self.hub_here()
        if here != self._hub_was_here:
            self._hub_was_here = here
            log.info("%s: the hub is %s", self.device, "here" if here else "not to be heard")
            self._tell_watchers()

    def _tell_watchers(self) -> None:
        for watcher in self._watchers:
            try:
                watcher()
            except Exception:
                log.exception("%s: %r failed", self.device, watcher)

    def _say_goodbye(self) -> None:
        self._state = {**self._state, "state": "lost"}
        if self._client is not None and self._up:
            try:
                self._say_state(self._client).wait_for_publish(1.0)
                self._client.disconnect()
                self._gone.wait(1.0)
            except (RuntimeError, ValueError) as error:
                log.info("%s: could not say goodbye: %s", self.device, error)

    def _hang_up(self) -> None:
        if self._client is not None:
            _shut(self._client)

    # --- paho's thread ------------------------------------------------------------------

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._network = threading.current_thread()
            log.warning("%s: the broker refuses: %s", self.device, reason)
            return
        self._gone.clear()
        with self._asking:  # before anything else goes out: nobody may answer what we cannot hear yet
            for topic in self._handlers:
                client.subscribe(topic, qos=1)
            self._up = True
        self._network = threading.current_thread()
        self._wake.set()
        self._tell_watchers()

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._network = threading.current_thread()
        self._up = False
        self._gone.set()
        log.info("%s: disconnected: %s", self.device, reason)
        self._wake.set()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        kind, handler = self._handlers.get(message.topic, ("", None))
        if handler is None:
            return
        if not message.payload:
            log.info("%s: %s was cleared", self.device, message.topic)
            return
        try:
            handler(wire.decode(kind, message.payload), message.retain)
        except ValueError as error:
            log.warning("%s: a message on %s is ignored: %s", self.device, message.topic, error)
        except Exception:
            log.exception("%s: a message on %s failed", self.device, message.topic)

    def _beat(self, beat: dict[str, Any], retained: bool) -> None:
        if retained or beat["state"] != "ready" or "now" not in beat:
            return
        self._beat_heard = time.monotonic()
        self._hub_ahead = wire.instant(beat["now"]) - _monotonic_ms()
        self._notice_hub()


def _tls(broker: Broker) -> ssl.SSLContext | None:
    """What TLS needs, read once, so that a missing file is told at the start and not at each connection."""
    if not broker.ca:
        return None
    try:
        context = ssl.create_default_context(cafile=broker.ca)
        if broker.certificate:
            context.load_cert_chain(broker.certificate, broker.key or None)
        return context
    except OSError as error:  # SSLError is one
        raise LinkError(f"broker: ca, certificate or key cannot be used: {error}") from error


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _delay(failures: int) -> float:
    """Seconds before the next try, with jitter so that a fleet does not come back as one."""
    delays = FIRST_DELAYS[max(0, failures - 1) :]
    longest = delays[0] if delays else min(LONGEST_DELAY, 2.0 ** (failures - len(FIRST_DELAYS) + 1))
    return longest * random.uniform(0.5, 1.0)


def _without_delay(_client: mqtt.Client, _data: Any, sock: Any) -> None:
    """Nagle's algorithm and delayed acknowledgements together cost 40 ms a message."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _acknowledge_at_once(client: mqtt.Client, *_: Any) -> None:
    """A broker with Nagle's algorithm on waits up to 40 ms for the acknowledgement of its own one."""
    sock: Any = client.socket()
    if sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _shut(client: mqtt.Client) -> None:
    sock: Any = client.socket()
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except (OSError, ssl.SSLError):
            log.debug("the connection was gone already")
