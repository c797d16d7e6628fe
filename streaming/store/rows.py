"""Words ↔ rows of the store: JSON payloads, float blobs, and the columns that queries select by.

JSON has no NaN, so a float that is missing is written as null, and read back as NaN.
"""

import functools
import json
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from headwater.streaming.records import Changed, EvidenceWindow, Incident, Ranked, Series, Tick, Triggered

__all__ = [
    "decode",
    "event_row",
    "evidence_row",
    "evidence_window",
    "incident_row",
    "ranked_row",
    "series_rows",
    "tick_row",
]

Row = dict[str, Any]
W = TypeVar("W", bound=msgspec.Struct)


def _encode(word: msgspec.Struct) -> str:
    return msgspec.json.encode(word).decode()


@functools.cache
def _types(kind: type) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _with_nan(value: Any, kind: Any) -> Any:
    """Put NaN for null wherever `kind` wants a float."""
    if value is None:
        return np.nan if kind is float else None
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {name: _with_nan(v, _types(kind).get(name)) for name, v in value.items()}
    if isinstance(value, list):
        inner = typing.get_args(kind) or (None,)
        if len(inner) == 2 and inner[1] is ...:
            return [_with_nan(v, inner[0]) for v in value]
        return [_with_nan(v, k) for v, k in zip(value, inner, strict=False)]
    return value


def decode(kind: type[W], payload: str) -> W:
    """Read a word of `kind` back from its JSON."""
    return msgspec.convert(_with_nan(msgspec.json.decode(payload), kind), kind)


def tick_row(tick: Tick) -> Row:
    """Row of `tick`; blobs are little-endian float32."""
    return {
        "system": tick.system,
        "time": tick.time,
        "values": tick.values.astype("<f4", copy=False).tobytes(),
        "scores": tick.scores.astype("<f4", copy=False).tobytes(),
        "joint": tick.joint,
        "learning": tick.learning,
    }


def event_row(event: Triggered | Changed) -> Row:
    """Row of the event table."""
    kind, incident = ("triggered", event.incident) if isinstance(event, Triggered) else ("changed", event.incident.id)
    place = {"system": event.system, "time": event.time, "n": event.n}
    return {**place, "type": kind, "incident": incident, "payload": _encode(event)}


def ranked_row(event: Ranked) -> Row:
    """Row of the ranking table."""
    fields = ("system", "incident", "batch", "time", "n")
    return {**{name: getattr(event, name) for name in fields}, "payload": _encode(event)}


def incident_row(incident: Incident, late: bool) -> Row:
    """Row of the incident table: what lists select by, and the whole as payload."""
    fields = ("system", "id", "state", "rca", "onset", "opened", "closed", "cause", "service")
    return {**{name: getattr(incident, name) for name in fields}, "late": late, "payload": _encode(incident)}


def series_rows(system: str, series: tuple[Series, ...]) -> list[Row]:
    """Rows of all columns of `system`, in the order of a tick's blobs."""
    fields = ("entity", "metric", "kind", "unit", "direction")
    columns = ({name: getattr(s, name) for name in fields} for s in series)
    return [{"system": system, "slot": slot, **column} for slot, column in enumerate(columns)]


def evidence_row(window: EvidenceWindow) -> Row:
    """Row of the raw window round an onset."""
    return {
        "system": window.system,
        "incident": window.incident,
        "names": json.dumps(window.names, ensure_ascii=False),
        "times": window.times.astype("<f8", copy=False).tobytes(),
        "values": window.values.astype("<f4", copy=False).tobytes(),
    }


def evidence_window(row: Any) -> EvidenceWindow:
    """Read `evidence_row` back."""
    names = tuple(json.loads(row.names))
    times: NDArray[np.float64] = np.frombuffer(row.times, "<f8")
    values: NDArray[np.float32] = np.frombuffer(row.values, "<f4").reshape(len(times), len(names))
    return EvidenceWindow(row.system, row.incident, names, times, values)
