"""The first tables."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "log",
        Column("stream", String(64), primary_key=True),
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("at", BigInteger, nullable=False),
        Column("kind", String(40), nullable=False),
        Column("event", Text, nullable=False),
    )
    op.create_index("log_by_kind", "log", ["stream", "kind", "seq"])
    op.create_table(
        "visits",
        Column("office", String(64), primary_key=True),
        Column("day", String(10), primary_key=True),
        Column("ticket", String(36), primary_key=True),
        Column("token", String(86), nullable=False),
        Column("label", String(8), nullable=False),
        Column("service", String(64), nullable=False),
        Column("origin", String(64), nullable=False),
        Column("priority", Boolean, nullable=False),
        Column("appointment", String(64)),
        Column("issued", BigInteger, nullable=False),
        Column("called", BigInteger),
        Column("started", BigInteger),
        Column("finished", BigInteger),
        Column("desk", String(64)),
        Column("outcome", String(16), nullable=False),
        Column("forecast", Text),
    )
    op.create_index("visits_by_token", "visits", ["token"])
    op.create_table(
        "journals",
        Column("device", String(64), primary_key=True),
        Column("journal", String(64), primary_key=True),
        Column("stored", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
    )
    op.create_table(
        "facts",
        Column("device", String(64), primary_key=True),
        Column("journal", String(64), primary_key=True),
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("at", BigInteger, nullable=False),
        Column("fact", String(40), nullable=False),
        Column("ticket", String(36)),
        Column("refused", Text),
    )
    op.create_table(
        "answers",
        Column("scope", String(200), primary_key=True),
        Column("key", String(200), primary_key=True),
        Column("request", String(64), nullable=False),
        Column("answer", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
    )
    op.create_table(
        "leases",
        Column("name", String(80), primary_key=True),
        Column("holder", String(64), nullable=False),
        Column("term", BigInteger, nullable=False),
        Column("until", BigInteger, nullable=False),
    )
    op.create_table(
        "topics",
        Column("topic", String(200), primary_key=True),
        Column("seq", BigInteger, nullable=False),
    )
    op.create_table(
        "devices",
        Column("device", String(64), primary_key=True),
        Column("health", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
    )
    op.create_table(
        "staff",
        Column("name", String(64), primary_key=True),
        Column("password", String(200), nullable=False),
        Column("role", String(16), nullable=False),
        Column("office", String(64)),
        Column("at", BigInteger, nullable=False),
    )
    op.create_table(
        "tokens",
        Column("digest", String(64), primary_key=True),
        Column("name", String(64), nullable=False),
        Column("role", String(16), nullable=False),
        Column("office", String(64)),
        Column("at", BigInteger, nullable=False),
    )
    op.create_table(
        "sessions",
        Column("digest", String(64), primary_key=True),
        Column("staff", String(64), nullable=False),
        Column("created", BigInteger, nullable=False),
        Column("used", BigInteger, nullable=False),
    )
    op.create_table(
        "failures",
        Column("name", String(64), primary_key=True),
        Column("count", Integer, nullable=False),
        Column("at", BigInteger, nullable=False),
    )
