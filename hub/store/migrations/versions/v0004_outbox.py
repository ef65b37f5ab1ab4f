"""What people are to be told of their appointments."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "outbox",
        Column("id", String(32), primary_key=True),
        Column("appointment", String(64), nullable=False),
        Column("notice", String(16), nullable=False),
        Column("state", String(16), nullable=False),
        Column("due", BigInteger, nullable=False),
        Column("tries", Integer, nullable=False),
        Column("next_at", BigInteger, nullable=False),
        Column("reason", String(200)),
    )
    op.create_index("outbox_by_time", "outbox", ["state", "next_at"])
    op.create_index("outbox_by_appointment", "outbox", ["appointment"])
