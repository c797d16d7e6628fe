"""Samples as they come → rows on a grid, one column per series; the same rows however the input is polled.

::

    before = clocks.advance(partition, word.time)
    aligners[word.system].push(partition, word, before)
    ...
    while (frame := aligner.rows(clocks.watermark(lateness))) is not None: ...

Why the result cannot depend on polling: a sample is judged late by its *own* partition's clock alone; a row is
emitted only when *every* partition's clock has passed it by `lateness`, so that it holds all samples that were not
late; within a row they are taken in the order (time, partition, offset). Two things, both for the sake of going on
at all, are outside of this promise: a partition that was declared idle speaks again, and more than `MAX_WAITING`
samples are held back for a slow one.
"""

import heapq
import json
import math
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from headwater.online import Snapshot, restore, take

from .clocks import Clocks, Partition
from .columns import split
from .records import Frame, Kind, Sample, Series, Wide
from .table import Entry, Table

__all__ = ["MAX_CELLS", "MAX_ROWS", "MAX_WAITING", "Aligner", "AlignerState", "Clocks", "Partition"]

MAX_ROWS = 1024
"""Rows of one frame, at most; of very many columns fewer."""
MAX_CELLS = 1_000_000
"""Cells of one frame, unless one row has more: what bounds the memory of whoever works on it."""
MAX_WAITING = 2_000_000
"""Samples that one system holds back for slow partitions; beyond it the oldest row is closed without them."""

_NEVER = -(2**62)
_LARGEST = float(np.finfo(np.float32).max)
_SLACK = 1e-4  # of a step: what float arithmetic on epoch seconds may add to a time that lies on the grid
_ORDER = itemgetter(0, 1)  # time, partition; the sort is stable, so the offset decides between equals


@dataclass(slots=True)
class AlignerState:
    """All that an aligner holds, flat; tables of names are JSON."""

    emitted: int  # number (time / step) of the last row given out
    active: int  # number of the last row that held a sample
    late: int
    series: str  # [[name, kind, unit], ...] in the order of the columns
    refused: str
    value: NDArray[np.float64]  # [d]
    time: NDArray[np.float64]  # [d]
    scrapes: NDArray[np.float64]  # [n, 3] of counters: column, time, value
    names: str  # [[name, kind, unit], ...] and
    partitions: str  # [[topic, number], ...]: what the waiting samples refer to
    waiting: NDArray[np.float64]  # [n, 4]: index into `names`, into `partitions`, time, value


class Aligner:
    """Align the samples of one system to a grid on the epoch.

    The row of time ``g = k * step`` shows of each series the newest sample taken in ``(.., g]`` while that is at
    most `staleness` steps old, and NaN afterwards. Gauges show its value; counters the rate that `Total` takes;
    deltas the sum over ``(g - step, g]``. A value that is not finite counts as no sample at all.

    A column appears in the first row that has a sample of it, those of one row sorted by name, and never goes
    away; all rows of one frame have the same columns. The first row is that of the first sample. After the last
    sample rows go on for ``2 * ceil(staleness)`` steps, so that the silence is seen, and then stop until there is
    a sample again: a gap of a year costs no million rows.

    Parameters
    ----------
    system
        The monitored thing.
    step
        Seconds from row to row, at least 0.01.
    lateness
        Seconds that a sample may lag behind the newest time of its partition.
    staleness
        How many steps a value counts, at least 1.
    max_columns
        Cap on the columns; names beyond it are refused and counted.
    counters
        Shell patterns on ``entity|metric`` for growing totals, where the word itself does not tell.
    kpi
        KPI settings; a bad direction named there goes into the series.

    Attributes
    ----------
    late : int
        Samples that came too late for their row.

    Raises
    ------
    ValueError
        If a setting is out of range.

    Examples
    --------
    >>> aligner = Aligner(system="shop", step=10.0, lateness=0.0)
    >>> for time, value in [(101.0, 1.0), (109.0, 2.0), (111.0, 3.0)]:
    ...     aligner.push(("metrics", 0), Sample("shop", "cart", "cpu", time, value), clock=-math.inf)
    >>> frame = aligner.rows(watermark=111.0)
    >>> frame.times.tolist(), frame.X.tolist(), frame.age.tolist()
    ([110.0], [[2.0]], [[1.0]])
    """

    def __init__(
        self,
        *,
        system: str,
        step: float,
        lateness: float,
        staleness: float = 2.5,
        max_columns: int = 10_000,
        counters: tuple[str, ...] = (),
        kpi: tuple[str, ...] = (),
    ) -> None:
        if not 0.01 <= step < math.inf:
            raise ValueError(f"step is {step} s; it must be at least 0.01 s")
        if not 0 <= lateness < math.inf:
            raise ValueError(f"lateness is {lateness} s; it must be 0 s or more")
        if not 1 <= staleness < math.inf:
            raise ValueError(f"staleness is {staleness} intervals; it must be at least 1")
        if max_columns < 1:
            raise ValueError(f"max_columns is {max_columns}; it must be at least 1")
        self.system, self.step, self.lateness, self.staleness = system, step, lateness, staleness
        self.max_columns, self.counters, self.kpi = max_columns, counters, kpi
        self._clear()

    def _clear(self) -> None:
        self.late = 0
        self._emitted, self._active = _NEVER, 2 * _NEVER
        self._waiting: dict[int, list[Entry]] = {}  # by row number
        self._order: list[int] = []  # heap of the row numbers in `_waiting`
        self._held = 0  # finite cells in `_waiting`
        self._table = Table(
            system=self.system,
            step=self.step,
            limit=self.staleness * self.step,
            max_columns=self.max_columns,
            counters=self.counters,
            kpi=self.kpi,
        )

    @property
    def series(self) -> tuple[Series, ...]:
        """The columns so far."""
        return tuple(self._table.series)

    @property
    def refused(self) -> tuple[str, ...]:
        """Names of the columns above the cap; the first `max_columns` of them are remembered."""
        return tuple(self._table.refused)

    def push(self, partition: Partition, word: Sample | Wide, clock: float) -> None:
        """Take a word; `clock` is its partition's clock before it, as `Clocks.advance` returns it."""
        if isinstance(word, Sample):
            cells, name = int(math.isfinite(word.value)), f"{word.entity}|{word.metric}"
        else:
            cells, name = int(np.isfinite(word.values).sum()), ""
        if not cells:
            return
        row = math.ceil(word.time / self.step - _SLACK)
        if row < (clock - self.lateness) / self.step - _SLACK or row <= self._emitted:
            self.late += cells
            return
        self._hold(row, Entry(word.time, partition, name, word, cells))

    def _hold(self, row: int, entry: Entry) -> None:
        if row in self._waiting:
            self._waiting[row].append(entry)
        else:
            self._waiting[row] = [entry]
            heapq.heappush(self._order, row)
        self._held += entry.cells

    def rows(self, watermark: float) -> Frame | None:
        """Rows before the watermark's own, at most `MAX_ROWS`; call again until there are none."""
        return self._emit(_NEVER if watermark == -math.inf else math.ceil(watermark / self.step - _SLACK) - 1)

    def flush(self, newest: float) -> Frame | None:
        """Rows up to that of `newest` (`Clocks.newest`), in pieces as `rows`: the input has ended."""
        return self._emit(_NEVER if newest == -math.inf else math.ceil(newest / self.step - _SLACK))

    def _next(self, last: int) -> int | None:
        """Give the number of the next row if it is at most `last`."""
        row = self._order[0] if self._order else None
        if row is not None and self._held > MAX_WAITING:
            last = max(last, row)
        if self._emitted - self._active < 2 * math.ceil(self.staleness):
            row = self._emitted + 1
        return row if row is not None and row <= last else None

    def _emit(self, last: int) -> Frame | None:
        table = self._table
        rows: list[int] = []
        values: list[NDArray[np.float64]] = []
        times: list[NDArray[np.float64]] = []
        while (
            len(rows) < MAX_ROWS and len(rows) * len(table.series) < MAX_CELLS and (row := self._next(last)) is not None
        ):
            entries = sorted(self._waiting.get(row, ()), key=_ORDER)
            found = table.newcomers(entries)
            if found and rows and not table.full:
                break  # so that all rows of a frame have the same columns
            table.admit(found)
            table.apply(entries)
            self._close(row, entries)
            rows.append(row)
            values.append(table.value.copy())
            times.append(table.time.copy())
        return self._frame(np.array(rows), np.array(values), np.array(times)) if rows else None

    def _close(self, row: int, entries: list[Entry]) -> None:
        self._emitted = row
        if entries:
            self._active = row
            self._held -= sum(entry.cells for entry in entries)
            del self._waiting[heapq.heappop(self._order)]

    def _frame(self, rows: NDArray[np.int64], X: NDArray[np.float64], taken: NDArray[np.float64]) -> Frame:
        grid: NDArray[np.float64] = rows.astype(np.float64) * self.step
        age = np.maximum(grid[:, None] - taken, 0.0)
        # The history and the store keep float32: what does not fit is no measurement.
        missing = ~(age <= (self.staleness + _SLACK) * self.step) | ~(np.abs(X) <= _LARGEST)
        X[missing] = age[missing] = np.nan
        return Frame(system=self.system, times=grid, X=X, age=age, series=self.series)

    def snapshot(self) -> Snapshot:
        """Copy all that is held, the waiting samples included; equal for equal input, however it was polled."""
        table = self._table
        scrapes = [(slot, *scrape) for slot, total in sorted(table.totals.items()) for scrape in total.scrapes]
        entries = [entry for row in sorted(self._waiting) for entry in sorted(self._waiting[row], key=_ORDER)]
        names: dict[tuple[str, Kind | None, str], int] = {}
        partitions = {partition: i for i, partition in enumerate(sorted({entry.partition for entry in entries}))}
        waiting = [
            (names.setdefault(key, len(names)), partitions[entry.partition], entry.time, value)
            for entry in entries
            for key, value in entry.samples()
        ]
        state = AlignerState(
            emitted=self._emitted,
            active=self._active,
            late=self.late,
            series=json.dumps([[series.name, series.kind, series.unit] for series in table.series]),
            refused=json.dumps(list(table.refused)),
            value=table.value,
            time=table.time,
            scrapes=np.array(scrapes, np.float64).reshape(-1, 3),
            names=json.dumps(list(names)),
            partitions=json.dumps(list(partitions)),
            waiting=np.array(waiting, np.float64).reshape(-1, 4),
        )
        return take(state)

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; raises `SnapshotError` and changes nothing if it does not fit."""
        state = restore(AlignerState, snapshot)
        self._clear()
        self.late, self._emitted, self._active = state.late, state.emitted, state.active
        for name, kind, unit in json.loads(state.series):
            self._table.append(name, kind, unit)
        self._table.refused.update(dict.fromkeys(json.loads(state.refused)))
        self._table.value, self._table.time = state.value, state.time
        for slot, time, value in state.scrapes.tolist():
            self._table.totals[int(slot)].scrapes.append((time, value))
        names, partitions = json.loads(state.names), json.loads(state.partitions)
        for series, partition, time, value in state.waiting.tolist():
            name, kind, unit = names[int(series)]
            word = Sample(self.system, *split(name), time, value, kind, unit)
            topic, number = partitions[int(partition)]
            self._hold(math.ceil(time / self.step - _SLACK), Entry(time, (topic, number), name, word, 1))
