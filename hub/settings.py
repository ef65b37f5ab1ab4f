"""The hub's settings: each has one name, one default and one line of help, here."""

from __future__ import annotations

import argparse
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .link import Broker, Proof
from .store.staff import ROLES

DATABASES = ("postgresql", "postgresql+psycopg", "postgres", "sqlite")
SAMPLE = Path(__file__).parent.parent / "provisioning" / "offices.sample.toml"


class SettingsError(ValueError):
    """A setting cannot be used; the message names it."""


@dataclass(frozen=True)
class Setting:
    """One option of the command line."""

    name: str
    default: str | None
    help: str


DATA = Setting("--data", "torn-data", "folder of the SQLite database")
HTTP = Setting("--http", "127.0.0.1:8080", "HOST:PORT of the pages")
MQTT = Setting("--mqtt", "127.0.0.1:1883", "HOST:PORT of the embedded broker, unless --broker names another")
OFFICES = Setting("--offices", None, "the offices file; default: offices.toml here, or else the sample")
DATABASE = Setting("--database", None, "postgresql://… or sqlite:///…; default: torn.db in --data")
BROKER = Setting("--broker", None, "HOST:PORT or mqtts://USER:PASSWORD@HOST:PORT of an MQTT broker")
BROKER_CA = Setting("--broker-ca", None, "PEM file of the authority that signed the broker's certificate")
BROKER_CERTIFICATE = Setting("--broker-certificate", None, "PEM file of the hub's own certificate")
BROKER_KEY = Setting("--broker-key", None, "PEM file of its private key")
BROKERS = (BROKER, BROKER_CA, BROKER_CERTIFICATE, BROKER_KEY)

RECIPIENT = Setting("--recipient", None, "PEM file of the public key for which backups are sealed")
KEY = Setting("--key", None, "PEM file of the private key that opens backups; never keep it on the hub's machine")
KEEP = Setting("--keep", "14", "days that a backup is kept")
ERASED = Setting("--erased", None, "file of the appointments, an id a line, whose data were erased since the backup")

USER_ACTS = ("add", "give", "take", "end", "remove", "list")

COMMANDS: dict[str, tuple[str, tuple[Setting, ...]]] = {
    "up": ("everything of the hub on one machine", (DATA, HTTP, MQTT, OFFICES, DATABASE, *BROKERS)),
    "web": ("the pages alone", (DATA, HTTP, OFFICES, DATABASE, *BROKERS)),
    "bridge": ("the bridge to the machines alone", (DATA, HTTP, OFFICES, DATABASE, *BROKERS)),
    "forecast": (
        "the forecaster alone (run); how good its forecasts were (score)",
        (DATA, OFFICES, DATABASE, *BROKERS),
    ),
    "token": ("prints a new API token", (DATA, OFFICES, DATABASE)),
    "user": (
        "adds a staff account (the password is asked for, or read from stdin), changes what it may do, signs it out",
        (DATA, OFFICES, DATABASE),
    ),
    "appointments": (
        "takes over the appointments of an old system; forgets whose the old ones were",
        (DATA, OFFICES, DATABASE),
    ),
    "people": (
        "one person's data on request: prints or forgets it; makes a key, and uses a new one",
        (DATA, OFFICES, DATABASE),
    ),
    "backup": ("writes a sealed backup into a folder, and removes those too old", (DATA, DATABASE, RECIPIENT, KEEP)),
    "restore": ("fills an empty database from a backup", (DATA, OFFICES, DATABASE, KEY, ERASED)),
    "rebuild": ("makes the table of visits again from the log", (DATA, DATABASE)),
}


def parser() -> argparse.ArgumentParser:
    """The command line, `python -m hub`."""
    top = argparse.ArgumentParser(prog="python -m hub", description="The hub: the line, the pages and the bridge.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (help, settings) in COMMANDS.items():
        command = commands.add_parser(name, help=help, description=help)
        for setting in settings:
            shown = f"{setting.help} (default: {setting.default})" if setting.default else setting.help
            command.add_argument(setting.name, default=setting.default, help=shown)
        if name == "user":
            command.add_argument("act", choices=USER_ACTS, help="what to do")
            command.add_argument("name", metavar="NAME", nargs="?", help="the account's name; of remove, or a token's")
        if name == "backup":
            command.add_argument("folder", metavar="FOLDER", help="where backups are kept")
        if name == "restore":
            command.add_argument("file", metavar="FILE", help="the backup")
        if name == "appointments":
            command.add_argument("act", choices=("import", "erase"), help="what to do")
            command.add_argument("file", metavar="FILE", nargs="?", help="the CSV file to import")
            command.add_argument("--dry-run", action="store_true", help="only says what would be done")
        if name == "forecast":
            command.add_argument("act", choices=("run", "score"), help="what to do")
            command.add_argument("--office", help="score: one office's id; default: every office")
            command.add_argument(
                "--from", dest="first", metavar="DAY", help="score: the first day; default: a week ago"
            )
            command.add_argument("--to", dest="last", metavar="DAY", help="score: the last day; default: yesterday")
            command.add_argument("--synthetic", choices=("clean", "messy"), help="score: an office that never was")
            command.add_argument("--seed", type=int, default=4000, help="score: of the synthetic office")
            command.add_argument("--worlds", type=int, default=20, help="score: how many such offices")
            command.add_argument("--days", type=int, default=8, help="score: days of each, after 20 to learn from")
        if name == "people":
            command.add_argument("act", choices=("export", "erase", "erased", "key", "rekey"), help="what to do")
            command.add_argument("--document", help="of whom: the number of a DNI, NIE or passport")
            command.add_argument("--locator", help="or the locator of one of their appointments")
            command.add_argument("--dry-run", action="store_true", help="only says what would be erased")
        if name in ("user", "token"):
            command.add_argument("--role", required=name == "token", choices=ROLES, help="what it may do")
            command.add_argument("--office", help="one office's id; default: every office")
    return top


def address(text: str, setting: Setting) -> tuple[str, int]:
    """HOST:PORT as a pair; SettingsError for anything else. Port 0 takes a free one."""
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise SettingsError(f"{setting.name} {text!r}: must be HOST:PORT")
    host = host.strip("[]")
    return host, int(port) or free_port(host)


def free_port(host: str) -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def database(data: str, url: str | None) -> str:
    """The database's address; makes the data folder where it is needed. SettingsError if it cannot be read."""
    if url:
        return _database_url(url)
    folder = Path(data)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--data {data}: {error.strerror}") from None
    return f"sqlite:///{(folder / 'torn.db').resolve()}"


def _database_url(text: str) -> str:
    """The address as it is, if it can be one; a message never shows it, for it may hold a password."""
    try:
        url = urlsplit(text)
        known = "://" in text and url.scheme in DATABASES and url.port != 0
        in_memory = url.scheme == "sqlite" and url.path.strip("/") in (
            "",
            ":memory:",
        )  # each process would have its own
    except ValueError:  # the port, or the brackets of an address
        known = in_memory = False
    if not known or in_memory:
        raise SettingsError("--database: must be postgresql://USER:PASSWORD@HOST/NAME or sqlite:///FILE")
    return text


def days(text: str, setting: Setting) -> int:
    """A number of days from 1 to 3650; SettingsError for anything else."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 3650):
        raise SettingsError(f"{setting.name} {text!r}: must be a number of days from 1 to 3650")
    return int(text)


def needed(value: str | None, setting: Setting) -> Path:
    """A file that must be named; SettingsError if it is not."""
    if not value:
        raise SettingsError(f"{setting.name}: is needed: {setting.help}")
    return Path(value)


def offices_file(path: str | None) -> Path:
    """The offices file asked for, or offices.toml here, or else the sample."""
    here = Path("offices.toml")
    return Path(path) if path else here if here.exists() else SAMPLE


def broker(chosen: argparse.Namespace) -> Broker:
    """Where the broker is, by default where `up` has its own; SettingsError if it cannot be had like that."""
    proof = Proof(chosen.broker_ca or "", chosen.broker_certificate or "", chosen.broker_key or "")
    try:
        proof.context()  # a file that cannot be used is told now, not at each connection
        return Broker.at(chosen.broker or str(MQTT.default), proof)
    except OSError as error:  # SSLError is one
        raise SettingsError(f"--broker-ca, --broker-certificate or --broker-key cannot be used: {error}") from None
    except ValueError as error:
        raise SettingsError(f"--broker: {error}") from None
