"""Rankings of services by every method that is compared, and what is said of many of them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns, Role
from headwater.causal.coral import Coral
from headwater.causal.diagnosis import Diagnosis, Findings

from .peers.baro import baro_order
from .peers.nsigma import nsigma
from .windows import Window

__all__ = ["METHODS", "accuracy", "largest", "place", "rankings"]

Floats = NDArray[np.float64]
DEPTHS = range(1, 6)  # of Avg@5


def _findings(what: Window, *, by_walk: bool) -> Findings:
    """Examine a window as an incident's last batch does."""
    diagnosis = Diagnosis(
        columns=what.columns,
        history=what.history,
        restarts=what.restarts,
        kpi=what.kpi,
        kpi_sign=what.kpi_sign,
        by_walk=by_walk,
        late=what.late,
    )
    coral = Coral()
    coral.step(what.history)
    coral.begin(0)
    coral.adapt(what.window)
    return diagnosis.examine(what.window, coral, np.arange(len(what.columns.names)))


def headwater(what: Window) -> Floats:
    """Score services as the shipped default does."""
    return _findings(what, by_walk=False).services.score


def abnormal(what: Window) -> Floats:
    """Score a service by its most abnormal metric: no call graph, no learned graph."""
    return largest(what.columns, _findings(what, by_walk=False).abnormal)


def walk(what: Window) -> Floats:
    """Score a service by the best of its metrics in CORAL's plain random walk with restart."""
    return largest(what.columns, _findings(what, by_walk=True).walk)


def baro(what: Window) -> Floats:
    """Score services by the place of their first metric in BARO's order."""
    own = np.flatnonzero(_owned(what.columns))
    names = [what.columns.names[j] for j in own]
    scores = np.full(len(what.columns.names), -np.inf)
    order = own[baro_order(names, what.history[:, own], what.window[:, own])]
    scores[order] = -np.arange(len(order), dtype=np.float64)
    return largest(what.columns, scores)


def n_sigma(what: Window) -> Floats:
    """Score a service by the largest N-Sigma of its metrics."""
    return largest(what.columns, nsigma(what.history, what.window))


METHODS: dict[str, Callable[[Window], Floats]] = {
    "headwater": headwater,
    "headwater/abnormal": abnormal,
    "headwater/walk": walk,
    "baro": baro,
    "n-sigma": n_sigma,
}


def rankings(what: Window) -> Iterator[tuple[str, float]]:
    """Yield the rank of the true service by each method, the middle one among ties."""
    true = what.columns.services.index(what.truth)
    for name, method in METHODS.items():
        yield name, place(method(what), true)


def place(scores: Floats, true: int) -> float:
    """Rank of entry `true` by falling score, the middle one among ties."""
    above, level = int((scores > scores[true]).sum()), int((scores == scores[true]).sum())
    return above + (level + 1) / 2


def accuracy(ranks: Sequence[float]) -> dict[str, float]:
    """Say how often the true service is among the first k: AS@1, AS@3, and the mean of AS@1..5.

    >>> accuracy([1.0, 2.0])
    {'AS@1': 0.5, 'AS@3': 1.0, 'Avg@5': 0.9}
    """
    at = {k: sum(rank <= k for rank in ranks) / max(len(ranks), 1) for k in DEPTHS}
    return {"AS@1": at[1], "AS@3": at[3], "Avg@5": round(sum(at.values()) / len(at), 6)}


def _owned(columns: Columns) -> NDArray[np.bool_]:
    """Columns that speak for a service: not those of a node that several share, nor of a virtual front."""
    owned: NDArray[np.bool_] = (columns.owner >= 0) & (columns.roles != Role.SHARED)
    return owned


def largest(columns: Columns, scores: Floats) -> Floats:
    """Score each service by the largest of its columns' scores."""
    own = _owned(columns)
    services = np.full(len(columns.services), -np.inf)
    np.maximum.at(services, columns.owner[own], scores[own])
    return services
