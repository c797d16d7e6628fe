"""mSSA-CPD as released, scoring rows: its CUSUM in units of the largest held-out statistic of the base.

It learns the newest T rows of the warm-up and re-bases on what follows each alarm, as published; rows in which it is
blind have no score. Its alarm is at 10 times the unit (the largest of the published grid), so that it can be swept.
"""

import numpy as np
from numpy.typing import NDArray

from .mssa_released import mssa_released
from .standard import Scale

__all__ = ["MssaScored"]

Floats = NDArray[np.float64]

THETA = 10.0
LOOKED_AT = 4000  # rows of the warm-up that are scored, for the threshold


class MssaScored:
    """The twin of the released code on z-scores of the warm-up.

    Parameters
    ----------
    base, window
        T and L.
    """

    def __init__(self, base: int, window: int) -> None:
        self.base, self.window = base, window

    def fit(self, X: Floats) -> None:
        """Learn scales, keep the newest rows, and score the warm-up from its first base on."""
        self.scale = Scale(X)
        Z = self.scale(X[-LOOKED_AT:])
        self.newest = Z[-self.base :]
        self.warm = self._run(Z)[self.base :]

    def score(self, X: Floats) -> Floats:
        """Score rows; NaN where it is blind."""
        return self._run(np.vstack([self.newest, self.scale(X)]))[len(self.newest) :]

    def _run(self, Z: Floats) -> Floats:
        return mssa_released(Z, base=self.base, window=self.window, theta=THETA).height
