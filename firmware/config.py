"""The board's one settings file, `config.json` on its flash, checked before anything else happens.

    settings = read("config.json")      # ConfigError says which key is wrong, and what it must be

What is left out has the default below. A key that nobody knows is refused: it is a slip of the pen.
"""

import json

import wire

FILE = "config.json"

# The shapes are those of wire.py; a key with ? may be left out.
SHAPE = {
    "device": "slug",
    "kind": ("desk", "board"),
    "board?": ("pico-w", "esp32"),
    "language?": ("ca", "es", "en", "fr"),
    "update_key?": "text",
    "wifi": {"ssid": "text", "password": "text", "country?": "text"},
    "broker": {
        "host": "text",
        "port?": "whole",
        "name?": "text",
        "password?": "text",
        "ca?": "text",
        "certificate?": "text",
        "key?": "text",
    },
    "pins?": {
        "next?": "whole?",
        "recall?": "whole?",
        "absent?": "whole?",
        "done?": "whole?",
        "light?": "whole?",
        "buzzer?": "whole?",
    },
    "sign?": {
        "type?": ("ssd1306", "tm1637", "max7219", "none"),
        "sda?": "whole",
        "scl?": "whole",
        "address?": "whole",
        "clk?": "whole",
        "dio?": "whole",
        "digits?": "whole",
        "sck?": "whole",
        "mosi?": "whole",
        "cs?": "whole",
        "modules?": "whole",
        "brightness?": "whole",
    },
}

DEFAULTS = {
    "board": "pico-w",
    "language": "ca",
    "update_key": "",
    "wifi": {"country": "ES"},
    "broker": {"port": 8883, "name": "", "password": "", "ca": "", "certificate": "", "key": ""},
    "pins": {"next": 15, "recall": None, "absent": None, "done": None, "light": 14, "buzzer": None},
    "sign": {
        "type": "ssd1306",
        "sda": 4,
        "scl": 5,
        "address": 60,
        "clk": 4,
        "dio": 5,
        "digits": 4,
        "sck": 18,
        "mosi": 19,
        "cs": 17,
        "modules": 4,
        "brightness": 5,
    },
}


class ConfigError(ValueError):
    """The settings file cannot be used; the message names the key."""


def read(path):
    """The settings, with defaults where nothing is said; raises ConfigError."""
    try:
        with open(path) as file:
            text = file.read()
    except OSError:
        raise ConfigError("%s: is missing" % FILE)
    if not text.strip():
        raise ConfigError("%s: is empty" % FILE)
    try:
        settings = json.loads(text)
    except ValueError:
        raise ConfigError("%s: is no JSON" % FILE)
    return checked(settings)


def checked(settings):
    """The same for what has been read already."""
    fault = wire.fault(SHAPE, settings) or _unknown(SHAPE, settings, "") or _unfit(settings)
    if fault:
        raise ConfigError(fault)
    return _filled(settings, DEFAULTS)


def sign_of(path):
    """The sign that a file with faults elsewhere names; the default one if it names none that can be used."""
    try:
        with open(path) as file:
            sign = json.loads(file.read()).get("sign", {})
        if not wire.fault(SHAPE["sign?"], sign):
            return _filled(sign, DEFAULTS["sign"])
    except (OSError, ValueError, AttributeError):
        pass
    return DEFAULTS["sign"]


def _unknown(shape, settings, path):
    for key, value in settings.items():
        inner = shape.get(key, shape.get(key + "?"))
        if inner is None:
            return "%s%s: there is no such setting" % (path, key)
        if isinstance(inner, dict):
            fault = _unknown(inner, value, path + key + ".")
            if fault:
                return fault


def _unfit(settings):
    """What no single key tells."""
    broker, key = settings["broker"], settings.get("update_key", "")
    if bool(broker.get("certificate")) != bool(broker.get("key")):
        return "broker.key: certificate and key go together"
    if broker.get("port", 1) > 65535 or broker.get("port", 1) == 0:
        return "broker.port: must be 1 to 65535"
    if key and (len(key) != 64 or key.strip(wire.DIGITS + "abcdef")):
        return "update_key: must be 64 of 0-9 and a-f"
    used = [pin for pin in settings.get("pins", {}).values() if pin is not None]
    if len(used) != len(set(used)):
        return "pins: one pin does two things"


def _filled(settings, defaults):
    filled = dict(defaults)
    for key, value in settings.items():
        filled[key] = _filled(value, defaults.get(key, {})) if isinstance(value, dict) else value
    return filled
