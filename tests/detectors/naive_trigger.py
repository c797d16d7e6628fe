"""Slow and obvious twins of the detectors."""

import numpy as np

from headwater.online import Block


def stacked_page_matrix(Z: Block, window: int) -> Block:
    """Every block of every metric as a column, block after block."""
    starts = range(0, len(Z) - window + 1, window)
    return np.array([Z[start : start + window, n] for start in starts for n in range(Z.shape[1])]).T


def signal_subspace(page: Block, rank: int) -> Block:
    """The local level, then the leading left singular vectors of what the level leaves of a Page matrix."""
    window = len(page)
    level = np.ones((window, 1)) / np.sqrt(window)
    left, _, _ = np.linalg.svd(page - level @ (level.T @ page))
    return np.hstack([level, left[:, : rank - 1]])


def squared_distances(x: Block, U: Block) -> Block:
    """CORAL eq. 2 by metric: ``|x_n|^2 - |U' x_n|^2`` of windows ``x[L, d]``."""
    return (x**2).sum(axis=0) - ((U.T @ x) ** 2).sum(axis=0)


def next_by_recurrence(past: Block, U: Block) -> float:
    """The value that puts the window as near to the subspace as it can be."""
    candidates = []
    for value in (0.0, 1.0, 2.0):
        x = np.append(past, value)
        candidates.append(float(x @ x - (U.T @ x) @ (U.T @ x)))
    a, b, _ = np.polyfit([0.0, 1.0, 2.0], candidates, 2)
    return -b / (2.0 * a)


def cusum_heights(energies: Block, clip: float) -> list[float]:
    """``W_t`` as the largest sum of ``min(energy, clip) - 1`` over rows that end at t, or 0."""
    steps = [min(e, clip) - 1.0 for e in energies]
    return [max(0.0, *(sum(steps[s : t + 1]) for s in range(t + 1))) for t in range(len(steps))]
