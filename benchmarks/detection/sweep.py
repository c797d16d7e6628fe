"""The sweep: the best threshold a detector could have had, the same 200 for all streams of a set.

This sees the labels and flatters everyone alike. The thresholds are quantiles of the detector's own scores, at shares
of rows from .3 down to one row, evenly in the logarithm: a monotone change of a score changes nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .scoring import Counts, events, f1, total

__all__ = ["THRESHOLDS", "best", "sweep"]

Floats = NDArray[np.float64]

THRESHOLDS = 200
MOST = 0.3  # share of rows over the lowest threshold


def sweep(scores: Sequence[Floats], judge: Callable[[int, NDArray[np.int64]], Counts]) -> list[Counts]:
    """Count hits and false alarms of a set at every threshold.

    Parameters
    ----------
    scores
        ``float64[T]`` of each stream.
    judge
        Counts the alarms of a stream, by its number.
    """
    pooled = np.sort(np.concatenate([score[np.isfinite(score)] for score in scores]))
    if not len(pooled):
        return []
    shares = np.geomspace(MOST, 1.0 / len(pooled), THRESHOLDS)
    levels = np.unique(pooled[np.minimum((len(pooled) * (1.0 - shares)).astype(np.int64), len(pooled) - 1)])
    return [
        total(judge(k, events(score >= level)) for k, score in enumerate(scores))
        for level in levels.tolist()
        if level > pooled[0]
    ]


def best(found: Sequence[Counts], most: float) -> tuple[float, float]:
    """Return the best F1, and the best recall at no more than `most` false alarms per row."""
    recalls = [counts.hits / max(counts.events, 1) for counts in found if counts.false <= most * counts.rows]
    return max((f1(counts) for counts in found), default=0.0), max(recalls, default=0.0)
