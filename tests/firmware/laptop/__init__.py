"""Stand-ins for a microcontroller's own modules, and a button on a laptop; see README.md."""
