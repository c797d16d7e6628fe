"""PCA monitoring, static: Hotelling's T² of the leading components and Q, the squared residual (Jackson and Mudholkar,
Technometrics 1979; Russell, Chiang and Braatz, 2000). Components: as many as explain 90 % of the variance.
"""

import numpy as np
from numpy.typing import NDArray

from .standard import Scale

__all__ = ["T2Q"]

Floats = NDArray[np.float64]


class T2Q:
    """The larger of T² and Q, each over its 99 % quantile in the warm-up.

    Parameters
    ----------
    explained
        Share of the variance in the model.
    """

    def __init__(self, explained: float = 0.9) -> None:
        self.explained = explained
        self.warm: Floats = np.empty(0)

    def fit(self, X: Floats) -> None:
        """Learn components and quantiles from ``float64[n, d]``."""
        self.scale = Scale(X)
        Z = self.scale(X)
        _, s, Vt = np.linalg.svd(Z, full_matrices=False)
        share = np.cumsum(s**2) / (s**2).sum()
        r = int(np.searchsorted(share, self.explained)) + 1
        self.V, self.variances = Vt[:r].T, s[:r] ** 2 / (len(X) - 1)
        both = self.statistics(X)
        self.units = np.maximum(np.quantile(both, 0.99, axis=1), 1e-12)
        self.warm = self.score(X)

    def statistics(self, X: Floats) -> Floats:
        """Return T² and Q of each row, ``float64[2, T]``."""
        Z = self.scale(X)
        P = Z @ self.V
        return np.array([(P**2 / self.variances).sum(axis=1), ((Z - P @ self.V.T) ** 2).sum(axis=1)])

    def score(self, X: Floats) -> Floats:
        """Score rows."""
        return np.asarray((self.statistics(X) / self.units[:, None]).max(axis=0))
