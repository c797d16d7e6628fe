"""Damaging a partition's log on disk, byte by byte, under the running broker."""

import struct
from pathlib import Path
from typing import NamedTuple

__all__ = ["Batch", "batches", "overwrite"]

BASE_OFFSET, LENGTH, MAGIC, FIRST_RECORD = 0, 8, 16, 61  # where fields stand in a batch (message format 2)


class Batch(NamedTuple):
    """A batch in a segment: where it stands in the file, its bytes, and its first offset."""

    position: int
    size: int
    base_offset: int


def batches(segment: Path) -> list[Batch]:
    """Return the batches of a segment."""
    raw, found, position = segment.read_bytes(), [], 0
    while position < len(raw):
        base_offset, length = struct.unpack_from(">qi", raw, position)
        found.append(Batch(position, 12 + length, base_offset))
        position += 12 + length
    return found


def overwrite(segment: Path, position: int, raw: bytes) -> None:
    """Write `raw` into the file without changing its length."""
    with segment.open("r+b") as file:
        file.seek(position)
        file.write(raw)
