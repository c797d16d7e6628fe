"""From one incident's window of rows to a diagnosis: what is abnormal, where it started, and by which path.

Two lists are kept apart. *Abnormal* is graph-free and exists at the first row. *Suspicion* is the same number,
lowered where the invariant graph predicts a metric during the incident from other abnormal metrics (the gate of
`explaining`); the graph never raises a metric, and with all gates shut the two are equal to the bit.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .columns import SYMPTOMS, Columns, Role, with_calls
from .confidence import Answer, judge
from .coral import Coral
from .evidence import Evidence, Surprise, median, usual_range
from .explaining import Explained, explain_away
from .graph import Graph
from .paths import Hop, hops_of, path_to
from .propagation import Walk, propagate
from .ranking import ServiceScores, order_metrics, score_services
from .recipe import SHIPPED, Recipe

__all__ = ["Diagnosis", "Findings"]

Floats = NDArray[np.float64]
_CONTEXT = 20  # rows
_CALIBRATED = 30  # rows of history without which "abnormal" is too loose a word to add calls by


class Findings(NamedTuple):
    """A diagnosis; arrays are ``[d]`` and indexed by column unless said otherwise."""

    order: NDArray[np.int64]  # columns, most suspect first
    score: Floats  # falls along the order
    services: ServiceScores  # [s]
    abnormal: Floats
    suspicion: Floats
    explained: Floats  # share of the energy that the graph accounts for, 0 where the gate is shut
    by: NDArray[np.int64]  # column that explains most of it, -1: none
    walk: Floats
    value: Floats  # median in the window
    usual: Floats  # level at the onset
    path: tuple[int, ...]  # columns, from the first of the order to the KPI
    graph: Graph
    confidence: float  # probability that the first service, or without services the first metric, is right
    sustained: Floats  # of faults that last, calibrated like `abnormal`
    sharp: Floats  # of faults of a row or two
    silent: Floats  # of having gone silent
    ratio: float  # largest abnormality over the .95 quantile of the largest one of quiet windows
    answer: Answer
    added: tuple[tuple[str, str], ...]  # (caller, callee), call edges recognised from the data
    hops: tuple[Hop, ...]  # the steps of the path, one fewer than its columns


class Diagnosis:
    """Judge windows of one incident against the quiet history before it.

    Parameters
    ----------
    columns
        The columns of the system at the onset.
    history
        ``float64[n, d]``, quiet rows.
    restarts
        ``bool[n]``, rows before which time jumped, so that no level or forecast is carried across.
    kpi
        Columns of the KPIs; empty: the walk starts from the joint anomaly.
    kpi_sign
        For each KPI +1 if up is bad, -1 if down is, 0 if both are.
    restart
        Probability that the walk restarts.
    by_walk
        Order the metrics by the walk alone, as CORAL does.
    anchor
        ``float64[d]``, a row to take the level from, where time jumped between the history and the window.
    late
        Rows of the window before a second, later start; 0: none.
    lead
        ``float64[m, d]``, rows right before the window that do not follow the history: the level is theirs, and
        `anchor` is not needed.
    recipe
        Weights of the parts.
    """

    def __init__(
        self,
        *,
        columns: Columns,
        history: Floats,
        restarts: NDArray[np.bool_],
        kpi: NDArray[np.int64],
        kpi_sign: NDArray[np.int64],
        restart: float = 0.15,
        by_walk: bool = False,
        anchor: Floats | None = None,
        late: int = 0,
        lead: Floats | None = None,
        recipe: Recipe = SHIPPED,
    ) -> None:
        self.columns = columns
        self.kpi = kpi
        self.kpi_sign = kpi_sign
        self.restart = restart
        self.by_walk = by_walk
        self.late = late
        self.recipe = recipe
        steady = columns.roles == Role.INTERNAL
        self._surprise = Surprise(types=columns.types, recipe=recipe, steady=steady)
        self._history = history
        model, before = self._surprise.fit(history, restarts), history
        if lead is None and anchor is not None:
            lead = anchor[None, :]
        if lead is not None and len(lead):
            model = self._surprise.settle(model, lead)
            before = np.vstack([np.tile(model.level, (_CONTEXT, 1)), lead])
        self._model = model
        self._tail = before[-_CONTEXT:]  # context of forecasts into the window
        self._calibrated = len(history) >= _CALIBRATED
        self._low, self._high = usual_range(history)
        self._near = usual_range(np.abs(history - self._model.levels[0]))[1]

    def examine(self, window: Floats, coral: Coral, suspects: NDArray[np.int64]) -> Findings:
        """Diagnose a window (``float64[W, d]``) that follows the history; `coral` knows the columns `suspects`."""
        evidence = self._weigh(window)
        suspicion, explained, by = self._explain(window, evidence.abnormal, coral, suspects)
        roles = frozenset(self.columns.roles[self.kpi].tolist())
        recipe = self.recipe if self._calibrated else replace(self.recipe, mirrors=False)
        services = score_services(self.columns, evidence.abnormal, evidence.deviation, roles, recipe=recipe)
        graph = _spread(coral.weights(), suspects, len(suspicion))
        kind: Walk = "plain" if self.by_walk else "evidence"
        visits = propagate(graph.W, self._start(evidence.abnormal), suspicion, kind=kind, restart=self.restart)
        if self.by_walk:
            order = np.argsort(-visits, kind="stable")
            score = visits
        else:
            order, score = order_metrics(
                self.columns, evidence.abnormal, suspicion, services, inside_first=self.recipe.inside_first
            )
        # Without a KPI the path leads to the symptom that stands out most.
        ends = self.kpi if len(self.kpi) else np.flatnonzero(np.isin(self.columns.roles, SYMPTOMS))
        goal = int(ends[np.argmax(evidence.abnormal[ends])]) if len(ends) else int(order[0])
        columns = with_calls(self.columns, services.added)
        path = path_to(columns, graph.W, evidence.abnormal, int(order[0]), goal)
        findings = Findings(
            order=order,
            score=score,
            services=services,
            abnormal=evidence.abnormal,
            suspicion=suspicion,
            explained=explained,
            by=by,
            walk=visits,
            value=evidence.value,
            usual=self._model.level,
            path=path,
            graph=graph,
            confidence=0.0,
            sustained=evidence.sustained,
            sharp=evidence.sharp,
            silent=evidence.silent,
            ratio=evidence.ratio,
            answer="outside",  # where most of what is measured has gone silent, the cause is not in it
            added=services.added,
            hops=hops_of(path, columns, graph, evidence.abnormal, evidence.deviation),
        )
        answer, confidence = judge(self.columns, self.kpi, findings, self.offsets(window), self._history)
        return findings._replace(answer=findings.answer if evidence.blind else answer, confidence=confidence)

    def offsets(self, window: Floats) -> Floats:
        """How far a window (``float64[W, d]``) is off the level at its start, in scales of each metric."""
        return np.asarray((window - self._model.level) / self._model.scale[0])

    def _weigh(self, window: Floats) -> Evidence:
        """The evidence of the window, or that since its later start where it is stronger.

        The onset is that of the earliest change that may belong to the incident. Where that change was something
        else, what came much later would be discounted too much.
        """
        first = self._surprise.score(self._model, window)
        if not 0 < self.late < len(window):
            return first
        model = self._surprise.advance(self._model, window[: self.late])
        second = self._surprise.score(model, window[self.late :])
        later = second.abnormal > first.abnormal
        parts = [np.where(later, b, a) for a, b in zip(first[:-2], second[:-2], strict=True)]
        return Evidence._make([*parts, max(first.ratio, second.ratio), first.blind])

    def usual(self, rows: Floats, watched: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the median of the newest `rows` (``float64[r, d]``) is usual again, for columns `watched`.

        Usual is what lies in the range of history, or as near to the level at the onset as history keeps to its
        levels. For a KPI only the bad side counts; a metric without any value is not back.
        """
        middle = median(rows[:, watched])
        near = self._near[watched]
        low = np.minimum(self._low[watched], self._model.level[watched] - near)
        high = np.maximum(self._high[watched], self._model.level[watched] + near)
        for k, sign in zip(self.kpi, self.kpi_sign, strict=True):
            low[(watched == k) & (sign > 0)] = -np.inf
            high[(watched == k) & (sign < 0)] = np.inf
        seen = np.isfinite(rows[:, watched]).any(axis=0)
        inside: NDArray[np.bool_] = seen & (middle >= low) & (middle <= high)
        return inside

    def _start(self, abnormal: Floats) -> Floats:
        """Where the walk starts: at the KPIs, else at every metric by its abnormality."""
        start = np.zeros_like(abnormal)
        chosen = self.kpi if len(self.kpi) else np.arange(len(abnormal))
        start[chosen] = abnormal[chosen] + 1e-12
        return start

    def _explain(self, window: Floats, abnormal: Floats, coral: Coral, suspects: NDArray[np.int64]) -> Explained:
        """Lower what was abnormal by what the invariant graph, which never saw the incident, explains of it."""
        rows = np.vstack([self._tail[-coral.lags :], window])[:, suspects]
        known = explain_away(abnormal[suspects], coral.account(rows, self._model.level[suspects]))
        lowered = abnormal.copy()
        lowered[suspects] += self.recipe.explain * (known.suspicion - abnormal[suspects])
        found = Explained(lowered, np.zeros_like(abnormal), np.full(len(abnormal), -1))
        found.share[suspects] = known.share
        found.by[suspects] = np.where(known.by >= 0, suspects[known.by], -1)
        return found


def _spread(graph: Graph, suspects: NDArray[np.int64], d: int) -> Graph:
    """The graph of some columns as one of all d."""
    if len(suspects) == d:
        return graph
    place = np.ix_(suspects, suspects)
    W, lag, part = np.zeros((d, d)), np.zeros((d, d), np.int64), np.zeros((d, d), np.int8)
    W[place], lag[place], part[place] = graph
    return Graph(W, lag, part)
