"""Nezha (Yu et al., FSE 2023): OnlineBoutique and TrainTicket on Kubernetes, a row a minute, faults of three minutes.

A window is the first 4 rows after the given time, its history the whole past with earlier faults cut out. The faults
``return`` and ``exception`` are defects in code, which their authors do not expect to show in metrics.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headwater.causal.columns import describe

from .windows import Fault, Recorded, Window, joined, kept

__all__ = ["AFTERMATH", "ONLINE_BOUTIQUE", "ROWS", "STEP", "TRAIN_TICKET", "faults", "healthy", "incidents", "recorded"]

Floats = NDArray[np.float64]
ONLINE_BOUTIQUE, TRAIN_TICKET = "OB_2022-08-22", "TT_2023-01-29"
QUIET = {ONLINE_BOUTIQUE: "08:10:00", TRAIN_TICKET: "15:50:00"}  # from here on nothing was injected
STEP = 60.0
ROWS = 4  # of a window; a fault lasts for three
AFTERMATH = 60.0  # seconds after a fault that are no quiet history either
HEALTHY = 50  # healthy windows of a recording
LEARNED = 120  # rows of the quiet part before the first of them


@lru_cache(maxsize=4)
def recorded(data: Path, stream: str) -> Recorded:
    """Read a recording, with the calls that its authors list."""
    table = pl.read_parquet(data / "nezha" / "streams" / f"{stream}.parquet")
    names = kept(table.columns[1:])
    calls = pl.read_parquet(data / "nezha" / "graph.parquet").filter(pl.col("stream") == stream)
    columns = describe(names, calls["Source", "Target"].rows())
    quiet = (table["t"].dt.strftime("%H:%M:%S") >= QUIET[stream]).to_numpy()
    times = table["t"].dt.epoch("ms").to_numpy() / 1000
    return Recorded(columns, times, table.select(names).to_numpy().astype(np.float64), quiet)


def faults(data: Path, stream: str) -> list[Fault]:
    """Read the labels of a recording, in the order of time."""
    table = pl.read_parquet(data / "nezha" / "incidents.parquet").filter(pl.col("stream") == stream)
    table = table.with_columns(pl.col("fault_start", "fault_end").dt.epoch("ms") / 1000).sort("fault_start")
    return [
        Fault(
            start=row["fault_start"],
            end=row["fault_end"],
            service=row["root_cause_entity"],
            visible=row["visible_in_metrics"],
            metrics=tuple(row["root_cause_columns"]),
            name=row["incident_id"],
            kind=row["fault_type"],
        )
        for row in table.iter_rows(named=True)
    ]


def incidents(data: Path, stream: str, *, late: int = 0, baseline: bool = False) -> Iterator[Window]:
    """Yield a window for each fault, its time given `late` rows late.

    With `baseline` the quiet part of the recording, which lies after the faults, comes before the history, as
    ``replay --baseline`` has it.
    """
    for k, fault in enumerate(faults(data, stream)):
        start = fault.start + late * STEP
        first = int(np.searchsorted(recorded(data, stream).times, start, side="right"))
        yield window(data, stream, k, first, first + ROWS, baseline=baseline)


def window(data: Path, stream: str, k: int, first: int, stop: int, *, baseline: bool) -> Window:
    """Return the window of fault number `k` that consists of the rows ``first .. stop - 1``."""
    what, labelled = recorded(data, stream), faults(data, stream)
    fault = labelled[k]
    past = np.arange(len(what.times)) < first
    for earlier in labelled[:k]:
        past &= ~((what.times > earlier.start) & (what.times <= earlier.end + AFTERMATH))
    rows = np.flatnonzero(past)
    if baseline:
        rows = np.concatenate([np.flatnonzero(what.quiet), rows])
    place = {name: j for j, name in enumerate(what.columns.names)}
    return Window(
        columns=what.columns,
        history=what.X[rows],
        restarts=joined(what.times[rows], STEP),
        window=what.X[first:stop],
        truth=fault.service,
        metrics=np.array([place[name] for name in fault.metrics if name in place], np.int64),
        visible=fault.visible,
        name=fault.name,
        kind=fault.kind,
    )


def healthy(data: Path, stream: str) -> Iterator[Window]:
    """Yield windows spread over the quiet part of a recording; history is the quiet part before each."""
    what = recorded(data, stream)
    quiet = np.flatnonzero(what.quiet)
    starts = np.linspace(quiet[0] + LEARNED, quiet[-1] - ROWS, HEALTHY).astype(int)
    for start in starts.tolist():
        rows = np.arange(quiet[0], start)
        yield Window(
            columns=what.columns,
            history=what.X[rows],
            restarts=joined(what.times[rows], STEP),
            window=what.X[start : start + ROWS],
            name=f"{stream} healthy {start}",
        )
