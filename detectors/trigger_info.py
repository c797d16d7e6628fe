"""What a trigger says of each row: the words that all modes share."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TriggerInfo"]

Array = NDArray[np.float64]


class TriggerInfo(NamedTuple):
    """Evidence of a block of T rows of d metrics."""

    learning: Array  # [T] share of the first base that is filled
    joint: Array  # [T] joint CUSUM over its threshold: 1 is an alarm; NaN while learning
    scores: Array  # [T, d] CUSUM of each metric over its threshold; NaN while it is learning or missing
    alarm: NDArray[np.int8]  # [T] 0 none, 1 joint, 2 metric, 3 frozen
    onset: NDArray[np.int64]  # [T] rows back to the last zero of the CUSUM that fired; 0 without an alarm
    strength: Array  # [T] -ln of the false alarms that the CUSUM expects per row this high; NaN without an alarm
    contributions: Array  # [T, d] departure from the level at the onset, in standard deviations; NaN without an alarm
    score: Array  # [T] -ln of the false alarms expected per row at the present height; NaN while learning
