"""The seed of a Raspberry Pi's card: cloud-init's files, by which a fresh system becomes this device.

    seed(fleet, device, keys)          # {"user-data": …, "meta-data": …, "network-config": …}

The system is Raspberry Pi OS Lite of November 2025 or later (Debian 13), which has cloud-init. Its documents are
YAML, of which JSON is a part: written as JSON nothing has to be quoted by hand. cloudinit.readthedocs.io has the keys.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from provisioning import units
from provisioning.broker import CERTIFICATES
from provisioning.fleet import Device, Fleet
from provisioning.keys import Keys

# The agents' own needs: what pip compiles for ARM, the printer's USB, letters for the screens, a voice.
PACKAGES = ("python3-venv", "python3-dev", "gcc", "libusb-1.0-0", "fonts-dejavu-core", "unattended-upgrades")
VOICE = ("espeak-ng",)
UPGRADES = """\
Unattended-Upgrade::Origins-Pattern { "origin=Debian,label=Debian-Security"; };
Unattended-Upgrade::Automatic-Reboot "true";
Unattended-Upgrade::Automatic-Reboot-Time "03:30";
"""
EVERY_DAY = 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
# Cards wear out by writing: the system's log stays in memory. Its own watchdog bites when the system stands still.
JOURNAL = "[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n"
WATCHDOG = "[Manager]\nRuntimeWatchdogSec=15s\nRebootWatchdogSec=2min\n"

SETUP = """\
#!/bin/sh
# Installs the agent from the card, starts it, and takes the secrets off the card's open part. Runs once.
set -eu
boot=/boot/firmware
[ -d "$boot" ] || boot=/boot
if command -v raspi-config >/dev/null; then
    raspi-config nonint do_i2c 0
    raspi-config nonint do_spi 0
fi
mkdir -p /opt/torn
(cd "$boot" && sha256sum --check --quiet torn.sha256)
tar -xzf "$boot/torn.tar.gz" -C /opt/torn --no-same-owner
python3 -m venv /opt/torn/.venv
/opt/torn/.venv/bin/pip install --quiet -c /opt/torn/constraints.txt '/opt/torn[devices]'
systemctl daemon-reload
systemctl enable --now torn-{kind}.service
systemctl restart systemd-journald
printf '#cloud-config\\n{{}}\\n' > "$boot/user-data"
rm -f "$boot/network-config" /var/lib/cloud/instances/*/user-data.txt* /var/lib/cloud/instances/*/cloud-config.txt
touch /etc/cloud/cloud-init.disabled
"""
READ_ONLY = "raspi-config nonint do_overlayfs 0  # from the next start on, nothing is written to the system's part\n"


def seed(fleet: Fleet, device: Device, keys: Keys) -> dict[str, bytes]:
    """The files for the card's boot partition; another certificate makes another instance, which begins anew."""
    proof = hashlib.sha256(keys[f"{device.id}.pem"]).hexdigest()[:12]
    return {
        "user-data": b"#cloud-config\n" + _json(user_data(fleet, device, keys)),
        "meta-data": _json({"instance-id": f"{device.id}-{proof}", "local-hostname": device.id}),
        "network-config": _json(network(fleet, device)),
    }


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def user_data(fleet: Fleet, device: Device, keys: Keys) -> dict[str, Any]:
    """cloud-init's main document."""
    machine = device.machine
    setup = SETUP.format(kind=device.kind) + (READ_ONLY if machine.read_only else "")
    document = {
        "hostname": device.id,
        "manage_etc_hosts": True,
        "timezone": device.office.timezone,
        "ssh_pwauth": False,
        "disable_root": True,
        "users": [*_technician(fleet), _agent()],
        "ntp": {"enabled": True, "ntp_client": "systemd-timesyncd", "servers": fleet.network.time_servers},
        "package_update": True,
        "packages": [*PACKAGES, *(VOICE if device.kind in ("dispenser", "board") else ())],
        "write_files": _files(fleet, device, keys, setup),
        "runcmd": [["sh", "/etc/torn/setup"]],
    }
    if machine.data:
        document["mounts"] = [[machine.data, "/var/lib/torn", "ext4", "defaults,noatime", "0", "2"]]
    if machine.read_only:
        document["power_state"] = {"mode": "reboot", "message": "The system's part is read-only from now on."}
    return document


def _technician(fleet: Fleet) -> list[dict[str, Any]]:
    """Who may sign in, by key alone; without a key, nobody."""
    if not fleet.raspberry.ssh_keys:
        return []
    rights = {"groups": "sudo", "shell": "/bin/bash", "sudo": "ALL=(ALL) NOPASSWD:ALL"}
    return [
        {"name": fleet.raspberry.user, "lock_passwd": True, "ssh_authorized_keys": fleet.raspberry.ssh_keys} | rights
    ]


def _agent() -> dict[str, Any]:
    return {"name": "torn", "system": True, "no_create_home": True, "shell": "/usr/sbin/nologin"}


def _files(fleet: Fleet, device: Device, keys: Keys, setup: str) -> list[dict[str, Any]]:
    """What is written onto the system. `defer`: after the user torn has been made."""
    secret = {
        f"/etc/torn/{device.kind}.toml": agent_settings(fleet, device),
        "/etc/torn/ca.pem": keys["ca.pem"].decode(),
        "/etc/torn/device.pem": keys[f"{device.id}.pem"].decode(),
        "/etc/torn/device.key": keys[f"{device.id}.key"].decode(),
    }
    plain = {
        f"/etc/systemd/system/torn-{device.kind}.service": units.agent(device.kind),
        "/etc/apt/apt.conf.d/20auto-upgrades": EVERY_DAY,
        "/etc/apt/apt.conf.d/52torn": UPGRADES,
        "/etc/systemd/journald.conf.d/torn.conf": JOURNAL,
        "/etc/systemd/system.conf.d/torn.conf": WATCHDOG,
        "/etc/torn/setup": setup,
    }
    rights = {"owner": "root:torn", "permissions": "0640", "defer": True}
    return [
        *({"path": path, "content": body, **rights} for path, body in secret.items()),
        *({"path": path, "content": body, "permissions": "0644"} for path, body in plain.items()),
    ]


def network(fleet: Fleet, device: Device) -> dict[str, Any]:
    """cloud-init's network configuration, version 2 (netplan's)."""
    machine, wifi = device.machine, fleet.network.wifi
    how: dict[str, Any] = {"dhcp4": True}
    if machine.address:
        how = {"dhcp4": False, "addresses": [machine.address]}
        if fleet.network.gateway:
            how["routes"] = [{"to": "default", "via": fleet.network.gateway}]
        if fleet.network.name_servers:
            how["nameservers"] = {"addresses": fleet.network.name_servers}
    if machine.wifi and wifi:
        points = {wifi.name: {"password": fleet.wifi_password}}
        how |= {"access-points": points, "regulatory-domain": wifi.country, "optional": True}
        return {"version": 2, "wifis": {"wlan0": how}}
    return {"version": 2, "ethernets": {"eth0": {**how, "optional": True}}}


def agent_settings(fleet: Fleet, device: Device, folder: str = "/etc/torn") -> str:
    """The agent's settings file, as docs/devices.md describes it."""
    data = {"data": "/var/lib/torn"} if device.kind == "dispenser" else {}
    proof = {"ca": f"{folder}/ca.pem", "certificate": f"{folder}/device.pem", "key": f"{folder}/device.key"}
    where = {"host": fleet.host_for(device), "port": CERTIFICATES}
    settings = {"device": device.id, **data, **device.machine.settings, "broker": where | proof}
    return "# Made by `python -m provisioning`: change fleet.toml instead.\n" + _toml_lines(settings)


def _toml_lines(table: dict[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_toml(value)}\n" for key, value in table.items())


def _key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else json.dumps(key)


def _toml(value: Any) -> str:
    """A value in TOML, on one line; texts and numbers are written as in JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
