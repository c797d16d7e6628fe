"""How many standard deviations rows are from the mean of history: what most peers start from."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["largest", "zscores"]

Floats = NDArray[np.float64]


def zscores(history: Floats, rows: Floats) -> Floats:
    """Return ``(x - mean) / sd`` for `rows` (``float64[m, d]``) by the mean and sd of `history` (``float64[n, d]``).

    A column that was constant is divided by 1, as scikit-learn's StandardScaler does; NaN stays NaN, and a column
    without history is NaN.
    """
    present = np.isfinite(history)
    count = present.sum(axis=0)
    filled = np.where(present, history, 0.0)
    mean = filled.sum(axis=0) / np.maximum(count, 1)
    sd = np.sqrt((np.where(present, filled - mean, 0.0) ** 2).sum(axis=0) / np.maximum(count, 1))
    sd[sd <= 10 * np.finfo(float).eps * np.maximum(np.abs(mean), 1.0)] = 1.0
    return np.where(count > 0, (rows - mean) / sd, np.nan)


def largest(z: Floats) -> Floats:
    """Return the largest value per column of ``float64[m, d]``; 0 where there is none."""
    known = np.isfinite(z)
    return np.where(known.any(axis=0), np.where(known, z, -np.inf).max(axis=0, initial=-np.inf), 0.0)
