"""The ways by which messages go out: a mail server (SMTP), and a gateway for SMS (HTTP).

`TORN_SMTP` is smtps://USER:PASSWORD@HOST:PORT (TLS from the first byte) or smtp://… (STARTTLS, without which
nothing is sent, unless the server is this machine). `TORN_MAIL_FROM` is the address that the messages come
from. `TORN_SMS` is the https address of a gateway, which gets a POST with JSON.

An error says what happened and never to whom: servers like to repeat the address.
"""

from __future__ import annotations

import base64
import json
import os
import smtplib
import ssl
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from http import HTTPStatus
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

from hub.booking.appointments import Person

from .texts import Letter

PATIENCE = 10  # seconds for each of a dozen steps: all of it ends before another process may try (outbox.FIRST_WAIT)
HERE = ("localhost", "127.0.0.1", "::1")
PORTS = {"smtps": 465, "smtp": 587}


class PostError(Exception):
    """A message that was not sent. The text names no address."""


class Away(PostError, ConnectionError):
    """It did not work now; it may later."""


class Refused(PostError, ValueError):
    """It will never work: the address does not exist, or the message is not wanted."""


class BadSettings(PostError, ValueError):
    """A setting of the environment cannot be used; never shows what it holds."""


@dataclass(frozen=True)
class Mail:
    """A mail server."""

    host: str
    port: int
    sender: str
    tls: bool = True  # from the first byte
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    def send(self, to: str, letter: Letter, id: str) -> None:
        """Sends an e-mail; `id` makes the Message-ID, so that a repeated one can be told. Away, or Refused."""
        message = self._message(to, letter, id)
        server = self._connected()
        try:
            server.send_message(message, to_addrs=[to])
        except smtplib.SMTPRecipientsRefused as error:
            raise _judged(min(code for code, _ in error.recipients.values())) from None
        except smtplib.SMTPDataError as error:
            raise _judged(error.smtp_code) from None
        except smtplib.SMTPNotSupportedError:
            raise Refused("the mail server takes no such address") from None
        except (smtplib.SMTPException, OSError) as error:
            raise _away(error) from None
        finally:
            _leave(server)

    def _connected(self) -> smtplib.SMTP:
        """A server that lets us send. Away."""
        try:
            if self.tls:
                trusted = ssl.create_default_context()
                server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=PATIENCE, context=trusted)
            else:
                server = smtplib.SMTP(self.host, self.port, timeout=PATIENCE)
        except (smtplib.SMTPException, OSError) as error:
            raise _away(error) from None
        try:
            self._introduced(server)
        except (smtplib.SMTPException, OSError) as error:
            server.close()
            raise _away(error) from None
        return server

    def _introduced(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if not self.tls and (server.has_extn("starttls") or self.host not in HERE):
            server.starttls(context=ssl.create_default_context())
        if self.user is not None:
            server.login(self.user, self.password or "")

    def _message(self, to: str, letter: Letter, id: str) -> EmailMessage:
        message = EmailMessage()
        try:
            message["To"] = Address(addr_spec=to)
        except (ValueError, IndexError, MessageError):
            raise Refused("the address is none") from None
        message["From"], message["Subject"], message["Date"] = self.sender, letter.subject, format_datetime(_now())
        message["Message-ID"] = f"<{id}@{self.sender.rpartition('@')[2].strip('> ')}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers, please
        message["Content-Language"] = letter.language
        message.set_content(letter.text)
        if letter.calendar:
            file = letter.calendar.decode()
            message.add_attachment(file, subtype="calendar", filename="torn.ics", params={"method": "PUBLISH"})
        return message


def _now() -> datetime:
    return datetime.now(UTC)


def _leave(server: smtplib.SMTP) -> None:
    """Without waiting for a farewell: what the server has taken is taken, and is to be noted at once."""
    with suppress(smtplib.SMTPException, OSError):
        server.putcmd("QUIT")
    server.close()


def _away(error: Exception) -> Away:
    """What happened, without what the server said: it likes to repeat the address."""
    if isinstance(error, smtplib.SMTPResponseException):
        return Away(f"the mail server said {error.smtp_code}")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Away("the mail server offers no STARTTLS, or no way to sign in")
    return Away(f"the mail server is away: {type(error).__name__}")


def _judged(code: int) -> PostError:
    """RFC 5321, 4.2.1: 5yz is for ever, 4yz for now."""
    return Refused(f"the mail server said {code}") if code >= 500 else Away(f"the mail server said {code}")


@dataclass(frozen=True)
class Gateway:
    """Somebody who sends SMS: takes {"to", "text", "language"}, answers 2xx once it has it."""

    url: str
    authorization: str | None = field(default=None, repr=False)

    def send(self, to: str, letter: Letter, id: str) -> None:
        """Hands an SMS over; a repeated one has the same Idempotency-Key. Away, or Refused."""
        body = json.dumps({"to": to, "text": letter.short, "language": letter.language}).encode()
        head = {"Content-Type": "application/json", "Idempotency-Key": id}
        if self.authorization:
            head["Authorization"] = self.authorization
        request = urllib.request.Request(self.url, body, head, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE):
                pass  # whatever it says: 2xx
        except HTTPError as error:
            error.close()
            if error.code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.GONE):
                raise Refused(f"the SMS gateway said {error.code}") from None
            raise Away(f"the SMS gateway said {error.code}") from None
        except (URLError, OSError, ValueError) as error:
            raise Away(f"the SMS gateway is away: {type(error).__name__}") from None


Way = Mail | Gateway


@dataclass(frozen=True)
class Ways:
    """The ways that this process has."""

    mail: Mail | None = None
    sms: Gateway | None = None

    def to(self, person: Person) -> tuple[Way, str] | None:
        """By which way somebody is told, and at which address: by e-mail if that can be, or else by SMS."""
        if person.email and self.mail:
            return self.mail, person.email
        if person.phone and self.sms:
            return self.sms, person.phone
        return None


def from_environment(environment: Mapping[str, str] = os.environ) -> Ways:
    """What the environment names; BadSettings says which setting cannot be used."""
    smtp, sms = environment.get("TORN_SMTP", "").strip(), environment.get("TORN_SMS", "").strip()
    mail = _mail(smtp, environment.get("TORN_MAIL_FROM", "").strip()) if smtp else None
    return Ways(mail, _gateway(sms) if sms else None)


def _mail(text: str, sender: str) -> Mail:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port or PORTS[url.scheme]
    except (ValueError, KeyError):
        host, port = None, 0
    if not host:
        raise BadSettings("TORN_SMTP: must be smtps://USER:PASSWORD@HOST:PORT or smtp://…")
    if "@" not in sender or not sender.isprintable():
        raise BadSettings("TORN_MAIL_FROM: must be an address like no-reply@example.cat, if there is TORN_SMTP")
    user, password = (unquote(part) if part else None for part in (url.username, url.password))
    return Mail(host, port, sender, url.scheme == "smtps", user, password)


def _gateway(text: str) -> Gateway:
    try:
        url = urlsplit(text)
        plain = url.scheme == "http" and url.hostname in HERE
        fine = bool(url.hostname) and (url.scheme == "https" or plain) and url.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise BadSettings("TORN_SMS: must be https://USER:PASSWORD@HOST/PATH (http only on this machine)")
    place = url.netloc.rpartition("@")[2]
    authorization = None
    if url.username:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Gateway(url._replace(netloc=place).geturl(), authorization)
