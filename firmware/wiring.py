"""The parts of a board on their pins, as the settings say; in memory only while the board is put together."""

import machine
import screens
import wire
from wifi import Wifi


def settings(path):
    """The settings and what is wrong with them; the module that judges them does not stay in memory."""
    import config

    try:
        return config.read(path), None
    except config.ConfigError as fault:
        return {"sign": config.sign_of(path)}, str(fault)


def agent(settings, link, parts):
    """What kind of machine this is; only its own words are loaded."""
    if settings["kind"] == "desk":
        from desk import Desk

        return Desk(link, parts, settings["language"])
    from board import Board

    return Board(link, parts, settings["language"])


def connect(parts, settings):
    """The parts on their pins."""
    pins = settings["pins"]
    parts.wifi = Wifi(settings["wifi"], settings["device"], parts.clock)
    parts.screen = screen(settings["sign"], parts.notes)
    parts.light = machine.Pin(pins["light"], machine.Pin.OUT, value=0) if pins["light"] is not None else None
    parts.buzzer = machine.PWM(machine.Pin(pins["buzzer"])) if pins["buzzer"] is not None else None
    parts.pins = {}
    for name in wire.PRESSES:
        if pins[name] is not None:
            parts.pins[name] = machine.Pin(pins[name], machine.Pin.IN, machine.Pin.PULL_UP)


def screen(settings, notes):
    """The sign, or none if it does not answer."""
    try:
        return screens.screen(settings)
    except OSError as error:
        notes.add("the sign %s does not answer: %s" % (settings["type"], error))
        return screens.Blank()
