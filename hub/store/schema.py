"""The tables. Moments are milliseconds since 1970; the log is the truth, the rest can be rebuilt or expires."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

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
    Column("token", String(512), nullable=False),
    Column("label", String(8), nullable=False),
    Column("service", String(64), nullable=False),
    Column("origin", String(64), nullable=False),
    Column("priority", Boolean, nullable=False),
    Column("appointment", String(64)),
    Column("issued", BigInteger, nullable=False),
    Column("first_called", BigInteger),  # null in what is older than this column
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
    Column("password", String(200), nullable=False),  # argon2id; empty for who signs in at a provider
    Column("at", BigInteger, nullable=False),
    Column("issuer", String(255)),  # with `subject`: who it is at the provider (OpenID Connect Core, 5.7)
    Column("subject", String(255)),
    Index("staff_by_subject", "issuer", "subject", unique=True),
)

# What each account may do where; no office is every office.
grants = Table(
    "grants",
    metadata,
    Column("staff", String(64), primary_key=True),
    Column("office", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
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
    Column("exports_until", BigInteger),  # who has just proved again who they are may export until then
    Column("id_token", Text),  # what the provider said, to sign out there too
    Index("sessions_by_staff", "staff"),
)

# Failed sign-ins, so that guessing is slow whichever process is asked.
failures = Table(
    "failures",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# Booked hours. Nothing here says whose they are.
appointments = Table(
    "appointments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("office", String(64), nullable=False),
    Column("services", Text, nullable=False),  # JSON
    Column("start", BigInteger, nullable=False),
    Column("locator", String(9), nullable=False),
    Column("standing", String(16), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("language", String(8), nullable=False),
    Column("grace_minutes", Integer, nullable=False),
    Column("held_until", BigInteger),
    Column("ticket", String(36)),  # with which it checked in
    Column("label", String(8)),
    Column("at", BigInteger, nullable=False),  # booked, or changed last
    Index("appointments_by_locator", "locator", unique=True),
    Index("appointments_by_time", "office", "start"),
    Index("appointments_by_ticket", "ticket"),
)

# All personal data there is, erased some days after the appointment. The parcel is encrypted (hub/store/keys.py).
people = Table(
    "people",
    metadata,
    Column("appointment", String(64), primary_key=True),
    Column("key", String(16), nullable=False),  # the name of the key
    Column("parcel", LargeBinary, nullable=False),  # name, document, addresses, note, and the secret of the link
    Column("document", String(40)),  # keyed digests, to find them by
    Column("email", String(40)),
    Column("phone", String(40)),
    Index("people_by_document", "document"),
    Index("people_by_email", "email"),
    Index("people_by_phone", "phone"),
    Index("people_by_key", "key"),
)

# The key of the personal data, as long as the environment has none.
keys = Table(
    "keys",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key", String(64), nullable=False),
)

# What people are to be told of their appointments; neither addresses nor texts.
outbox = Table(
    "outbox",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("appointment", String(64), nullable=False),
    Column("notice", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),  # by the database's clock
    Column("reason", String(200)),  # why it could not be sent
    Index("outbox_by_time", "state", "next_at"),
    Index("outbox_by_appointment", "appointment"),
)

# Phones that asked to be told of their ticket while they are locked; each row goes with its ticket.
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", String(40), primary_key=True),  # a digest of ticket and address
    Column("office", String(64), nullable=False),
    Column("ticket", String(36), nullable=False),
    Column("key", String(16), nullable=False),  # the name of the key
    Column("parcel", LargeBinary, nullable=False),  # where to push, and the phone's own keys; encrypted
    Column("language", String(8), nullable=False),
    Column("walk", Integer, nullable=False),  # minutes of way back; 0: not set
    Column("warn", Integer, nullable=False),  # so many ahead; 0: not set
    Column("told", Text, nullable=False),  # JSON: what it was told so far
    Column("at", BigInteger, nullable=False),
    Column("notice", String(16)),  # what is to be pushed now, or null
    Column("due", BigInteger),  # since when; by the database's clock, as the next
    Column("next_at", BigInteger),
    Column("tries", Integer, nullable=False),
    Index("subscriptions_by_ticket", "office", "ticket"),
    Index("subscriptions_by_time", "next_at"),
)

# Who looked at whose data, and when.
looks = Table(
    "looks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String(64), nullable=False),
    Column("what", String(40), nullable=False),
    Column("appointment", String(64), nullable=False),
    Index("looks_by_appointment", "appointment"),
    Index("looks_by_time", "at"),
)

# What the staff did that stands neither in the log nor among the looks. A trigger refuses changes.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String(64), nullable=False),
    Column("what", String(40), nullable=False),
    Column("office", String(64)),  # null: it is of no office
    Column("about", String(200), nullable=False),  # an account's name, an appointment's id
    Index("audit_by_time", "at"),
)

# One row for each day of an office that has bookings: who books locks it. `bookings` grows with every change.
calendar = Table(
    "calendar",
    metadata,
    Column("office", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("bookings", BigInteger, nullable=False),
)

# The key of each day's agenda, and the digests made with it: slow to make, so they are made once.
agendas = Table(
    "agendas",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("key", String(64), nullable=False),
)

digests = Table(
    "digests",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("appointment", String(64), primary_key=True),
    Column("locator", String(64), nullable=False),
    Column("document", String(64)),
)

# What the forecast has learned of each office: each version stays, the newest counts.
laws = Table(
    "laws",
    metadata,
    Column("office", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("until", String(10), nullable=False),  # the last day it has learned from
    Column("body", Text, nullable=False),  # JSON
    Column("at", BigInteger, nullable=False),
)
