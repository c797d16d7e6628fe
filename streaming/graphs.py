"""The causal graph of one system: one learner of quiet time, and a copy of it for every open incident. Pure.

While any incident is open the learner of quiet time stands still. A copy adapts its own dependent part to the rows of
its own incident, and can be made again from these rows at any time: it is in no snapshot.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns, describe
from headwater.causal.constraints import expected_edges
from headwater.causal.coral import Coral
from headwater.causal.order import lag_order, misfit
from headwater.online import Snapshot

from .errors import CommandRefused
from .past import Past
from .pipeline_config import PipelineConfig

__all__ = ["GRAPH_COLUMNS", "Graphs"]

GRAPH_COLUMNS = 500  # a full graph of more metrics costs too much per row: then one of the suspects alone
Floats = NDArray[np.float64]
_LAGS, _MISFIT = "graphs.lags", "graphs.misfit"  # beside what the learner itself keeps


class Graphs:
    """The causal graphs of one system.

    Parameters
    ----------
    config
        Lengths in rows and the settings of the graph.
    held
        Newest rows that are not learned yet, since an incident may have begun in them.

    Attributes
    ----------
    misfit : str
        What is wrong with the model of quiet time and how to mend it, as far as it was learned on a base; else empty.
    judged : dict
        (cause, effect), names of metrics, → whether people confirmed the edge; else they ruled it out.
    """

    def __init__(self, config: PipelineConfig, held: int) -> None:
        self.config = config
        self.held = held
        self.lags = config.lags
        self.misfit = ""
        self.columns: Columns = describe([])
        self.judged: dict[tuple[str, str], bool] = {}
        self.open = False  # the learner of quiet time stands still
        self.coral = self._new()

    @property
    def whole(self) -> bool:
        """Whether all columns fit into one graph, which then learns in quiet time."""
        return len(self.columns.names) <= GRAPH_COLUMNS

    @property
    def topology(self) -> Literal["", "hard", "soft"]:
        """How the call graph is used; empty: none is known, and edges may be anywhere."""
        return self.config.topology if self.columns.calls.any() else ""

    def adopt(self, columns: Columns) -> None:
        """Know these columns from now on."""
        self.columns = columns
        if not self.open:
            self._inform()

    def learn(self, X: Floats) -> None:
        """Learn quiet rows."""
        if self.whole:
            self.coral.step(X)

    def choose_lags(self, base: Floats, kpi: NDArray[np.int64]) -> None:
        """Choose the lag order on the base window, and learn the window with it.

        It is the order of `lag_order`, or the most that the settings allow, where that leaves residuals that are not
        white: only so does allowing more mend anything.
        """
        if self.whole:
            most = self.config.lags
            self.lags = lag_order(base, kpis=kpi.tolist(), max_lags=most)
            if self.lags < most and self._misfit(base):
                self.lags = most
            self.relearn(base)
            self.misfit = self._misfit(base)

    def relearn(self, quiet: Floats) -> None:
        """Start anew from quiet rows."""
        self.coral, self.open, self.misfit = self._new(), False, ""
        self._inform()
        self.learn(quiet)

    def begin(self, discard: int) -> None:
        """Stand still from now on, and forget the newest `discard` quiet rows."""
        if self.whole and not self.open:
            self.coral.begin(discard)
            self.open = True

    def end(self) -> None:
        """Learn again; a level that has outlasted its incident is handed over by the pipeline, as quiet rows."""
        if self.open:
            self.coral.end(learn=False)
            self.open = False
            self._inform()

    def copy(self, columns: Columns, past: Past) -> Coral:
        """Make the graph of one incident, before its first row, over the columns that it looks at."""
        coral = self._new()
        if self.open:
            coral.restore(self.coral.snapshot())
            return coral
        coral.expect(expected_edges(columns))
        coral.step(past.history.astype(np.float64))
        self._judge(coral, columns.names)
        coral.begin(0)
        return coral

    def judge(self, cause: str, effect: str, *, confirmed: bool) -> None:
        """Take what people know of an edge; it holds at once, and until they say otherwise.

        Raises
        ------
        CommandRefused
            If confirmed edges would close a cycle.
        """
        if confirmed and self._leads(effect, cause):
            what = f"{cause} → {effect} would close a cycle of confirmed edges"
            raise CommandRefused(what, f"{effect} → … → {cause} is confirmed", "forbid one of those edges first")
        self.judged.pop((cause, effect), None)
        self.judged[cause, effect] = confirmed
        if self.whole:
            self._judge(self.coral, self.columns.names, (cause, effect))

    def snapshot(self) -> Snapshot:
        """Copy the learner of quiet time; what people know of edges is kept apart, since it outlives the settings."""
        return self.coral.snapshot() | {_LAGS: self.lags, _MISFIT: self.misfit}

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back."""
        self.lags, self.misfit = int(snapshot[_LAGS]), str(snapshot[_MISFIT])
        self.open = bool(snapshot["incident"])
        self.coral = self._new()
        self.coral.restore({name: value for name, value in snapshot.items() if name not in (_LAGS, _MISFIT)})

    def _misfit(self, base: Floats) -> str:
        """What is wrong with a model of this order on the whole base; the learner itself holds back the newest rows."""
        fitted = self._new(held=0)
        fitted.step(base)
        fitted.begin(0)
        return misfit(fitted.residuals(base).full, self.columns.names, lags=self.lags)

    def _leads(self, start: str, goal: str) -> bool:
        """Whether confirmed edges lead from one metric to another."""
        reached, new = {start}, [start]
        while new:
            here = new.pop()
            beyond = {effect for (cause, effect), confirmed in self.judged.items() if confirmed and cause == here}
            new += sorted(beyond - reached)
            reached |= beyond
        return goal in reached

    def _inform(self) -> None:
        """Tell the learner what is known of edges between the columns that there are now."""
        if not self.whole:
            return
        self.coral.step(np.empty((0, len(self.columns.names))))  # makes room for them
        if self.columns.calls.any():
            self.coral.expect(expected_edges(self.columns))
        self._judge(self.coral, self.columns.names)

    def _judge(self, coral: Coral, names: tuple[str, ...], *edges: tuple[str, str]) -> None:
        """Tell a graph of the columns `names` what people know of `edges`; none: of all."""
        if not self.judged:
            return
        width = len(coral.weights().W)  # columns that have appeared since an incident began are told when it is over
        slot = {name: j for j, name in enumerate(names[:width])}
        for cause, effect in edges or self.judged:
            if cause in slot and effect in slot:
                say = coral.confirm if self.judged[cause, effect] else coral.forbid
                say(slot[cause], slot[effect])

    def _new(self, held: int | None = None) -> Coral:
        c = self.config
        return Coral(
            lags=self.lags,
            candidates=c.candidates,
            penalty=c.penalty,
            half_life=c.half_life,
            hold_back=self.held if held is None else held,
            fusion=c.fusion,
            prior=c.topology,
        )
