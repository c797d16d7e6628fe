"""A change that may become an incident: it waits, for a while, for a KPI to suffer."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from headwater.causal.kpi import KpiWatch
from headwater.online import Snapshot

__all__ = ["Candidate"]

Floats = NDArray[np.float64]

AILING = 2.0  # from here on, in one-in-a-hundred events of quiet time, its suffering is counted as begun
SUFFERING = 6.0  # from here on it is grave; a harmless surge does not reach it
SEVERE = 3  # how much sooner a grave one opens an incident
LONGEST = 40  # rows of the KPI's window
RECENT = 5  # rows that say how it is now


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
    ailing
        Rows in a row on which a KPI has been somewhat abnormal.
    held
        Rows in a row on which a KPI has been unwell, those on which it suffered counted `SEVERE` times.
    alarmed
        Columns that its alarms are about.
    entity
        Whose detector raised the first of them.
    """

    def __init__(
        self,
        *,
        back: int,
        history: Floats,
        restarts: NDArray[np.bool_],
        sign: NDArray[np.int64],
        left: int = 0,
        ailing: int = 0,
        held: int = 0,
        alarmed: Iterable[int] = (),
        entity: str = "",
    ) -> None:
        self.back = back
        self.left = left
        self.ailing = ailing
        self.held = held
        self.alarmed = set(alarmed)
        self.entity = entity
        self.history = history
        self.restarts = restarts
        self.sign = sign
        self._watch = KpiWatch(history=history, restarts=restarts, sign=sign) if len(sign) else None

    def suffers(self, window: Floats, hold: int) -> bool:
        """Whether a KPI has suffered for `hold` rows in a row; `window` (``float64[W, k]``) ends with a new row.

        What it went through since the onset must be far out of the ordinary, and it must still be unwell: a KPI
        that has had a bad moment and is well again opens nothing. One that is worse by less takes `SEVERE` times
        as long.
        """
        if self._watch is None:
            return False
        suffering = self._watch.suffering(window[-LONGEST:])
        self.ailing = self.ailing + 1 if suffering >= AILING else 0
        if not (self.ailing and self._watch.unwell(window[-RECENT:])):
            self.held = 0
        else:
            self.held += SEVERE if suffering >= SUFFERING else 1
        return self.held >= SEVERE * hold

    def snapshot(self) -> Snapshot:
        """Copy the candidate."""
        fields = ("back", "left", "ailing", "held", "history", "restarts", "sign")
        copied = {name: np.copy(v) if isinstance(v := getattr(self, name), np.ndarray) else v for name in fields}
        return copied | {"alarmed": np.array(sorted(self.alarmed), np.int64), "entity": self.entity}

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot) -> "Candidate":
        """Build one from a snapshot."""
        return cls(
            back=int(snapshot["back"]),
            left=int(snapshot["left"]),
            ailing=int(snapshot["ailing"]),
            held=int(snapshot["held"]),
            history=np.asarray(snapshot["history"]),
            restarts=np.asarray(snapshot["restarts"]),
            sign=np.asarray(snapshot["sign"]),
            alarmed=np.asarray(snapshot["alarmed"]).tolist(),
            entity=str(snapshot["entity"]),
        )
