"""What one transaction writes, and the statements that write it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Executable, Table, bindparam, or_, update
from sqlalchemy.dialects import sqlite

from headwater.streaming.outbox import OutboxRow
from headwater.streaming.records import Changed, Event, EvidenceWindow, Ranked, Series, Tick, Triggered

from . import rows, schema

__all__ = ["Answer", "Batch", "statements"]


class Answer(NamedTuple):
    """What became of a command, and its place in the input: after the row of `row_time`."""

    id: int
    state: Literal["applied", "refused"]
    answer: str
    row_time: float | None


class Batch(NamedTuple):
    """All that one transaction writes. What is empty is left as it is."""

    events: Sequence[Event] = ()
    late: frozenset[tuple[str, str]] = frozenset()  # (system, incident) found in a backlog
    series: Mapping[str, tuple[Series, ...]] = {}
    evidence: Sequence[EvidenceWindow] = ()
    snapshots: Mapping[tuple[str, str], tuple[str, bytes]] = {}  # (system, part) → (settings hash, bytes)
    offsets: Mapping[tuple[str, int], int] = {}  # (topic, partition) → next offset
    outbox: Sequence[OutboxRow] = ()
    answers: Sequence[Answer] = ()
    status: Mapping[str, Mapping[str, Any]] = {}


def _upsert(table: Table) -> sqlite.Insert:
    """Insert, or replace the row of the same key."""
    statement = sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    new: dict[str, Any] = {c.name: c for c in statement.excluded if c.name not in keys}
    if table is schema.incident:
        new["late"] = or_(schema.incident.c.late, statement.excluded.late)  # once late, always late
    return statement.on_conflict_do_update(index_elements=keys, set_=new)


_UPSERT = {name: _upsert(table) for name, table in schema.metadata.tables.items()}
_APPEND = sqlite.insert(schema.outbox).on_conflict_do_nothing(index_elements=["id"])  # a repeat is no news
_ANSWER = update(schema.command).where(schema.command.c.id == bindparam("key"))
_ANSWER = _ANSWER.values({name: bindparam(name) for name in ("state", "answer", "row_time", "applied")})


def _fields(answer: Answer, now: float) -> dict[str, Any]:
    return {
        "key": answer.id,
        "state": answer.state,
        "answer": answer.answer,
        "row_time": answer.row_time,
        "applied": now,
    }


def _tables(batch: Batch, now: float) -> dict[str, list[dict[str, Any]]]:
    incidents = {(e.system, e.incident.id): e.incident for e in batch.events if isinstance(e, Changed)}
    return {
        "tick": [rows.tick_row(e) for e in batch.events if isinstance(e, Tick)],
        "event": [rows.event_row(e) for e in batch.events if isinstance(e, Triggered | Changed)],
        "ranking": [rows.ranked_row(e) for e in batch.events if isinstance(e, Ranked)],
        "incident": [rows.incident_row(incident, key in batch.late) for key, incident in incidents.items()],
        "series": [row for system, series in batch.series.items() for row in rows.series_rows(system, series)],
        "evidence": [rows.evidence_row(window) for window in batch.evidence],
        "snapshot": [
            {"system": system, "part": part, "settings": settings, "data": data}
            for (system, part), (settings, data) in batch.snapshots.items()
        ],
        "offset": [{"topic": t, "partition": p, "next": following} for (t, p), following in batch.offsets.items()],
        "status": [
            {"key": key, "value": msgspec.json.encode(value).decode(), "updated": now}
            for key, value in batch.status.items()
        ],
    }


def statements(batch: Batch, now: float) -> Iterator[tuple[Executable, list[dict[str, Any]]]]:
    """Yield the statements of one transaction, each with its rows; none without rows. `now` is wall clock."""
    for name, found in _tables(batch, now).items():
        if found:
            yield _UPSERT[name], found
    if batch.outbox:
        yield _APPEND, [row._asdict() for row in batch.outbox]
    if batch.answers:
        yield _ANSWER, [_fields(answer, now) for answer in batch.answers]
