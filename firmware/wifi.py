"""The radio: joins the network of the settings and says why it cannot."""

import asyncio

import network

JOINING = 15000  # ms


class Wifi:
    """The board's connection to the network of its settings.

    Args:
        settings: `wifi` of config.py.
        name: what the board calls itself to the network.
    """

    def __init__(self, settings, name, clock):
        network.country(settings["country"])
        network.hostname(name[:32])
        self._settings, self._clock = settings, clock
        self._radio = network.WLAN(network.STA_IF)

    def joined(self):
        """Whether the network is there now."""
        return self._radio.isconnected()

    async def join(self):
        """Joins; raises OSError, whose text is one of words.py's troubles, if that fails."""
        if self._radio.isconnected():
            return
        self._radio.active(True)
        try:
            self._radio.config(pm=network.WLAN.PM_NONE)  # saving power costs a press 100 ms and more
            self._radio.config(reconnects=0)  # an ESP32 would go on by itself, and refuse what follows
        except (OSError, ValueError):
            pass  # a Pico W does not know the second
        try:
            self._radio.connect(self._settings["ssid"], self._settings["password"])
        except OSError:
            self._radio.disconnect()
            raise OSError("wifi")
        until = self._clock.ms() + JOINING
        while not self._radio.isconnected():
            if self._clock.ms() > until:
                trouble = self._trouble()
                self._radio.disconnect()
                raise OSError(trouble)
            await asyncio.sleep_ms(100)

    def _trouble(self):
        status = self._radio.status()
        # An ESP32 tells most wrong passwords by a handshake that nobody answers.
        if status in (network.STAT_WRONG_PASSWORD, getattr(network, "STAT_HANDSHAKE_TIMEOUT", None)):
            return "wifi_password"
        return "wifi_absent" if status == network.STAT_NO_AP_FOUND else "wifi"
