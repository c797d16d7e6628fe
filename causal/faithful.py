"""CORAL as it is printed, from quiet rows and the rows of an incident to a ranking: for comparison, always runnable.

Two graphs, one of both states and one of the incident, are fused by the commutator (eq. 17); a plain walk with restart
from the KPI ranks (eq. 23, 24); a mix of Jensen-Shannon and rank-biased overlap stops (eq. 20-22). The equations are
mended where they cannot run as printed; every erratum is numbered in docs/coral.md and named where its equation
stands: 1 and 2 in `propagation`, 3, 4, 5 and 7 in `parts`, 6 in `graph.commutator`. The encoders are linear.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block

from .convergence import Convergence
from .coral import Coral
from .graph import Graph
from .propagation import propagate

__all__ = ["Faithful", "faithful"]

Floats = NDArray[np.float64]


class Faithful(NamedTuple):
    """What CORAL says of an incident."""

    score: Floats  # [d], share of the walk that is found at each metric; a KPI has none
    graph: Graph  # over the d metrics, and, without a KPI, a last node that stands for all of them
    batches: int  # until it stopped, or the rows ended
    converged: bool


def faithful(
    history: Block,
    window: Block,
    kpi: NDArray[np.int64],
    *,
    lags: int = 3,
    batch: int = 16,
    alpha: float = 0.5,
    threshold: float = 0.9,
    restart: float = 0.15,
) -> Faithful:
    """Rank the metrics of an incident as CORAL does, batch by batch until it stops.

    Lag, batch, alpha, threshold and restart are not in the paper.

    Parameters
    ----------
    history, window
        ``float64[n, d]``, quiet rows, and ``float64[W, d]``, the rows since the onset. NaN is missing.
    kpi
        Columns of the KPIs. CORAL cannot do without one: if there is none, the mean absolute z of all metrics is it.
    lags
        p, in rows.
    batch
        Rows of a batch; the graph of an incident learns 16 at a time.

    Examples
    --------
    >>> noise = np.random.default_rng(5).normal(size=(900, 3))
    >>> rows = noise.copy()
    >>> for t in range(1, 900):
    ...     rows[t, 1:] += 0.8 * rows[t - 1, :2]  # metric 0 drives 1, and 1 drives the KPI
    >>> rows[880:, 0] += 5.0
    >>> faithful(rows[:880], rows[880:], np.array([2])).score.argmax()
    np.int64(0)
    """
    d = history.shape[1]
    if not len(kpi):
        history, window, kpi = *_with_joint(history, window), np.array([d])
    names = [str(j) for j in range(history.shape[1])]
    start = np.zeros(len(names))
    start[kpi] = 1.0
    coral = Coral(lags=lags, fusion="commutator", hold_back=0)
    coral.step(history)
    coral.begin(0)
    stop = Convergence(threshold=threshold, stop="coral", alpha=alpha)
    for first in range(0, max(len(window), 1), batch):
        coral.adapt(window[first : first + batch])
        graph = _without_effects(coral.weights(), kpi)
        score = propagate(graph.W, start, start, kind="plain", restart=restart)
        score[kpi] = 0.0  # which always hold the restart's mass
        verdict = stop.update([names[j] for j in np.argsort(-score, kind="stable")], graph.W)
        if verdict.converged:
            break
    return Faithful(score[:d], graph, first // batch + 1, verdict.converged)


def _with_joint(history: Block, window: Block) -> tuple[Block, Block]:
    """Append the mean absolute z of each row."""
    some = np.isfinite(history)
    count = np.maximum(some.sum(axis=0), 1)
    mean = np.where(some, history, 0.0).sum(axis=0) / count
    sd = np.sqrt(np.where(some, (history - mean) ** 2, 0.0).sum(axis=0) / count)
    scale = np.where(sd > 0, sd, np.inf)

    def joined(X: Block) -> Block:
        return np.column_stack([X, np.nan_to_num(np.abs(X - mean) / scale).mean(axis=1)])

    return joined(history), joined(window)


def _without_effects(graph: Graph, kpi: NDArray[np.int64]) -> Graph:
    """The graph in which KPIs cause nothing: what users notice is where the walk starts, not where it leads."""
    W = graph.W.copy()
    W[kpi] = 0.0
    return graph._replace(W=W)
