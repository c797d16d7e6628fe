"""The recordings that triggers are tried on: what a detector may learn from, what is scored, and what is true of it.

Warm-up is what lies before ``test_start`` (SKAB: 400 rows, TEP: the normal run of 500); scoring begins after it.
A false alarm is one outside of segments and of 30 min after them on smd, an hour on the others.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .scoring import Labels

__all__ = ["RECORDED", "SKAB_WARMUP", "Stream", "cut", "read", "recorded"]

Floats = NDArray[np.float64]

SKAB_WARMUP = 400  # rows, as on its leaderboard
RECORDED = {"smd": (60.0, 1800.0), "asd": (300.0, 3600.0), "jumpstarter": (300.0, 3600.0)}  # seconds: a row, grace


class Stream(NamedTuple):
    """One entity."""

    name: str
    interval: float  # seconds between rows
    warm: Floats  # [n, d]
    test: Floats  # [T, d], the rows after the warm-up
    labels: Labels  # rows of `test`
    changes: tuple[int, ...] = ()  # rows at which the system changed, where such are labelled (skab)
    clean: Floats | None = None  # [T, d] the same rows without faults, where faults were injected


def recorded(data: Path, name: str) -> list[Stream]:
    """Read smd, asd, jumpstarter, skab or tep from a folder of recordings."""
    if name == "skab":
        return _skab(data / "skab")
    if name == "tep":
        return _tep(data / "tep")
    interval, grace = RECORDED[name]
    incidents = pl.read_parquet(data / name / "incidents.parquet")
    found = []
    for path in sorted((data / name / "streams").glob("*.parquet")):
        of = incidents.filter(pl.col("stream") == path.stem).sort("fault_start")
        start, X = int(of["test_start"][0]), read(path)
        segments = tuple((a - start, b - start) for a, b in of["fault_start", "fault_end"].rows())
        labels = Labels(len(X) - start, segments, round(grace / interval))
        found.append(Stream(path.stem, interval, X[:start], X[start:], labels))
    return found


def read(path: Path) -> Floats:
    """Read the columns of a stream without its time, ``float64[T, d]``."""
    return pl.read_parquet(path).drop("t").to_numpy().astype(np.float64)


def cut(stream: Stream, warm: int, test: int) -> Stream:
    """Keep the last rows of the warm-up and the first of the test."""
    labels = stream.labels
    rows = min(test, labels.rows)
    segments = tuple((a, min(b, rows - 1)) for a, b in labels.segments if a < rows)
    return stream._replace(
        warm=stream.warm[-warm:],
        test=stream.test[:rows],
        clean=None if stream.clean is None else stream.clean[:rows],
        labels=labels._replace(rows=rows, segments=segments),
        changes=tuple(row for row in stream.changes if row < rows),
    )


def _skab(folder: Path) -> list[Stream]:
    """Read the runs with faults; rows are seconds, though some are missing."""
    incidents = pl.read_parquet(folder / "incidents.parquet")
    found = []
    for path in sorted((folder / "streams").glob("*.parquet")):
        of = incidents.filter(pl.col("stream") == path.stem).sort("fault_start")
        if not of.height:
            continue  # the run without a fault
        X, times = read(path), pl.read_parquet(path)["t"].cast(pl.Datetime("us"))
        first, last = _rows(times, of["fault_start"]), _rows(times, of["fault_end"])
        spans = list(zip(first, last, of["kind"].to_list(), strict=True))
        changes = tuple(a for a, _, kind in spans if kind == "changepoint" and a >= 0)
        segments = tuple((max(a, 0), b) for a, b, kind in spans if kind == "anomaly_segment" and b >= 0)
        labels = Labels(len(X) - SKAB_WARMUP, segments, 0)
        found.append(Stream(path.stem, 1.0, X[:SKAB_WARMUP], X[SKAB_WARMUP:], labels, changes))
    return found


def _rows(times: pl.Series, of: pl.Series) -> list[int]:
    return [row - SKAB_WARMUP for row in times.search_sorted(of.cast(pl.Datetime("us"))).to_list()]


def _tep(folder: Path) -> list[Stream]:
    incidents = pl.read_parquet(folder / "incidents.parquet").sort("stream")
    normal = read(folder / "streams" / "normal.parquet")
    found = []
    for name, first, last in incidents["stream", "fault_start", "fault_end"].rows():
        X = read(folder / "streams" / f"{name}.parquet")
        found.append(Stream(name, 180.0, normal, X, Labels(len(X), ((first, last),), 0)))
    return found
