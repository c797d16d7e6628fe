"""A metric that goes silent is evidence: of what was reported regularly and is missing for longer than ever before."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .surprise_kernels import gaps

__all__ = ["Silence"]

Floats = NDArray[np.float64]
_ROWS = 30  # values that make a metric's reporting known
_WHOLE = 0.5  # so large a part of all metrics silent at once: the collection failed, not what it collects
_SEVERAL = 4  # and at least so many of them
_CERTAIN = 2.0


class Silence(NamedTuple):
    """How each metric was reported in quiet times."""

    longest: NDArray[np.int64]  # [d], rows of the longest gap
    known: NDArray[np.bool_]  # [d], whether enough was seen to say so

    @classmethod
    def of(cls, history: Floats) -> "Silence":
        """Learn gaps from ``float64[n, d]``."""
        longest, _ = gaps(history)
        return cls(longest, np.isfinite(history).sum(axis=0) >= _ROWS)

    def judge(self, window: Floats) -> tuple[Floats, bool]:
        """How many times longer than any gap before each metric has been silent, and whether most are at once.

        Parameters
        ----------
        window
            ``float64[W, d]``; what counts is the silence that its last row ends.

        Returns
        -------
        tuple
            ``float64[d]``, 0 below 1: a gap like those before is none. All 0 where half of all metrics, and at least
            four, are silent: then the collection failed, which is no evidence for or against one of them.

        Examples
        --------
        >>> history, window = np.ones((60, 2)), np.ones((6, 2))
        >>> history[::2, 1] = np.nan  # reported in every second row
        >>> window[:, 0] = np.nan
        >>> window[3:, 1] = np.nan
        >>> Silence.of(history).judge(window)
        (array([6. , 1.5]), False)
        """
        _, run = gaps(window)
        times = np.where(self.known, run / (self.longest + 1.0), 0.0)
        times[times < 1.0] = 0.0
        silent, known = int((times >= _CERTAIN).sum()), int(self.known.sum())
        blind = silent >= max(_SEVERAL, _WHOLE * known)
        return (np.zeros_like(times) if blind else times), blind
