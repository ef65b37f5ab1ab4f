"""`network` on a laptop: a Wi-Fi that is joined at once, and comes and goes as it is told."""

STA_IF = 0
STAT_WRONG_PASSWORD, STAT_NO_AP_FOUND, STAT_IDLE = -3, -2, 0


class Air:
    """What is to be had: `on`, `off` or `wrong` (the password)."""

    state = "on"


class WLAN:
    """The radio."""

    PM_NONE = 16

    def __init__(self, interface):
        self._joined = False

    def active(self, up=None):
        """Turns it on."""

    def config(self, pm=0, reconnects=None):
        """Knows what a Pico W knows."""
        if reconnects is not None:
            raise ValueError("unknown config param")

    def connect(self, ssid, password):
        """Joins, if there is a network that wants us."""
        self._joined = Air.state == "on"

    def disconnect(self):
        """Leaves."""
        self._joined = False

    def isconnected(self):
        """Whether we have joined and the network is still there."""
        self._joined = self._joined and Air.state == "on"
        return self._joined

    def status(self):
        """Why not."""
        return {"on": STAT_IDLE, "off": STAT_NO_AP_FOUND, "wrong": STAT_WRONG_PASSWORD}[Air.state]


def country(code):
    """Which channels are lawful; any."""


def hostname(name):
    """What we call ourselves; anything."""
