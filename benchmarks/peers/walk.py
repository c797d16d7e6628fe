"""A plain random walk with restart on the correlation graph of the metrics, as graph methods without causes do it.

Written from the formula: ``q <- (1 - v) T' q + v q_0``, where T is the row-normalised matrix of absolute
correlations over quiet and faulty rows and ``q_0`` the KPI, or without one all metrics by how far they moved.
"""

import numpy as np
from numpy.typing import NDArray

from .zscores import largest, zscores

__all__ = ["correlation_walk"]

Floats = NDArray[np.float64]
RESTART = 0.15
ROWS = 300  # of the history that count
FARTHEST = 30.0  # standard deviations


def correlation_walk(history: Floats, window: Floats, kpi: NDArray[np.int64]) -> Floats:
    """Score columns, ``float64[d]``, by how often the walk visits them.

    Parameters
    ----------
    history, window
        ``float64[n, d]`` and ``float64[W, d]``, NaN allowed.
    kpi
        Columns at which the walk starts; empty: it starts everywhere.
    """
    z = np.clip(np.nan_to_num(zscores(history, np.vstack([history[-ROWS:], window]))), -FARTHEST, FARTHEST)
    centred = z - z.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(length > 0, length, 1.0)
    W = np.abs(unit.T @ unit)
    np.fill_diagonal(W, 0.0)
    reach = W.sum(axis=1)
    # A metric that correlates with none keeps the walk.
    T = np.where(reach[:, None] > 0, W / np.where(reach > 0, reach, 1.0)[:, None], np.eye(len(W)))
    start = np.zeros(len(W))
    start[kpi] = 1.0
    if not len(kpi):
        start = largest(np.abs(z[-len(window) :])) + 1e-12
    start /= start.sum()
    return np.asarray(np.linalg.solve(np.eye(len(W)) - (1.0 - RESTART) * T.T, RESTART * start), np.float64)
