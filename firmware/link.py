"""The way to the hub, kept up for ever: Wi-Fi, broker, subscriptions, state, and the hub's beat.

The rules, which are those of the Raspberry Pis:
  - A press never waits: `publish` says no when there is no connection.
  - Every connection is new, so that nothing of the one before is sent again.
  - Only a beat that arrives live proves that the hub is there, or sets a clock; 6 s without one is "no connection".
  - The state goes out on every connect, every 30 s and when it changes; `lost` before a clean exit.
  - One that fails is tried again after a pause that grows to a minute and is never the same twice: a fleet
    whose broker comes back must not come back as one.
"""

import asyncio
import binascii
import os

import machine
import mqtt
import wire

BEAT_LASTS = 6000  # ms: a beat comes every 2 s, so two may get lost
STATE_EVERY = 30000  # ms
LOOK = 200  # ms
PATIENCE = 10000  # ms for TCP, TLS and the broker's first word together
AT_ONCE = 1000  # ms that a press may take to get out
PAUSE = 3000  # ms: the longest pause after a connection that had been good; then doubled
LONGEST = 60000  # ms: the longest of all
GOOD = 20000  # ms that a connection must have lasted to have been good; a broker that is silent is noticed before


def chance():
    """A number from 0 to 1, another on each board."""
    return int.from_bytes(os.urandom(2), "big") / 65535


def pause(failures, luck):
    """Milliseconds before the next try after so many that failed; `luck` from 0 to 1 spreads a fleet."""
    longest = min(LONGEST, PAUSE << min(failures, 6))
    return int(longest * (luck if failures == 0 else 0.5 + luck / 2))


class Link:
    """One board's way to the hub.

    Args:
        settings: all of config.py's; `device` is also user name and client id.
        parts: has clock, notes, wifi and tls (an SSLContext or None).
        software: the version, for the hub.
    """

    def __init__(self, settings, parts, software):
        self.device = settings["device"]
        self.boot = binascii.hexlify(os.urandom(2)).decode()
        self.trouble = "wifi"  # why there is no connection, one of words.py's troubles
        self._broker = settings["broker"]
        self._clock, self._notes = parts.clock, parts.notes
        self._wifi, self._tls = parts.wifi, parts.tls
        self._alive = None  # shows that the task lives
        # What a machine without printer and journal says of them, as a Raspberry Pi's desk does.
        self._state = {"paper": "unknown", "unsent": 0}
        self._state.update({"state": "ready", "kind": settings["kind"], "software": software})
        self._conn = 0  # grows with each connection of this boot
        self._met = None  # ms by our clock: since when the broker has let us in
        self._handlers = {}  # topic: (kind, handler)
        self._watchers = []
        self._connection = None
        self._beat_heard = None  # ms by our clock, on this connection
        self._was_here = False
        self._fresh = False  # whether the hub has our state
        self._too_much = None  # the topic whose message found no memory
        self.on(wire.HUB_TOPIC, "hub", self._beat)

    # --- what the board's tasks use ---

    def connected(self):
        """Whether the broker has let us in."""
        return self._connection is not None

    def hub_here(self):
        """Whether a live beat of the hub came within 6 s."""
        heard = self._beat_heard
        return self._connection is not None and heard is not None and self._clock.ms() - heard < BEAT_LASTS

    def on(self, topic, kind, handler):
        """Calls `handler(message, retained)` for each message of `topic`; what is malformed is noted only."""
        self._handlers[topic] = (kind, handler)
        if self._connection:
            asyncio.create_task(self._try(self._connection.subscribe(topic)))

    def off(self, topic):
        """No longer calls anybody for `topic`."""
        self._handlers.pop(topic, None)
        if self._connection:
            asyncio.create_task(self._try(self._connection.unsubscribe(topic)))

    def on_change(self, watcher):
        """Calls `watcher()` when the connection or the hub comes or goes."""
        self._watchers.append(watcher)

    async def publish(self, topic, kind, message):
        """Hands a message to the broker now; False, and nothing kept for later, if that cannot be.

        A connection that does not take it within a second is given up, and what it held with it.
        """
        connection = self._connection
        if connection is None:
            return False
        try:
            await asyncio.wait_for(connection.publish(topic, wire.encode(kind, message)), AT_ONCE / 1000)
        except (OSError, EOFError, asyncio.TimeoutError):
            self._drop(connection)
            return False
        return self._connection is connection

    def report(self, state):
        """Says how the board is: ready or degraded."""
        if self._state["state"] != state:
            self._state["state"] = state
            self._fresh = False

    async def restart(self):
        """Says `lost`, leaves, and starts the board again."""
        self._state["state"] = "lost"
        connection = self._connection
        if connection:
            await self._try(self._say_state(connection))
            await self._try(connection.leave())
        machine.reset()

    # --- the task ---

    async def run(self, alive):
        """Connects, and connects again for ever; `alive()` shows that it lives."""
        self._alive, failures = alive, 0
        while True:
            self._met = None
            try:
                await self._wifi.join()
                await self._live()
            except asyncio.TimeoutError:
                self._trouble("broker_silent")
            except (OSError, EOFError, ValueError) as error:
                self._trouble(named(error))
            good = self._met is not None and self._clock.ms() - self._met > GOOD
            failures = 0 if good else failures + 1
            await self._rest(pause(failures, chance()))

    async def _rest(self, ms):
        until = self._clock.ms() + ms
        while self._clock.ms() < until:
            self._alive()
            await asyncio.sleep_ms(min(1000, max(1, until - self._clock.ms())))

    async def _live(self):
        """One connection from its beginning to its end."""
        self._alive()
        connection = await self._open()
        self._met = self._clock.ms()
        reading = None
        try:
            self._beat_heard, self._fresh, self._connection, self.trouble = None, False, connection, "hub"
            reading = asyncio.create_task(self._read(connection))
            for topic in list(self._handlers):
                await connection.subscribe(topic)
            self._tell()
            await self._tend(connection, reading)
        finally:
            self._drop(connection)
            if reading:
                reading.cancel()
            connection.hang_up()
            self._tell()

    async def _open(self):
        """A connection that the broker has welcomed; raises if that takes too long."""
        way: tuple = await asyncio.wait_for(mqtt.streams(self._broker, self._tls), PATIENCE / 1000)
        connection = mqtt.Connection(way[0], way[1], self._clock)
        self._conn += 1
        lost = {"state": "lost", "boot": self.boot, "conn": self._conn}
        will = wire.device_topic(self.device, "state"), wire.encode("state", lost)
        try:
            entering = connection.enter(self.device, self.device, self._broker["password"], will)
            await asyncio.wait_for(entering, PATIENCE / 1000)
        except BaseException:
            connection.hang_up()
            raise
        return connection

    async def _tend(self, connection, reading):
        """Until the connection ends: keeps the state fresh and notices when network, broker or hub fall silent."""
        said = self._clock.ms()
        while self._connection is connection and not reading.done():
            self._alive()
            if not self._wifi.joined():
                raise OSError("wifi")
            if not self._fresh or self._notes.changed or self._clock.ms() - said >= STATE_EVERY:
                said = self._clock.ms()
                await self._say_state(connection)
            await connection.keep()
            self._notice_hub()
            await asyncio.sleep_ms(LOOK)
        raise OSError("broker")

    async def _read(self, connection):
        """Hands on what comes, until the connection ends."""
        try:
            while True:
                self._hand_on(*await connection.receive())
        except (OSError, EOFError, ValueError):
            self._drop(connection)
        except MemoryError:
            self._drop(connection)

    def _hand_on(self, topic, payload, retained):
        kind, handler = self._handlers.get(topic, (None, None))
        if handler is None or not payload:
            return
        try:
            handler(wire.decode(kind, payload), retained)
            if self._too_much == topic:
                self._too_much = None
        except ValueError as error:
            self._ignore(topic, error)
        except MemoryError:
            again, self._too_much = self._too_much == topic, topic
            if not again:
                raise  # after a fresh connection there may be room
            self._ignore(topic, "there is no memory for it")

    def _ignore(self, topic, why):
        self._notes.add("%s is ignored: %s" % (topic[len("torn/v1/") :], why))

    def _beat(self, beat, retained):
        if retained or beat["state"] != "ready" or "now" not in beat:
            return
        self._beat_heard = self._clock.ms()
        self._clock.hear(wire.instant(beat["now"]))
        self._notice_hub()

    def _notice_hub(self):
        if self.hub_here() != self._was_here:
            self._was_here = not self._was_here
            self.trouble = "hub"
            self._tell()

    def _tell(self):
        for watcher in self._watchers:
            watcher()

    async def _say_state(self, connection):
        self._fresh, self._notes.changed = True, False
        state = {"boot": self.boot, "conn": self._conn}
        state.update(self._state)
        log = self._notes.told()
        if log:
            state["log"] = log
        await connection.publish(wire.device_topic(self.device, "state"), wire.encode("state", state), True)

    def _trouble(self, trouble):
        self.trouble = trouble
        if trouble == "certificate":
            self._clock.doubt()  # a hub whose clock was years off has set it; no hub can be heard to set it right
        self._notes.add("no connection: %s" % trouble)
        self._tell()

    def _drop(self, connection):
        if self._connection is connection:
            self._connection = None
        connection.give_up()

    async def _try(self, doing):
        """What fails here shows in `_tend`."""
        try:
            await doing
        except (OSError, EOFError):
            pass


def named(error):
    """A fault of network, TLS or broker as one of words.py's troubles."""
    words = str(error)
    if words in TROUBLES:
        return words
    # mbedtls' codes are below -0x1000; CPython's are sentences.
    if "CERT" in words.upper() or "SSL" in words.upper() or (error.args and _below(error.args[0], -4096)):
        return "certificate"
    return "broker"


def _below(value, least):
    return isinstance(value, int) and value < least


TROUBLES = ("wifi", "wifi_password", "wifi_absent", "broker_silent", "refused", "broker_busy", "no_mqtt")
