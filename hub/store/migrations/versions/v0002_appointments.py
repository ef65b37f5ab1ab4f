"""Appointments, whose they are, and the agendas of the dispensers."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "appointments",
        Column("id", String(64), primary_key=True),
        Column("office", String(64), nullable=False),
        Column("services", Text, nullable=False),
        Column("start", BigInteger, nullable=False),
        Column("locator", String(9), nullable=False),
        Column("standing", String(16), nullable=False),
        Column("public", Boolean, nullable=False),
        Column("language", String(8), nullable=False),
        Column("grace_minutes", Integer, nullable=False),
        Column("held_until", BigInteger),
        Column("ticket", String(36)),
        Column("label", String(8)),
        Column("at", BigInteger, nullable=False),
    )
    op.create_index("appointments_by_locator", "appointments", ["locator"], unique=True)
    op.create_index("appointments_by_time", "appointments", ["office", "start"])
    op.create_index("appointments_by_ticket", "appointments", ["ticket"])
    op.create_table(
        "people",
        Column("appointment", String(64), primary_key=True),
        Column("secret", String(64), nullable=False),
        Column("kind", String(16)),
        Column("number", String(20)),
        Column("name", String(200), nullable=False),
        Column("email", String(254)),
        Column("phone", String(40)),
        Column("note", String(500)),
    )
    op.create_index("people_by_number", "people", ["number"])
    op.create_table(
        "looks",
        Column("id", Integer, primary_key=True),
        Column("at", BigInteger, nullable=False),
        Column("who", String(64), nullable=False),
        Column("what", String(40), nullable=False),
        Column("appointment", String(64), nullable=False),
    )
    op.create_index("looks_by_appointment", "looks", ["appointment"])
    op.create_table(
        "calendar",
        Column("office", String(64), primary_key=True),
        Column("day", String(10), primary_key=True),
        Column("bookings", BigInteger, nullable=False),
    )
    op.create_table(
        "agendas",
        Column("day", String(10), primary_key=True),
        Column("key", String(64), nullable=False),
    )
    op.create_table(
        "digests",
        Column("day", String(10), primary_key=True),
        Column("appointment", String(64), primary_key=True),
        Column("locator", String(64), nullable=False),
        Column("document", String(64)),
    )
