"""The sign that the settings name. A sign has `show(lines, digits, lit)`, `tick(now)` and `moving`."""

import machine


class Blank:
    """No sign, or one that does not answer: the board works all the same."""

    moving = False

    def show(self, _lines, _digits, lit=None):
        """Shows nothing."""

    def tick(self, _now):
        """Nothing moves."""


def screen(settings):
    """The sign of the settings (`sign` of config.py); raises OSError if it does not answer."""
    kind, brightness = settings["type"], settings["brightness"]
    if kind == "ssd1306":
        import ssd1306

        i2c = machine.I2C(0, sda=machine.Pin(settings["sda"]), scl=machine.Pin(settings["scl"]), freq=400000)
        return ssd1306.Panel(i2c, settings["address"], brightness)
    if kind == "tm1637":
        import tm1637

        clk, dio = (machine.Pin(settings[name], machine.Pin.OUT, value=1) for name in ("clk", "dio"))
        return tm1637.Digits(clk, dio, brightness, settings["digits"])
    if kind == "max7219":
        import max7219

        sck, mosi = machine.Pin(settings["sck"]), machine.Pin(settings["mosi"])
        spi = machine.SPI(0, baudrate=1000000, sck=sck, mosi=mosi)
        cs = machine.Pin(settings["cs"], machine.Pin.OUT, value=1)
        return max7219.Matrix(spi, cs, settings["modules"], brightness)
    return Blank()
