"""Staff accounts, their sessions, and API tokens. Passwords are argon2id; tokens and sessions are kept as digests."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.line.plan import HOUR, MINUTE, Moment

from .schema import failures, sessions, staff, tokens
from .store import Store, StoreError, Work

ROLES = ("clerk", "operator", "manager", "admin")
IDLE = 60 * MINUTE  # a session unused so long ends
LONGEST = 12 * HOUR  # and every session after a working day
FREE_TRIES = 5  # wrong passwords for a name before it has to wait
LONGEST_WAIT = 15 * MINUTE
FORGOTTEN = 24 * HOUR  # a name's wrong passwords, after so long without another
SHORTEST_PASSWORD = 10

_hasher = PasswordHasher()


class StaffError(StoreError, ValueError):
    """The account cannot be made so."""


class SignInRefused(StoreError, PermissionError):
    """Wrong name or password; it does not say which."""


class TooManyTries(SignInRefused):
    """The name has to wait; `seconds` says how long."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many wrong passwords: wait {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Person:
    """Who acts: a staff account or the owner of an API token."""

    name: str
    role: str
    office: str | None = None  # None: every office

    def may(self, role: str, office: str | None = None) -> bool:
        """Whether the role is high enough, and the office theirs."""
        fits = self.office is None or office is None or self.office == office
        return fits and ROLES.index(self.role) >= ROLES.index(role)


def add_person(store: Store, name: str, password: str, role: str, now: Moment, office: str | None = None) -> None:
    """Makes an account, or gives one a new password and role; StaffError says what is wrong."""
    if role not in ROLES:
        raise StaffError(f"role {role!r}: must be one of {', '.join(ROLES)}")
    if not _is_name(name):
        raise StaffError("name: must be 1 to 64 printable characters")
    if len(password) < SHORTEST_PASSWORD:
        raise StaffError(f"password: must have at least {SHORTEST_PASSWORD} characters")
    row = {"name": name, "password": _hasher.hash(_bytes(password)), "role": role, "office": office, "at": now}

    def replaced(work: Work) -> None:
        work.connection.execute(sessions.delete().where(sessions.c.staff == name))
        work.connection.execute(failures.delete().where(failures.c.name == name))
        work.connection.execute(staff.delete().where(staff.c.name == name))
        work.connection.execute(staff.insert(), row)

    store.transact(replaced)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isprintable()


def sign_in(store: Store, name: str, password: str, now: Moment) -> str:
    """A new session's secret. SignInRefused if name or password is wrong, TooManyTries while it has to wait."""
    known = store.transact(lambda work: _count_try(work, name, now)) if _is_name(name) else None
    if not _verifies(known or _nobody(), password) or known is None:
        raise SignInRefused("wrong name or password")
    secret = secrets.token_urlsafe(32)
    with store.begin(write=True) as connection:
        old = failures.c.at < now - FORGOTTEN
        connection.execute(failures.delete().where((failures.c.name == name) | old))
        connection.execute(sessions.delete().where(_over(now)))
        connection.execute(sessions.insert().values(digest=digest(secret), staff=name, created=now, used=now))
    return secret


def _count_try(work: Work, name: str, now: Moment) -> str | None:
    """Counts a try as failed before it is judged, so that many at once are counted too; the password's hash."""
    named = failures.c.name == name
    failed = work.connection.execute(sa.select(failures).where(named).with_for_update()).mappings().first()
    if failed is None:
        work.connection.execute(failures.insert().values(name=name, count=1, at=now))
    else:
        wait = _wait(failed["count"], failed["at"], now)
        if wait > 0:
            raise TooManyTries(-(-wait // 1000))
        work.connection.execute(failures.update().where(named).values(count=failed["count"] + 1, at=now))
    return work.connection.execute(sa.select(staff.c.password).where(staff.c.name == name)).scalar()


def _wait(count: int, at: Moment, now: Moment) -> int:
    """Milliseconds still to wait: from the sixth wrong password on, doubling from one second."""
    if count < FREE_TRIES:
        return 0
    return at + min(1000 * 2 ** min(count - FREE_TRIES, 20), LONGEST_WAIT) - now


@cache
def _nobody() -> str:
    """A hash that no password fits, so that an unknown name takes as long as a known one."""
    return _hasher.hash(secrets.token_urlsafe())


def _verifies(hash: str, password: str) -> bool:
    try:
        return _hasher.verify(hash, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a half of a surrogate pair is no reason for an error


def _over(now: Moment) -> sa.ColumnElement[bool]:
    return (sessions.c.used < now - IDLE) | (sessions.c.created < now - LONGEST)


def signed_in(store: Store, secret: str, now: Moment) -> Person | None:
    """Whose session it is, or None if it is over; being asked keeps it alive."""
    own = sessions.c.digest == digest(secret)
    with store.begin() as connection:
        query = sa.select(staff.c.name, staff.c.role, staff.c.office, sessions.c.used)
        query = query.join(sessions, sessions.c.staff == staff.c.name).where(own, ~_over(now))
        row = connection.execute(query).first()
    if row is None:
        return None
    if row.used < now - MINUTE:
        with store.begin(write=True) as connection:
            connection.execute(sessions.update().where(own).values(used=now))
    return Person(row.name, row.role, row.office)


def sign_out(store: Store, secret: str) -> None:
    """Ends a session."""
    with store.begin(write=True) as connection:
        connection.execute(sessions.delete().where(sessions.c.digest == digest(secret)))


def new_token(store: Store, role: str, now: Moment, office: str | None = None) -> str:
    """A new API token; only its digest is kept."""
    if role not in ROLES:
        raise StaffError(f"role {role!r}: must be one of {', '.join(ROLES)}")
    token = secrets.token_urlsafe(32)
    name = f"token-{digest(token)[:8]}"
    with store.begin(write=True) as connection:
        row = {"digest": digest(token), "name": name, "role": role, "office": office, "at": now}
        connection.execute(tokens.insert(), row)
    return token


def bearer(store: Store, token: str) -> Person | None:
    """Who owns an API token, or None."""
    with store.begin() as connection:
        row = connection.execute(_BEARER, {"digest": digest(token)}).first()
    return Person(row.name, row.role, row.office) if row else None


_BEARER = sa.select(tokens).where(tokens.c.digest == sa.bindparam("digest"))


def digest(secret: str) -> str:
    """SHA-256 in hex: enough for secrets of 256 random bits, which cannot be guessed."""
    return hashlib.sha256(_bytes(secret)).hexdigest()
