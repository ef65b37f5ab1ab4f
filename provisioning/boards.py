"""A microcontroller's bundle: its one settings file, the authority's certificate, and the commands that put them on."""

from __future__ import annotations

import json
import ssl
from typing import Any

from provisioning.broker import PASSWORDS
from provisioning.fleet import Device, Fleet
from provisioning.keys import Keys

FLASH = """\
#!/bin/sh
# Made by `python -m provisioning`. Puts Torn onto the board {device}, plugged in by USB:
#     sh flash FOLDER-WITH-THE-FIRMWARE [PORT]
# mpremote (pip install mpremote) finds the board by itself unless PORT names it, such as /dev/ttyACM0. MicroPython
# itself has to be on it already. What is on the board beside these files stays.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
firmware=${{1:?name the folder with the firmware}}
port=${{2:-auto}}
[ -f "$firmware/wire.py" ] || {{ echo "flash: $firmware: has no wire.py; name Torn's folder firmware" >&2; exit 1; }}
mpremote connect "$port" fs cp "$firmware"/*.py :
mpremote connect "$port" fs cp "$here/ca.der" "$here/config.json" :
mpremote connect "$port" reset
echo "flash: {device} is ready"
"""


def bundle(fleet: Fleet, device: Device, keys: Keys) -> dict[str, bytes]:
    """The files of `boards/ID/`. The settings go last onto the board: without them it does not start."""
    settings = json.dumps(config(fleet, device, keys), indent=2, ensure_ascii=False) + "\n"
    return {
        "config.json": settings.encode(),
        "ca.der": ssl.PEM_cert_to_DER_cert(keys["ca.pem"].decode()),  # what MicroPython reads
        "flash": FLASH.format(device=device.id).encode(),
    }


def config(fleet: Fleet, device: Device, keys: Keys) -> dict[str, Any]:
    """The board's settings file."""
    wifi = fleet.network.wifi
    where = {"host": fleet.host_for(device), "port": PASSWORDS, "ca": "ca.der"}
    return {
        "device": device.id,
        "kind": device.kind,
        "board": device.machine.board,
        "language": device.office.languages[0],
        "update_key": keys[f"{device.id}.update"].decode(),
        "wifi": {"ssid": wifi.name, "password": fleet.wifi_password, "country": wifi.country} if wifi else {},
        "broker": where | {"password": keys[f"{device.id}.password"].decode()},
        **device.machine.settings,
    }
