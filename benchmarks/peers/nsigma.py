"""Plain N-Sigma: how many standard deviations a metric rises above its mean, the peer that every ranking must beat."""

import numpy as np
from numpy.typing import NDArray

from .zscores import largest, zscores

__all__ = ["nsigma"]

Floats = NDArray[np.float64]


def nsigma(history: Floats, window: Floats, *, two_sided: bool = False) -> Floats:
    """Score each column: ``max_t (x_t - mean) / sd`` over the window, one-sided as BARO's authors evaluate it.

    Parameters
    ----------
    history, window
        ``float64[n, d]`` and ``float64[W, d]``, NaN allowed.
    two_sided
        Whether a fall counts like a rise.

    Returns
    -------
    NDArray
        ``float64[d]``; a column without values on either side scores 0.
    """
    z = zscores(history, window)
    return largest(np.abs(z) if two_sided else z)
