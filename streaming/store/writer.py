"""The store as its one writer sees it: a worker's truth about its progress, in one SQLite file.

What a batch of input gave (events, learned state, the offsets it stands for, messages to publish) is written
in one transaction, so a worker that is killed at any point goes on as if nothing had happened.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from headwater.streaming.outbox import OutboxRow
from headwater.streaming.records import Command, CommandKind, Incident

from . import lock, rows, schema
from .batch import Batch, statements
from .database import check_version, existing, path_of, require_version, spoken, widen, writing_engine
from .reader import Reader
from .retention import Pruned, Retention, drop_messages, drop_old_ticks, shrink

__all__ = ["ATTEMPTS", "Checkpoint", "Store", "queue_command", "worker_running"]

ATTEMPTS = 3
"""How often a message may be rejected before it is set aside until the next start."""
_BUSY = 5.0
_PRUNE_EVERY = 60.0
_MESSAGES_KEPT = 86400.0


class Checkpoint(NamedTuple):
    """Where the last commit left off."""

    snapshots: dict[tuple[str, str], tuple[str, bytes]]  # (system, part) → (settings hash, bytes)
    offsets: dict[tuple[str, int], int]  # (topic, partition) → next offset
    incidents: dict[tuple[str, str], Incident]  # (system, id) → those that are not closed
    newest: dict[str, float]  # system → time of its newest tick
    status: dict[str, dict[str, Any]]


class Store:
    """The worker's store: one connection that writes, and a lock that keeps other workers out.

    Parameters
    ----------
    url
        ``sqlite:///path``, or ``sqlite://`` for one in memory, which needs no lock.
    clock
        Seconds since the epoch; only for columns that say when something was written.
    retention
        What is dropped, at most once a minute, after a commit, and on close. A file that is far too large shrinks
        by a step with each commit.

    Raises
    ------
    StoreLocked
        If another worker has it.
    StoreNewer, StoreError
        If it was written by a newer headwater, by another program, or cannot be written.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time, retention: Retention | None = None) -> None:
        self.url = url
        self._path = path_of(url)
        self._clock = clock
        self._retention = retention or Retention()
        self._pruned_at = clock()
        self._stack = ExitStack()
        try:
            if self._path:
                self._stack.enter_context(lock.sole_worker(self._path))
            self._engine = writing_engine(self._path, wait=_BUSY)
            self._stack.callback(self._engine.dispose)
            self._prepare()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._stack.close()  # writes nothing more: on a full disk that would hide what happened

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction: all of it is on disk at the end of the block, or nothing."""
        with ExitStack() as stack:
            if self._path:
                stack.enter_context(lock.writing(self._path, wait=_BUSY))
            stack.enter_context(spoken(self._path))
            yield stack.enter_context(self._engine.begin())

    def _prepare(self) -> None:
        with self._writing() as connection:
            if not check_version(connection, self._path):
                schema.metadata.create_all(connection)
                created = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")
                values = {"schema_version": str(schema.SCHEMA_VERSION), "created": created}
                connection.execute(insert(schema.meta), [{"key": k, "value": v} for k, v in values.items()])
            else:
                widen(connection)
            set_aside = schema.outbox.c.published.is_(None) & (schema.outbox.c.attempts > 0)
            connection.execute(update(schema.outbox).where(set_aside).values(attempts=0))

    def load(self) -> Checkpoint:
        """Read where the last commit left off."""
        s = schema
        with spoken(self._path), self._engine.begin() as connection:
            incidents = connection.execute(select(s.incident.c.payload).where(s.incident.c.closed.is_(None)))
            open_ones = [rows.decode(Incident, payload) for (payload,) in incidents]
            newest = connection.execute(select(s.tick.c.system, func.max(s.tick.c.time)).group_by(s.tick.c.system))
            status = connection.execute(select(s.status.c.key, s.status.c.value))
            return Checkpoint(
                {(r.system, r.part): (r.settings, r.data) for r in connection.execute(select(s.snapshot))},
                {(r.topic, r.partition): r.next for r in connection.execute(select(s.offset))},
                {(incident.system, incident.id): incident for incident in open_ones},
                {system: float(time) for system, time in newest},
                {key: msgspec.json.decode(value) for key, value in status},
            )

    def commit(self, batch: Batch) -> Pruned | None:
        """Write `batch` in one transaction; it is on disk on return. Then drop what is too old, if it is time.

        Raises
        ------
        StoreFull
            If the disk is full: nothing of the batch was kept.
        """
        with self._writing() as connection:
            for statement, parameters in statements(batch, self._clock()):
                connection.execute(statement, parameters)
        return None if 0 <= self._clock() - self._pruned_at < _PRUNE_EVERY else self.prune()

    def prune(self) -> Pruned:
        """Drop what the retention does not keep; of a file that is too large, one step's worth."""
        self._pruned_at = self._clock()
        keep = self._retention
        with self._writing() as connection:
            old = drop_old_ticks(connection, keep.ticks) if keep.ticks is not None else 0
            messages = drop_messages(connection, self._clock() - _MESSAGES_KEPT)
        if keep.size is None:
            return Pruned(old, 0, messages)
        with self._writing() as connection:
            step, more = shrink(connection, keep.size)
        if more:
            self._pruned_at = -math.inf  # the next commit goes on
        return Pruned(old, step.ticks, messages + step.messages)

    def pending(self, limit: int = 500) -> list[OutboxRow]:
        """Messages to publish, in the order in which they came up."""
        o = schema.outbox.c
        wanted = select(o.id, o.topic, o.key, o.value).where(o.published.is_(None), o.attempts < ATTEMPTS)
        with spoken(self._path), self._engine.begin() as connection:
            return [OutboxRow(*row) for row in connection.execute(wanted.order_by(o.seq).limit(limit))]

    def unpublished(self) -> tuple[int, dict[str, int]]:
        """Count the messages that wait, and by topic those that were set aside because they were rejected."""
        o = schema.outbox.c
        aside = (o.attempts >= ATTEMPTS).label("aside")
        counts = select(o.topic, aside, func.count()).where(o.published.is_(None)).group_by(o.topic, aside)
        with spoken(self._path), self._engine.begin() as connection:
            found = connection.execute(counts).all()
        return sum(n for _, aside, n in found if not aside), {topic: n for topic, aside, n in found if aside}

    def published(self, ids: Iterable[str]) -> None:
        """Mark messages as acknowledged by the broker."""
        self._mark(ids, published=self._clock())

    def failed(self, ids: Iterable[str]) -> None:
        """Count a rejection; after `ATTEMPTS` of them a message is set aside and no longer in others' way."""
        self._mark(ids, attempts=schema.outbox.c.attempts + 1)

    def _mark(self, ids: Iterable[str], **values: Any) -> None:
        wanted = list(ids)
        if wanted:
            with self._writing() as connection:
                connection.execute(update(schema.outbox).where(schema.outbox.c.id.in_(wanted)).values(**values))

    def waiting_commands(self) -> list[Command]:
        """Commands that nobody has answered yet, oldest first."""
        c = schema.command.c
        wanted = select(c.id, c.system, c.kind, c.incident, c.by, c.note, c.cause, c.effect)
        wanted = wanted.where(c.state == "waiting").order_by(c.id)
        with spoken(self._path), self._engine.begin() as connection:
            return [Command(*row) for row in connection.execute(wanted)]

    def reader(self) -> Reader:
        """A reader of this store, also of one in memory; for the thread that writes."""
        return Reader(self.url, engine=self._engine)

    def close(self) -> None:
        """Drop what is too old, close the file, and let other workers in."""
        try:
            if self._retention.ticks is not None:
                with self._writing() as connection:
                    drop_old_ticks(connection, self._retention.ticks)
        finally:
            self._stack.close()


def queue_command(
    url: str,
    *,
    system: str,
    kind: CommandKind,
    incident: str = "",
    by: str = "",
    note: str = "",
    cause: str = "",
    effect: str = "",
    clock: Callable[[], float] = time.time,
    wait: float = 2.0,
) -> int:
    """Ask the store's worker for something (see `Command`); return the number. With no worker it waits for one.

    Raises
    ------
    StoreMissing, StoreLocked
        If there is no store, or if others have been writing it for `wait` seconds.
    """
    path = existing(url)
    values = {"system": system, "kind": kind, "incident": incident, "by": by, "note": note}
    values |= {"cause": cause, "effect": effect}
    with lock.writing(path, wait=wait), spoken(path), ExitStack() as stack:
        engine = writing_engine(path, wait=wait, checkpoints=False)
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.begin())
        require_version(connection, path)
        widen(connection)
        added = insert(schema.command).values(**values, queued=clock()).returning(schema.command.c.id)
        return int(connection.execute(added).scalar_one())


def worker_running(url: str) -> bool:
    """Tell whether a worker has the store open."""
    path = path_of(url)
    return path is not None and lock.worker_running(path)
