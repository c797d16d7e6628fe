"""Alarms that look at nothing: what a score is worth must be held against theirs."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blind", "Random"]

Floats = NDArray[np.float64]


class Random:
    """A score drawn at random."""

    def __init__(self, seed: int = 1) -> None:
        self.draw = np.random.default_rng(seed)

    def fit(self, X: Floats) -> None:
        """Look at the number of rows only."""
        self.warm = self.draw.random(len(X))

    def score(self, X: Floats) -> Floats:
        """Score rows."""
        return self.draw.random(len(X))


class Blind:
    """An alarm every so many rows, whatever they hold; for the sweep, every power of two of them."""

    warm: Floats = np.zeros(1)

    def fit(self, X: Floats) -> None:
        """Look at nothing."""

    def score(self, X: Floats) -> Floats:
        """Return the exponent of the highest power of two that divides a row's number."""
        rows = np.arange(1, len(X) + 1)
        return np.asarray(np.log2(rows & -rows))

    def alarms(self, X: Floats, rate: float) -> NDArray[np.bool_]:
        """Alarm `rate` times per row, evenly, from the first whole period on."""
        rows = np.floor(np.arange(1, len(X) + 1) * rate)
        return np.asarray(np.diff(rows, prepend=0.0) > 0)
