"""What a pipeline needs of the settings, in rows and plain numbers; `build` makes it."""

from fnmatch import fnmatchcase
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from .records import Direction, Series

__all__ = ["PipelineConfig"]

_SIGN: dict[Direction, int] = {"up": 1, "down": -1, "both": 0}


class PipelineConfig(msgspec.Struct, frozen=True):
    """One system's settings. Rows are rows of the grid, `step` seconds each."""

    system: str
    step: float = 1.0
    kpi: tuple[tuple[str, Direction], ...] = ()  # pattern on entity|metric, bad direction
    edges: tuple[tuple[str, str], ...] = ()  # (caller, callee)
    base_rows: int = 600
    mode: Literal["level", "mssa"] = "level"  # of the detectors
    window: int | None = None
    rank: int | None = None
    false_alarms_per_day: float = 1.0
    refractory_rows: int = 30  # in which alarms on the same metrics, or of the same time, are one
    entities: tuple[tuple[str, str], ...] = ()  # pattern on entity|metric, what its detector is called
    lags: int = 3
    candidates: int = 30
    penalty: float = 0.01
    half_life: float = 20_000.0
    fusion: Literal["additive", "commutator"] = "additive"
    ranking: Literal["evidence", "walk"] = "evidence"
    restart: float = 0.15
    batch_rows: int = 5
    close_rows: int = 300
    max_rows: int = 7200
    history_rows: int = 1800
    patience_rows: int = 60  # how long a change waits for a KPI to suffer
    hold_rows: int = 10  # for which a KPI must suffer
    lead_rows: int = 10  # by which a cause may precede the alarm, or the KPI, in the later of two windows
    max_open: int = 4  # incidents at once; further changes extend the newest
    topology: Literal["soft", "hard"] = "soft"  # whether other edges than those of the call graph may be learned
    on_kpi: bool = False  # open only when a KPI suffers

    def entity_of(self, series: Series) -> str:
        """Whose detector watches a column: the first matching pattern says so, else it is that of its entity."""
        return next((name for pattern, name in self.entities if fnmatchcase(series.name, pattern)), series.entity)

    def kpi_columns(self, series: tuple[Series, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Columns of the KPIs, and +1, -1 or 0 for the direction that is bad; the first matching pattern counts."""
        found: dict[int, int] = {}
        for j, one in enumerate(series):
            direction = next((d for pattern, d in self.kpi if fnmatchcase(one.name, pattern)), None)
            if direction is not None:
                found[j] = _SIGN[direction]
        return np.array(list(found), np.int64), np.array(list(found.values()), np.int64)
