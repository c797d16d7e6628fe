"""What the store forgets: old ticks first. Never an incident, its events, its rankings or its evidence."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select

from .schema import outbox, tick

__all__ = ["SET_ASIDE", "Pruned", "Retention", "drop_messages", "drop_old_ticks", "shrink"]

SET_ASIDE = 10_000
"""How many messages that could not be published are kept."""
_SHARE = 0.1


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


def _vacuum(connection: Connection) -> None:
    """Give free pages back to the file system."""
    driver: Any = connection.connection.driver_connection
    for _ in range(_pragma(connection, "freelist_count")):
        driver.execute("PRAGMA incremental_vacuum")  # the driver takes one step of it, and each step frees one page


def _excess(connection: Connection, size: int) -> float:
    """Share of the file that is too much."""
    pages = _pragma(connection, "page_count")
    return 1.0 - size / (pages * _pragma(connection, "page_size"))


def _drop_share(connection: Connection, share: float) -> int:
    """Drop the oldest `share` of each system's ticks."""
    dropped = 0
    counts = connection.execute(select(tick.c.system, func.count()).group_by(tick.c.system)).all()
    for system, count in counts:
        mine = select(tick.c.time).where(tick.c.system == system).order_by(tick.c.time)
        last = mine.limit(1).offset(min(count - 1, int(share * count))).scalar_subquery()
        dropped += connection.execute(delete(tick).where(tick.c.system == system, tick.c.time <= last)).rowcount
    return dropped


def shrink(connection: Connection, size: int) -> Pruned:
    """Take one step towards a file of `size` bytes, at the cost of published messages and the oldest ticks.

    A step drops at most a tenth of the ticks, so that its transaction stays small. Empty when nothing is left to do.
    """
    if _excess(connection, size) <= 0:
        return Pruned()
    _vacuum(connection)
    if (excess := _excess(connection, size)) <= 0:
        return Pruned()
    messages = connection.execute(delete(outbox).where(outbox.c.published.is_not(None))).rowcount
    ticks = _drop_share(connection, min(excess, _SHARE))
    _vacuum(connection)
    return Pruned(ticks=ticks, messages=messages)
