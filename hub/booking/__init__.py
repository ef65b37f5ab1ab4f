"""Appointments before the day: which hours are free, and for whom. Pure; the store keeps what comes of it."""
