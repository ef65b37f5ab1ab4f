"""Personal data is encrypted; what is there already is written anew, and the old table goes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column, Integer, LargeBinary, String

from hub.booking.appointments import Document, Kind, Person
from hub.store import keys
from hub.store.people import sealed
from hub.store.schema import people

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "keys",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("key", String(64), nullable=False),
    )
    old = op.get_bind().execute(sa.text("SELECT * FROM people")).mappings().all()
    op.drop_table("people")  # with its pages: an UPDATE would leave the old rows in PostgreSQL's file
    op.create_table(
        "people",
        Column("appointment", String(64), primary_key=True),
        Column("key", String(16), nullable=False),
        Column("parcel", LargeBinary, nullable=False),
        Column("document", String(40)),
        Column("email", String(40)),
        Column("phone", String(40)),
    )
    for name in ("document", "email", "phone", "key"):
        op.create_index(f"people_by_{name}", "people", [name])
    _seal(op.get_bind(), old)


def _seal(connection: sa.Connection, old: Sequence[sa.RowMapping]) -> None:
    if not old:
        return
    keys.make(connection)
    ring = keys.of(connection)
    rows = [{"appointment": each["appointment"], **sealed(ring, each["appointment"], *_owner(each))} for each in old]
    connection.execute(people.insert(), rows)


def _owner(row: sa.RowMapping) -> tuple[Person, str]:
    document = Document(Kind(row["kind"]), row["number"]) if row["kind"] else None
    return Person(row["name"], document, row["email"], row["phone"], row["note"]), row["secret"]
