"""Where arrivals come from: the protocol that files and Kafka share."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from .records import Arrival, DeadLetter, Position

__all__ = ["HEAD_BYTES", "Poll", "Source", "dead_letter"]

HEAD_BYTES = 64 * 1024
"""How much of an unusable record is kept."""


class Poll(NamedTuple):
    """What one `Source.poll` brought."""

    arrivals: list[Arrival]
    idle: list[tuple[str, int]]  # partitions that are read to their end and silent: do not wait for them
    ended: bool  # a finite input has been handed out completely
    alarms: list[str]  # lost input, an outage: sentences for the operator


class Source(Protocol):
    """Delivers arrivals, each partition in its order. A record it cannot read arrives as a `DeadLetter`."""

    def partitions(self) -> list[tuple[str, int]]:
        """Partitions that this source reads."""
        ...

    def seek(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Go to the stored next offsets; a partition not named starts where the settings say."""
        ...

    def poll(self, timeout: float) -> Poll:
        """Wait up to `timeout` seconds for arrivals. Never raises for a bad record."""
        ...

    def offsets(self) -> dict[tuple[str, int], int]:
        """Next offset of each partition, after what `poll` returned last."""
        ...

    def lag(self) -> dict[str, Any]:
        """How far behind: ``records`` (None: unknown), ``stale_s`` (None: nothing came yet), ``alarms``.

        Where records may have no value, also ``tombstones``: how many had none.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def dead_letter(position: Position, raw: bytes, reason: str) -> DeadLetter:
    """Keep what identifies a record that could not be used.

    Examples
    --------
    >>> letter = dead_letter(Position("metrics", 0, 7), b"x" * 900_000, "not JSON")
    >>> letter.length, len(letter.head), letter.sha256[:8]
    (900000, 65536, '5f764308')
    """
    digest = hashlib.sha256(raw).hexdigest()
    return DeadLetter(position=position, reason=reason, length=len(raw), sha256=digest, head=raw[:HEAD_BYTES])
