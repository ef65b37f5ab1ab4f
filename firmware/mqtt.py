"""One connection to a broker: MQTT 3.1.1, clean session, QoS 1. Numbers in brackets are the standard's clauses.

    reader, writer = await streams(settings)
    connection = Connection(reader, writer, clock)
    await connection.enter("desk-1", "desk-1", "", ("topic", b"will"))
    await connection.subscribe("torn/v1/hub")
    topic, payload, retained = await connection.receive()

A connection that ends raises OSError or EOFError from whatever was being done, and is not used again:
nothing of it is ever sent on the next one.
"""

import asyncio
import struct

KEEPALIVE = 15  # seconds: after one and a half of it the broker tells the others that we are lost
PATIENCE = 6000  # ms that an answer of the broker's may take
MOST = 1280  # bytes of one message; of a longer one only the beginning is looked at
PART = 256  # bytes of it, which have room for the topic


class MqttError(OSError):
    """The broker refuses us, or falls silent; the text is one of words.py's troubles."""


# --- packets --------------------------------------------------------------------------------


def text(words):
    """A string with its length before it (1.5.3)."""
    coded = words.encode()
    return struct.pack("!H", len(coded)) + coded


def packet(first, body):
    """The fixed header (2.2) and the rest; lengths are seven bits a byte, the lowest first (2.2.3)."""
    head, rest = bytearray([first]), len(body)
    while True:
        rest, digit = divmod(rest, 128)[0], rest % 128
        head.append(digit | 0x80 if rest else digit)
        if not rest:
            return bytes(head) + body


def connect(client, user, password, will):
    """CONNECT (3.1) with a clean session and a last will of QoS 1 that is retained."""
    flags = 0x02 | 0x04 | 0x08 | 0x20 | 0x80 | (0x40 if password else 0)
    body = text("MQTT") + bytes([4, flags]) + struct.pack("!H", KEEPALIVE)
    body += text(client) + text(will[0]) + struct.pack("!H", len(will[1])) + will[1] + text(user)
    return packet(0x10, body + (text(password) if password else b""))


def publish(topic, payload, number, retain):
    """PUBLISH (3.3) with QoS 1."""
    return packet(0x33 if retain else 0x32, text(topic) + struct.pack("!H", number) + payload)


# --- the connection -------------------------------------------------------------------------


async def streams(broker, tls):
    """Opens the way to the broker of the settings; `tls` is an SSLContext or None."""
    if tls is None:
        return await asyncio.open_connection(broker["host"], broker["port"])
    name = broker["name"] or broker["host"]
    return await asyncio.open_connection(broker["host"], broker["port"], ssl=tls, server_hostname=name)


def tls_context(broker):
    """Trusts the one authority of the settings, and only a certificate of the broker's own name."""
    if not broker["ca"]:
        return None
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED  # type: ignore[attr-defined]  # the stubs have forgotten it
    context.load_verify_locations(cafile=broker["ca"])
    if broker["certificate"]:
        context.load_cert_chain(broker["certificate"], broker["key"])
    return context


class Connection:
    """What has been said and not been answered yet, on one pair of streams."""

    def __init__(self, reader, writer, clock):
        self._reader, self._writer, self._clock = reader, writer, clock
        self._lock = asyncio.Lock()  # one packet is written at a time
        self._number = 0
        self._owed = {}  # what the broker still has to answer: packet number (0: a ping), since when
        self._said = clock.ms()
        self._over = False

    async def enter(self, client, user, password, will):
        """Introduces us; raises MqttError when the broker does not let us in (3.2.2.3)."""
        await self._send(connect(client, user, password, will))
        kind, body = await self._packet()
        if kind >> 4 != 2 or len(body) != 2:
            raise MqttError("no_mqtt")
        if body[1]:
            raise MqttError("refused" if body[1] in (2, 4, 5) else "broker_busy")

    async def publish(self, topic, payload, retain=False):
        """Sends one message; it has arrived when `owes` no longer says that an answer is missing."""
        await self._send(publish(topic, payload, self._next(), retain))

    async def subscribe(self, topic):
        """Asks for a topic, at QoS 1 (3.8)."""
        await self._send(packet(0x82, struct.pack("!H", self._next()) + text(topic) + b"\x01"))

    async def unsubscribe(self, topic):
        """Asks no longer (3.10)."""
        await self._send(packet(0xA2, struct.pack("!H", self._next()) + text(topic)))

    async def receive(self):
        """The next message: (topic, payload, whether it was retained)."""
        while True:
            kind, body = await self._packet()
            if kind >> 4 == 3:
                message = await self._message(kind, body)
                if message:
                    return message
            elif kind >> 4 in (4, 9, 11) and len(body) >= 2:  # PUBACK, SUBACK, UNSUBACK
                self._owed.pop(body[0] << 8 | body[1], None)
            elif kind >> 4 == 13:  # PINGRESP
                self._owed.pop(0, None)

    async def keep(self):
        """Lets the broker know that we live; raises MqttError once it has owed an answer for too long."""
        now = self._clock.ms()
        if any(now - since > PATIENCE for since in self._owed.values()):
            raise MqttError("broker_silent")
        if now - self._said > KEEPALIVE * 500 and 0 not in self._owed:
            self._owed[0] = now
            await self._send(b"\xc0\x00")  # PINGREQ (3.12)

    def owes(self):
        """Whether the broker has not answered everything yet."""
        return bool(self._owed)

    async def leave(self):
        """Says goodbye, so that the last will is not told (3.14)."""
        await self._send(b"\xe0\x00")

    def give_up(self):
        """Nothing more is sent, not even what another task was about to say."""
        self._over = True

    def hang_up(self):
        """Closes it, once nobody reads from it any more."""
        self._over = True
        sock = getattr(self._writer, "s", None)  # MicroPython's own close() does nothing
        (sock or self._writer).close()

    def _next(self):
        self._number = self._number % 65535 + 1
        self._owed[self._number] = self._clock.ms()
        return self._number

    async def _send(self, data):
        async with self._lock:
            if self._over:
                raise OSError("broker")
            self._writer.write(data)
            await self._writer.drain()
            self._said = self._clock.ms()

    async def _packet(self):
        """(first byte, the rest); of what is too long only the beginning, which no reader takes for good."""
        kind = (await self._reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await self._reader.readexactly(1))[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                break
            if shift > 21:
                raise MqttError("no_mqtt")
        body = await self._reader.readexactly(length if length <= MOST else PART)
        length -= len(body)
        while length:
            length -= len(await self._reader.readexactly(min(length, PART)))
        return kind, body

    async def _message(self, kind, body):
        """A PUBLISH (3.3) taken apart and acknowledged; None for what is none."""
        if len(body) < 2:
            return None
        start = 2 + (body[0] << 8 | body[1])
        if kind & 0x06:
            await self._send(b"\x40\x02" + body[start : start + 2])  # PUBACK (3.4)
            start += 2
        return str(body[2 : start - (2 if kind & 0x06 else 0)], "utf-8"), body[start:], bool(kind & 1)
