"""FOCuS (Romano, Eckley, Fearnhead and Rigaill, JMLR 2023), written from its formulas.

The likelihood ratio of a change in mean at any past row, exactly, for the price of a few candidates: with ``S_t`` the
running sum, a change after row ``k`` is worth ``k (n - k) / n (mean after - mean before)^2`` when the mean before is
unknown, too. For a rise only vertices of the lower convex hull of ``(k, S_k)`` can be best, for a fall those of the
upper one. The package ``focus_cpt`` takes some 1,000 rows/s.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import kernel

from .standard import Scale

__all__ = ["Focus", "likelihood_ratios"]

Floats = NDArray[np.float64]

KEPT = 64  # vertices of a hull; about log n are needed, the oldest goes when there are more
BLOCK = 500  # rows of the warm-up after which all begin anew, to learn what is usual
QUANTILE = 0.99
RESTART = 2.0  # times the usual: the metric has changed, and begins anew at its new level


class Hulls(NamedTuple):
    """Candidates of each metric; index 0 for rises, 1 for falls."""

    at: Floats  # [2, d, KEPT] rows before the change
    sums: Floats  # [2, d, KEPT]
    held: NDArray[np.int64]  # [2, d]
    n: Floats  # [d] rows since the metric began
    total: Floats  # [d] their sum

    @classmethod
    def empty(cls, d: int) -> "Hulls":
        """Nothing seen."""
        rows = np.zeros((2, d, KEPT))
        return cls(rows, rows.copy(), np.zeros((2, d), np.int64), np.zeros(d), np.zeros(d))


class Focus:
    """The largest likelihood ratio of a metric, or the sum of all, over their 99 % quantiles in the warm-up.

    A metric that reaches twice its quantile begins anew.
    """

    def fit(self, X: Floats) -> None:
        """Learn what is usual from blocks of ``float64[n, d]``, then run over all of it."""
        self.scale = Scale(X)
        Z = self.scale(X)
        never = np.full(X.shape[1], np.inf)
        blocks = [Z[at : at + BLOCK] for at in range(0, len(Z), BLOCK)]
        usual = np.vstack([likelihood_ratios(block, Hulls.empty(Z.shape[1]), never) for block in blocks])
        self.each = np.maximum(np.quantile(usual, QUANTILE, axis=0), 1.0)
        self.all = max(float(np.quantile(usual.sum(axis=1), QUANTILE)), 1.0)
        self.hulls = Hulls.empty(X.shape[1])
        self.warm = self.score(X)

    def score(self, X: Floats) -> Floats:
        """Score rows."""
        ratios = likelihood_ratios(self.scale(X), self.hulls, RESTART * self.each)
        return np.asarray(np.maximum((ratios / self.each).max(axis=1), ratios.sum(axis=1) / self.all))


def likelihood_ratios(Z: Floats, hulls: Hulls, restart: Floats) -> Floats:
    """Return twice the log likelihood ratio of each metric in each row, for unit variance, ``float64[T, d]``."""
    out = np.empty(Z.shape)
    _run(Z, hulls, restart, out)
    return out


@kernel
def _run(Z: Floats, hulls: Hulls, restart: Floats, out: Floats) -> None:
    """Add each sample to both hulls of its metric and try their vertices; writes hulls and out."""
    for t in range(Z.shape[0]):
        for n in range(Z.shape[1]):
            best = 0.0
            for side in range(2):
                best = max(best, _push(Z[t, n], 1.0 - 2.0 * side, side, n, hulls))
            hulls.n[n] += 1.0
            hulls.total[n] += Z[t, n]
            out[t, n] = best
            if best >= restart[n]:
                hulls.n[n], hulls.total[n] = 0.0, 0.0
                hulls.held[:, n] = 0


@kernel
def _push(z: float, sign: float, side: int, n: int, hulls: Hulls) -> float:
    """Take the present end as a candidate, then the sample; returns the best ratio of a change in `sign`."""
    at, sums = hulls.at[side, n], hulls.sums[side, n]
    held, rows, total = hulls.held[side, n], hulls.n[n], sign * hulls.total[n]
    if rows > 0.0:
        while held >= 2 and (total - sums[held - 1]) * (at[held - 1] - at[held - 2]) <= (
            sums[held - 1] - sums[held - 2]
        ) * (rows - at[held - 1]):
            held -= 1
        if held == len(at):
            at[:-1], sums[:-1] = at[1:].copy(), sums[1:].copy()
            held -= 1
        at[held], sums[held] = rows, total
        held += 1
    hulls.held[side, n] = held
    rows, total, best = rows + 1.0, total + sign * z, 0.0
    for k in range(held):
        rise = (total - sums[k]) / (rows - at[k]) - sums[k] / at[k]
        if rise > 0.0:
            best = max(best, at[k] * (rows - at[k]) / rows * rise * rise)
    return best
