"""The settings of each agent: one place, one name, one default and one line of documentation for each.

settings = read("dispenser", Path("/etc/torn/dispenser.toml"))
print(defaults("dispenser"))        # the same file, commented, with every default
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from devices import DeviceError
from firmware import wire


class SettingsError(DeviceError, ValueError):
    """A settings file that cannot be used; the message names the file, the place and the reason."""


@dataclass(frozen=True)
class Broker:
    """Where the MQTT broker is and how to prove who we are; with a certificate no password is needed."""

    host: Annotated[str, "name or address of the MQTT broker"] = "127.0.0.1"
    port: Annotated[int, "1883 in the clear, 8883 with TLS"] = 1883
    password: Annotated[str, "the user name is the device's; leave empty with a certificate"] = ""
    ca: Annotated[str, "PEM file of the authority that signed the broker's certificate; turns TLS on"] = ""
    certificate: Annotated[str, "PEM file of this device's certificate"] = ""
    key: Annotated[str, "PEM file of its private key"] = ""


@dataclass(frozen=True)
class Buttons:
    """The dispenser's buttons by the BCM number of their pin, 0 for none; each closes to ground."""

    services: Annotated[dict[str, int], "a button for each service of the office, by its id"] = field(
        default_factory=lambda: {"padro": 5, "registre": 6, "idcat": 13, "tributs": 19, "informacio": 26}
    )
    appointment: Annotated[int, "pressed by those who have an appointment"] = 0
    preferential: Annotated[int, "pressed before a service: a preferential ticket"] = 0
    language: Annotated[int, "changes the language of screen, voice and paper for one person"] = 0
    reprint: Annotated[int, "inside the case: prints the last ticket again if its printing failed"] = 0
    light: Annotated[int, "output of the buttons' light"] = 0
    keypad: Annotated[str, "evdev file of a numeric keypad: documents, and back after a missed call"] = ""
    reader: Annotated[str, "of documents and QR: keyboard:EVDEV-FILE or serial:FILE:BAUD; empty for none"] = ""
    layout: Annotated[str, "us or es: the keyboard that the reader is set to play"] = "us"


@dataclass(frozen=True)
class DispenserSettings:
    """The dispenser's settings."""

    device: Annotated[str, "the device's id in the offices file, unique in the whole fleet"] = "dispenser-1"
    data: Annotated[str, "folder of the journal; on a disk that keeps what it says it has written"] = "/var/lib/torn"
    fakes: Annotated[bool, "true: no hardware, the vendors' fakes instead"] = False
    printer: Annotated[str, "usb:VENDOR:PRODUCT, serial:FILE:BAUD, network:HOST, file:FILE, or fake"] = "usb:04b8:0e15"
    profile: Annotated[str, "the printer's name in python-escpos; default if it is not there"] = "TM-T20II"
    screen: Annotated[str, "ssd1306, sh1106, ssd1322, none or fake"] = "ssd1306"
    voice: Annotated[bool, "speak each step and number, where espeak-ng is installed"] = True
    buttons: Annotated[Buttons, "the pins"] = field(default_factory=Buttons)
    broker: Annotated[Broker, "the MQTT broker"] = field(default_factory=Broker)


@dataclass(frozen=True)
class DeskPins:
    """The desk's buttons by BCM pin, 0 for none. With `next` alone: short next, long recall, double absent."""

    next: Annotated[int, "calls the next person"] = 5
    recall: Annotated[int, "calls the same person again"] = 0
    absent: Annotated[int, "the person called did not come"] = 0
    done: Annotated[int, "finishes without calling anybody"] = 0
    light: Annotated[int, "output of the button's light"] = 0


@dataclass(frozen=True)
class DeskSettings:
    """The settings of a desk's buttons and sign."""

    device: Annotated[str, "the device's id in the offices file, unique in the whole fleet"] = "desk-1"
    fakes: Annotated[bool, "true: no hardware, the vendors' fakes instead"] = False
    screen: Annotated[str, "ssd1306, sh1106, seven, none or fake"] = "ssd1306"
    buttons: Annotated[DeskPins, "the pins"] = field(default_factory=DeskPins)
    broker: Annotated[Broker, "the MQTT broker"] = field(default_factory=Broker)


@dataclass(frozen=True)
class BoardSettings:
    """The settings of a board for the waiting room."""

    device: Annotated[str, "the device's id in the offices file, unique in the whole fleet"] = "board-1"
    fakes: Annotated[bool, "true: no hardware, the vendors' fakes instead"] = False
    screen: Annotated[str, "ssd1322, ssd1306, none or fake"] = "ssd1322"
    matrix: Annotated[str, "max7219, none or fake: a row of LED matrices"] = "none"
    modules: Annotated[int, "how many 8x8 modules the matrix has"] = 4
    buzzer: Annotated[int, "BCM pin of a passive buzzer for the chime, 0 for none"] = 0
    voice: Annotated[bool, "speak each call, where espeak-ng is installed"] = True
    broker: Annotated[Broker, "the MQTT broker"] = field(default_factory=Broker)


KINDS: dict[str, type] = {"dispenser": DispenserSettings, "desk": DeskSettings, "board": BoardSettings}


def read(kind: str, file: Path) -> Any:
    """The settings of a `kind` ("dispenser", "desk" or "board") from a TOML file.

    Raises SettingsError, which names the place and the reason.
    """
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        return _built(KINDS[kind], values, "")
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # tomllib's and Unicode's errors are ValueErrors too
        raise SettingsError(f"{file}: {error}") from error


def defaults(kind: str) -> str:
    """The settings file of a `kind` with every default and what it is for."""
    return "\n".join(_printed(KINDS[kind]())) + "\n"


def _built(shape: type, values: dict[str, Any], place: str) -> Any:
    known = {each.name for each in fields(shape)}
    for name in values:
        if name not in known:
            raise ValueError(f"{place}{name}: there is no such setting; known are {', '.join(sorted(known))}")
    types = get_type_hints(shape)
    return shape(**{name: _value(types[name], value, place + name) for name, value in values.items()})


def _value(kind: Any, value: Any, place: str) -> Any:
    if is_dataclass(kind) and isinstance(value, dict):
        return _built(kind, value, place + ".")  # type: ignore[arg-type]
    if kind == dict[str, int] and isinstance(value, dict):
        return {_slug(name, place): _value(int, pin, f"{place}.{name}") for name, pin in value.items()}
    words = {str: "text", int: "a whole number, 0 or more", bool: "true or false"}.get(kind, "a table")
    if kind not in (str, int, bool) or type(value) is not kind or (kind is int and value < 0):
        raise ValueError(f"{place}: must be {words}")
    return _slug(value, place) if place == "device" else value


def _slug(value: str, place: str) -> str:
    if not wire.is_slug(value):
        raise ValueError(f"{place}: {value!r} must be 1 to 64 of a-z, 0-9 and -")
    return value


def _printed(settings: Any, place: str = "") -> Iterator[str]:
    """Plain values first: in TOML whatever follows a [table] belongs to it."""
    about = {name: hint.__metadata__[0] for name, hint in get_type_hints(type(settings), include_extras=True).items()}
    values = {name: getattr(settings, name) for name in about}
    tables = {name: value for name, value in values.items() if is_dataclass(value) or isinstance(value, dict)}
    yield from (f"{name} = {_toml(value)}  # {about[name]}" for name, value in values.items() if name not in tables)
    for name, table in tables.items():
        yield f"\n[{place}{name}]  # {about[name]}"
        if isinstance(table, dict):
            yield from (f"{each} = {_toml(value)}" for each, value in table.items())
        else:
            yield from _printed(table, f"{place}{name}.")


def _toml(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
