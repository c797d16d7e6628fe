"""What multivariate SSA learns from a base window: the temporal subspace, and how far quiet rows depart from it.

Each metric is cut into K windows of length L that do not overlap (its Page matrix); side by side, window by window,
they are ``Z = [X_1(1:L) .. X_d(1:L) | X_1(L+1:2L) .. ]`` in ``R^{L x dK}``. Its left singular vectors are the
eigenvectors of the Gram matrix ``Z Z'`` in ``R^{L x L}``, however many metrics there are, and leaving windows out
is subtracting their Grams: the 500 folds of the threshold cost 500 small eigenproblems.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, kernel

__all__ = ["QUANTILE", "Subspace", "learn", "rank_of", "residuals", "statistic_of"]

Array = NDArray[np.float64]
HELD_OUT = 0.9  # of the windows are kept in a fold, as published
QUANTILE = 0.8  # of the held-out statistics, beyond which their tail is taken as exponential
LEAST = 1e-10  # added to the largest statistic: the threshold of a base without any noise


class Subspace(NamedTuple):
    """What a base window taught."""

    complement: Array  # [L, m] orthonormal directions that the signal subspace leaves: e_n = |complement' x_n|
    drift: float  # c: the statistic that quiet windows stay below
    largest: float  # eps: the largest statistic of a held-out window, the unit of the threshold h = theta eps
    tail: tuple[float, float]  # 80 % quantile of the held-out statistics, and their mean excess over it


@kernel
def grams(Z: Block, window: int) -> tuple[Array, Array]:
    """Gram matrix and sum of each window of all metrics: ``float64[K, L, L]`` and ``float64[K, L]``."""
    # Metric after metric, not by a matrix product: a metric that is always 0 then changes no bit.
    K, d = len(Z) // window, Z.shape[1]
    of, total = np.zeros((K, window, window)), np.zeros((K, window))
    for k in range(K):
        for n in range(d):
            for i in range(window):
                x = Z[k * window + i, n]
                total[k, i] += x
                for j in range(i + 1):
                    of[k, i, j] += x * Z[k * window + j, n]
        for i in range(window):
            for j in range(i):
                of[k, j, i] = of[k, i, j]
    return of, total


@kernel
def residuals(x: Block, complement: Array) -> Array:
    """Squared distance ``e_n^2`` of each metric's window to the subspace, ``x[L, d]`` (CORAL eq. 2, by metric)."""
    L, m = complement.shape
    squared = np.zeros(x.shape[1])
    along = np.empty(m)
    for n in range(x.shape[1]):
        along[:] = 0.0
        for i in range(L):
            for k in range(m):  # no sum runs across k: the processor may take several at once
                along[k] += x[i, n] * complement[i, k]
        for k in range(m):
            squared[n] += along[k] * along[k]
    return squared


@kernel
def statistic_of(squared: Array, released: bool) -> float:
    """Distance of a window of all metrics: ``sum e_n^2``, or as the authors released it ``(sum e_n)^2``."""
    total = 0.0
    for e in squared:
        total += np.sqrt(e) if released else e
    return total * total if released else total


def rank_of(gram: Array, rank: float) -> int:
    """Fewest leading singular values, not their squares, whose sum exceeds the share `rank`; from 1 on, `rank`."""
    if rank >= 1:
        return int(rank)
    total = np.cumsum(np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)))
    return int(np.argmax(total > rank * total[-1])) + 1


def learn(
    Z: Block, window: int, *, metrics: int, rank: float, released: bool, folds: int = 500, seed: int = 0
) -> Subspace:
    """Learn the subspace of a base window, and its c and eps from windows that are held out.

    ``c = eps + d (L - r) s^2`` with s² the variance of the entries of ``U_perp U_perp' Z``, and eps the largest
    statistic of a held-out tenth of the windows under the subspace of the others, in `folds` random draws.

    Parameters
    ----------
    Z
        ``float64[T, *]``, finite.
    metrics
        How many of its columns count, d; the others are 0 throughout.
    rank
        Of the signal subspace, see `rank_of`.
    released
        Square the sum of the norms; and complement the subspace only within the span of the base, as the reduced SVD
        of the released code does: directions that no window of a fold shows are not looked at. They are what the
        papers' ``U_perp`` has and the code's has not; it matters where a fold has fewer than L columns.
    """
    of, total = grams(Z, window)
    gram, K = _sum(of), len(of)
    r = rank_of(gram, rank)
    apart = _complement(gram, r, K * metrics if released else window)
    # Entries of U_perp U_perp' Z: their squares sum to tr(P G), they themselves to 1' P Z 1.
    squares = float(np.einsum("ij,jk,ik->", apart.T, gram, apart.T))
    plain = float(apart.sum(axis=0) @ (apart.T @ _sum(total)))
    entries = K * window * metrics
    variance = max(squares - plain * plain / max(entries, 1), 0.0) / max(entries - 1, 1)
    values = np.array(
        [
            statistic_of(residuals(Z[k * window : (k + 1) * window], fold), released)
            for held in _held_out(K, folds, seed)
            for fold in [_complement(gram - _sum(of[held]), r, (K - len(held)) * metrics if released else window)]
            for k in held
        ]
    )
    eps, u = float(values.max()), float(np.quantile(values, QUANTILE))
    excess = float(np.mean(values[values >= u] - u))
    return Subspace(apart, eps + metrics * (window - r) * variance, eps + LEAST, (u, excess))


def _sum(parts: Array) -> Array:
    total: Array = np.cumsum(parts, axis=0)[-1]  # one after the other, whatever their number
    return total


def _complement(gram: Array, rank: int, columns: int) -> Array:
    """Eigenvectors beyond the leading `rank`, of those that `columns` columns can span: ``float64[L, m]``."""
    _, vectors = np.linalg.eigh(gram)
    apart: Array = np.ascontiguousarray(vectors[:, ::-1][:, rank : min(len(gram), max(columns, rank))])
    return apart


def _held_out(K: int, folds: int, seed: int) -> list[NDArray[np.int64]]:
    """Draw a tenth of K windows `folds` times, and return the different draws."""
    draw = np.random.default_rng(seed)
    size = max(int(K * (1.0 - HELD_OUT)), 1)
    held = np.sort([draw.choice(K, size, replace=False) for _ in range(folds)], axis=1)
    return list(np.unique(held, axis=0))
