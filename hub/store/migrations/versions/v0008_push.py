"""Phones that are told of their ticket while they are locked; when somebody was called first."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Text

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "subscriptions",
        Column("id", String(40), primary_key=True),
        Column("office", String(64), nullable=False),
        Column("ticket", String(36), nullable=False),
        Column("key", String(16), nullable=False),
        Column("parcel", LargeBinary, nullable=False),
        Column("language", String(8), nullable=False),
        Column("walk", Integer, nullable=False),
        Column("warn", Integer, nullable=False),
        Column("told", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("notice", String(16)),
        Column("due", BigInteger),
        Column("next_at", BigInteger),
        Column("tries", Integer, nullable=False),
    )
    op.create_index("subscriptions_by_ticket", "subscriptions", ["office", "ticket"])
    op.create_index("subscriptions_by_time", "subscriptions", ["next_at"])
    op.add_column("visits", Column("first_called", BigInteger))
