"""How good a ranking is: where it puts what was at fault."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEPTHS", "accuracy", "best_place", "calibration_error", "hit_rate", "place", "top_one"]

Floats = NDArray[np.float64]
DEPTHS = (1, 2, 3, 4, 5)  # of Avg@5
SMALLEST = 5  # incidents of a bin


def place(scores: Floats, true: int) -> float:
    """Rank of entry `true` by falling score, the middle one among ties.

    >>> place(np.array([5.0, 3.0, 3.0, 1.0]), 1)
    2.5
    """
    above, level = int((scores > scores[true]).sum()), int((scores == scores[true]).sum())
    return above + (level + 1) / 2


def best_place(scores: Floats, true: NDArray[np.int64]) -> float:
    """Rank of the first of the entries `true`, the middle one among ties; infinite if there is none."""
    if not len(true):
        return float("inf")
    return place(scores, int(true[np.argmax(scores[true])]))


def accuracy(ranks: Sequence[float]) -> dict[str, float]:
    """Say how often the true one is among the first k, the mean of that for k = 1..5, and the mean of 1 / rank.

    An infinite rank is a miss.

    >>> accuracy([1.0, 2.0])
    {'as1': 0.5, 'as3': 1.0, 'as5': 1.0, 'avg5': 0.9, 'mrr': 0.75}
    """
    n = max(len(ranks), 1)
    at = {k: sum(rank <= k for rank in ranks) / n for k in DEPTHS}
    mean, reciprocal = sum(at.values()) / len(at), sum(1.0 / rank for rank in ranks) / n
    return {"as1": at[1], "as3": at[3], "as5": at[5], "avg5": round(mean, 6), "mrr": round(reciprocal, 6)}


def hit_rate(scores: Floats, true: NDArray[np.int64]) -> float:
    """HitRate@100 %: the share of the entries `true` among the first ``len(true)``, expected over orders of ties.

    >>> hit_rate(np.array([9.0, 8.0, 7.0, 1.0]), np.array([0, 2]))
    0.5
    """
    return _expected(scores, true, len(true)) / max(len(true), 1)


def top_one(scores: Floats, true: NDArray[np.int64]) -> float:
    """Chance that the first of the list is one of the entries `true`, over orders of ties."""
    return _expected(scores, true, 1)


def _expected(scores: Floats, true: NDArray[np.int64], k: int) -> float:
    """How many of `true` are among the first k, on average over the orders of ties."""
    if not 0 < k <= len(scores):
        return 0.0
    last = np.sort(scores)[::-1][k - 1]
    above = scores > last
    level = scores == last
    room = (k - int(above.sum())) / int(level.sum())
    return float(above[true].sum() + room * level[true].sum())


def calibration_error(confidence: Floats, right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over `bins` bins of equal mass.

    Of few incidents there are fewer bins, of `SMALLEST` each.

    >>> confidence, right = np.repeat([0.9, 0.1], 5), np.repeat([True, False], 5)
    >>> calibration_error(confidence, right)
    0.1
    """
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, max(1, min(bins, len(order) // SMALLEST)))
    distances = [len(part) * abs(float(confidence[part].mean()) - float(right[part].mean())) for part in parts]
    return round(sum(distances) / max(len(order), 1), 12)
