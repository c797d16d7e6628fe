"""The heart of one system: frames and commands in, events out. No I/O, no clock, no hidden randomness.

For each row: the trigger scores it, the ring keeps it, the graph learns it if it is quiet. An alarm makes a
*candidate*. A candidate becomes an incident at once, or, where KPIs are named, when one of them suffers. While an
incident is open its case is fed; when all is quiet again, or the new level has outlasted `max_rows`, it closes.

Rows are worked on one after the other, so events do not depend on how the rows were delivered.
"""

from collections.abc import Iterator
from typing import TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns, describe
from headwater.causal.coral import Coral
from headwater.causal.diagnosis import Diagnosis
from headwater.detectors.trigger import TriggerInfo, TriggerPoint
from headwater.online import Ring, Snapshot

from .candidate import Candidate
from .case import EARLY, LONGEST, Batch, Case, CaseConfig
from .errors import BrokenInvariant, CommandRefused
from .incidents import Stimulus, progress
from .pipeline_config import PipelineConfig
from .records import Changed, Command, Event, EvidenceWindow, Frame, Incident, Ranked, Series, Tick, Triggered
from .verdicts import ranked, settled, shares

__all__ = ["Pipeline"]

_GRAPH_COLUMNS = 500  # a full graph of more metrics costs too much per row: then one of the suspects alone
_SUSPECTS = 300
_CONTEXT = 60  # rows before the window that are kept as evidence
Rows: TypeAlias = NDArray[np.float32]
E = TypeVar("E", Triggered, Ranked, Changed)
_STIMULI: dict[str, Stimulus] = {
    "acknowledge": "acknowledge",
    "resolve": "resolve",
    "dismiss": "dismiss",
    "baseline": "outlast",
}


class Pipeline:
    """Watch one system.

    Parameters
    ----------
    config
        Lengths in rows and the settings of the learners.
    """

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config
        self.series: tuple[Series, ...] = ()
        self.columns: Columns = describe([])
        self.ring = Ring(capacity=config.history_rows)
        self.trigger = self._new_trigger()
        self.coral = self._new_coral()
        self.candidate: Candidate | None = None
        self.case: Case | None = None
        self.incidents = 0
        self.time = 0.0  # of the newest row
        self.n = 0  # events of the newest row so far
        self.learning = (0, config.base_rows)
        self.evidence: list[EvidenceWindow] = []  # of incidents that were opened since the last look
        self.kpi = np.zeros(0, np.int64)
        self.kpi_sign = np.zeros(0, np.int64)

    def _new_trigger(self) -> TriggerPoint:
        c = self.config
        return TriggerPoint(
            base=c.base_rows,
            window=c.window,
            rank=c.rank,
            false_alarms_per_day=c.false_alarms_per_day,
            step=c.step,
        )

    def _new_coral(self) -> Coral:
        c = self.config
        return Coral(
            lags=c.lags,
            candidates=c.candidates,
            penalty=c.penalty,
            half_life=c.half_life,
            hold_back=c.patience_rows + 2 * c.window,
            fusion=c.fusion,
        )

    # ── frames ──────────────────────────────────────────────────────────────────────────────────────────────

    def learn(self, frame: Frame) -> None:
        """Learn a baseline: rows that are known to be quiet, handed over before the stream."""
        self.adopt(frame.series)
        for time, row in zip(frame.times, frame.X, strict=True):
            self.ring.push(float(time), row, quiet=True)
        if len(self.series) <= _GRAPH_COLUMNS:
            self.coral.step(frame.X)

    def learned(self) -> None:
        """End the baseline: from now on the trigger watches."""
        self.trigger.fit(self.ring.values().astype(np.float64))

    def step(self, frame: Frame) -> list[Event]:
        """Work on a block of rows."""
        self.adopt(frame.series)
        events: list[Event] = []
        at = 0
        while at < len(frame.times):
            # With a case open the trigger may be given a new base at any row, so it must not run ahead.
            length = 1 if self.case else self.config.max_rows
            events += self._advance(frame.times[at : at + length], frame.X[at : at + length])
            at += length
        return events

    def adopt(self, series: tuple[Series, ...]) -> None:
        """Know these columns from now on; columns are only ever appended."""
        if len(series) == len(self.series):
            return
        self.series = series
        self.columns = describe([s.name for s in series], self.config.edges)
        self.kpi, self.kpi_sign = self.config.kpi_columns(series)

    def _advance(self, times: NDArray[np.float64], X: NDArray[np.float64]) -> Iterator[Event]:
        info = self.trigger.step(X)
        if np.isinf(info.joint).any():
            raise BrokenInvariant(f"{self.config.system}: the joint score is not finite at row {times[0]}")
        learned = 0  # rows of this block that the graph has been given
        for k in range(len(times)):
            self.time, self.n = float(times[k]), 0
            self.ring.push(self.time, X[k], quiet=self.case is None)
            yield self._tick(info, k)
            if self.case:
                yield from self._follow(self.case, info, k)
                learned = k + 1
                continue
            triggered = self._alarm(info, k) if info.alarm[k] else None
            if self._due():
                if len(self.series) <= _GRAPH_COLUMNS:
                    self.coral.step(X[learned : k + 1])
                learned = k + 1
                yield from self._open(triggered)
            elif triggered:
                yield self._numbered(triggered)
        if len(self.series) <= _GRAPH_COLUMNS:
            self.coral.step(X[learned:])

    # ── alarms and candidates ───────────────────────────────────────────────────────────────────────────────

    def _tick(self, info: TriggerInfo, k: int) -> Tick:
        share = float(info.learning[k])
        self.learning = (round(share * self.config.base_rows), self.config.base_rows)
        return Tick(
            system=self.config.system,
            time=self.time,
            values=self.ring.values()[-1].copy(),
            scores=info.scores[k].astype(np.float32),
            joint=float(np.nan_to_num(info.joint[k])),
            learning=share,
        )

    def _alarm(self, info: TriggerInfo, k: int) -> Triggered:
        """Make or renew the candidate, and write down the trigger."""
        back = min(int(info.onset[k]), len(self.ring) - 1)
        c = self.config
        if self.candidate is None:
            rows, quiet, restarts = self._past(back)
            history = rows[quiet][:, self.kpi].astype(np.float64)
            self.candidate = Candidate(
                back=back, left=c.patience_rows, history=history, restarts=restarts[quiet], sign=self.kpi_sign
            )
        self.candidate.left = c.patience_rows
        return self._triggered(info, k, reason="no KPI suffers so far" if c.on_kpi else "")

    def _triggered(self, info: TriggerInfo, k: int, *, incident: str = "", reason: str = "") -> Triggered:
        back = min(int(info.onset[k]), len(self.ring) - 1)
        return Triggered(
            system=self.config.system,
            time=self.time,
            n=0,
            onset=float(self.ring.times()[-1 - back]),
            channel="joint" if info.alarm[k] == 1 else "metric",
            score=float(info.strength[k]),
            metrics=shares(info.contributions[k], self.columns.names),
            incident=incident,
            reason=reason,
        )

    def _past(self, back: int) -> tuple[Rows, NDArray[np.bool_], NDArray[np.bool_]]:
        """The rows before an onset: values, which of them are quiet, and before which time jumped."""
        end = max(len(self.ring) - (back + 1 + EARLY), 1)
        times, quiet = self.ring.times()[:end], self.ring.quiet()[:end].copy()
        if quiet.sum() < self.config.window:
            quiet[:] = True  # an incident right after another: what there is must do
        gaps = np.diff(times, prepend=times[:1])
        return self.ring.values()[:end], quiet, (gaps < 0) | (gaps > 10 * self.config.step)

    def _due(self) -> bool:
        """Whether the candidate becomes an incident now; one that waited in vain is dropped."""
        candidate = self.candidate
        if candidate is None:
            return False
        if not self.config.on_kpi:
            return True
        kpi = self.kpi[: len(candidate.sign)]  # one that appeared meanwhile has no history
        window = self.ring.values()[-(candidate.back + 1 + EARLY) :, kpi].astype(np.float64)
        if candidate.suffers(window):
            return True
        candidate.back, candidate.left = candidate.back + 1, candidate.left - 1
        if candidate.left < 0:
            self.candidate = None
        return False

    # ── incidents ───────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, triggered: Triggered | None) -> Iterator[Event]:
        candidate, self.candidate = self.candidate, None
        if candidate is None:
            raise BrokenInvariant("an incident without a candidate")
        back = min(candidate.back, len(self.ring) - 1 - EARLY) if len(self.ring) > EARLY else 0
        rows, quiet, restarts = self._past(back)
        self.incidents += 1
        incident = Incident(
            system=self.config.system,
            id=f"INC-{self.incidents}",
            state="open",
            rca="collecting",
            onset=float(self.ring.times()[-1 - back]),
            opened=self.time,
            updated=self.time,
            kpi=", ".join(self.columns.names[j] for j in self.kpi),
        )
        window = self.ring.values()[len(rows) :].copy()
        self.case = self._case(incident, rows[quiet], restarts[quiet], window)
        self.ring.mark(len(window), quiet=False)
        if triggered:
            yield self._numbered(msgspec.structs.replace(triggered, incident=incident.id, reason=""))
        yield self._changed("opened", incident)
        yield from self._rank(self.case, self.case.rank(self.case.window))
        self._keep_evidence(self.case)

    def _case(self, incident: Incident, history: Rows, restarts: NDArray[np.bool_], window: Rows) -> Case:
        diagnosis = self._diagnosis(self.columns, history, restarts)
        suspects = np.arange(len(self.series))
        if len(suspects) <= _GRAPH_COLUMNS:
            self.coral.begin(len(window))
        else:
            suspects = diagnosis.suspects(window.astype(np.float64), _SUSPECTS)
            self.relearn_graph(history[:, suspects].astype(np.float64))
            self.coral.begin(0)
        config = CaseConfig(self.config.batch_rows, self.config.close_rows)
        return Case(config, incident, history, restarts, window, diagnosis, self.coral, suspects)

    def _diagnosis(self, columns: Columns, history: Rows, restarts: NDArray[np.bool_]) -> Diagnosis:
        known = self.kpi < len(columns.names)
        return Diagnosis(
            columns=columns,
            history=history.astype(np.float64),
            restarts=restarts,
            kpi=self.kpi[known],
            kpi_sign=self.kpi_sign[known],
            restart=self.config.restart,
            by_walk=self.config.ranking == "walk",
        )

    def reopen(self, incident: Incident, snapshot: Snapshot, *, graph: bool) -> None:
        """Take up an incident again from its snapshot; without its `graph`, that part is learned from its rows."""
        history, window = np.asarray(snapshot["history"]), np.asarray(snapshot["window"])
        restarts, suspects = np.asarray(snapshot["restarts"]), np.asarray(snapshot["suspects"])
        columns = describe([s.name for s in self.series[: history.shape[1]]], self.config.edges)
        if not graph:
            self.relearn_graph(history[:, suspects].astype(np.float64))
            self.coral.begin(0)
            self.coral.adapt(window[:, suspects].astype(np.float64))
        config = CaseConfig(self.config.batch_rows, self.config.close_rows)
        diagnosis = self._diagnosis(columns, history, restarts)
        self.case = Case(config, incident, history, restarts, window, diagnosis, self.coral, suspects)
        self.case.restore(snapshot)

    def relearn_graph(self, quiet: NDArray[np.float64]) -> None:
        """Start the graph anew from quiet rows."""
        self.coral = self._new_coral()
        if quiet.shape[1] <= _GRAPH_COLUMNS:
            self.coral.step(quiet)

    def _keep_evidence(self, case: Case) -> None:
        """Hand out the raw rows round the onset, so that the store can keep them with the incident."""
        rows = min(len(self.ring), len(case.window) + _CONTEXT)
        self.evidence.append(
            EvidenceWindow(
                system=self.config.system,
                incident=case.incident.id,
                names=tuple(s.name for s in self.series),
                times=self.ring.times()[-rows:].copy(),
                values=self.ring.values()[-rows:].copy(),
            )
        )

    def _follow(self, case: Case, info: TriggerInfo, k: int) -> Iterator[Event]:
        """One more row of an open incident."""
        if info.alarm[k]:
            yield self._numbered(self._triggered(info, k, incident=case.incident.id))
            case.incident = msgspec.structs.replace(case.incident, triggers=case.incident.triggers + 1)
        batch = case.feed(self.ring.values()[-1])
        if batch:
            yield from self._rank(case, batch)
            if len(case.window) == LONGEST:
                self._keep_evidence(case)
        if case.over:
            yield self._close("quiet")
        elif case.rows >= self.config.max_rows:
            yield self._close("outlast")

    def _rank(self, case: Case, batch: Batch) -> Iterator[Event]:
        before = case.incident
        case.incident = settled(before, case, batch, self.time)
        yield self._numbered(ranked(case.incident, case, batch, self.time, 0))
        news = "converged" if case.incident.rca == "converged" != before.rca else "ranked"
        yield self._changed(news, case.incident)

    def _close(self, stimulus: Stimulus, by: str = "", note: str = "") -> Changed:
        """End the open incident; one that outlasted is the new normal."""
        case = self.case
        if case is None:
            raise BrokenInvariant("no incident is open")
        incident = progress(case.incident, stimulus, self.time)
        shifted = incident.state == "shifted"
        if shifted:
            level = min(case.rows, len(self.ring))
            self.ring.mark(len(self.ring), quiet=False)
            self.ring.mark(level, quiet=True)
            self.trigger.rebase(self.ring.values()[-level:].astype(np.float64))
        if len(self.series) <= _GRAPH_COLUMNS:
            self.coral.end(learn=shifted)
        self.case = self.candidate = None
        return self._changed(incident.state, incident, by, note)

    def _numbered(self, event: E) -> E:
        """Give the event its place among those of this row."""
        n, self.n = self.n, self.n + 1
        return msgspec.structs.replace(event, n=n)

    def _changed(self, action: str, incident: Incident, by: str = "", note: str = "") -> Changed:
        return self._numbered(
            Changed(
                system=self.config.system, time=self.time, n=0, action=action, incident=incident, by=by, note=note
            )
        )

    # ── commands ────────────────────────────────────────────────────────────────────────────────────────────

    def command(self, command: Command) -> list[Event]:
        """Apply a command; it stands after the newest row.

        Raises
        ------
        CommandRefused
            If the incident is not the open one, or is in no state for it.
        """
        case = self.case
        if case is None or command.incident not in ("", case.incident.id):
            what = f"{command.incident or 'no incident'} is not open in {self.config.system}"
            why = f"the open incident is {case.incident.id}" if case else "no incident is open now"
            raise CommandRefused(what, why, "see: headwater incidents list")
        stimulus = _STIMULI[command.kind]
        if stimulus != "acknowledge":
            return [self._close(stimulus, command.by, command.note)]
        case.incident = progress(case.incident, stimulus, self.time)
        return [self._changed("acknowledged", case.incident, command.by, command.note)]
