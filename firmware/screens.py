"""The sign that the settings name. A sign has `show(lines, digits, lit)`, `tick(now)` and `moving`."""

import sys

import machine


class Blank:
    """No sign, or one that does not answer: the board works all the same."""

    moving = False

    def show(self, _lines, _digits, lit=None):
        """Shows nothing."""

    def tick(self, _now):
        """Nothing moves."""


def bus(kind, pin):
    """Which of the chip's buses reaches this pin (SDA or SCK): a Pico W's are wired, an ESP32's go to any."""
    if sys.platform == "esp32":
        return 0 if kind == "i2c" else 1
    return pin // 2 % 2 if kind == "i2c" else pin // 8 % 2  # RP2040's data sheet, table 2


def screen(settings):
    """The sign of the settings (`sign` of config.py); OSError if it does not answer, ValueError for its pins."""
    kind, brightness = settings["type"], settings["brightness"]
    if kind == "ssd1306":
        import ssd1306

        sda, scl = machine.Pin(settings["sda"]), machine.Pin(settings["scl"])
        i2c = machine.I2C(bus("i2c", settings["sda"]), sda=sda, scl=scl, freq=400000)
        return ssd1306.Panel(i2c, settings["address"], brightness)
    if kind == "tm1637":
        import tm1637

        clk, dio = (machine.Pin(settings[name], machine.Pin.OUT, value=1) for name in ("clk", "dio"))
        return tm1637.Digits(clk, dio, brightness, settings["digits"])
    if kind == "max7219":
        import max7219

        sck, mosi = machine.Pin(settings["sck"]), machine.Pin(settings["mosi"])
        spi = machine.SPI(bus("spi", settings["sck"]), baudrate=1000000, sck=sck, mosi=mosi)
        cs = machine.Pin(settings["cs"], machine.Pin.OUT, value=1)
        return max7219.Matrix(spi, cs, settings["modules"], brightness)
    return Blank()
