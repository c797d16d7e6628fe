"""ocd (Chen, Wang and Samworth, JRSS B 2022), written from its formulas: many metrics shift in the mean, a little each.

For every metric ``j`` and size ``b`` of a grid, ``t_jb`` rows have passed since ``b A - b^2 t / 2`` was last not
positive, A being the sum of z over them; the sums of the *other* metrics over those rows tell if ``j`` shifts alone.
Three statistics: diagonal, dense off-diagonal, sparse off-diagonal (only sums larger than ``a sqrt(t)``).
The paper's thresholds are Monte Carlo for independent normal rows, which metrics are not: here each statistic is taken
over its 99 % quantile in the warm-up, and all begin anew at twice the largest.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import kernel

from .standard import Scale

__all__ = ["Ocd", "grid"]

Floats = NDArray[np.float64]

BETA = 1.0  # smallest shift that matters, Euclidean norm over all metrics in sd
QUANTILE = 0.99
RESTART = 2.0


class Sums(NamedTuple):
    """Tails of each metric and size."""

    sizes: Floats  # [B]; the first two are for the diagonal alone
    tail: Floats  # [B, d] rows
    sums: Floats  # [B, d, d] of every metric over the tail of each


def grid(d: int, beta: float = BETA) -> Floats:
    """Return the sizes ``b``: ``+-beta / sqrt(2^l log2(2 d))`` for l = 0 .. floor(log2 d), the smallest first.

    One more step down comes before them, for the diagonal statistic alone.
    """
    levels = np.arange(math.floor(math.log2(d)) + 2, 0, -1) - 1
    sizes = beta / np.sqrt(2.0**levels * math.log2(2 * d))
    return np.stack([sizes, -sizes], axis=1).ravel()


class Ocd:
    """The largest of the three statistics, each over its 99 % quantile in the warm-up."""

    def fit(self, X: Floats) -> None:
        """Learn what is usual from ``float64[n, d]``."""
        self.scale = Scale(X)
        d = X.shape[1]
        sizes = grid(d)
        self.sums = Sums(sizes, np.zeros((len(sizes), d)), np.zeros((len(sizes), d, d)))
        self.units, self.restart = np.ones(3), math.inf
        self.units = np.maximum(np.quantile(self.statistics(X), QUANTILE, axis=0), 1e-9)
        self.restart = RESTART
        self._forget()
        self.warm = self.score(X)
        self.restart = RESTART * float(self.warm.max())

    def statistics(self, X: Floats) -> Floats:
        """Return the three statistics of each row over their units, ``float64[T, 3]``."""
        out = np.empty((len(X), 3))
        _run(self.scale(X), self.sums, self.units, self.restart, out)
        return out

    def score(self, X: Floats) -> Floats:
        """Score rows."""
        return np.asarray(self.statistics(X).max(axis=1))

    def _forget(self) -> None:
        self.sums.tail[:], self.sums.sums[:] = 0.0, 0.0


@kernel
def _run(Z: Floats, of: Sums, units: Floats, restart: float, out: Floats) -> None:
    """Lengthen or reset every tail; writes its sums and out."""
    for t in range(Z.shape[0]):
        for b in range(len(of.sizes)):
            _tails(Z[t], b, of, out[t], b == 0)
        out[t] /= units
        if out[t].max() >= restart:
            of.tail[:], of.sums[:] = 0.0, 0.0


@kernel
def _tails(z: Floats, b: int, of: Sums, best: Floats, first: bool) -> None:
    """Take a row into the tails of size `b`; writes its sums and the largest statistics so far, `best`."""
    size, d = of.sizes[b], len(z)
    sparse = 8.0 * math.log(max(d - 1, 2))
    if first:
        best[:] = 0.0
    for j in range(d):
        tail, sums = of.tail[b, j] + 1.0, of.sums[b, j]
        alone = size * (sums[j] + z[j]) - 0.5 * size * size * tail
        if alone <= 0.0:
            of.tail[b, j] = 0.0
            sums[:] = 0.0
            continue
        of.tail[b, j] = tail
        dense, few = 0.0, 0.0
        for n in range(d):
            sums[n] += z[n]
            if n != j:
                energy = sums[n] * sums[n] / tail
                dense += energy
                few += energy if energy >= sparse else 0.0
        best[0] = max(best[0], alone)
        if b >= 2:
            best[1], best[2] = max(best[1], dense), max(best[2], few)
