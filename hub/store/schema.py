"""The tables. Moments are milliseconds since 1970; the log is the truth, the rest can be rebuilt or expires."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

# The events of each office. UNIQUE (stream, seq) is what makes any number of hub processes safe.
log = Table(
    "log",
    metadata,
    Column("stream", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("event", Text, nullable=False),
    Index("log_by_kind", "stream", "kind", "seq"),
)

# One row a ticket, for reports; `python -m hub rebuild` makes it again from the log.
visits = Table(
    "visits",
    metadata,
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
    Column("forecast", Text),  # what the person was told, as JSON
    Index("visits_by_token", "token"),
)

# How far each dispenser's journal is stored, and what of it could not be applied.
journals = Table(
    "journals",
    metadata,
    Column("device", String(64), primary_key=True),
    Column("journal", String(64), primary_key=True),
    Column("stored", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("device", String(64), primary_key=True),
    Column("journal", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("fact", String(40), nullable=False),
    Column("ticket", String(36)),
    Column("refused", Text),  # the reason, or null
)

# What was answered to a press id or an idempotency key.
answers = Table(
    "answers",
    metadata,
    Column("scope", String(200), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request", String(64), nullable=False),  # a digest of what was asked
    Column("answer", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),  # by the database's clock
)

# The seq of each retained document.
topics = Table(
    "topics",
    metadata,
    Column("topic", String(200), primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

# What each machine last said of itself.
devices = Table(
    "devices",
    metadata,
    Column("device", String(64), primary_key=True),
    Column("health", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

staff = Table(
    "staff",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password", String(200), nullable=False),  # argon2id
    Column("role", String(16), nullable=False),
    Column("office", String(64)),  # null: every office
    Column("at", BigInteger, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256: the token itself is 256 random bits
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("office", String(64)),
    Column("at", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("staff", String(64), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
)

# Failed sign-ins, so that guessing is slow whichever process is asked.
failures = Table(
    "failures",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)
