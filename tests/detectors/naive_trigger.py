"""Slow and obvious twins of the detectors."""

import itertools

import numpy as np

from headwater.online import Block


def stacked_page_matrix(Z: Block, window: int) -> Block:
    """Every block of every metric as a column, block after block."""
    starts = range(0, len(Z) - window + 1, window)
    return np.array([Z[start : start + window, n] for start in starts for n in range(Z.shape[1])]).T


def innovations(X: Block, centre: Block, scale: Block, rates: tuple[float, ...], reach: float, echo: float) -> Block:
    """Each sample less its level, for each row, rate and metric; levels begin at `centre`."""
    found = np.zeros((len(X), len(rates), X.shape[1]))
    for k, rate in enumerate(rates):
        for n in range(X.shape[1]):
            level = centre[n]
            for t, x in enumerate(X[:, n].tolist()):
                if not np.isfinite(x):
                    continue
                near = float(np.clip(x, centre[n] - reach * scale[n], centre[n] + reach * scale[n]))
                found[t, k, n] = near - level
                level += rate * float(np.clip(near - level, -echo * scale[n], echo * scale[n]))
    return found


def dense_statistic(y: Block, spans: Block, jumps: Block, caps: Block, gains: Block) -> float:
    """The largest of the rates' weighted sums of capped squares."""
    sums = []
    for k in range(len(y)):
        span = sum(min(v * v * w, caps[0, k]) for v, w in zip(y[k], spans, strict=True))
        jump = sum(min(v * v * w, caps[1, k]) for v, w in zip(y[k], jumps[k], strict=True))
        sums.append(gains[0, k] * span + gains[1, k] * jump)
    return float(max(sums))


def rests(values: Block) -> list[int]:
    """For how many samples the value has been the same at the end, and at most."""
    found = [0]
    present = values[np.isfinite(values)].tolist()
    for before, now in itertools.pairwise(present):
        found.append(found[-1] + 1 if now == before else 0)
    return [found[-1], max(found)]


def cusum_heights(energies: Block, clip: float) -> list[float]:
    """``W_t`` as the largest sum of ``min(energy, clip) - 1`` over rows that end at t, or 0."""
    steps = [min(e, clip) - 1.0 for e in energies]
    return [max(0.0, *(sum(steps[s : t + 1]) for s in range(t + 1))) for t in range(len(steps))]
