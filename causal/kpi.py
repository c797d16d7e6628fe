"""Does a user notice? A change opens an incident on its own, or only when a KPI gets worse: this is that question."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .evidence import Surprise, median, usual_range
from .recipe import SHIPPED

__all__ = ["KpiWatch"]

Floats = NDArray[np.float64]
_LOUD = replace(SHIPPED, silence=0.0)  # nobody suffers from a KPI that is not reported


class KpiWatch:
    """Judge the KPIs alone since an onset, in their bad direction.

    Parameters
    ----------
    history
        ``float64[n, k]``, quiet rows of the k KPIs up to the onset.
    restarts
        ``bool[n]``, rows before which time jumped.
    sign
        ``int64[k]``: +1 if up is bad, -1 if down is, 0 if both are.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> watch = KpiWatch(history=rng.normal(size=(300, 1)), restarts=np.zeros(300, bool), sign=np.array([1]))
    >>> worse, better = rng.normal(size=(10, 1)) + 8, rng.normal(size=(10, 1)) - 8
    >>> watch.suffering(worse) > 2, watch.suffering(better)
    (True, 0.0)
    >>> watch.unwell(worse[:5]), watch.unwell(better[:5])
    (True, False)
    """

    def __init__(self, *, history: Floats, restarts: NDArray[np.bool_], sign: NDArray[np.int64]) -> None:
        self.sign = sign
        self._surprise = Surprise(types=np.arange(history.shape[1]), recipe=_LOUD)
        self._model = self._surprise.fit(history, restarts)
        low, high = usual_range(history)
        self._low, self._high = np.where(sign > 0, -np.inf, low), np.where(sign < 0, np.inf, high)

    def suffering(self, window: Floats) -> float:
        """Abnormality of the KPI that is worst off in `window` (``float64[W, k]``); 0 if none moves the bad way."""
        evidence = self._surprise.score(self._model, window)
        worse = np.where(self.sign == 0, True, evidence.deviation * self.sign > 0)
        return float(evidence.abnormal[worse].max(initial=0.0))

    def unwell(self, rows: Floats) -> bool:
        """Whether the median of the newest `rows` (``float64[r, k]``) of a KPI is outside its range, the bad way."""
        middle, seen = median(rows), np.isfinite(rows).any(axis=0)
        return bool((seen & ((middle < self._low) | (middle > self._high))).any())
