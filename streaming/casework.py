"""What happens once a change is an incident: open, rank batch by batch, close. Owns the causal graph. Pure."""

from collections.abc import Iterator
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns, describe
from headwater.causal.coral import Coral
from headwater.causal.diagnosis import Diagnosis
from headwater.causal.order import lag_order
from headwater.online import Snapshot

from .case import LONGEST, Batch, Case, CaseConfig
from .incidents import Stimulus, progress
from .past import Past, Rows
from .pipeline_config import PipelineConfig
from .records import Changed, Incident, Ranked, Series, Triggered
from .verdicts import ranked, settled

__all__ = ["Casework"]

GRAPH_COLUMNS = 500  # a full graph of more metrics costs too much per row: then one of the suspects alone
SUSPECTS = 300
News: TypeAlias = Triggered | Ranked | Changed


class Casework:
    """The incidents of one system, one at a time.

    Events come without their number (`n`): the pipeline numbers all events of a row.

    Parameters
    ----------
    config
        Lengths in rows and the settings of the graph.
    """

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config
        self.columns: Columns = describe([])
        self.kpi = np.zeros(0, np.int64)
        self.kpi_sign = np.zeros(0, np.int64)
        self.lags = config.lags
        self.coral = self._new_coral()
        self.case: Case | None = None
        self.incidents = 0

    def adopt(self, series: tuple[Series, ...]) -> None:
        """Know these columns from now on; an open case keeps the columns it began with."""
        self.columns = describe([s.name for s in series], self.config.edges)
        self.kpi, self.kpi_sign = self.config.kpi_columns(series)

    def learn(self, X: NDArray[np.float64]) -> None:
        """Learn quiet rows; the newest are held back until it is clear that no incident has begun."""
        if X.shape[1] <= GRAPH_COLUMNS:
            self.coral.step(X)

    def choose_lags(self, base: NDArray[np.float64]) -> None:
        """Choose the lag order on the base window, at most that of the settings, and learn the window with it."""
        if base.shape[1] <= GRAPH_COLUMNS:
            self.lags = lag_order(base, kpis=self.kpi.tolist(), max_lags=self.config.lags)
            self.relearn(base)

    def relearn(self, quiet: NDArray[np.float64]) -> None:
        """Start the graph anew from quiet rows."""
        self.coral = self._new_coral()
        self.learn(quiet)

    def open(self, past: Past, onset: float, time: float) -> Iterator[News]:
        """Open an incident, with a first ranking from the rows since its onset."""
        self.incidents += 1
        incident = Incident(
            system=self.config.system,
            id=f"INC-{self.incidents}",
            state="open",
            rca="collecting",
            onset=onset,
            opened=time,
            updated=time,
            kpi=", ".join(self.columns.names[j] for j in self.kpi),
        )
        diagnosis = self._diagnosis(self.columns, past)
        suspects = np.arange(len(self.columns.names))
        if len(suspects) <= GRAPH_COLUMNS:
            self.coral.begin(len(past.window))
        else:
            suspects = diagnosis.suspects(past.window.astype(np.float64), SUSPECTS)
            self.relearn(past.history[:, suspects].astype(np.float64))
            self.coral.begin(0)
        self.case = Case(self._case_config(), incident, past, diagnosis, self.coral, suspects)
        yield self._changed("opened", incident, time)
        yield from self._rank(self.case, self.case.rank(), time)

    def follow(self, case: Case, row: Rows, time: float) -> Iterator[News]:
        """Take one more row of the open incident."""
        batch = case.feed(row)
        if batch:
            yield from self._rank(case, batch, time)
        if case.over:
            yield self.close("quiet", time)
        elif case.rows >= self.config.max_rows:
            yield self.close("outlast", time)

    def extend(self, case: Case) -> str:
        """Count another trigger; returns the incident's id. Without KPIs it also says that it is not over."""
        if not len(case.diagnosis.kpi):
            case.quiet = 0
        case.incident = msgspec.structs.replace(case.incident, triggers=case.incident.triggers + 1)
        return case.incident.id

    def advance(self, case: Case, stimulus: Stimulus, time: float, *, by: str, note: str) -> Changed:
        """Change the state of an incident that stays open."""
        case.incident = progress(case.incident, stimulus, time)
        return self._changed(case.incident.state, case.incident, time, by, note)

    def close(self, stimulus: Stimulus, time: float, *, by: str = "", note: str = "") -> Changed:
        """End the open incident."""
        case, self.case = self.case, None
        if case is None:
            raise RuntimeError("no incident is open")
        incident = progress(case.incident, stimulus, time)
        if len(case.suspects) == len(case.diagnosis.columns.names):
            self.coral.end(learn=False)  # of one that has outlasted, the pipeline gives all rows, not just the window
        return self._changed(incident.state, incident, time, by, note)

    def reopen(self, incident: Incident, snapshot: Snapshot, series: tuple[Series, ...], *, graph: bool) -> None:
        """Take up an incident again from its snapshot; without its `graph`, that part is learned from its rows."""
        past = Past(
            history=np.asarray(snapshot["history"]),
            restarts=np.asarray(snapshot["restarts"]),
            window=np.asarray(snapshot["window"]),
            jumped=bool(snapshot["jumped"]),
            late=int(snapshot["late"]),
        )
        suspects = np.asarray(snapshot["suspects"])
        columns = describe([s.name for s in series[: past.history.shape[1]]], self.config.edges)
        if not graph:
            self.coral = self._new_coral()
            self.coral.step(past.history[:, suspects].astype(np.float64))
            self.coral.begin(0)
            self.coral.adapt(past.window[:, suspects].astype(np.float64))
        diagnosis = self._diagnosis(columns, past)
        self.case = Case(self._case_config(), incident, past, diagnosis, self.coral, suspects)
        self.case.restore(snapshot)

    def _rank(self, case: Case, batch: Batch, time: float) -> Iterator[News]:
        before = case.incident
        case.incident = settled(before, case, batch, time)
        yield ranked(case.incident, case, batch, time)
        news = "converged" if case.incident.rca == "converged" != before.rca else "ranked"
        yield self._changed(news, case.incident, time)

    def _changed(self, action: str, incident: Incident, time: float, by: str = "", note: str = "") -> Changed:
        return Changed(system=self.config.system, time=time, n=0, action=action, incident=incident, by=by, note=note)

    def _case_config(self) -> CaseConfig:
        return CaseConfig(self.config.batch_rows, self.config.close_rows)

    def _diagnosis(self, columns: Columns, past: Past) -> Diagnosis:
        known = self.kpi < len(columns.names)
        return Diagnosis(
            columns=columns,
            history=past.history.astype(np.float64),
            restarts=past.restarts,
            kpi=self.kpi[known],
            kpi_sign=self.kpi_sign[known],
            restart=self.config.restart,
            by_walk=self.config.ranking == "walk",
            anchor=past.window[0].astype(np.float64) if past.jumped else None,
            late=past.late,
        )

    def _new_coral(self) -> Coral:
        c = self.config
        return Coral(
            lags=self.lags,
            candidates=c.candidates,
            penalty=c.penalty,
            half_life=c.half_life,
            hold_back=c.patience_rows + LONGEST,
            fusion=c.fusion,
        )
