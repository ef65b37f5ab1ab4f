"""systemd's units: each does with as few rights as it can, and is started again when it falls or stands still.

systemd.exec(5) and systemd.resource-control(5) say what each line does; docs/provisioning.md has the exposure of each.
"""

from __future__ import annotations

from collections.abc import Iterable

HARDENED = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectProc=invisible",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "PrivateTmp=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RemoveIPC=yes",
    "LockPersonality=yes",
    "KeyringMode=private",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
    "UMask=0077",
)
NO_HARDWARE = ("PrivateDevices=yes", "DevicePolicy=closed", "PrivateUsers=yes", "ProcSubset=pid")
ALIVE = ("Restart=always", "RestartSec=2")

# What a dispenser, a desk or a board may touch: pins, screens, printers, readers, sound. systemd leaves out what a
# machine has not. libusb watches for what is plugged in by netlink.
HARDWARE = (
    "DevicePolicy=closed",
    *(f"DeviceAllow=char-{kind} rw" for kind in ("gpiochip", "i2c", "spi", "usb_device", "usb", "lp", "input", "alsa")),
    *(f"DeviceAllow=char-{kind} rw" for kind in ("ttyACM", "ttyUSB", "ttyAMA")),
    "SupplementaryGroups=gpio i2c spi lp input audio dialout plugdev",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
)


def unit(about: str, service: Iterable[str], *, after: str = "", wanted_by: str = "multi-user.target") -> str:
    """A service's file. It is started again for ever: the limit of starts is taken away."""
    head = [f"Description=Torn: {about}", "StartLimitIntervalSec=0"]
    head += [f"After={after}", f"Wants={after}"] if after else []
    tail = ["", "[Install]", f"WantedBy={wanted_by}"] if wanted_by else []
    return "\n".join(["[Unit]", *head, "", "[Service]", *service, *tail]) + "\n"


def environment(name: str, value: str) -> str:
    """A line that sets a variable, whatever stands in it on one line (systemd.exec(5), Environment=)."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'Environment="{name}={escaped}"'


def agent(kind: str) -> str:
    """The unit of a Raspberry Pi's agent. It does not wait for the network: a dispenser gives numbers without one."""
    service = (
        "Type=notify",
        f"ExecStart=/opt/torn/.venv/bin/python -m devices {kind} --config /etc/torn/{kind}.toml",
        "WatchdogSec=60",
        *ALIVE,
        "User=torn",
        "StateDirectory=torn",
        "StateDirectoryMode=0700",
        "WorkingDirectory=%S/torn",
        "Environment=LG_WD=/tmp",  # where lgpio puts its pipe
        *HARDENED,
        *HARDWARE,
    )
    return unit(kind, service, after="time-sync.target")


def timer(about: str, when: str) -> str:
    """A timer's file: at this hour, or as soon as the machine is on again."""
    lines = ("[Unit]", f"Description=Torn: {about}", "", "[Timer]", f"OnCalendar={when}", "Persistent=true")
    return "\n".join([*lines, "RandomizedDelaySec=300", "", "[Install]", "WantedBy=timers.target"]) + "\n"
