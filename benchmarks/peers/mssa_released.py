"""mSSA-CPD as its authors released it (ArwaAlanqary/mSSA_cpd), written from its formulas: our slow, obvious twin.

Everything is a full SVD of the stacked Page matrix, 500 random folds included; a change is looked for by projecting
the newest L rows, row after row; after an alarm the next T rows become the base, and nothing is seen meanwhile.
The released code squares the sum of the norms (``statistic="released"``); the papers print the Frobenius norm.
Run it with one BLAS thread: on matrices this small more of them are many times slower.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Run", "mssa_released", "page_matrix", "rank_by_singular_values"]

Floats = NDArray[np.float64]
Norm = Callable[[Floats], float]


class Run(NamedTuple):
    """What the twin made of rows."""

    alarms: NDArray[np.int64]  # rows whose arrival raised an alarm
    height: Floats  # [T] CUSUM over the largest statistic of the held-out blocks; NaN while a base is learned


def page_matrix(rows: Floats, window: int) -> Floats:
    """Stack the Page matrices of all metrics as the released code does: ``float64[L, K d]``, block by block."""
    blocks, d = len(rows) // window, rows.shape[1]
    by_metric = rows[: blocks * window].reshape((window, blocks * d), order="F")
    return by_metric[:, np.arange(blocks * d).reshape(d, blocks).flatten("F")]


def rank_by_singular_values(page: Floats, share: float) -> int:
    """Fewest leading singular values, not squared, whose sum exceeds `share` of all."""
    # The released code asks for all of V, which wide pages make it pay for dearly.
    total = np.cumsum(np.linalg.svd(page)[1])
    return int(np.argmax(total > share * total[-1])) + 1


def mssa_released(
    rows: Floats,
    *,
    base: int,
    window: int,
    rank: float = 0.95,
    theta: float = 5.0,
    folds: int = 500,
    statistic: str = "released",
    seed: int = 0,
) -> Run:
    """Run the detector over ``rows[T, d]`` as they are: finite, and scaled by the caller.

    Parameters
    ----------
    base, window
        T and L; T is cut to whole windows.
    rank
        Below 1 the share of the sum of singular values, else the rank itself.
    theta
        Threshold over the largest statistic of a held-out block.
    """
    norm = _squared_sum if statistic == "released" else _frobenius
    blocks = base // window
    base = blocks * window
    alarms, height = [], np.full(len(rows), np.nan)
    start, d = 0, rows.shape[1]
    while start + base <= len(rows):
        page = page_matrix(rows[start : start + base], window)
        left, values, right = np.linalg.svd(page, full_matrices=False)
        r = rank_by_singular_values(page, rank) if rank < 1 else int(rank)
        apart = left[:, r:]
        noise = left[:, r:] @ np.diag(values[r:]) @ right[r:]
        eps = _largest_held_out(page, d, r, folds, norm, np.random.default_rng(seed))
        c, h = eps + d * (window - r) * noise.var(ddof=1), theta * (eps + 1e-10)
        W, fired = 0.0, False
        for t in range(start + base - 1, len(rows)):
            # The released code builds this matrix for every row, too, and does nothing with it.
            page_matrix(rows[t - base + 1 : t + 1], window)
            W = max(W + norm(apart.T @ rows[t - window + 1 : t + 1]) - c, 0.0)
            height[t] = W / (eps + 1e-10)
            if h <= W:
                alarms.append(t)
                fired = True
                break
        if not fired:
            break
        start = t + 1
    return Run(np.array(alarms, np.int64), height)


def _squared_sum(apart: Floats) -> float:
    return float(np.linalg.norm(apart, axis=0).sum()) ** 2


def _frobenius(apart: Floats) -> float:
    return float(np.linalg.norm(apart)) ** 2


def _largest_held_out(page: Floats, d: int, r: int, folds: int, norm: Norm, draw: np.random.Generator) -> float:
    """Largest statistic of a tenth of the blocks, under the subspace of the others."""
    blocks = page.shape[1] // d
    out = max(int(blocks * (1.0 - 0.9)), 1)
    largest = 0.0
    for _ in range(folds):
        held = np.isin(np.arange(blocks), draw.choice(blocks, out, replace=False))
        columns = np.repeat(held, d)
        left, _, _ = np.linalg.svd(page[:, ~columns], full_matrices=False)
        apart = left[:, r:].T @ page[:, columns]
        largest = max(largest, *(norm(block) for block in np.split(apart, out, axis=1)))
    return largest
