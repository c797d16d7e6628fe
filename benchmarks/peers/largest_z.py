"""N-Sigma as a trigger: the largest absolute z of a row, against mean and standard deviation of the warm-up."""

import numpy as np
from numpy.typing import NDArray

from .standard import Scale

__all__ = ["LargestZ"]

Floats = NDArray[np.float64]


class LargestZ:
    """One threshold for all metrics."""

    warm: Floats

    def fit(self, X: Floats) -> None:
        """Learn ``float64[n, d]``."""
        self.scale = Scale(X)
        self.warm = self.score(X)

    def score(self, X: Floats) -> Floats:
        """Score rows."""
        return np.asarray(np.abs(self.scale(X)).max(axis=1))
