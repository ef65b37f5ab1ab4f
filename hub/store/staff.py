"""Staff accounts and their roles, sessions, exports for a while, and API tokens.

Passwords are argon2id; tokens and sessions are kept as digests. What is done with any of them stands in the trail.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.line.plan import HOUR, MINUTE, Moment

from . import audit
from .schema import failures, grants, sessions, staff, tokens
from .store import Store, StoreError, Work

ROLES = ("clerk", "operator", "manager", "admin")
EVERYWHERE = ""  # as `grants` has it
EXPORTS_FOR = 10 * MINUTE  # from the moment one has proved again who one is
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


class NoRole(SignInRefused):
    """The provider says who it is, and that they have no role here."""


@dataclass(frozen=True)
class Person:
    """Who acts: a staff account or the owner of an API token."""

    name: str
    roles: tuple[tuple[str, str], ...]  # office, or EVERYWHERE, and what they are there

    def may(self, role: str, office: str | None = None) -> bool:
        """Whether they are this or more at the office; without one: at some office."""
        return any(
            ROLES.index(held) >= ROLES.index(role) and (office is None or at in (EVERYWHERE, office))
            for at, held in self.roles
        )


@dataclass(frozen=True)
class Identity:
    """Who somebody is by a sign-in provider, and what they may do by its word of today."""

    issuer: str
    subject: str
    name: str
    roles: tuple[tuple[str, str], ...]
    id_token: str


@dataclass(frozen=True)
class Account:
    """A staff account as administrators see it."""

    name: str
    roles: tuple[tuple[str, str], ...]
    is_local: bool
    sessions: int
    used: Moment | None  # by whichever of its sessions, last


@dataclass(frozen=True)
class Session:
    """One browser in which somebody has signed in."""

    created: Moment
    used: Moment
    is_this: bool


# --- accounts -------------------------------------------------------------------------------


def add_person(
    store: Store, name: str, password: str, role: str, now: Moment, office: str | None = None, by: str = ""
) -> None:
    """Makes an account, or gives one a new password and this role alone; StaffError says what is wrong."""
    _check_role(role)
    if not _is_name(name):
        raise StaffError("name: must be 1 to 64 printable characters")
    if name in audit.NOT_STAFF:
        raise StaffError(f"name: {name} is nobody of the staff in the log: choose another one")
    if len(password) < SHORTEST_PASSWORD:
        raise StaffError(f"password: must have at least {SHORTEST_PASSWORD} characters")
    row = {"name": name, "password": _hasher.hash(_bytes(password)), "at": now}

    def replaced(work: Work) -> None:
        known = work.connection.execute(sa.select(staff).where(staff.c.name == name)).first()
        if known and known.issuer:
            raise StaffError(f"{name} signs in with {known.issuer}, without a password: choose another name")
        _end_sessions(work, name)
        work.connection.execute(failures.delete().where(failures.c.name == name))
        work.connection.execute(staff.delete().where(staff.c.name == name))
        work.connection.execute(staff.insert(), row)
        _set_roles(work, name, ((office or EVERYWHERE, role),))
        audit.note(work, by or name, "account changed" if known else "account made", now, office, f"{name}: {role}")

    store.transact(replaced)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise StaffError(f"role {role!r}: must be one of {', '.join(ROLES)}")


def _set_roles(work: Work, name: str, roles: Iterable[tuple[str, str]]) -> None:
    work.connection.execute(grants.delete().where(grants.c.staff == name))
    rows = [{"staff": name, "office": office, "role": role} for office, role in roles]
    if rows:
        work.connection.execute(grants.insert(), rows)


def give_role(store: Store, name: str, role: str, now: Moment, office: str | None = None, by: str = "") -> None:
    """Makes an account this at one office, or at every one, whatever it is elsewhere; its sessions end."""
    _check_role(role)

    def given(work: Work) -> None:
        _must_be(work, name)
        own = (grants.c.staff == name) & (grants.c.office == (office or EVERYWHERE))
        work.connection.execute(grants.delete().where(own))
        work.connection.execute(grants.insert().values(staff=name, office=office or EVERYWHERE, role=role))
        _end_sessions(work, name)
        audit.note(work, by or name, "role given", now, office, f"{name}: {role}")

    store.transact(given)


def take_role(store: Store, name: str, now: Moment, office: str | None = None, by: str = "") -> None:
    """Takes what an account is at one office, or what it is at every one; its sessions end."""

    def taken(work: Work) -> None:
        _must_be(work, name)
        own = (grants.c.staff == name) & (grants.c.office == (office or EVERYWHERE))
        if not work.connection.execute(grants.delete().where(own)).rowcount:
            raise StaffError(f"{name} has no role {'at ' + office if office else 'at every office'}")
        _end_sessions(work, name)
        audit.note(work, by or name, "role taken", now, office, name)

    store.transact(taken)


def remove(store: Store, name: str, now: Moment, by: str = "") -> None:
    """Removes an account with its sessions, or the API token of that name; StaffError if there is neither."""

    def removed(work: Work) -> None:
        found = work.connection.execute(staff.delete().where(staff.c.name == name)).rowcount
        found += work.connection.execute(tokens.delete().where(tokens.c.name == name)).rowcount
        if not found:
            raise StaffError(f"there is no account and no token {name}")
        _set_roles(work, name, ())
        _end_sessions(work, name)
        audit.note(work, by or name, "account removed", now, None, name)

    store.transact(removed)


def end_sessions(store: Store, name: str, now: Moment, by: str = "") -> int:
    """Signs somebody out everywhere; of how many browsers. StaffError if there is no such account."""

    def ended(work: Work) -> int:
        _must_be(work, name)
        count = _end_sessions(work, name)
        audit.note(work, by or name, "sessions ended", now, None, f"{name}: {count}")
        return count

    return store.transact(ended)


def _must_be(work: Work, name: str) -> None:
    if work.connection.execute(sa.select(staff.c.name).where(staff.c.name == name)).first() is None:
        raise StaffError(f"there is no account {name}")


def _end_sessions(work: Work, name: str) -> int:
    return work.connection.execute(sessions.delete().where(sessions.c.staff == name)).rowcount


def accounts(store: Store, now: Moment) -> list[Account]:
    """All accounts by name, with the sessions that they have open."""
    with store.begin() as connection:
        held: dict[str, list[tuple[str, str]]] = {}
        for row in connection.execute(sa.select(grants).order_by(grants.c.office)):
            held.setdefault(row.staff, []).append((row.office, row.role))
        count = sa.select(sessions.c.staff, sa.func.count().label("many"), sa.func.max(sessions.c.used).label("used"))
        open = {row.staff: row for row in connection.execute(count.where(~_over(now)).group_by(sessions.c.staff))}
        rows = connection.execute(sa.select(staff).order_by(staff.c.name)).all()
    return [
        Account(
            row.name,
            tuple(held.get(row.name, ())),
            row.issuer is None,
            open[row.name].many if row.name in open else 0,
            open[row.name].used if row.name in open else None,
        )
        for row in rows
    ]


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isprintable()


# --- sessions -------------------------------------------------------------------------------


def sign_in(store: Store, name: str, password: str, now: Moment) -> str:
    """A new session's secret. SignInRefused if name or password is wrong, TooManyTries while it has to wait."""
    _must_fit(store, name, password, "sign-in refused", now)

    def signed(work: Work) -> str:
        audit.note(work, name, "signed in", now)
        return _new_session(work, name, now)

    return store.transact(signed)


def _must_fit(store: Store, name: str, password: str, refusal: str, now: Moment) -> None:
    """SignInRefused, and a line in the trail, unless it is the password of an account; TooManyTries."""
    known = store.transact(lambda work: _count_try(work, name, now)) if _is_name(name) else None
    if not _verifies(known or _nobody(), password) or known is None:
        store.transact(lambda work: audit.note_once(work, audit.NOBODY if known is None else name, refusal, now))
        raise SignInRefused("wrong name or password")
    with store.begin(write=True) as connection:
        old = failures.c.at < now - FORGOTTEN
        connection.execute(failures.delete().where((failures.c.name == name) | old))


def _new_session(work: Work, name: str, now: Moment, id_token: str | None = None) -> str:
    secret = secrets.token_urlsafe(32)
    work.connection.execute(sessions.delete().where(_over(now)))
    row = {"digest": digest(secret), "staff": name, "created": now, "used": now, "id_token": id_token}
    work.connection.execute(sessions.insert(), row)
    return secret


def sign_in_by(store: Store, who: Identity, now: Moment) -> str:
    """A new session's secret, for whom a provider vouches; their first sign-in makes the account.

    An account is known by issuer and subject alone: a name may be anybody's, and an e-mail is given to the next one
    (OpenID Connect Core, 5.7). Roles are what the provider says now: if they have changed, other sessions end.
    NoRole if there is none; then the account may do nothing any more.
    """

    def signed(work: Work) -> str | None:
        own = (staff.c.issuer == who.issuer) & (staff.c.subject == who.subject)
        name = work.connection.execute(sa.select(staff.c.name).where(own)).scalar()
        if name is None and who.roles:
            name = _free_name(work, who.name)
            row = {"name": name, "password": "", "at": now, "issuer": who.issuer, "subject": who.subject}
            work.connection.execute(staff.insert(), row)
            audit.note(work, name, "account made", now, None, f"{name}: {who.issuer}")
        if name is not None and _roles(work.connection, name) != who.roles:
            _set_roles(work, name, who.roles)
            _end_sessions(work, name)
            said = ", ".join(f"{role} {office}".strip() for office, role in who.roles)
            audit.note(work, name, "account changed", now, None, f"{name}: {said}")
        if name is None or not who.roles:
            audit.note_once(work, name or audit.NOBODY, "sign-in refused", now)
            return None
        audit.note(work, name, "signed in", now)
        return _new_session(work, name, now, who.id_token)

    secret = store.transact(signed)
    if secret is None:
        raise NoRole("the provider gives them no role here")
    return secret


def _free_name(work: Work, wanted: str) -> str:
    """The name that the provider says; with a number behind if somebody has it already."""
    plain = "".join(filter(str.isprintable, wanted)).strip()[:56] or "?"
    for name in (plain, *(f"{plain} ({n})" for n in range(2, 1000))):
        taken = work.connection.execute(sa.select(staff.c.name).where(staff.c.name == name)).first()
        if taken is None and name not in (audit.NOBODY, *audit.NOT_STAFF):
            return name
    raise StaffError(f"too many accounts are called {plain}")


def _roles(connection: sa.Connection, name: str) -> tuple[tuple[str, str], ...]:
    query = sa.select(grants.c.office, grants.c.role).where(grants.c.staff == name).order_by(grants.c.office)
    return tuple((row.office, row.role) for row in connection.execute(query))


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
    """Whose session it is, or None if it is over, or theirs is no office any more; being asked keeps it alive."""
    own = sessions.c.digest == digest(secret)
    with store.begin() as connection:
        query = sa.select(sessions.c.staff, sessions.c.used, grants.c.office, grants.c.role)
        query = query.join(grants, grants.c.staff == sessions.c.staff).where(own, ~_over(now))
        rows = connection.execute(query.order_by(grants.c.office)).all()
    if not rows:
        return None
    if rows[0].used < now - MINUTE:
        with store.begin(write=True) as connection:
            connection.execute(sessions.update().where(own).values(used=now))
    return Person(rows[0].staff, tuple((row.office, row.role) for row in rows))


def still_open(store: Store, digests: Iterable[str], now: Moment) -> set[str]:
    """Which of these sessions are not over; being looked for keeps none alive."""
    query = sa.select(sessions.c.digest).join(grants, grants.c.staff == sessions.c.staff)
    with store.begin() as connection:
        return set(connection.execute(query.where(sessions.c.digest.in_(digests), ~_over(now))).scalars())


def sign_out(store: Store, secret: str, now: Moment) -> str | None:
    """Ends a session; what the provider said at its beginning, for whoever wants to sign out there too."""
    own = sessions.c.digest == digest(secret)

    def signed(work: Work) -> str | None:
        row = work.connection.execute(sa.select(sessions).where(own)).first()
        if row is None:
            return None
        work.connection.execute(sessions.delete().where(own))
        audit.note(work, row.staff, "signed out", now)
        return str(row.id_token) if row.id_token else None

    return store.transact(signed)


def sessions_of(store: Store, name: str, secret: str, now: Moment) -> list[Session]:
    """Somebody's open sessions, the one used last first."""
    query = sa.select(sessions).where(sessions.c.staff == name, ~_over(now)).order_by(sessions.c.used.desc())
    with store.begin() as connection:
        return [Session(row.created, row.used, row.digest == digest(secret)) for row in connection.execute(query)]


# --- exports, for a while -------------------------------------------------------------------


def is_local(store: Store, name: str) -> bool:
    """Whether an account has a password here."""
    with store.begin() as connection:
        return bool(connection.execute(sa.select(staff.c.password).where(staff.c.name == name)).scalar())


def is_theirs(store: Store, name: str, who: Identity) -> bool:
    """Whether an account is the one of whom a provider vouches for."""
    own = (staff.c.name == name) & (staff.c.issuer == who.issuer) & (staff.c.subject == who.subject)
    with store.begin() as connection:
        return connection.execute(sa.select(staff.c.name).where(own)).first() is not None


def confirm(store: Store, secret: str, name: str, password: str, now: Moment) -> None:
    """Opens exports to a session whose owner says the password again. SignInRefused, TooManyTries."""
    _must_fit(store, name, password, "exports refused", now)
    open_exports(store, secret, name, now)


def open_exports(store: Store, secret: str, name: str, now: Moment) -> None:
    """Opens exports to a session for a while: its owner has just proved again who they are."""

    def opened(work: Work) -> None:
        own = (sessions.c.digest == digest(secret)) & (sessions.c.staff == name)
        work.connection.execute(sessions.update().where(own).values(exports_until=now + EXPORTS_FOR))
        audit.note(work, name, "exports opened", now)

    store.transact(opened)


def close_exports(store: Store, secret: str, name: str, now: Moment) -> None:
    """Ends that before its time."""

    def closed(work: Work) -> None:
        own = (sessions.c.digest == digest(secret)) & (sessions.c.exports_until > now)
        if work.connection.execute(sessions.update().where(own).values(exports_until=None)).rowcount:
            audit.note(work, name, "exports closed", now)

    store.transact(closed)


def exports_until(store: Store, secret: str, now: Moment) -> Moment | None:
    """Until when a session may export; None if it may not."""
    own = (sessions.c.digest == digest(secret)) & (sessions.c.exports_until > now) & ~_over(now)
    with store.begin() as connection:
        return connection.execute(sa.select(sessions.c.exports_until).where(own)).scalar()


# --- tokens ---------------------------------------------------------------------------------


def new_token(store: Store, role: str, now: Moment, office: str | None = None, by: str = "") -> str:
    """A new API token; only its digest is kept."""
    _check_role(role)
    token = secrets.token_urlsafe(32)
    name = f"token-{digest(token)[:8]}"
    row = {"digest": digest(token), "name": name, "role": role, "office": office, "at": now}

    def made(work: Work) -> None:
        work.connection.execute(tokens.insert(), row)
        audit.note(work, by or name, "token made", now, office, f"{name}: {role}")

    store.transact(made)
    return token


def bearer(store: Store, token: str) -> Person | None:
    """Who owns an API token, or None."""
    with store.begin() as connection:
        row = connection.execute(_BEARER, {"digest": digest(token)}).first()
    return Person(row.name, ((row.office or EVERYWHERE, row.role),)) if row else None


_BEARER = sa.select(tokens).where(tokens.c.digest == sa.bindparam("digest"))


def digest(secret: str) -> str:
    """SHA-256 in hex: enough for secrets of 256 random bits, which cannot be guessed."""
    return hashlib.sha256(_bytes(secret)).hexdigest()
