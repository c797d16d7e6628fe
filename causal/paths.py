"""How the trouble got from the cause to the KPI: a path through learned edges, along the call graph if it is known."""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .columns import Columns, Role
from .graph import Graph, most_probable_path

__all__ = ["Hop", "hops_of", "path_to"]

Floats = NDArray[np.float64]
_PRIOR = 0.1  # weight of an edge that only the call graph suggests, of the strongest learned one
_ABNORMAL = 1.0  # a metric on the way must be out of the ordinary itself


class Hop(NamedTuple):
    """One step of a path, with the evidence on it."""

    cause: int  # column
    effect: int
    weight: float  # of the learned edge, 0 where only the call graph suggests it
    lag: int  # rows, 0 where nothing was learned
    share: float  # 0..1, part of the effect that the cause accounts for
    kind: Literal["learned", "call"]


def hops_of(
    path: tuple[int, ...], columns: Columns, graph: Graph, abnormal: Floats, deviation: Floats
) -> tuple[Hop, ...]:
    """Describe the steps of a path.

    Of a learned edge the share is that of all learned weight into the effect. Of a step that only the call graph
    suggests it is the deviation of the cause over that of the effect where both are of one type, else the same of
    their abnormalities; at most 1.
    """
    hops = []
    for i, j in pairwise(path):
        weight = float(graph.W[i, j])
        if weight > 0:
            share = weight / float(graph.W[:, j].sum())
        else:
            size = np.abs(deviation) if columns.types[i] == columns.types[j] else abnormal
            share = min(1.0, float(size[i]) / max(float(size[j]), 1e-12))
        hops.append(Hop(i, j, weight, int(graph.lag[i, j]), share, "learned" if weight > 0 else "call"))
    return tuple(hops)


def path_to(columns: Columns, W: Floats, abnormal: Floats, cause: int, goal: int) -> tuple[int, ...]:
    """Columns from `cause` to `goal`, both included.

    Without a known call graph the learned edges ``W[i, j]`` (``float64[d, d]``, i → j) stand alone. With one, an edge
    must stay inside a service or lead from a callee to its caller, and what the call graph suggests (from what happens
    inside a service to what is seen of it, from a callee's symptom to its caller's) stands in where nothing was
    learned; of a callee's symptoms it is the more likely the more it stands out among them. Metrics on the way are
    abnormal themselves, if there is such a path.

    Examples
    --------
    >>> from headwater.causal.columns import describe
    >>> columns = describe(["front|latency_s", "back|latency_s", "back|cpu", "other|cpu"], edges=[("front", "back")])
    >>> learned = np.zeros((4, 4))
    >>> learned[2, 3] = learned[3, 0] = 1.0  # by way of a service that front does not call
    >>> [columns.names[j] for j in path_to(columns, learned, np.full(4, 9.0), cause=2, goal=0)]
    ['back|cpu', 'back|latency_s', 'front|latency_s']
    """
    if columns.calls.any():
        W = _along_calls(columns, W, abnormal)
    passable = abnormal >= _ABNORMAL
    passable[[cause, goal]] = True
    path = most_probable_path(np.where(np.outer(passable, passable), W, 0.0), cause, goal)
    return path.nodes if path.probability > 0 else most_probable_path(W, cause, goal).nodes


def _along_calls(columns: Columns, W: Floats, abnormal: Floats) -> Floats:
    """Learned edges that the call graph allows, and weak ones that it suggests."""
    owner, owned = columns.owner, columns.owner >= 0
    same = (owner[:, None] == owner[None, :]) & owned[:, None]
    upward = columns.calls[owner][:, owner].T & owned[:, None] & owned[None, :]  # from callee i to caller j
    free = ~owned[:, None] | ~owned[None, :]
    inner = columns.roles == Role.INTERNAL
    seen = ~inner & (columns.roles != Role.SHARED)
    suggested = (same & inner[:, None] & seen[None, :]) | (upward & seen[:, None] & seen[None, :])
    allowed: Floats = np.where(same | upward | free, W, 0.0)
    loudest = np.full(len(columns.services) + 1, 1e-12)  # the last place is that of no service
    np.maximum.at(loudest, owner[seen], abnormal[seen])
    standing = np.where(seen, np.minimum(1.0, abnormal / loudest[owner]), 1.0)
    prior = _PRIOR * max(float(W.max(initial=0.0)), 1e-9) * standing[:, None]
    return np.maximum(allowed, np.where(suggested, prior, 0.0))
