"""A recording played as if it came from a topic: the source of `replay`, and what `doctor` describes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from headwater.streaming.columns import Columns
from headwater.streaming.errors import InputError
from headwater.streaming.records import Arrival, Position
from headwater.streaming.source import Poll

from .recording import Description, read_recording
from .window import inside

__all__ = ["BLOCK", "CELLS", "ReplaySource"]

BLOCK, CELLS = 512, 1_000_000
"""Rows handed over at a time, and measurements in them, unless one row has more."""
"""Rows of one poll."""


class ReplaySource:
    """A file, or stdin, as one partition in the order of its times; offsets are row numbers in that order.

    Parameters
    ----------
    path
        Parquet, CSV or JSON lines, wide or long; ``-`` reads CSV or JSON lines from stdin.
    columns
        Reads the names of the columns; its system is that of rows that name none.
    step
        Seconds of one row; None: found from the times.
    time
        Name of the time column; None: found.
    counters
        Shell patterns for growing totals, for the description.
    baseline
        Part of the recording, as in ``08:10..23:59`` (`window.inside`), that `baseline` hands out and `poll`
        leaves out.

    Raises
    ------
    InputError
        With the mend, if the file cannot be read, or the baseline holds no rows or all of them.
    """

    def __init__(
        self,
        path: str,
        *,
        columns: Columns,
        step: float | None = None,
        time: str | None = None,
        counters: tuple[str, ...] = (),
        baseline: str | None = None,
    ) -> None:
        recording = read_recording(path, columns=columns, step=step, time=time, counters=counters)
        self._description, self._times, self._table = recording.description, recording.times, recording.table
        self._content = recording.content
        self._partition = (self._content.topic, 0)
        self._next = 0
        self._block = max(1, min(BLOCK, CELLS // max(1, len(self._description.metrics))))
        quiet = np.zeros(len(self._times), np.bool_)
        if baseline is not None:
            unit = self._description.step if self._description.counts_rows else 1.0
            quiet = inside(baseline, self._times, unit=unit)
            if quiet.all() or not quiet.any():
                raise self._useless(baseline, bool(quiet.any()))
        self._baseline, self._played = np.flatnonzero(quiet), np.flatnonzero(~quiet)

    def _useless(self, baseline: str, whole: bool) -> InputError:
        times = [np.datetime64(round(time * 1000), "ms") for time in (self._times[0], self._times[-1])]
        why = f"it runs from {times[0]} to {times[1]} UTC"
        if self._description.counts_rows:
            first, last = (round(time / self._description.step) for time in (self._times[0], self._times[-1]))
            why = f"it runs from {first} to {last}"
        what = "leaves nothing to play of" if whole else "holds no row of"
        return InputError(f"the baseline {baseline} {what} {self._description.name}", why, "choose another part")

    @property
    def step(self) -> float:
        """Seconds of one row."""
        return self._description.step

    def describe(self) -> Description:
        """What was understood of the recording."""
        return self._description

    def baseline(self) -> Iterator[list[Arrival]]:
        """Rows of the baseline, in blocks."""
        for start in range(0, len(self._baseline), self._block):
            yield self._arrivals(self._baseline[start : start + self._block].tolist())

    def _arrivals(self, rows: Sequence[int]) -> list[Arrival]:
        topic, number = self._partition
        return [Arrival(Position(topic, number, row), self._table.word(row, float(self._times[row]))) for row in rows]

    def partitions(self) -> list[tuple[str, int]]:
        """Give the one partition: the file by name and content, 0."""
        return [self._partition]

    def claim(self, topics: Iterable[str]) -> None:
        """Make sure that a store, whose offsets are of `topics`, holds nothing but this recording so far.

        One that has grown since keeps the topic under which the store knows it. Call it before `partitions`.

        Raises
        ------
        InputError
            If the store holds another recording, or a topic: incidents and baselines of the two would mix.
        """
        for topic in topics:
            if not self._content.continues(topic):
                what = f"{self._description.name} does not belong in this store"
                why = f"it holds other measurements already: {topic}"
                raise InputError(what, why, "replay it into a store of its own: --store sqlite:///other.db")
            self._partition = (topic, 0)

    @property
    def rows(self) -> int:
        """Number of rows to play, the baseline left out."""
        return len(self._played)

    def seek(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Go on at a stored row."""
        self._next = int(np.searchsorted(self._played, offsets.get(self._partition, 0)))

    def poll(self, timeout: float) -> Poll:  # noqa: ARG002  (a file never makes anyone wait)
        """Next block of rows."""
        rows = self._played[self._next : self._next + self._block].tolist()
        self._next += len(rows)
        return Poll(self._arrivals(rows), idle=[], ended=self._next >= len(self._played), alarms=[])

    def offsets(self) -> dict[tuple[str, int], int]:
        """Row to go on with."""
        following = int(self._played[self._next]) if self._next < len(self._played) else len(self._times)
        return {self._partition: following}

    def lag(self) -> dict[str, Any]:
        """Rows still to play."""
        return {"records": len(self._played) - self._next, "stale_s": None, "alarms": []}

    def close(self) -> None:
        """Do nothing: the file was read and closed at construction."""
