"""Snapshots: a dataclass of arrays, to a flat dict, to versioned bytes, and strictly back. Never a pickle.

`take` and `restore` move between a state dataclass and a `Snapshot`; `encode` and `decode` move between a
`Snapshot` and bytes (numpy's npz, read with ``allow_pickle=False``). Equal states give equal bytes.
"""

import dataclasses
import io
from typing import Any, TypeVar

import numpy as np

from .contracts import Snapshot

__all__ = ["SnapshotError", "decode", "encode", "restore", "take"]

S = TypeVar("S")
_KIND, _VERSION = "__kind__", "__version__"


class SnapshotError(ValueError):
    """A snapshot that does not fit; the message names the field, what was expected and what was found."""


def take(state: Any) -> Snapshot:
    """Copy the fields of a state dataclass; arrays are copied, since kernels write in place."""
    fields = ((f.name, getattr(state, f.name)) for f in dataclasses.fields(state))
    return {name: v.copy() if isinstance(v, np.ndarray) else v for name, v in fields}


def restore(kind: type[S], snapshot: Snapshot) -> S:
    """Build a state dataclass from a snapshot whose names and types match its fields exactly.

    Raises
    ------
    SnapshotError
        If a field is missing, unknown, or of another type.
    """
    wanted: dict[str, Any] = {f.name: f.type for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if missing := sorted(wanted.keys() - snapshot.keys()):
        raise SnapshotError(f"{kind.__name__}: the snapshot lacks {', '.join(missing)}")
    if unknown := sorted(snapshot.keys() - wanted.keys()):
        raise SnapshotError(f"{kind.__name__}: the snapshot has unknown fields {', '.join(unknown)}")
    scalars: dict[Any, Any] = {int: (int, np.integer), float: (float, np.floating), str: str, bool: (bool, np.bool_)}
    values: dict[str, Any] = {}
    for name, annotation in wanted.items():
        value = snapshot[name]
        accepted = scalars.get(annotation, np.ndarray)
        if not isinstance(value, accepted):
            found = type(value).__name__
            raise SnapshotError(f"{kind.__name__}.{name}: expected {annotation}, found {found}")
        values[name] = value.copy() if isinstance(value, np.ndarray) else annotation(value)
    return kind(**values)


def encode(snapshot: Snapshot, *, kind: str, version: int) -> bytes:
    """Bytes of a snapshot, labelled with the learner's name and its format version."""
    buffer = io.BytesIO()
    fields: dict[str, Any] = {_KIND: kind, _VERSION: version, **snapshot}
    np.savez(buffer, allow_pickle=False, **{name: np.asarray(value) for name, value in fields.items()})
    return buffer.getvalue()


def decode(data: bytes, *, kind: str, version: int) -> Snapshot:
    """Read `encode`'s bytes back.

    Raises
    ------
    SnapshotError
        If the bytes are damaged, belong to another kind, or were written by a newer version.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            fields = {name: archive[name] for name in archive.files}
        found, written = str(fields.pop(_KIND)), int(fields.pop(_VERSION))
    except Exception as error:  # zipfile, struct and numpy each stumble over damage in their own way
        raise SnapshotError(f"{kind}: {len(data)} bytes that are no snapshot ({error})") from error
    if found != kind:
        raise SnapshotError(f"expected a snapshot of {kind}, found one of {found}")
    if written > version:
        raise SnapshotError(f"{kind}: the snapshot has version {written}, this release reads up to {version}")
    return {name: value.item() if value.ndim == 0 else value for name, value in fields.items()}
