"""A change that may become an incident: it waits, for a while, for a KPI to suffer."""

import numpy as np
from numpy.typing import NDArray

from headwater.causal.kpi import KpiWatch
from headwater.online import Snapshot

__all__ = ["Candidate"]

Floats = NDArray[np.float64]

SUFFERING = 2.0  # a KPI this abnormal in its bad direction opens an incident
LONGEST = 40  # rows of the KPI's window


class Candidate:
    """One change on trial.

    Parameters
    ----------
    back
        Rows since the onset: 0 if the newest row is the onset.
    history, restarts, sign
        The KPIs in quiet time, as `KpiWatch` takes them; without KPIs no trial is needed.
    left
        Rows for which it stays a candidate.
    """

    def __init__(
        self, *, back: int, history: Floats, restarts: NDArray[np.bool_], sign: NDArray[np.int64], left: int = 0
    ) -> None:
        self.back = back
        self.left = left
        self.history = history
        self.restarts = restarts
        self.sign = sign
        self._watch = KpiWatch(history=history, restarts=restarts, sign=sign) if len(sign) else None

    def suffers(self, window: Floats) -> bool:
        """Whether a KPI suffers in the rows since the onset (``float64[W, k]``)."""
        return self._watch is not None and self._watch.suffering(window[-LONGEST:]) >= SUFFERING

    def snapshot(self) -> Snapshot:
        """Copy the candidate."""
        fields = ("back", "left", "history", "restarts", "sign")
        return {name: np.copy(v) if isinstance(v := getattr(self, name), np.ndarray) else v for name in fields}

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot) -> "Candidate":
        """Build one from a snapshot."""
        return cls(
            back=int(snapshot["back"]),
            left=int(snapshot["left"]),
            history=np.asarray(snapshot["history"]),
            restarts=np.asarray(snapshot["restarts"]),
            sign=np.asarray(snapshot["sign"]),
        )
