"""What a generator gives: rows with a fault in them, and the columns that may rightly be named."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["HISTORY", "ROWS", "Planted"]

Floats: TypeAlias = NDArray[np.float64]
HISTORY = 3000  # quiet rows
ROWS = 10  # of a window


class Planted(NamedTuple):
    """Rows before and after a fault starts whose root is known."""

    names: tuple[str, ...]  # entity|metric
    history: Floats  # [HISTORY, d]
    window: Floats  # [ROWS, d]
    roots: tuple[str, ...]  # columns that may rightly be named; none: what is at fault is not measured, or nothing is
    calls: tuple[tuple[str, str], ...] = ()  # (caller, callee)
    kpi: tuple[str, ...] = ()  # up is bad
