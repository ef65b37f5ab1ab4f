"""`python -m hub COMMAND`: wires the parts together and starts them."""

from __future__ import annotations

import os
import signal
import sys

if sys.argv[1:2] in (
    ["up"],
    ["web"],
    ["bridge"],
    ["forecast"],
):  # may be told to end while it still imports, for half a second; an exception is lost where Python ignores them
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

import argparse
import getpass
import logging
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import structlog

from . import settings
from .booking.errors import BookingError
from .bridge.bridge import Bridge, adopt
from .clock import now
from .link import Broker
from .messages import push
from .messages.post import BadSettings, from_environment
from .offices import Fleet, OfficesError, read_offices
from .personal import caller
from .store import Store, StoreError, keys, people, staff
from .store.dump import DumpError
from .store.store import has_log, rebuild_visits
from .store.upgrade import upgrade
from .systemd import say_ready

log = structlog.get_logger()
T = TypeVar("T")
CALLERS_FAULTS = (
    settings.SettingsError,
    OfficesError,
    staff.StaffError,
    keys.BadKeys,
    BadSettings,
    BookingError,
    DumpError,
)


def main(words: list[str] | None = None) -> int:
    """Runs one command; 2 for what the caller got wrong, 1 for what does not work now."""
    chosen = settings.parser().parse_args(words)
    _log_lines()
    try:
        return _COMMANDS[chosen.command](chosen)
    except CALLERS_FAULTS as error:
        print(f"torn: {error}", file=sys.stderr)
        return 2
    except (StoreError, OSError) as error:
        print(f"torn: {error}", file=sys.stderr)
        return 1


def _log_lines() -> None:
    """One line an event, to stderr; never a token, a password or a document."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    shared: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
    ]
    factory = structlog.WriteLoggerFactory(sys.stderr)  # a line in one write: another process may say `ready` meanwhile
    structlog.configure(processors=shared, logger_factory=factory, cache_logger_on_first_use=True)


def open_store(chosen: argparse.Namespace) -> Store:
    """The database, in its newest shape."""
    store = Store(settings.database(chosen.data, chosen.database))
    upgrade(store)
    return store


def _opened(chosen: argparse.Namespace) -> tuple[Fleet, Store]:
    """Fleet and database, with the offices file's plans in the log."""
    fleet = read_offices(settings.offices_file(chosen.offices))
    store = open_store(chosen)
    for office in fleet.plans:
        adopt(store, fleet, office)
    for warning in keys.warnings(store):
        log.warning(warning)
    return fleet, store


def public_url(fleet: Fleet, http: tuple[str, int]) -> str:
    """What the QR on paper points to."""
    return fleet.public_url or f"http://{http[0]}:{http[1]}"


def _up(chosen: argparse.Namespace) -> int:
    from .up import Up
    from .web.provider import provider

    http = settings.address(chosen.http, settings.HTTP)
    own = None if chosen.broker else settings.address(chosen.mqtt, settings.MQTT)
    broker = Broker(*own) if own else settings.broker(chosen)
    fleet, store = _opened(chosen)
    ways = from_environment(), push.from_environment(), provider()
    return Up(store, fleet, http, own, broker, public_url(fleet, http), *ways).run()


def _web(chosen: argparse.Namespace) -> int:
    from .web.provider import provider
    from .web.serve import run

    http = settings.address(chosen.http, settings.HTTP)
    fleet, store = _opened(chosen)
    run(store, fleet, http, settings.broker(chosen), public_url(fleet, http), provider(), say_ready)
    return 0


def _bridge(chosen: argparse.Namespace) -> int:
    http = settings.address(chosen.http, settings.HTTP)
    fleet, store = _opened(chosen)
    ways = from_environment(), push.from_environment()
    bridge = Bridge(store, fleet, settings.broker(chosen), public_url(fleet, http), *ways)
    bridge.ready = cache(say_ready)  # it is called again and again, and said once
    signal.signal(signal.SIGTERM, bridge.stop)
    signal.signal(signal.SIGINT, bridge.stop)
    bridge.run()
    return 0


def _forecast(chosen: argparse.Namespace) -> int:
    if chosen.act == "score":
        from .forecaster.scoring import score_log, score_synthetic

        if chosen.synthetic:
            return score_synthetic(chosen.synthetic, chosen.seed, chosen.worlds, chosen.days)
        fleet = read_offices(settings.offices_file(chosen.offices))
        return score_log(open_store(chosen), fleet, chosen.office, chosen.first, chosen.last)
    from .forecaster.forecaster import Forecaster

    fleet, store = _opened(chosen)
    forecaster = Forecaster(store, fleet, settings.broker(chosen))
    forecaster.ready = cache(say_ready)
    signal.signal(signal.SIGTERM, forecaster.stop)
    signal.signal(signal.SIGINT, forecaster.stop)
    say_ready()
    forecaster.run()
    return 0


def _token(chosen: argparse.Namespace) -> int:
    store = open_store(chosen)
    _must_be_an_office(chosen, store)
    print(staff.new_token(store, chosen.role, now(), chosen.office, caller()))
    return 0


def _must_be_an_office(chosen: argparse.Namespace, store: Store) -> None:
    """Refuses an office that neither the offices file nor the database knows."""
    if chosen.office is None:
        return
    file = settings.offices_file(chosen.offices)
    plans = read_offices(file).plans
    if chosen.office not in plans and not has_log(store, chosen.office):
        there = ", ".join(plans)
        raise settings.SettingsError(f"--office {chosen.office}: there is no such office; {file} has {there}")


def _user(chosen: argparse.Namespace) -> int:
    store, act, name, role, office = open_store(chosen), chosen.act, chosen.name, chosen.role, chosen.office
    if act == "list":
        for account in staff.accounts(store, now()):
            held = ", ".join(f"{what} {at or 'everywhere'}" for at, what in account.roles) or "no role"
            print(f"{account.name}: {held}; sessions: {account.sessions}")
        return 0
    if not name:
        raise settings.SettingsError(f"user {act}: needs the NAME")
    if act in ("add", "give") and not role:
        raise settings.SettingsError(f"user {act}: needs --role")
    _must_be_an_office(chosen, store)
    where = office or "every office"
    if act == "add":
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        staff.add_person(store, name, password, role, now(), office, caller())
        print(f"{name} may sign in as {role}")
    elif act == "give":
        staff.give_role(store, name, role, now(), office, caller())
        print(f"{name} is {role} at {where}, and has to sign in again")
    elif act == "take":
        staff.take_role(store, name, now(), office, caller())
        print(f"{name} has no role of their own at {where} any more")
    elif act == "remove":
        staff.remove(store, name, now(), caller())
        print(f"{name} is removed")
    else:
        print(f"{name} is signed out of {staff.end_sessions(store, name, now(), caller())} browsers")
    return 0


def _appointments(chosen: argparse.Namespace) -> int:
    from .takeover import take_over

    fleet = read_offices(settings.offices_file(chosen.offices))
    store = open_store(chosen)
    if chosen.act == "import":
        if not chosen.file:
            raise settings.SettingsError("appointments import: needs the FILE")
        return 1 if take_over(chosen.file, store, fleet, chosen.dry_run) else 0
    erased = sum(
        store.transact(partial(people.erase_old, plan=plan, now=now(), dry_run=chosen.dry_run))
        for plan in fleet.plans.values()
    )
    print(f"the personal data of {erased} appointments {'would be' if chosen.dry_run else 'are'} erased")
    return 0


def _people(chosen: argparse.Namespace) -> int:
    from . import personal

    if chosen.act == "key":
        print(keys.new())
        return 0
    store = open_store(chosen)
    if chosen.act == "rekey":
        return personal.rekey(store)
    if chosen.act == "erased":
        return personal.erased(store)
    which = personal.Which(chosen.document, chosen.locator)
    if chosen.act == "export":
        return personal.export(store, which)
    fleet = read_offices(settings.offices_file(chosen.offices))
    return personal.erase(store, fleet, which, chosen.dry_run)


def _key(read: Callable[[Path], T], file: Path) -> T:
    from .sealed import SealedError  # cryptography takes a tenth of a second to import

    try:
        return read(file)
    except SealedError as error:
        raise settings.SettingsError(str(error)) from None


def _backup(chosen: argparse.Namespace) -> int:
    from .backup import backup
    from .sealed import read_public

    recipient = _key(read_public, settings.needed(chosen.recipient, settings.RECIPIENT))
    keep = settings.days(chosen.keep, settings.KEEP)
    print(backup(open_store(chosen), Path(chosen.folder), recipient, keep, now()))
    return 0


def _restore(chosen: argparse.Namespace) -> int:
    from .backup import restore
    from .sealed import read_private

    key = _key(read_private, settings.needed(chosen.key, settings.KEY))
    erased = Path(chosen.erased).read_text("utf-8").split() if chosen.erased else []
    fleet = read_offices(settings.offices_file(chosen.offices))
    store = Store(settings.database(chosen.data, chosen.database))
    rows, again = restore(store, fleet, Path(chosen.file), key, erased, now())
    print(f"{rows} rows are restored; {again} with the data of people who were erased since are not")
    return 0


def _rebuild(chosen: argparse.Namespace) -> int:
    print(f"{rebuild_visits(open_store(chosen))} visits made again from the log")
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "up": _up,
    "web": _web,
    "bridge": _bridge,
    "forecast": _forecast,
    "token": _token,
    "user": _user,
    "appointments": _appointments,
    "people": _people,
    "backup": _backup,
    "restore": _restore,
    "rebuild": _rebuild,
}

if __name__ == "__main__":
    sys.exit(main())
