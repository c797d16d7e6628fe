"""river's drift detectors look at one number: one per metric, and a vote."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .standard import Scale

__all__ = ["Vote"]

Floats = NDArray[np.float64]

MEMORY = 20  # rows for which a drift counts as a vote; 10 to 45 were tried on skab, asd and jumpstarter, all alike


class Vote:
    """Scores a row by the number of metrics in which a drift was reported in the last twenty rows.

    Metrics are given as z-scores of the warm-up, for river's defaults are about numbers near 1.

    Parameters
    ----------
    make
        Returns a detector with river's ``update(x)`` and ``drift_detected``.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def fit(self, X: Floats) -> None:
        """Let the detectors see ``float64[n, d]``."""
        self.scale = Scale(X)
        self.detectors = [self.make() for _ in range(X.shape[1])]
        self.last = np.full(X.shape[1], -np.inf)
        self.seen = 0
        self.warm = self.score(X)

    def score(self, X: Floats) -> Floats:
        """Count votes, row by row."""
        Z = self.scale(X)
        votes = np.zeros(len(X))
        rows = np.arange(self.seen, self.seen + len(X))
        for n, detector in enumerate(self.detectors):
            drift = np.zeros(len(X), np.bool_)
            for t, z in enumerate(Z[:, n].tolist()):
                detector.update(z)
                drift[t] = detector.drift_detected
            last = np.maximum.accumulate(np.where(drift, rows, self.last[n]))
            votes += rows - last < MEMORY
            self.last[n] = last[-1]
        self.seen += len(X)
        return votes

    def __deepcopy__(self, memo: dict[int, Any]) -> "Vote":
        """Copy the detectors too; what makes them stays."""
        twin = type(self).__new__(type(self))
        twin.__dict__ = {k: v if k == "make" else copy.deepcopy(v, memo) for k, v in self.__dict__.items()}
        return twin
