"""Which software this is. Whoever makes a bundle writes this file anew into it (docs/firmware.md)."""

VERSION = "0.1.0"
COUNTER = 0  # grows with every bundle: what is not above it is refused
BUILT = "2026-11-24T00:00:00.000Z"  # no clock is believed that says it is earlier
