"""Half-Space Trees (Tan, Ting and Liu, IJCAI 2011) from river: how empty are the random boxes that a row falls in.

They want numbers from 0 to 1: the range of the warm-up is mapped there, and what leaves it is clipped.
"""

import numpy as np
from numpy.typing import NDArray
from river.anomaly import HalfSpaceTrees

__all__ = ["Trees"]

Floats = NDArray[np.float64]


class Trees:
    """river's defaults but for 25 trees (the paper's number) and seed 1; scores a row, then learns it."""

    def fit(self, X: Floats) -> None:
        """Learn the ranges, then run over ``float64[n, d]``."""
        self.low, spread = X.min(axis=0), np.ptp(X, axis=0)
        self.spread = np.where(spread > 0.0, spread, 1.0)
        self.trees = HalfSpaceTrees(n_trees=25, seed=1)
        self.warm = self.score(X)

    def score(self, X: Floats) -> Floats:
        """Score rows, from 0 to 1."""
        unit = np.clip((X - self.low) / self.spread, 0.0, 1.0)
        scores = np.empty(len(X))
        for t, row in enumerate(unit.tolist()):
            x = dict(enumerate(row))
            scores[t] = self.trees.score_one(x)
            self.trees.learn_one(x)
        return scores
