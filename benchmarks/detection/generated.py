"""Streams that stand in where no recordings are given: they show that all runs, and say little about real systems.

Model, per stream of d = 12 metrics at one row a minute: a common load ``l(t) = sin(2 pi t / 1440) + a(t)`` with ``a``
an AR(1) of .95; metric ``n`` is ``w_n l(t) + u_n(t)``, ``w_n`` uniform in .2 to 1 and ``u_n`` an AR(1) of .6 with
innovations of a Student t of 5 degrees of freedom. In the test part, every 400 rows in the mean, 1 to 6 metrics shift
by 4 to 8 of their standard deviations for 10 to 40 rows.
"""

import numpy as np
from numpy.typing import NDArray

from .scoring import Labels
from .streams import Stream

__all__ = ["generated"]

Floats = NDArray[np.float64]

WIDTH = 12
WARM, TEST = 4000, 6000  # rows
GRACE = 30  # rows


def generated(streams: int) -> list[Stream]:
    """Return streams of seeds 1, 2, ..."""
    return [_stream(seed) for seed in range(1, streams + 1)]


def _stream(seed: int) -> Stream:
    draw = np.random.default_rng(seed)
    T = WARM + TEST
    load = np.sin(2.0 * np.pi * np.arange(T) / 1440.0) + _ar(0.95, 0.1 * draw.normal(size=(T, 1)))[:, 0]
    X = load[:, None] * draw.uniform(0.2, 1.0, WIDTH) + _ar(0.6, 0.3 * draw.standard_t(5.0, size=(T, WIDTH)))
    sd = X[:WARM].std(axis=0)
    segments, first = [], WARM + int(draw.integers(200, 600))
    while first + 40 + GRACE < T:
        last = first + int(draw.integers(10, 40))
        columns = draw.choice(WIDTH, int(draw.integers(1, 7)), replace=False)
        X[first : last + 1, columns] += draw.uniform(4.0, 8.0) * sd[columns] * draw.choice((-1.0, 1.0))
        segments.append((first - WARM, last - WARM))
        first = last + int(draw.integers(200, 600))
    return Stream(f"seed {seed}", 60.0, X[:WARM], X[WARM:], Labels(TEST, tuple(segments), GRACE))


def _ar(keep: float, innovations: Floats) -> Floats:
    out = innovations.copy()
    for t in range(1, len(out)):
        out[t] += keep * out[t - 1]
    return out
