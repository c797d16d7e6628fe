"""What the loop asks of the learners: the I/O-free whole, `monitor.Monitor`, or a stand-in in tests."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from .records import Arrival, Command, Event, EvidenceWindow, Series

__all__ = ["Heart"]


class Heart(Protocol):
    """Turns arrivals into events, and its state into bytes. Knows no clock: the same input gives the same output."""

    def assign(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Name the partitions that rows must wait for."""
        ...

    def push(self, arrivals: Sequence[Arrival]) -> list[Event]:
        """Work on samples; dead letters are not among them."""
        ...

    def idle(self, partitions: Iterable[tuple[str, int]]) -> list[Event]:
        """Wait no longer for partitions that are read to their end and silent."""
        ...

    def flush(self) -> list[Event]:
        """Work off what is held back: the input has ended."""
        ...

    def learn(self, arrivals: Sequence[Arrival]) -> None:
        """Learn rows of quiet time, before the input."""
        ...

    def learned(self) -> None:
        """End the quiet time."""
        ...

    def command(self, command: Command) -> tuple[list[Event], str]:
        """Apply a command; return what follows from it and an answer, or raise `CommandRefused`."""
        ...

    def evidence(self) -> list[EvidenceWindow]:
        """Windows to keep since the last call."""
        ...

    def snapshots(self) -> dict[tuple[str, str], tuple[str, bytes]]:
        """(system, part) → (settings hash, bytes) of the parts that changed since the last call."""
        ...

    def restore(self, snapshots: Mapping[tuple[str, str], tuple[str, bytes]]) -> list[str]:
        """Take all parts back; return sentences on what has to learn again, and why."""
        ...

    def series(self) -> dict[str, tuple[Series, ...]]:
        """Columns by system."""
        ...

    def counters(self) -> dict[str, Any]:
        """``late_samples``, ``refused_columns``, ``refused_names``, ``learning`` {system: [rows, of_rows]}."""
        ...
