"""Our rankings of a window: the shipped default, parts of it alone, and each part switched off."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns
from headwater.causal.convergence import Convergence
from headwater.causal.coral import Coral
from headwater.causal.diagnosis import Diagnosis, Findings
from headwater.causal.parts import Fusion
from headwater.causal.recipe import SHIPPED, Recipe
from headwater.causal.suspects import suspects

from .windows import Window

__all__ = ["ABLATIONS", "OURS", "Case", "Ranking", "largest", "ranked_by", "ranking"]

Floats = NDArray[np.float64]
AFTER = ("explain", "flow", "amplified", "inside_first", "mirrors")  # parts that come after the evidence
EVIDENCE = tuple(field.name for field in fields(Recipe) if field.name not in AFTER)
BATCH = 5  # rows, as the pipeline ranks
WIDEST = 500  # metrics of a graph; of more, that of the suspects is learned, as the pipeline does


class Ranking(NamedTuple):
    """What a method says of a window."""

    services: Floats  # [s], the higher the more suspect
    metrics: Floats | None = None  # [d]; None: the method ranks services alone
    answer: str = ""  # "named", "weak", "nothing", "outside"; empty: the method never says so
    confidence: float = np.nan  # probability that its first entry is right


class Case:
    """A window, with what several methods need of it: learned once, when first asked for."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self._fitted: dict[Recipe, Diagnosis] = {}

    @cached_property
    def suspects(self) -> NDArray[np.int64]:
        """Columns that a graph is learned of."""
        w = self.window
        if len(w.columns.names) <= WIDEST:
            return np.arange(len(w.columns.names))
        return suspects(w.history, w.window, w.columns, always=w.kpi).columns

    @cached_property
    def additive(self) -> Coral:
        """The shipped graph."""
        return self._learned("additive")

    @cached_property
    def commutator(self) -> Coral:
        """The two graphs fused as in the paper."""
        return self._learned("commutator")

    def findings(self, recipe: Recipe = SHIPPED, fusion: Fusion = "additive", *, by_walk: bool = False) -> Findings:
        """Examine the window as an incident's last batch does."""
        diagnosis = self._diagnosis(recipe)
        diagnosis.by_walk = by_walk
        coral = self.additive if fusion == "additive" else self.commutator
        return diagnosis.examine(self.window.window, coral, self.suspects)

    @cached_property
    def shipped(self) -> Findings:
        """Findings of the one default."""
        return self.findings()

    @property
    def offsets(self) -> Floats:
        """How far the window is off the level at its start, in scales of each metric."""
        return self._diagnosis(SHIPPED).offsets(self.window.window)

    def final(self, later: Floats) -> tuple[Findings, int]:
        """Let the window grow by `later` rows, a batch at a time, until the ranking settles; and by how many it did."""
        stop, window, grown = Convergence(), self.window.window, 0
        found, coral = self.shipped, self._learned("additive")
        while True:
            names = [self.window.columns.names[j] for j in found.order]
            if stop.update(names, found.graph.W).converged or grown >= len(later):
                return found, grown
            rows = later[grown : grown + BATCH]
            coral.adapt(rows[:, self.suspects])
            window, grown = np.vstack([window, rows]), grown + len(rows)
            found = self._diagnosis(SHIPPED).examine(window, coral, self.suspects)

    def _diagnosis(self, recipe: Recipe) -> Diagnosis:
        """Return a diagnosis by a recipe; recipes that differ only after the evidence share what is fitted."""
        w = self.window
        key = replace(SHIPPED, **{name: getattr(recipe, name) for name in EVIDENCE})
        if key not in self._fitted:
            self._fitted[key] = Diagnosis(
                columns=w.columns,
                history=w.history,
                restarts=w.restarts,
                kpi=w.kpi,
                kpi_sign=w.kpi_sign,
                anchor=w.anchor,
                late=w.late,
                lead=w.lead,
                recipe=key,
            )
        self._fitted[key].recipe = recipe
        return self._fitted[key]

    def _learned(self, fusion: Fusion) -> Coral:
        coral = Coral(fusion=fusion, hold_back=0)
        coral.step(self.window.history[:, self.suspects])
        coral.begin(0)
        coral.adapt(self.window.window[:, self.suspects])
        return coral


def largest(columns: Columns, scores: Floats) -> Floats:
    """Score each service by the largest of its columns' scores; -inf without any."""
    owned = columns.owner >= 0
    services = np.full(len(columns.services), -np.inf)
    np.maximum.at(services, columns.owner[owned], scores[owned])
    return services


def ranked_by(columns: Columns, scores: Floats) -> Ranking:
    """Rank by scores of columns."""
    return Ranking(largest(columns, scores), scores)


def ranking(found: Findings) -> Ranking:
    """Rank as the findings do."""
    return Ranking(found.services.score, found.score, found.answer, found.confidence)


def _by_walk(case: Case, fusion: Fusion) -> Ranking:
    return ranked_by(case.window.columns, case.findings(fusion=fusion, by_walk=True).walk)


def _off(name: str) -> Recipe:
    """The shipped recipe without one of its parts."""
    value = getattr(SHIPPED, name)
    return replace(SHIPPED, **{name: type(value)(0)})


def _with(recipe: Recipe) -> Callable[[Case], Ranking]:
    return lambda case: ranking(case.findings(recipe))


OURS: dict[str, Callable[[Case], Ranking]] = {
    "headwater": lambda case: ranking(case.shipped),
    "headwater/abnormal": lambda case: ranked_by(case.window.columns, case.shipped.abnormal),
    "headwater/graph_free": _with(replace(SHIPPED, explain=0.0, flow=0.0, amplified=0.0, mirrors=False)),
    "headwater/walk": lambda case: _by_walk(case, "additive"),
    "headwater/commutator": lambda case: ranking(case.findings(fusion="commutator")),
}
"""By name: the one default, what is abnormal without any graph or order, no graph (neither learned nor of calls), the
plain walk on our graph, and our ranking on the paper's graph."""

ABLATIONS: dict[str, Callable[[Case], Ranking]] = {
    f"headwater/no_{field.name}": _with(_off(field.name)) for field in fields(Recipe)
}
"""Each part off, one at a time."""
