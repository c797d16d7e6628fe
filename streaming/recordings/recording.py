"""A file of measurements as the rest of the house sees it: words in time order, and what was understood of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from headwater.streaming.columns import Columns, is_counter, split
from headwater.streaming.durations import spell
from headwater.streaming.errors import InputError

from .content import Content
from .files import read_table
from .layouts import Layout, layout_of
from .timeline import Timeline, find_step, find_time, read_times

__all__ = ["Description", "Recording", "read_recording"]


class Description(msgspec.Struct, frozen=True):
    """What was understood of a recording, for `doctor`."""

    name: str
    layout: str  # wide | long
    time_column: str
    counts_rows: bool  # the time column holds row numbers
    rows: int
    start: float  # epoch seconds
    end: float
    step: float  # seconds
    systems: tuple[str, ...]
    entities: tuple[str, ...]
    metrics: tuple[str, ...]  # entity|metric
    kinds: Mapping[str, int]  # kind → how many metrics
    missing: float  # share of cells without a value
    left_out: Mapping[str, str]  # column → why
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """A table of measurements in time order; rows of the same time keep theirs."""

    content: Content
    description: Description
    times: NDArray[np.float64]  # [n] epoch seconds
    table: Layout


def read_recording(
    path: str,
    *,
    columns: Columns,
    step: float | None = None,
    time: str | None = None,
    counters: tuple[str, ...] = (),
) -> Recording:
    """Read a recording.

    Parameters
    ----------
    path
        Parquet, CSV or JSON lines; ``-`` reads CSV or JSON lines from stdin.
    columns
        Reads the names of the columns.
    step
        Seconds of one row; None: found from the times. Needed where the time column counts rows.
    time
        Name of the time column; None: found.
    counters
        Shell patterns on ``entity|metric`` for growing totals.

    Raises
    ------
    InputError
        With the mend, if the file, its times or its columns cannot be read.
    """
    content, frame = read_table(path)
    name = content.name
    line = read_times(frame[find_time(frame, time, name)], name)
    known = np.flatnonzero(np.isfinite(line.seconds))
    if not len(known):
        raise InputError(f"column {line.column!r} of {name} is empty", "no row has a time", "--time COLUMN")
    order = known[np.argsort(line.seconds[known], kind="stable")]
    table = layout_of(frame[order], line.column, columns, name)
    seconds = line.seconds[order]
    found = find_step(table.gaps(seconds))
    chosen = _step(line, seconds, found, step, name)
    warnings = [
        *_warn_of_times(line, order, found, step),
        *_warn_of_columns(table, columns.system, counters),
    ]
    times = seconds * chosen if line.index else seconds
    kinds = (table.kinds.get(n, "counter" if is_counter(n, counters) else "gauge") for n in table.names)
    description = Description(
        name=name,
        layout=table.layout,
        time_column=line.column,
        counts_rows=line.index,
        rows=len(times),
        start=float(times[0]),
        end=float(times[-1]),
        step=chosen,
        systems=table.systems,
        entities=tuple(dict.fromkeys(split(n)[0] for n in table.names)),
        metrics=table.names,
        kinds=dict(Counter(kinds)),
        missing=table.missing,
        left_out=table.left_out,
        warnings=tuple(warnings),
    )
    return Recording(content, description, times, table)


def _step(line: Timeline, seconds: NDArray[np.float64], found: float | None, given: float | None, name: str) -> float:
    if given is not None:
        return given
    if line.index:
        what = f"column {line.column!r} of {name} counts rows ({', '.join(f'{k:.0f}' for k in seconds[:3])}, ...)"
        raise InputError(what, "how long a row is cannot be found from that", "say it: --step 60s")
    if found is None:
        raise InputError(f"no two rows of {name} differ in time", "the step cannot be found", "say it: --step 60s")
    return found


def _warn_of_times(line: Timeline, order: NDArray[np.intp], found: float | None, step: float | None) -> list[str]:
    warnings = []
    if dropped := len(line.seconds) - len(order):
        warnings.append(f"{dropped} rows without a time are left out")
    if np.any(np.diff(order) < 0):
        warnings.append("the rows were not in the order of time and have been sorted")
    if step is not None and found is not None and not line.index and not 0.5 <= found / step <= 2:
        warnings.append(f"the step is set to {spell(step)}, but the samples of a series are {spell(found)} apart")
    return warnings


def _warn_of_columns(table: Layout, system: str, counters: tuple[str, ...]) -> list[str]:
    warnings = []
    if table.left_out:
        names = ", ".join(list(table.left_out)[:5])
        more = f" and {len(table.left_out) - 5} more" if len(table.left_out) > 5 else ""
        warnings.append(f"left out, since they hold no numbers: {names}{more}")
    if len(table.names) > 1 and all(split(name)[0] == system for name in table.names):
        warnings.append(f"no column names an entity, all belong to {system!r}: set [columns] pattern or mapping")
    totals = [n for n in table.growing() if table.kinds.get(n) is None and not is_counter(n, counters)]
    if totals:
        names = ", ".join(totals[:5])
        warnings.append(f"only ever grows, perhaps a counter: {names}; name it in [columns] counters")
    return warnings
