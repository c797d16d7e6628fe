"""Quiet rows that faults are planted into: real ones where recordings are at hand, else made ones."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["Noise", "generated", "lively", "real", "source"]

Floats: TypeAlias = NDArray[np.float64]
Noise: TypeAlias = Callable[[np.random.Generator, int, bool], Floats]
"""``noise(rng, rows, confounded)`` -> ``float64[rows, d]``; confounded: columns as they were at one time."""

SETS = ("smd", "asd")
METRICS = 24  # of a made host
DISTINCT = 50  # values that a metric must take to be alive


class Recorded(NamedTuple):
    """The training half of a stream: no incident is labelled in it."""

    stream: str
    X: Floats


def source(data: Path | None) -> Noise:
    """Return real noise where there is a folder with recordings, else made noise."""
    return generated if data is None else real(_training(data))


def generated(rng: np.random.Generator, rows: int, confounded: bool) -> Floats:
    """Make rows of `METRICS` metrics: autoregressions, heavy tails, bursts, stair-steps, counts, in turn.

    Confounded: a common load, a slow autoregression, is part of a third of them.
    """
    made = np.empty((rows, METRICS))
    for j in range(METRICS):
        made[:, j] = _KINDS[j % len(_KINDS)](rng, rows)
    if confounded:
        load = _autoregression(rng.normal(size=rows), 0.95)
        made[:, rng.random(METRICS) < 1 / 3] += load[:, None]
    return rng.uniform(0, 100, METRICS) + made * np.exp(rng.normal(0, 1, METRICS))


def real(recorded: Sequence[Recorded]) -> Noise:
    """Take rows of one stream, drawn by the seed; unless confounded, each metric from a time of its own.

    So every metric keeps its own dynamics, and what moved metrics together in the recording is broken up.
    """

    def noise(rng: np.random.Generator, rows: int, confounded: bool) -> Floats:
        X = recorded[int(rng.integers(len(recorded)))].X
        starts: NDArray[np.int64] = np.asarray(rng.integers(0, len(X) - rows, size=X.shape[1]))
        if confounded:
            starts[:] = starts[0]
        return np.stack([X[start : start + rows, j] for j, start in enumerate(starts)], axis=1)

    return noise


def lively(history: Floats) -> NDArray[np.int64]:
    """Columns that move all the time: what cannot be told from a constant can carry no fault."""
    low, high = np.nanquantile(history, [0.1, 0.9], axis=0)
    distinct = np.array([len(np.unique(column)) for column in history.T])
    return np.flatnonzero((high > low) & (distinct >= DISTINCT))


@cache
def _training(data: Path) -> tuple[Recorded, ...]:
    found = []
    for name in SETS:
        labels = pl.read_parquet(data / name / "incidents.parquet")
        begins = dict(labels.group_by("stream").agg(pl.col("test_start").first()).iter_rows())
        for stream, begin in sorted(begins.items()):
            table = pl.read_parquet(data / name / "streams" / f"{stream}.parquet").filter(pl.col("t") < begin)
            found.append(Recorded(stream, table.drop("t").to_numpy().astype(np.float64)))
    return tuple(found)


def _autoregression(e: Floats, phi: float) -> Floats:
    out = np.zeros_like(e)
    for t in range(1, len(e)):
        out[t] = phi * out[t - 1] + e[t]
    return out


def _smooth(rng: np.random.Generator, rows: int) -> Floats:
    return _autoregression(rng.normal(size=rows), rng.uniform(0.3, 0.97))


def _heavy(rng: np.random.Generator, rows: int) -> Floats:
    return _autoregression(rng.standard_t(3, size=rows), rng.uniform(0.0, 0.8))


def _bursts(rng: np.random.Generator, rows: int) -> Floats:
    strikes = (rng.random(rows) < 0.01) * rng.exponential(6.0, rows)
    return rng.normal(size=rows) + _autoregression(strikes, 0.7)


def _stairs(rng: np.random.Generator, rows: int) -> Floats:
    steps = (rng.random(rows) < 0.01) * rng.normal(0, 2, rows)
    return 0.3 * rng.normal(size=rows) + _autoregression(steps, 0.995)


def _counts(rng: np.random.Generator, rows: int) -> Floats:
    rate = np.exp(0.3 * _autoregression(rng.normal(size=rows), 0.9))
    return rng.poisson(8.0 * rate).astype(np.float64) / 3.0


_KINDS = (_smooth, _heavy, _bursts, _stairs, _counts)
