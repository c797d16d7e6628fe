"""What a detector must be to be measured, and how a score becomes alarms: the same way for all.

A detector that knows its own thresholds (ours) raises alarms at a stated rate by itself. For one that only scores, the
threshold is taken from its scores of the warm-up, by one rule. No label is seen either way.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Calibrated", "Detector", "Method", "over", "threshold"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

BLOCK = 30  # rows whose highest score is one peak
UPPER = 0.8  # share of peaks below the tail
ENOUGH = 5.0  # expected peaks from which on the quantile is read off and not extrapolated


class Detector(Protocol):
    """Scores rows of d metrics; the larger the more abnormal."""

    warm: Floats
    """``[n]`` score of the warm-up rows, once fitted."""

    def fit(self, X: Floats) -> None:
        """Learn the warm-up ``float64[n, d]``."""
        ...

    def score(self, X: Floats) -> Floats:
        """Score the rows that follow, ``float64[T, d]`` -> ``float64[T]``; a row's score uses no later row."""
        ...


@runtime_checkable
class Calibrated(Protocol):
    """A detector with thresholds of its own."""

    def alarms(self, X: Floats, rate: float) -> Mask:
        """Return the rows in which it alarms, set to `rate` false alarms per row."""
        ...


class Method(NamedTuple):
    """A detector with its settings."""

    name: str
    make: Callable[[float], Detector]  # of the seconds between rows
    slow: bool = False  # below 2,000 rows/s: runs on 5,000 rows of each stream


def threshold(peaky: Floats, rate: float) -> float:
    """Return the height that a score exceeds `rate` times per row, judged by what it did in the warm-up.

    The peaks of blocks have an exponential tail above their 80 % quantile ``u``: with mean excess ``b`` and ``p`` the
    accepted share of blocks, ``h = u + b ln((1 - 0.8) / p)``; where enough peaks lie above, their own quantile.

    Examples
    --------
    >>> calm = np.random.default_rng(1).exponential(size=30_000)
    >>> fresh = np.random.default_rng(2).exponential(size=1_000_000)
    >>> int((fresh >= threshold(calm, 1e-5)).sum())  # 10 are accepted
    9
    """
    scores = peaky[np.isfinite(peaky)]
    blocks = max(len(scores) // BLOCK, 1)
    peaks = np.array([part.max() for part in np.array_split(scores, blocks)])
    accepted = min(rate * BLOCK, 0.5)
    if accepted * len(peaks) >= ENOUGH:
        h = float(np.quantile(peaks, 1.0 - accepted))
    else:
        u = float(np.quantile(peaks, UPPER))
        above = peaks[peaks > u]
        h = u + (float(above.mean()) - u) * float(np.log((1.0 - UPPER) / accepted)) if len(above) else u
    return max(h, float(np.nextafter(scores.min(), np.inf)))  # a score that never moved must not alarm all the time


def over(detector: Detector, X: Floats, score: Floats, rate: float) -> Mask:
    """Return the rows over the threshold for `rate` false alarms per row."""
    if isinstance(detector, Calibrated):
        return detector.alarms(X, rate)
    return score >= threshold(detector.warm, rate)
