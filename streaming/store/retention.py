"""What the store forgets: old ticks first. Never an incident, its events, its rankings or its evidence."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select

from .schema import outbox, tick

__all__ = ["SET_ASIDE", "Pruned", "Retention", "drop_messages", "drop_old_ticks", "shrink"]

SET_ASIDE = 10_000
"""How many messages that could not be published are kept."""
_PAGES = 10_000  # freed in one step: 40 MB
_MESSAGES = 10_000  # dropped in one step


class Retention(NamedTuple):
    """How much is kept; None: all of it."""

    ticks: float | None = 86400.0  # seconds before the newest tick of the system: row time, so old recordings work
    size: int | None = 2_000_000_000  # bytes of the database file


class Pruned(NamedTuple):
    """How many rows were dropped, and why."""

    old_ticks: int = 0  # beyond their age
    ticks: int = 0  # within their age: the file was too large
    messages: int = 0  # published long ago, or too many that could not be published

    def __str__(self) -> str:
        return (
            f"dropped {self.old_ticks} ticks for their age, {self.ticks} more for the size of the store, "
            f"and {self.messages} messages"
        )


def drop_old_ticks(connection: Connection, age: float) -> int:
    """Drop the ticks that are more than `age` seconds of row time older than the newest of their system."""
    newest = connection.execute(select(tick.c.system, func.max(tick.c.time)).group_by(tick.c.system)).all()
    older = (delete(tick).where(tick.c.system == system, tick.c.time < time - age) for system, time in newest)
    return sum(connection.execute(statement).rowcount for statement in older)


def drop_messages(connection: Connection, published_before: float) -> int:
    """Drop messages that were published before that time, and all but the newest that cannot be published."""
    old = delete(outbox).where(outbox.c.published < published_before)
    waiting = select(outbox.c.seq).where(outbox.c.published.is_(None), outbox.c.attempts > 0)
    kept = waiting.order_by(outbox.c.seq.desc()).limit(SET_ASIDE).subquery()
    oldest_kept = select(func.min(kept.c.seq)).scalar_subquery()
    too_many = delete(outbox).where(outbox.c.published.is_(None), outbox.c.attempts > 0, outbox.c.seq < oldest_kept)
    return connection.execute(old).rowcount + connection.execute(too_many).rowcount


def _pragma(connection: Connection, text: str) -> int:
    row = connection.exec_driver_sql(f"PRAGMA {text}").fetchone()
    return int(row[0]) if row else 0


def _vacuum(connection: Connection) -> int:
    """Give free pages back to the file system, at most `_PAGES`; return how many."""
    driver: Any = connection.connection.driver_connection
    free = min(_pragma(connection, "freelist_count"), _PAGES)
    for _ in range(free):
        driver.execute("PRAGMA incremental_vacuum")  # the driver takes one step of it, and each step frees one page
    return free


def _drop_published(connection: Connection) -> int:
    """Drop the oldest published messages."""
    oldest = select(outbox.c.seq).where(outbox.c.published.is_not(None)).order_by(outbox.c.seq).limit(_MESSAGES)
    return connection.execute(delete(outbox).where(outbox.c.seq.in_(oldest))).rowcount


def _drop_share(connection: Connection, share: float) -> int:
    """Drop the oldest `share` of each system's ticks."""
    dropped = 0
    counts = connection.execute(select(tick.c.system, func.count()).group_by(tick.c.system)).all()
    for system, count in counts:
        mine = select(tick.c.time).where(tick.c.system == system).order_by(tick.c.time)
        last = mine.limit(1).offset(min(count - 1, int(share * count))).scalar_subquery()
        dropped += connection.execute(delete(tick).where(tick.c.system == system, tick.c.time <= last)).rowcount
    return dropped


def shrink(connection: Connection, size: int) -> tuple[Pruned, bool]:
    """Take one step towards a file of `size` bytes; return what it cost, and whether there is more to do.

    First free pages go, then published messages, then the oldest ticks. A step moves at most `_PAGES` pages of each
    kind, so it takes about half a second, however much too large the file is.
    """
    pages = _pragma(connection, "page_count")
    excess = pages - size // _pragma(connection, "page_size")
    if excess <= 0:
        return Pruned(), False
    excess -= _vacuum(connection)
    if excess <= 0 or _pragma(connection, "freelist_count"):
        return Pruned(), excess > 0
    messages = _drop_published(connection)
    ticks = 0 if messages else _drop_share(connection, min(excess, _PAGES) / pages)
    _vacuum(connection)
    return Pruned(ticks=ticks, messages=messages), bool(ticks or messages)
