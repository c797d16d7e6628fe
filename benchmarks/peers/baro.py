"""BARO's RobustScorer (Pham et al., FSE 2024) as its authors ship it: median and interquartile range, one-sided.

The package is ``fse-baro``; it takes a DataFrame and gives an order of columns without their scores. Its DataFrame
path looks upwards only (``max`` of the scaled values) and leaves out columns that stand still in the window.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd  # BARO takes DataFrames
from baro.root_cause_analysis import robust_scorer
from numpy.typing import NDArray

__all__ = ["baro_order"]

Floats = NDArray[np.float64]


def baro_order(names: Sequence[str], history: Floats, window: Floats) -> list[int]:
    """Order the columns as BARO does, most suspect first; what it leaves out is not in the list.

    Missing values are carried forward and else 0, as in BARO's own reader.

    Parameters
    ----------
    names
        d different names.
    history, window
        ``float64[n, d]`` and ``float64[W, d]``.
    """
    frame = pd.DataFrame(np.vstack([history, window]), columns=list(names)).ffill().fillna(0.0)
    frame.insert(0, "time", np.arange(len(frame)))
    place = {name: j for j, name in enumerate(names)}
    return [place[name] for name in robust_scorer(frame, inject_time=len(history))["ranks"]]
