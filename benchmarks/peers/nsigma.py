"""Plain N-Sigma: how many standard deviations a metric rises above its mean, the peer that every ranking must beat."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["nsigma"]

Floats = NDArray[np.float64]


def nsigma(history: Floats, window: Floats) -> Floats:
    """Score each column: ``max_t (x_t - mean) / sd`` over the window, one-sided as BARO's authors evaluate it.

    Parameters
    ----------
    history, window
        ``float64[n, d]`` and ``float64[W, d]``, NaN allowed.

    Returns
    -------
    NDArray
        ``float64[d]``; a column that was constant is divided by 1, as scikit-learn's StandardScaler does, and one
        without values on either side scores 0.
    """
    present = np.isfinite(history)
    count = np.maximum(present.sum(axis=0), 1)
    filled = np.where(present, history, 0.0)
    mean = filled.sum(axis=0) / count
    sd = np.sqrt((np.where(present, filled - mean, 0.0) ** 2).sum(axis=0) / count)
    sd[sd <= 10 * np.finfo(float).eps * np.maximum(np.abs(mean), 1.0)] = 1.0
    known = present.any(axis=0) & np.isfinite(window).any(axis=0)
    highest = np.where(np.isfinite(window), window, -np.inf).max(axis=0)
    return np.where(known, (np.where(known, highest, 0.0) - mean) / sd, 0.0)
