"""A block of rows as the ticks that the store keeps. Pure."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from headwater.detectors.entities import EntityInfo

from .records import Tick

__all__ = ["Ticks"]


class Ticks:
    """Ticks of one block, made when they are asked for; conversions are done once a block, not once a row.

    Parameters
    ----------
    system
        The monitored thing.
    times, X
        ``float64[T]`` and ``float64[T, d]``, the rows.
    info
        What the trigger said of them.
    """

    def __init__(self, system: str, times: NDArray[np.float64], X: NDArray[np.float64], info: EntityInfo) -> None:
        self.system = system
        self._times = times.tolist()
        self._values = X.astype(np.float32)
        self._scores = info.scores.astype(np.float32)
        self._joint = np.nan_to_num(info.joint).tolist()
        self._learning = info.learning.tolist()

    def __getitem__(self, rows: slice) -> Iterator[Tick]:
        """The ticks of some rows."""
        columns = (self._times, self._values, self._scores, self._joint, self._learning)
        return (Tick(self.system, *fields) for fields in zip(*(column[rows] for column in columns), strict=True))
