"""The board's one settings file, `config.json` on its flash, checked before anything else happens.

    settings = read("config.json")      # ConfigError says which key is wrong, and what it must be

What is left out has its default. A key that nobody knows is refused: it is a slip of the pen.
"""

import json

import wire

# A line a setting: its place in the file, what it must be (a scalar of wire.py, or one of these words), and its
# default; without one it may not be left out. One text, because a table would fill a board's memory for good.
SETTINGS = """
device slug
kind desk|board
board pico-w|esp32 "pico-w"
language ca|es|en|fr "ca"
update_key text ""
wifi.ssid text
wifi.password text
wifi.country text "ES"
broker.host text
broker.port whole 8883
broker.name text ""
broker.password text ""
broker.ca text ""
broker.certificate text ""
broker.key text ""
pins.next whole? 15
pins.recall whole? null
pins.absent whole? null
pins.done whole? null
pins.light whole? 14
pins.buzzer whole? null
sign.type ssd1306|tm1637|max7219|none "ssd1306"
sign.sda whole 4
sign.scl whole 5
sign.address whole 60
sign.clk whole 4
sign.dio whole 5
sign.digits whole 4
sign.sck whole 18
sign.mosi whole 19
sign.cs whole 17
sign.modules whole 4
sign.brightness whole 5
"""


class ConfigError(ValueError):
    """The settings file cannot be used; the message names the key."""


def read(path):
    """The settings, with defaults where nothing is said; raises ConfigError."""
    try:
        with open(path) as file:
            text = file.read()
    except OSError:
        raise ConfigError("config.json: is missing")
    except ValueError:
        raise ConfigError("config.json: is no text")
    if not text.strip():
        raise ConfigError("config.json: is empty")
    try:
        given = json.loads(text)
    except ValueError:
        raise ConfigError("config.json: is no JSON")
    return checked(given)


def checked(given):
    """The same for what has been read already."""
    if not isinstance(given, dict):
        raise ConfigError("config.json: must be an object")
    settings: dict = {}
    known = []
    for row in SETTINGS.strip().split("\n"):
        words = row.split(" ")
        known.append(words[0])
        _take(settings, given, words[0], words[1], json.loads(words[2]) if len(words) > 2 else None, len(words) > 2)
    _refuse_unknown(given, known)
    fault = _unfit(settings)
    if fault:
        raise ConfigError(fault)
    return settings


def sign_of(path):
    """The sign that a file with faults elsewhere names; the default one if it names none that can be used."""
    plain = {"device": "x", "kind": "desk", "wifi": {"ssid": "", "password": ""}, "broker": {"host": "x"}}
    try:
        with open(path) as file:
            return checked(dict(plain, sign=json.loads(file.read()).get("sign", {})))["sign"]
    except (OSError, ValueError, AttributeError):
        return checked(plain)["sign"]


def _take(settings, given, place, kind, default, optional):
    """Puts one setting from what is given into the settings, or its default."""
    table, _, key = place.partition(".")
    here = given.get(table, {}) if key else given
    if not isinstance(here, dict):
        raise ConfigError("%s: must be an object" % table)
    key = key or table
    if key not in here and not optional:
        raise ConfigError("%s: is missing" % place)
    value = here.get(key, default)
    fault = wire.fault(tuple(kind.split("|")) if "|" in kind else kind, value, place)
    if fault:
        raise ConfigError(fault)
    if "." in place:
        settings.setdefault(table, {})[key] = value
    else:
        settings[key] = value


def _refuse_unknown(given, known):
    tables = [place.partition(".")[0] for place in known if "." in place]
    for key, value in given.items():
        for place in ["%s.%s" % (key, inner) for inner in value] if key in tables else [key]:
            if place not in known:
                raise ConfigError("%s: there is no such setting" % place)


def _unfit(settings):
    """What no single key tells."""
    broker, key = settings["broker"], settings["update_key"]
    if bool(broker["certificate"]) != bool(broker["key"]):
        return "broker.key: certificate and key go together"
    if not 0 < broker["port"] < 65536:
        return "broker.port: must be 1 to 65535"
    if key and (len(key) != 64 or key.strip(wire.DIGITS + "abcdef")):
        return "update_key: must be 64 of 0-9 and a-f"
    return _unfit_pins(settings)


SIGN_PINS = {"ssd1306": ("sda", "scl"), "tm1637": ("clk", "dio"), "max7219": ("sck", "mosi", "cs"), "none": ()}


def _unfit_pins(settings):
    """What a pin cannot do: a Pico W's radio is at 23 to 25 and 29, an ESP32's flash at 6 to 11, 34 on only read."""
    used = {"pins.%s" % name: pin for name, pin in settings["pins"].items() if pin is not None}
    for name in SIGN_PINS[settings["sign"]["type"]]:
        used["sign.%s" % name] = settings["sign"][name]
    for place, pin in used.items():
        free = pin <= 22 or 26 <= pin <= 28 if settings["board"] == "pico-w" else pin <= 5 or 12 <= pin <= 33
        if not free:
            return "%s: %d is no free pin of a %s" % (place, pin, settings["board"])
    if len(used) != len(set(used.values())):
        return "pins: one pin does two things"
    return None
