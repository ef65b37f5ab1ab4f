"""Longer tokens of tickets: 22 characters are the least, not the rule."""

from alembic import op
from sqlalchemy import String

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    with op.batch_alter_table("visits") as visits:
        visits.alter_column("token", type_=String(512), existing_type=String(86), existing_nullable=False)
