"""One agent per machine: dispenser, desk and board.

Agents decide; `hardware` alone touches gpiozero, escpos and luma; `link` alone touches paho. Each agent's
module has `wired(settings)`, which builds it with its hardware and link; an agent has `start()` and
`stop(clean=True)`; `stop(clean=False)` is what a power cut looks like to the others.
"""

SOFTWARE = "0.1.0"


class DeviceError(Exception):
    """Something a device needs is not there or not right; the message says what, and what to do about it."""
