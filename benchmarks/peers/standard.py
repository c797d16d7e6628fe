"""Units of a warm-up: what a peer that knows nothing of units is given."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scale"]

Floats = NDArray[np.float64]


class Scale:
    """Mean and standard deviation of the columns of ``X[n, d]``; a constant one is divided by 1, as in scikit-learn."""

    def __init__(self, X: Floats) -> None:
        self.mean = X.mean(axis=0)
        sd = X.std(axis=0)
        self.sd = np.where(sd > 10 * np.finfo(float).eps * np.maximum(np.abs(self.mean), 1.0), sd, 1.0)

    def __call__(self, X: Floats) -> Floats:
        """Return z-scores ``float64[T, d]``."""
        return np.asarray((X - self.mean) / self.sd)
