"""One open incident's working set: the rows since the onset, the batches of its ranking, and when it is over.

Several may be open at once, on metrics of their own: what moves for another incident's reason is held, and looks as
if it stood still. Pure. A case is fed row by row, so nothing depends on how rows were delivered. It keeps the quiet
history as it was at the onset, since the ring forgets it during a long incident.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from headwater.causal.convergence import Convergence
from headwater.causal.coral import Coral
from headwater.causal.diagnosis import Diagnosis, Findings
from headwater.online import Snapshot

from .past import Past, Rows
from .records import Incident

__all__ = ["LONGEST", "Batch", "Case", "CaseConfig"]

LONGEST = 40  # rows of a window after its (later) start; what comes after carries no weight
BATCHES = 6  # that follow at least
RECENT = 5  # rows that decide whether a metric is back in its usual range
ABNORMAL = 2.0  # a metric counts as changed from here on
RETURNED = 0.5  # so large a share of the changed metrics must be back; memory may stay where a restart left it


@dataclass(frozen=True, slots=True)
class CaseConfig:
    """What a case needs of the settings."""

    batch_rows: int = 5
    close_rows: int = 300


class Batch(NamedTuple):
    """One batch of the ranking."""

    number: int
    findings: Findings
    similarity: float
    graph_similarity: float
    settled: bool


class Case:
    """An open incident and what is known of it.

    Parameters
    ----------
    config
        Lengths in rows.
    incident
        As it was opened.
    past
        Quiet history up to the onset, and the rows since.
    diagnosis
        Judges windows against that history.
    coral
        The graph learner; its invariant part is frozen as long as the case is open.
    columns
        ``int64[m]``, the columns of the system that the case looks at; all others are numbered within these.
    held
        ``bool[m]``, columns that move because of another incident; None: none do.
    alarmed
        Columns of the system whose alarms belong to it.
    """

    def __init__(
        self,
        config: CaseConfig,
        incident: Incident,
        past: Past,
        diagnosis: Diagnosis,
        coral: Coral,
        columns: NDArray[np.int64],
        held: NDArray[np.bool_] | None = None,
        alarmed: Iterable[int] = (),
    ) -> None:
        self.config = config
        self.incident = incident
        self.past = past
        self.diagnosis = diagnosis
        self.coral = coral
        self.columns = columns
        self.held = np.zeros(len(columns), np.bool_) if held is None else held
        self.alarmed = set(alarmed)
        # A KPI may have taken long to suffer: then some batches must still be able to follow.
        self.longest = max(past.late + LONGEST, len(past.window) + BATCHES * config.batch_rows)
        self.window = past.window
        self.adapted = 0  # rows of the window that the graph has learned
        self.recent = past.window[-RECENT:]
        self.rows = 0  # since it was opened
        self.batches = 0
        self.quiet = 0  # rows in a row on which everything was back in its usual range
        self.convergence = Convergence()
        self.changed = np.zeros(past.history.shape[1], np.bool_)  # columns that were abnormal in some batch

    @property
    def over(self) -> bool:
        """Whether the system has been quiet for long enough."""
        return self.quiet >= self.config.close_rows

    @property
    def growing(self) -> bool:
        """Whether the next row still enters the window."""
        return len(self.window) < self.longest

    def touches(self, alarmed: Iterable[int]) -> bool:
        """Whether one of these columns of the system is among those that changed in this incident."""
        return bool(self.alarmed.union(self.columns[self.changed].tolist()).intersection(alarmed))

    @property
    def recovering(self) -> bool:
        """Whether its first cause is back in its usual range: what comes then is how the system recovers, in bursts."""
        names = self.diagnosis.columns.names
        if self.incident.cause not in names:
            return False
        cause = np.array([names.index(self.incident.cause)])
        return bool(self.diagnosis.usual(self.recent.astype(np.float64), cause).all())

    def cut_short(self) -> None:
        """Let no further row into the window, since another incident has begun in it."""
        self.longest = min(self.longest, len(self.window))

    def feed(self, row: Rows) -> Batch | None:
        """Take the next row (``float32[d]``) of the system; a due batch comes back ranked."""
        row = row[self.columns]  # metrics that appear meanwhile belong to the next incident
        if self.held.any():
            row = np.where(self.held, self.past.anchor, row)
        self.rows += 1
        self.recent = np.vstack([self.recent, row])[-RECENT:]
        growing = self.growing
        if growing:
            self.window = np.vstack([self.window, row])
        self.quiet = self.quiet + 1 if self._returned() else 0
        due = self.rows % self.config.batch_rows == 0 or not self.growing
        return self.rank() if growing and due else None

    def rank(self) -> Batch:
        """Rank with all that is known, after the graph has learned the rows that are new in the window."""
        self.coral.adapt(self.window[self.adapted :].astype(np.float64))
        self.adapted = len(self.window)
        everything = np.arange(len(self.columns))
        findings = self.diagnosis.examine(self.window.astype(np.float64), self.coral, everything)
        names = [self.diagnosis.columns.names[j] for j in findings.order]
        agreement = self.convergence.update(names, findings.graph.W)
        self.changed |= findings.abnormal >= ABNORMAL
        number, self.batches = self.batches, self.batches + 1
        return Batch(number, findings, agreement.lists, agreement.graphs, agreement.converged)

    def relearn(self, coral: Coral) -> None:
        """Go on with another graph, which has learned nothing of this incident yet."""
        coral.adapt(self.window[: self.adapted].astype(np.float64))
        self.coral = coral

    def _returned(self) -> bool:
        """Whether every KPI, or without one most of what changed, is back in its usual range."""
        kpi, recent = self.diagnosis.kpi, self.recent.astype(np.float64)
        if len(kpi):
            return bool(self.diagnosis.usual(recent, kpi).all())
        changed = np.flatnonzero(self.changed)
        return not len(changed) or bool(self.diagnosis.usual(recent, changed).mean() >= RETURNED)

    def snapshot(self) -> Snapshot:
        """Copy what cannot be derived again; the graph can, from the rows."""
        return {
            "incident": msgspec.json.encode(self.incident).decode(),
            "history": self.past.history,
            "restarts": self.past.restarts,
            "anchor": self.past.anchor,
            "late": self.past.late,
            "columns": self.columns,
            "held": self.held,
            "alarmed": np.array(sorted(self.alarmed), np.int64),
            "window": self.window,
            "recent": self.recent,
            "adapted": self.adapted,
            "longest": self.longest,
            "rows": self.rows,
            "batches": self.batches,
            "quiet": self.quiet,
            "changed": self.changed,
            **{f"convergence.{k}": v for k, v in self.convergence.snapshot().items()},
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Take back a snapshot; what was given at construction is not looked at, but for the graph, which adapts."""
        self.window, self.recent = np.asarray(snapshot["window"]), np.asarray(snapshot["recent"])
        self.adapted, self.longest = int(snapshot["adapted"]), int(snapshot["longest"])
        self.rows, self.batches, self.quiet = (int(snapshot[k]) for k in ("rows", "batches", "quiet"))
        self.changed = np.asarray(snapshot["changed"])
        prefix = "convergence."
        self.convergence.restore({k.removeprefix(prefix): v for k, v in snapshot.items() if k.startswith(prefix)})
        self.relearn(self.coral)
