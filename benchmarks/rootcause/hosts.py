"""SMD and ASD (Su et al., KDD 2019; Li et al., KDD 2021): hosts, whose operators labelled segments and their metrics.

A window is the first 5 rows of a segment. History is the training half; the level is that of the last quiet rows
before the window. Metric names are withheld by the providers: each metric is of a type of its own.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from headwater.causal.columns import describe

from .windows import Fault, Recorded, Window, joined

__all__ = ["ROWS", "faults", "healthy", "incidents", "recorded", "streams", "window"]

ROWS = 5
LEAD = 60  # quiet rows before a window that set its level
RATE = 0.1  # of their exponential average
HEALTHY = 20  # healthy windows a host
AWAY = 60  # rows between a healthy window and a segment


def streams(data: Path, name: str) -> list[str]:
    """Return the hosts of a set (``smd`` or ``asd``)."""
    return sorted(path.stem for path in (data / name / "streams").glob("*.parquet"))


@lru_cache(maxsize=2)
def recorded(data: Path, name: str, stream: str) -> Recorded:
    """Read a host's recording; quiet is its training half."""
    table = pl.read_parquet(data / name / "streams" / f"{stream}.parquet")
    names = table.columns[1:]
    labels = pl.read_parquet(data / name / "incidents.parquet").filter(pl.col("stream") == stream)
    times = table["t"].to_numpy().astype(np.float64)
    X = table.select(names).to_numpy().astype(np.float64)
    return Recorded(describe(names), times, X, times < labels["test_start"][0])


def faults(data: Path, name: str, stream: str) -> list[Fault]:
    """Read the segments of a host in the order of time; start and end are rows, both inside."""
    table = pl.read_parquet(data / name / "incidents.parquet").filter(pl.col("stream") == stream).sort("fault_start")
    return [
        Fault(
            start=row["fault_start"],
            end=row["fault_end"],
            service=row["root_cause_entity"],
            metrics=tuple(row["root_cause_columns"]),
            name=row["incident_id"],
            kind=row["fault_type"] or "",
        )
        for row in table.iter_rows(named=True)
    ]


def incidents(data: Path, name: str, *, late: int = 0) -> Iterator[Window]:
    """Yield a window for each segment of a set, its start given `late` rows late."""
    for stream in streams(data, name):
        for fault in faults(data, name, stream):
            first = int(fault.start) + late
            yield window(data, name, stream, fault, first, first + ROWS)


def window(data: Path, name: str, stream: str, fault: Fault, first: int, stop: int) -> Window:
    """Return the window of a segment that consists of the rows ``first .. stop - 1``."""
    what = recorded(data, name, stream)
    bare = _window(data, name, stream, first, stop)
    place = {column: j for j, column in enumerate(what.columns.names)}
    return bare._replace(
        metrics=np.array([place[column] for column in fault.metrics], np.int64), name=fault.name, kind=fault.kind
    )


def healthy(data: Path, name: str) -> Iterator[Window]:
    """Yield windows spread over the test half of each host, away from the segments."""
    for stream in streams(data, name):
        what = recorded(data, name, stream)
        far = ~what.quiet
        for fault in faults(data, name, stream):
            far &= (what.times < fault.start - AWAY - ROWS) | (what.times > fault.end + AWAY)
        rows = np.flatnonzero(far)[:-ROWS]
        for first in rows[np.linspace(LEAD, len(rows) - 1, HEALTHY).astype(int)].tolist():
            yield _window(data, name, stream, first, first + ROWS)._replace(name=f"{stream} healthy {first}")


def _window(data: Path, name: str, stream: str, first: int, stop: int) -> Window:
    """Return the rows ``first .. stop - 1`` with the history before them."""
    what = recorded(data, name, stream)
    past = ~what.quiet & (what.times < first)
    for fault in faults(data, name, stream):
        if fault.end < first:  # of the present one it is not known that it has begun
            past &= (what.times < fault.start) | (what.times > fault.end)
    history, lead = what.X[what.quiet], what.X[np.flatnonzero(past)[-LEAD:]]
    weights = (1.0 - RATE) ** np.arange(len(lead) - 1, -1, -1.0)
    return Window(
        columns=what.columns,
        history=history,
        restarts=joined(what.times[what.quiet], 1.0),
        window=what.X[first:stop],
        anchor=weights @ lead / weights.sum() if len(lead) else None,
        lead=lead,
    )
