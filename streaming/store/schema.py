"""The tables of the store, for SQLite now and PostgreSQL later. docs/store.md describes them for other readers.

The key of whatever belongs to a system starts with `system`. Columns in `WALL_CLOCK` depend on when the
worker ran; all others are the same for the same input, however often the worker was killed on the way.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

__all__ = [
    "SCHEMA_VERSION",
    "WALL_CLOCK",
    "command",
    "event",
    "evidence",
    "incident",
    "meta",
    "metadata",
    "offset",
    "outbox",
    "ranking",
    "series",
    "snapshot",
    "status",
    "tick",
]

SCHEMA_VERSION = 1

WALL_CLOCK = {
    "meta": {"value"},
    "incident": {"late"},
    "outbox": {"seq", "attempts", "published"},
    "command": {"queued", "applied"},
    "status": {"value", "updated"},
}
"""Table → columns that a replay need not repeat."""

metadata = MetaData()

meta = Table(  # schema_version, created
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)

snapshot = Table(  # what each part of a system's pipeline has learned, with the hash of the settings it used
    "snapshot",
    metadata,
    Column("system", String, primary_key=True),
    Column("part", String, primary_key=True),
    Column("settings", String, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

offset = Table(  # the next offset to read; the truth about progress
    "offset",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next", BigInteger, nullable=False),
)

outbox = Table(  # published after the commit, under an id that a repeat has again
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),  # the order to publish in
    Column("id", String, nullable=False, unique=True),
    Column("topic", String, nullable=False),
    Column("key", String, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("published", Float),  # wall clock; null: still to do
)
Index("outbox_published", outbox.c.published, outbox.c.attempts)

series = Table(
    "series",
    metadata,
    Column("system", String, primary_key=True),
    Column("slot", Integer, primary_key=True),  # index into a tick's blobs
    Column("entity", String, nullable=False),
    Column("metric", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("unit", String, nullable=False),
    Column("direction", String, nullable=False),
)

tick = Table(  # one aligned row; blobs are little-endian float32, one per slot known at that time
    "tick",
    metadata,
    Column("system", String, primary_key=True),
    Column("time", Float, primary_key=True),
    Column("values", LargeBinary, nullable=False),
    Column("scores", LargeBinary, nullable=False),
    Column("joint", Float),  # null: unknown
    Column("learning", Float, nullable=False),
)

event = Table(  # Triggered and Changed, as JSON; with `ranking` the audit trail and the timeline
    "event",
    metadata,
    Column("system", String, primary_key=True),
    Column("time", Float, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("type", String, nullable=False),  # triggered | changed
    Column("incident", String, nullable=False),  # empty: none
    Column("payload", Text, nullable=False),
)
Index("event_incident", event.c.system, event.c.incident)

incident = Table(  # the newest state of each incident; `payload` is the whole Incident as JSON
    "incident",
    metadata,
    Column("system", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("rca", String, nullable=False),
    Column("onset", Float, nullable=False),
    Column("opened", Float, nullable=False),
    Column("closed", Float),
    Column("cause", String, nullable=False),
    Column("service", String, nullable=False),
    Column("late", Boolean, nullable=False, default=False),  # found while a backlog was worked off
    Column("payload", Text, nullable=False),
)

ranking = Table(  # Ranked, one row a batch; `payload` is the whole of it as JSON
    "ranking",
    metadata,
    Column("system", String, primary_key=True),
    Column("incident", String, primary_key=True),
    Column("batch", Integer, primary_key=True),
    Column("time", Float, nullable=False),
    Column("n", Integer, nullable=False),
    Column("payload", Text, nullable=False),
)

evidence = Table(  # the raw window round an onset, so that retention cannot erase it
    "evidence",
    metadata,
    Column("system", String, primary_key=True),
    Column("incident", String, primary_key=True),
    Column("names", Text, nullable=False),  # JSON list of entity|metric
    Column("times", LargeBinary, nullable=False),  # float64[T]
    Column("values", LargeBinary, nullable=False),  # float32[T, d]
)

command = Table(  # appended by anyone, applied by the worker alone
    "command",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("system", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("incident", String, nullable=False),
    Column("by", String, nullable=False),
    Column("note", Text, nullable=False),
    Column("cause", String, nullable=False, server_default=""),  # of an edge, or of a verdict
    Column("effect", String, nullable=False, server_default=""),
    Column("queued", Float, nullable=False),  # wall clock
    Column("state", String, nullable=False, default="waiting"),  # waiting | applied | refused
    Column("answer", Text, nullable=False, default=""),
    Column("row_time", Float),  # its place in the input: after the row of this time
    Column("applied", Float),  # wall clock
)
Index("command_state", command.c.state)

status = Table(  # heartbeat, lag, counters: one JSON object a key
    "status",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated", Float, nullable=False),
)
