"""Faults put into real metrics of quiet time, so that what is true of them is known to the row.

The rows are the training halves of smd: no label lies there, though nobody looked for anomalies in them either. The
first half is the warm-up, the faults go into copies of the second. They last an hour, one every five in the mean, in
metrics that moved during the warm-up; sizes are in standard deviations of the warm-up, and so a fault is no easier for
being put into a lively hour.

- ``one8``: one metric is 8 sd higher or lower.
- ``noise10``: ten metrics get white noise of 2 sd on top.
- ``frozen10``: ten metrics stand still at the value they had.

What is made up: that metrics fail alone or ten at a time, at once, and independently of each other.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .scoring import Labels
from .streams import Stream, recorded

__all__ = ["KINDS", "WITHIN", "faulty", "inject", "injected"]

Floats = NDArray[np.float64]
Fault = Callable[[Floats, Floats, np.random.Generator], Floats]

WITHIN = 30  # rows in which a fault must be found
LASTS = 60  # rows
GAP = (180, 300)  # rows from a fault's end to the next, at least and at most
GRACE = 30  # rows
MANY = 10  # metrics


def _one8(rows: Floats, sd: Floats, draw: np.random.Generator) -> Floats:
    column = draw.choice(np.flatnonzero(sd > 0.0))
    out = rows.copy()
    out[:, column] += draw.choice((-8.0, 8.0)) * sd[column]
    return out


def _noise10(rows: Floats, sd: Floats, draw: np.random.Generator) -> Floats:
    columns = draw.choice(np.flatnonzero(sd > 0.0), MANY, replace=False)
    out = rows.copy()
    out[:, columns] += 2.0 * sd[columns] * draw.normal(size=(len(rows), MANY))
    return out


def _frozen10(rows: Floats, sd: Floats, draw: np.random.Generator) -> Floats:
    columns = draw.choice(np.flatnonzero(sd > 0.0), MANY, replace=False)
    out = rows.copy()
    out[:, columns] = rows[0, columns]
    return out


KINDS: dict[str, Fault] = {"one8": _one8, "noise10": _noise10, "frozen10": _frozen10}


def inject(kind: str, warm: Floats, clean: Floats, seed: int) -> tuple[Floats, tuple[tuple[int, int], ...]]:
    """Put faults into a copy of `clean`; returns it with the first and last row of each.

    Parameters
    ----------
    warm
        ``float64[n, d]``, whose standard deviations are the unit.
    clean
        ``float64[T, d]``.
    """
    draw = np.random.default_rng(seed)
    sd, X, segments = warm.std(axis=0), clean.copy(), []
    first = int(draw.integers(*GAP))
    while first + LASTS + GRACE <= len(X):
        rows = slice(first, first + LASTS)
        X[rows] = KINDS[kind](clean[rows], sd, draw)
        segments.append((first, first + LASTS - 1))
        first += LASTS + int(draw.integers(*GAP))
    return X, tuple(segments)


def faulty(kind: str, source: Stream, number: int) -> Stream:
    """Make a stream with faults out of the warm-up of one without."""
    half = len(source.warm) // 2
    warm, clean = source.warm[:half], source.warm[half:]
    X, segments = inject(kind, warm, clean, seed=[*KINDS].index(kind) * 1000 + number)
    return Stream(source.name, source.interval, warm, X, Labels(len(X), segments, GRACE), clean=clean)


def injected(data: Path, kind: str) -> list[Stream]:
    """Return the four machines with faults of a kind; seeds are the place of the kind and of the machine."""
    return [faulty(kind, source, number) for number, source in enumerate(recorded(data, "smd"))]
