"""The store as everyone but its worker sees it: read-only, and consistent while the worker writes."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Select, func, literal, select

from headwater.streaming.errors import HeadwaterError, nearest
from headwater.streaming.records import Changed, EvidenceWindow, Incident, Ranked, Series, Triggered

from . import rows, schema
from .database import existing, path_of, reading_engine, require_version, spoken

__all__ = ["CommandRow", "Reader", "StatusRow", "Ticks", "contents"]


class Ticks(NamedTuple):
    """Rows of one system in time order; the columns are those of `Reader.series`. NaN where nothing is known."""

    times: NDArray[np.float64]  # [n]
    values: NDArray[np.float32]  # [n, d]
    scores: NDArray[np.float32]  # [n, d], 1 = alarm
    joint: NDArray[np.float64]  # [n], 1 = alarm
    learning: NDArray[np.float64]  # [n], 1 = watching


class StatusRow(NamedTuple):
    """What the worker last said about one thing, and when (wall clock)."""

    value: dict[str, Any]
    updated: float


class CommandRow(NamedTuple):
    """A command and what became of it."""

    id: int
    system: str
    kind: str
    incident: str
    by: str
    note: str
    cause: str
    effect: str
    queued: float  # wall clock
    state: str  # waiting | applied | refused
    answer: str
    row_time: float | None
    applied: float | None  # wall clock


class Reader:
    """Reads a store, and cannot write it. Each call sees one state of the store; see also `at_once`.

    Raises
    ------
    StoreMissing
        If there is no store at `url`.
    StoreNewer, StoreError
        If it was written by a newer headwater or by another program.
    """

    def __init__(self, url: str, *, engine: Engine | None = None) -> None:
        self._path = path_of(url) if engine else existing(url)
        self._engine = engine or reading_engine(existing(url))
        self._lent = engine is not None
        self._shared: Connection | None = None
        with self._reading() as connection:
            require_version(connection, self._path)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._shared is not None:
            yield self._shared
            return
        with spoken(self._path), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def at_once(self) -> Iterator["Reader"]:
        """A reader whose calls all see one and the same state of the store. Keep the block short."""
        with self._reading() as connection:
            view = copy(self)
            view._shared = connection
            yield view

    def _rows(self, query: Select[Any]) -> list[Any]:
        with self._reading() as connection:
            return list(connection.execute(query))

    def systems(self) -> list[str]:
        """Names of all systems, sorted."""
        query = select(schema.series.c.system).distinct().order_by(schema.series.c.system)
        return [system for (system,) in self._rows(query)]

    def series(self, system: str) -> tuple[Series, ...]:
        """Columns of `system`, in the order of `Ticks.values`."""
        s = schema.series.c
        query = select(s.system, s.entity, s.metric, s.kind, s.unit, s.direction)
        return tuple(Series(*row) for row in self._rows(query.where(s.system == system).order_by(s.slot)))

    def ticks(self, system: str, since: float | None = None, until: float | None = None) -> Ticks:
        """Rows of `system` with ``since <= time <= until``."""
        t = schema.tick.c
        query = select(t.time, t["values"], t.scores, t.joint, t.learning).where(t.system == system).order_by(t.time)
        query = query if since is None else query.where(t.time >= since)
        query = query if until is None else query.where(t.time <= until)
        with self.at_once() as view:
            found, width = view._rows(query), len(view.series(system))
        times, values, scores, joint, learning = zip(*found, strict=True) if found else ((),) * 5
        return Ticks(
            np.array(times, np.float64),
            _matrix(values, width),
            _matrix(scores, width),
            np.array(joint, np.float64),
            np.array(learning, np.float64),
        )

    def newest(self, system: str) -> float | None:
        """Time of the newest row of `system`; None if there is none."""
        ((time,),) = self._rows(select(func.max(schema.tick.c.time)).where(schema.tick.c.system == system))
        return None if time is None else float(time)

    def incidents(self, system: str | None = None, state: str | None = None, limit: int = 100) -> list[Incident]:
        """Incidents, newest first."""
        i = schema.incident.c
        query = select(i.payload).order_by(i.opened.desc(), i.system, i.id.desc()).limit(limit)
        query = query if system is None else query.where(i.system == system)
        query = query if state is None else query.where(i.state == state)
        return [rows.decode(Incident, payload) for (payload,) in self._rows(query)]

    def incident(self, id: str, system: str | None = None) -> Incident:  # noqa: A002  (the word of the records)
        """One incident.

        Raises
        ------
        HeadwaterError
            If there is none, naming near ones, or if several systems have one of that id.
        """
        i = schema.incident.c
        scope = select(i.system, i.id, i.payload)
        scope = scope if system is None else scope.where(i.system == system)
        found = self._rows(scope.where(i.id == id))
        if not found:
            ids = [row.id for row in self._rows(scope.order_by(i.opened.desc()).limit(1000))]
            mend = nearest(id, ids) or (f"the newest is {ids[0]}" if ids else "there are no incidents yet")
            raise HeadwaterError(f"no incident {id}" + (f" in {system}" if system else ""), "", mend)
        if len(found) > 1:
            systems = ", ".join(sorted(row.system for row in found))
            raise HeadwaterError(f"{id} is not unique", f"these systems have one: {systems}", "name it with --system")
        return rows.decode(Incident, found[0].payload)

    def late(self) -> set[tuple[str, str]]:
        """(system, id) of the incidents that were found while a backlog was worked off."""
        i = schema.incident.c
        return {(row.system, row.id) for row in self._rows(select(i.system, i.id).where(i.late))}

    def rankings(self, system: str, id: str) -> list[Ranked]:  # noqa: A002
        """All rankings of an incident, by batch."""
        r = schema.ranking.c
        query = select(r.payload).where(r.system == system, r.incident == id).order_by(r.batch)
        return [rows.decode(Ranked, payload) for (payload,) in self._rows(query)]

    def events(
        self,
        system: str | None = None,
        incident: str | None = None,
        since: float | None = None,
        limit: int = 1000,
        kinds: Collection[str] | None = None,
    ) -> list[Triggered | Ranked | Changed]:
        """The newest `limit` events, in the order in which they happened.

        `kinds` is what to tell of ``triggered``, ``ranked`` and ``changed``; None: all. Others then neither take
        time nor a place within `limit`.
        """
        found: list[Triggered | Ranked | Changed] = []
        with self.at_once() as view:
            for table in (schema.event, schema.ranking):
                c = table.c
                kind = c.type if table is schema.event else literal("ranked")
                query = select(kind, c.payload).order_by(c.time.desc(), c.n.desc()).limit(limit)
                query = query if system is None else query.where(c.system == system)
                query = query if incident is None else query.where(c.incident == incident)
                query = query if since is None else query.where(c.time >= since)
                query = query if kinds is None else query.where(kind.in_(kinds))
                found += [rows.decode(_KINDS[type_], payload) for type_, payload in view._rows(query)]
        found.sort(key=lambda event: (event.time, event.system, event.n))
        return found[-limit:]

    def evidence(self, system: str, id: str) -> EvidenceWindow | None:  # noqa: A002
        """The raw window round an incident's onset; None if none was kept."""
        e = schema.evidence
        found = self._rows(select(e).where(e.c.system == system, e.c.incident == id))
        return rows.evidence_window(found[0]) if found else None

    def status(self) -> dict[str, StatusRow]:
        """What the worker last said: ``worker``, ``input``, ``counters``, ``learning``."""
        found = self._rows(select(schema.status))
        return {row.key: StatusRow(msgspec.json.decode(row.value), row.updated) for row in found}

    def commands(self, limit: int = 100) -> list[CommandRow]:
        """Commands, newest first."""
        query = select(schema.command).order_by(schema.command.c.id.desc()).limit(limit)
        return [CommandRow(**row._mapping) for row in self._rows(query)]

    def close(self) -> None:
        """Let go of the file. A reader that `Store.reader` gave leaves the connection to its store."""
        if not self._lent:
            self._engine.dispose()


_KINDS: dict[str, type[Triggered] | type[Ranked] | type[Changed]] = {
    "triggered": Triggered,
    "ranked": Ranked,
    "changed": Changed,
}


def _matrix(blobs: tuple[bytes, ...], width: int) -> NDArray[np.float32]:
    """Stack blobs of float32; older rows knew fewer columns and are padded with NaN at the right."""
    if {len(blob) for blob in blobs} == {4 * width}:
        return np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), width)
    matrix = np.full((len(blobs), width), np.nan, np.float32)
    for row, blob in zip(matrix, blobs, strict=True):
        row[: len(blob) // 4] = np.frombuffer(blob, "<f4")
    return matrix


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables but for the columns in `schema.WALL_CLOCK`, sorted: equal for equal input."""
    found = {}
    with Reader(url).at_once() as view:
        for name, table in schema.metadata.tables.items():
            columns = [column for column in table.columns if column.name not in schema.WALL_CLOCK.get(name, ())]
            found[name] = sorted((tuple(row) for row in view._rows(select(*columns))), key=repr)
    return found
