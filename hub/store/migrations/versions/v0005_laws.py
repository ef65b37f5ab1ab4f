"""What the forecast has learned."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, Text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "laws",
        Column("office", String(64), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("until", String(10), nullable=False),
        Column("body", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
    )
