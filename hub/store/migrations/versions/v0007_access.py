"""Roles per office, accounts of a sign-in provider, exports for a while, and the audit trail."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, Text

revision = "0007"
down_revision = "0006"

KEPT = 2 * 366 * 86_400_000  # ms: what is younger cannot be deleted (as long as hub/store/audit.py says)
REFUSED = "the audit trail is only ever added to"
SQLITE = (
    f"CREATE TRIGGER audit_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END",
    "CREATE TRIGGER audit_delete BEFORE DELETE ON audit "
    f"WHEN OLD.at > CAST(strftime('%s', 'now') AS INTEGER) * 1000 - {KEPT} "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END",
)
POSTGRESQL = (
    "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"IF TG_OP = 'DELETE' AND OLD.at <= extract(epoch FROM now()) * 1000 - {KEPT} THEN RETURN OLD; END IF; "
    f"RAISE EXCEPTION '{REFUSED}'; END $$",
    "CREATE TRIGGER audit_update BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
)


def upgrade() -> None:
    op.create_table(
        "grants",
        Column("staff", String(64), primary_key=True),
        Column("office", String(64), primary_key=True),
        Column("role", String(16), nullable=False),
    )
    op.execute("INSERT INTO grants (staff, office, role) SELECT name, COALESCE(office, ''), role FROM staff")
    op.drop_column("staff", "role")
    op.drop_column("staff", "office")
    op.add_column("staff", Column("issuer", String(255)))
    op.add_column("staff", Column("subject", String(255)))
    op.create_index("staff_by_subject", "staff", ["issuer", "subject"], unique=True)
    op.add_column("sessions", Column("exports_until", BigInteger))
    op.add_column("sessions", Column("id_token", Text))
    op.create_index("sessions_by_staff", "sessions", ["staff"])
    op.create_index("looks_by_time", "looks", ["at"])
    op.create_table(
        "audit",
        Column("id", Integer, primary_key=True),
        Column("at", BigInteger, nullable=False),
        Column("who", String(64), nullable=False),
        Column("what", String(40), nullable=False),
        Column("office", String(64)),
        Column("about", String(200), nullable=False),
    )
    op.create_index("audit_by_time", "audit", ["at"])
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
