"""Slow and obvious twins of the detectors."""

import numpy as np

from headwater.online import Block


def stacked_page_matrix(Z: Block, window: int) -> Block:
    """Every block of every metric as a column, block after block."""
    starts = range(0, len(Z) - window + 1, window)
    return np.array([Z[start : start + window, n] for start in starts for n in range(Z.shape[1])]).T


def cusum_heights(energies: Block, clip: float) -> list[float]:
    """``W_t`` as the largest sum of ``min(energy, clip) - 1`` over rows that end at t, or 0."""
    steps = [min(e, clip) - 1.0 for e in energies]
    return [max(0.0, *(sum(steps[s : t + 1]) for s in range(t + 1))) for t in range(len(steps))]
