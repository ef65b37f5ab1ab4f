"""A push service of our own, with phones behind it: it takes what is pushed over TLS, judges who sends, and reads it.

It decrypts by the text of RFC 8291 and RFC 8188, with nothing but the primitives: not by the library that encrypts.
"""

import base64
import json
import secrets
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.parts import Authority, wait_until

DAY = 24 * 3600


def text64(data: bytes) -> str:
    """URL-safe Base64 without padding, as all of Web Push has it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bytes64(text: str) -> bytes:
    """The bytes of such a text."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half of a key."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass
class Handset:
    """A phone with one subscription, and what has come to it."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    statuses: list[int] = field(default_factory=list)  # what is answered next; then 201
    came: list[dict[str, Any]] = field(default_factory=list)  # with "headers"
    tried: int = 0
    waits: threading.Event | None = None  # the service says nothing before this

    @property
    def subscription(self) -> dict[str, Any]:
        """What its browser says of it (Push API, PushSubscription.toJSON)."""
        return {"endpoint": self.endpoint, "keys": {"p256dh": text64(point(self.key)), "auth": text64(self.auth)}}

    def read(self, body: bytes) -> dict[str, Any]:
        """The message: RFC 8188, 2.1 (the header), and RFC 8291, 3.4 (the keys)."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= size
        assert len(body) <= 4096  # RFC 8030, 7.2
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        info = b"WebPush: info\0" + point(self.key) + sender
        secret = HKDF(SHA256(), 32, self.auth, info).derive(shared)
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(secret)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(secret)
        plain = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        assert plain.endswith(b"\2")  # the last record
        return json.loads(plain[:-1])

    def until(self, number: int = 1) -> dict[str, Any]:
        """The message of this number, once it has come."""
        return wait_until(lambda: len(self.came) >= number and self.came[number - 1], 20, f"message {number}")


class PushService:
    """Listens at `port` of localhost with a certificate of the authority; `signer` is the key that may push."""

    def __init__(self, authority: Authority) -> None:
        certificate, key = authority.issue("localhost")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.server.socket = self.context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self.server.server_address[1]
        self.environment = {"SSL_CERT_FILE": str(authority.ca), "TORN_PUSH_PRIVATE": f"localhost:{self.port}"}
        self.phones: dict[str, Handset] = {}
        self.signer = ""
        self.faults: list[str] = []
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def phone(self, *statuses: int) -> Handset:
        """A new phone; its service answers with these first."""
        path = f"/push/{secrets.token_urlsafe(20)}"
        phone = self.phones[path] = Handset(f"https://localhost:{self.port}{path}", statuses=list(statuses))
        return phone

    def stop(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                phone = service.phones[self.path]
                phone.tried += 1
                if phone.waits:
                    phone.waits.wait(30)
                self.send_response(service.taken(phone, self.headers, body))
                self.send_header("Content-Length", "0")
                self.send_header("Location", "https://localhost/elsewhere")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Says nothing."""

        return Handler

    def taken(self, phone: Handset, headers: Any, body: bytes) -> int:
        """Judges a push as a service does, and has the phone read it; the status to answer with."""
        try:
            self.judge(headers)
            message = phone.read(body)
        except Exception as error:  # a test reads what was wrong: this is another thread
            self.faults.append(repr(error))
            return 400
        status = phone.statuses.pop(0) if phone.statuses else 201
        if status == 201:
            phone.came.append(message | {"headers": dict(headers)})
        return status

    def judge(self, headers: Any) -> None:
        """RFC 8030, 5; RFC 8292, 2 and 3."""
        assert headers["Content-Encoding"] == "aes128gcm"
        assert headers["Urgency"] == "high"
        assert int(headers["TTL"]) > 0
        assert len(headers["Topic"]) <= 32
        scheme, _, words = headers["Authorization"].partition(" ")
        said = dict(part.strip().split("=", 1) for part in words.split(","))
        assert (scheme, said["k"]) == ("vapid", self.signer)
        signed, _, signature = said["t"].rpartition(".")
        head, claims = (json.loads(bytes64(part)) for part in signed.split("."))
        raw = bytes64(signature)
        dss = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes64(said["k"]))
        key.verify(dss, signed.encode(), ec.ECDSA(SHA256()))
        assert (head["alg"], claims["aud"]) == ("ES256", f"https://localhost:{self.port}")
        assert 0 < claims["exp"] - time.time() <= DAY
        assert claims["sub"].startswith(("https:", "mailto:", "http://127.0.0.1"))
