"""The heart of one system: frames and commands in, events out. No I/O, no clock, no hidden randomness.

For each row: the trigger scores it, the ring keeps it, the graph learns it if it is quiet. An alarm belongs to an open
incident if it is one of the same metrics, or nearly of the same time; else it makes a *candidate*. A candidate becomes
an incident at once, or, where KPIs are named, when one of them suffers. While incidents are open their cases are fed;
when all is quiet again, or the new level has outlasted `max_rows`, they close.

Rows are worked on one after the other, so events do not depend on how the rows were delivered.
"""

from collections.abc import Iterator
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from headwater.causal.evidence import median
from headwater.detectors.entities import EntityInfo
from headwater.online import Ring

from .alarms import alarmed, detectors, over, touched, written
from .candidate import Candidate
from .case import Case
from .casework import Casework, Onset
from .commands import obey
from .errors import BrokenInvariant
from .incidents import LIVE
from .past import EARLY, cut, look_back
from .pipeline_config import PipelineConfig
from .records import Changed, Command, Event, EvidenceWindow, Frame, Ranked, Series, Triggered
from .ticks import Ticks

__all__ = ["Pipeline"]

FARTHEST = 60  # rows; a longer excursion began with something else
KEPT = 4096  # incidents whose evidence waits to be collected; one poll opens far fewer
ENOUGH = 30  # rows that show what is usual for a KPI while an incident is open
CONTEXT = 60  # rows before the window that are kept as evidence
E = TypeVar("E", bound=Triggered | Ranked | Changed)


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
        self.ring = Ring(capacity=config.history_rows)
        self.trigger = detectors(config)
        self.work = Casework(config)
        self.candidate: Candidate | None = None
        self.over = np.zeros(0, np.bool_)  # columns whose score was over its threshold in the newest row
        self.shifted = False  # a level outlasted its incident while another one was open
        self.time = 0.0  # of the newest row
        self.n = 0  # events of the newest row so far
        self.learning = (0, config.base_rows)
        self.calm = 0  # rows since the last incident was over
        self.evidence: dict[str, EvidenceWindow] = {}  # by incident, since the last look

    @property
    def gated(self) -> bool:
        """Whether a KPI must suffer before an incident opens; patterns that match no metric gate nothing."""
        return self.config.on_kpi and len(self.work.kpi) > 0

    def learn(self, frame: Frame) -> None:
        """Learn a baseline: rows that are known to be quiet, handed over before the stream."""
        self.adopt(frame.series)
        self.ring.extend(frame.times, frame.X, quiet=True)
        self.work.graphs.learn(frame.X)

    def learned(self) -> None:
        """End the baseline: from now on the trigger watches."""
        base = self._quiet_rows()
        self.trigger.fit(base)
        if len(base) >= self.config.base_rows:
            self.learning = (self.config.base_rows, self.config.base_rows)
        self.work.graphs.choose_lags(base, self.work.kpi)

    def adopt(self, series: tuple[Series, ...]) -> None:
        """Know these columns from now on; columns are only ever appended."""
        if len(series) != len(self.series):
            self.series = series
            self.trigger.adopt([self.config.entity_of(one) for one in series])
            self.work.adopt(series)

    def step(self, frame: Frame) -> list[Event]:
        """Work on a block of rows."""
        self.adopt(frame.series)
        events: list[Event] = []
        at = 0
        while at < len(frame.times):
            # With a case open the trigger may be given a new base at any row, so it must not run ahead.
            length = 1 if self.work.cases else self.config.max_rows
            events += self._advance(frame.times[at : at + length], frame.X[at : at + length])
            at += length
        return events

    def command(self, command: Command) -> list[Event]:
        """Apply a command; it stands after the newest row.

        Raises
        ------
        CommandRefused
            If it names what there is not, or the incident is in no state for it.
        """
        return [self._numbered(event) for event in obey(self, command)]

    def _advance(self, times: NDArray[np.float64], X: NDArray[np.float64]) -> Iterator[Event]:
        info = self.trigger.step(X)
        if np.isinf(info.joint).any():
            raise BrokenInvariant(f"{self.config.system}: the joint score is not finite at row {times[0]}")
        ticks = Ticks(self.config.system, times, X, info)
        learned = 0  # rows of this block that the graph has been given
        k = 0
        while k < len(times):
            if calm := self._calm_rows(info, k):
                self._pass(times[k : k + calm], X[k : k + calm])
                yield from ticks[k : k + calm]
                k += calm
                self.over = over(info, k - 1)
                continue
            self.time, self.n = float(times[k]), 0
            older = list(self.work.cases)
            self.ring.push(self.time, X[k], quiet=not older)
            self.calm = 0 if older else self.calm + 1
            yield from ticks[k : k + 1]
            if self._based(info, k) and not older:
                if self.work.graphs.whole:
                    self.work.graphs.choose_lags(self._quiet_rows(), self.work.kpi)
                learned = k + 1
            triggered = self._alarm(info, k) if info.alarm[k] else None
            if self._due():
                if not older:
                    self.work.graphs.learn(X[learned : k + 1])
                yield from (self._numbered(event) for event in self._open(triggered))
            elif triggered:
                yield self._numbered(triggered)
            for case in older:
                yield from (self._numbered(event) for event in self._follow(case))
            learned = k + 1 if older or self.work.cases else learned
            self.over = over(info, k)
            k += 1
        if not self.work.cases:
            self.work.graphs.learn(X[learned:])

    def _calm_rows(self, info: EntityInfo, k: int) -> int:
        """How many rows from k on are quiet for certain, so that they can be taken in one go."""
        if self.work.cases or self.candidate or self.learning[0] < self.learning[1]:
            return 0
        alarms = np.flatnonzero(info.alarm[k:])
        return int(alarms[0]) if len(alarms) else len(info.alarm) - k

    def _pass(self, times: NDArray[np.float64], X: NDArray[np.float64]) -> None:
        """Take quiet rows in one go."""
        self.ring.extend(times, X, quiet=True)
        self.calm += len(times)
        self.time, self.n = float(times[-1]), 0

    def _based(self, info: EntityInfo, k: int) -> bool:
        """Note how far the learning is; whether the base has become complete with this row."""
        before, base = self.learning[0], self.config.base_rows
        self.learning = (round(float(info.learning[k]) * base), base)
        return before < self.learning[0] == base

    def _quiet_rows(self) -> NDArray[np.float64]:
        return self.ring.values()[self.ring.quiet()].astype(np.float64)

    def _alarm(self, info: EntityInfo, k: int) -> Triggered:
        """Give the alarm to the incident that it belongs to, or make or renew the candidate; write down the trigger."""
        about, back = alarmed(info, k, self.over), self._back(info, k)
        onset = float(self.ring.times()[-1 - back])
        entity = self.trigger.entities[int(info.entity[k])]
        triggered = written(info, k, self.series, time=self.time, onset=onset, entity=entity)
        if case := self.work.concerned([*about, *touched(info, k)], back):
            return msgspec.structs.replace(triggered, incident=self.work.extend(case, about))
        stale = self.candidate and self.candidate.back > FARTHEST and not self.candidate.ailing
        if self.candidate is None or stale:
            self.candidate = self._candidate(back, triggered.entity)
        self.candidate.left = self.config.patience_rows
        self.candidate.alarmed.update(about)
        reason = "no KPI suffers so far" if self.gated else ""
        return msgspec.structs.replace(triggered, reason=reason)

    def _candidate(self, back: int, entity: str) -> Candidate:
        """A change on trial. While an incident is open a KPI must get worse than it has become.

        What is usual for it then are the rows since that incident was opened; before there are enough of them, those
        of quiet time at the level of now.
        """
        settled, kpi = self.work.settled(back), self.work.kpi
        where = cut(self.ring, back, self.config.step)
        if settled >= ENOUGH:
            where = where.since(where.first - settled, self.ring, self.config.step)
        past = look_back(self.ring, where, kpi, settled=settled)
        history = past.history.astype(np.float64)
        if 0 < settled < ENOUGH:
            history += np.nan_to_num(past.anchor - median(history))
        sign = self.work.kpi_sign
        return Candidate(back=back, history=history, restarts=past.restarts, sign=sign, entity=entity)

    def _back(self, info: EntityInfo, k: int) -> int:
        """Rows since the onset of an alarm, which cannot lie before the last incident began, or was over."""
        free = min((case.rows for case in self.work.cases), default=self.calm)
        return min(int(info.onset[k]), free, FARTHEST, len(self.ring) - 1)

    def _due(self) -> bool:
        """Whether the candidate becomes an incident now; one that waited in vain is dropped."""
        candidate = self.candidate
        if candidate is None:
            return False
        if not self.gated:
            return True
        kpi = self.work.kpi[: len(candidate.sign)]  # one that appeared meanwhile has no history
        window = self.ring.values()[-(candidate.back + 1 + EARLY) :, kpi].astype(np.float64)
        if candidate.suffers(window, self.config.hold_rows):
            if not (case := self.work.concerned(candidate.alarmed, candidate.back)):
                return True
            self.work.extend(case, candidate.alarmed)  # meanwhile it has turned out to be part of that one
            self.candidate = None
            return False
        candidate.back, candidate.left = candidate.back + 1, candidate.left - 1
        if candidate.left < 0:
            self.candidate = None
        return False

    def _open(self, triggered: Triggered | None) -> Iterator[Triggered | Ranked | Changed]:
        candidate, self.candidate = self.candidate, None
        if candidate is None:
            return
        later = self.config.lead_rows + candidate.ailing
        growing = [case for case in self.work.cases if case.growing]
        begun = Onset(candidate.back, later, tuple(sorted(candidate.alarmed)), candidate.entity)
        events = list(self.work.open(self.ring, begun, self.time))
        opened = self.work.cases[-1]
        self.ring.mark(len(opened.window), quiet=False)
        for case in [*growing, opened]:
            self._keep_evidence(case)
        if triggered:
            yield msgspec.structs.replace(triggered, incident=triggered.incident or opened.incident.id, reason="")
        yield from events

    def _follow(self, case: Case) -> Iterator[Triggered | Ranked | Changed]:
        """One more row of an open incident."""
        growing = case.growing
        for event in self.work.follow(case, self.ring.values()[-1], self.time):
            if isinstance(event, Changed):
                self.settle(event, case)
            yield event
        if growing and not case.growing and case in self.work.cases:
            self._keep_evidence(case)

    def settle(self, changed: Changed, case: Case) -> None:
        """Do what is left to do once an incident is over.

        A level that has outlasted it is the new base, and what was before is no measure any more. While others are
        open nothing can be a base: then it is the level at the end of the last of them.
        """
        if changed.incident.state in LIVE:
            return
        if case.growing:
            self._keep_evidence(case)
        shifted = changed.incident.state == "shifted"
        self.shifted |= shifted
        if self.shifted and not self.work.cases:
            level = min(case.rows if shifted else max(case.quiet, 1), len(self.ring))
            self.ring.mark(len(self.ring), quiet=False)
            self.ring.mark(level, quiet=True)
            rows = self._quiet_rows()
            self.trigger.rebase(rows)
            self.work.graphs.learn(rows)
            self.shifted = False

    def _keep_evidence(self, case: Case) -> None:
        """Hand out the raw rows round the onset, so that the store can keep them with the incident."""
        rows = min(len(self.ring), len(case.window) + CONTEXT)
        columns = case.columns
        self.evidence[case.incident.id] = EvidenceWindow(
            system=self.config.system,
            incident=case.incident.id,
            names=case.diagnosis.columns.names,
            times=self.ring.times()[-rows:].copy(),
            values=self.ring.values()[-rows:][:, columns],
        )
        if len(self.evidence) > KEPT:
            del self.evidence[next(iter(self.evidence))]

    def _numbered(self, event: E) -> E:
        """Give the event its place among those of this row."""
        n, self.n = self.n, self.n + 1
        return msgspec.structs.replace(event, n=n)
