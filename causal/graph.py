"""Pure functions on weighted directed graphs, kept as adjacency matrices.

The convention of the whole room, stated once: ``A[i, j] != 0`` means ``i -> j``, metric i is a cause of metric j.
Weights are not negative. No function changes its arguments.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from headwater.online import kernel

__all__ = [
    "Graph",
    "Path",
    "break_cycles",
    "commutator",
    "graphml",
    "most_probable_path",
    "to_networkx",
]

Floats: TypeAlias = NDArray[np.float64]


NamedEdge: TypeAlias = tuple[str, str, float, int, str]
"""Cause, effect, weight, lag in rows, and ``invariant`` or ``dependent``."""


class Graph(NamedTuple):
    """A causal graph over d metrics."""

    W: Floats  # [d, d], weight of i -> j, 0 = no edge
    lag: NDArray[np.int64]  # [d, d], the lag that carries most of it, in rows; 0 where there is no edge
    part: NDArray[np.int8]  # [d, d], 0 = the edge is mostly invariant, 1 = mostly of this incident


class Path(NamedTuple):
    """Nodes from a cause to an effect, and the probability that a walk from the effect goes back along them."""

    nodes: tuple[int, ...]
    probability: float  # 0 = the graph does not connect them, and `nodes` holds just the two ends


def break_cycles(W: Floats, first: NDArray[np.bool_] | None = None) -> Floats:
    """Make the graph acyclic: an edge goes if it would close a cycle with edges at least as strong.

    Edges are added from the strongest to the weakest, so every cycle loses its weakest edge and no edge goes in
    vain: putting one back would close a cycle. The diagonal goes too. Edges in `first` (``bool[d, d]``) are added
    before all others.

    >>> break_cycles(np.array([[0.0, 0.9, 0.0], [0.2, 0.0, 0.5], [0.4, 0.0, 0.0]])).tolist()
    [[0.0, 0.9, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]]
    """
    kept = np.zeros_like(W)
    cause, effect = np.nonzero(W)
    later = np.zeros(len(cause), np.bool_) if first is None else ~first[cause, effect]
    order = np.lexsort((-W[cause, effect], later))
    _add_acyclic(W, cause[order], effect[order], kept)
    return kept


def commutator(A: Floats, B: Floats) -> Floats:
    """Fuse two graphs into a one-way graph, ``ReLU(tanh(A B' - B A'))`` (CORAL, eq. 17).

    The difference is antisymmetric, so of each pair at most one direction is left; equal graphs cancel out. It orders
    the nodes rather than adding up edges, and saturates with their number: see docs/coral.md, erratum 6.

    >>> commutator(np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.5], [1.0, 0.0]])).round(2).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    return np.maximum(np.tanh(A @ B.T - B @ A.T), 0.0)


def most_probable_path(W: Floats, cause: int, effect: int) -> Path:
    """Find the likeliest way from `cause` to `effect`.

    A walk goes from j back to its cause i with probability ``W[i, j] / sum_i W[i, j]``; the path with the largest
    product is the shortest one with lengths ``-log`` of these. Without a way the path is the two ends.

    >>> most_probable_path(np.array([[0.0, 0.5, 0.5], [0.0, 0.0, 1.5], [0.0, 0.0, 0.0]]), 0, 2)
    Path(nodes=(0, 1, 2), probability=0.75)
    """
    if cause == effect:
        return Path((effect,), 1.0)
    causes, effects = np.nonzero(W)
    step = W[causes, effects] / W.sum(axis=0)[effects]
    lengths = np.maximum(-np.log(step), 0.0)
    backwards = nx.DiGraph()
    backwards.add_nodes_from((cause, effect))
    backwards.add_weighted_edges_from(zip(effects.tolist(), causes.tolist(), lengths.tolist(), strict=True))
    try:
        length, nodes = nx.single_source_dijkstra(backwards, effect, cause)
    except nx.NetworkXNoPath:
        return Path((cause, effect), 0.0)
    return Path(tuple(reversed(nodes)), float(np.exp(-length)))


def to_networkx(edges: Iterable[NamedEdge]) -> nx.DiGraph:
    """Make a networkx graph of named edges, which carry ``weight``, ``lag`` (rows) and ``part``."""
    exported = nx.DiGraph()
    for cause, effect, weight, lag, part in edges:
        exported.add_edge(cause, effect, weight=weight, lag=lag, part=part)
    return exported


def graphml(edges: Iterable[NamedEdge]) -> str:
    """Write named edges as GraphML, which Gephi, yEd, Cytoscape and networkx read.

    >>> "db|cpu" in graphml([("db|cpu", "api|latency", 0.5, 2, "invariant")])
    True
    """
    return "\n".join(nx.generate_graphml(to_networkx(edges))) + "\n"


@kernel
def _add_acyclic(W: Floats, cause: NDArray[np.int64], effect: NDArray[np.int64], kept: Floats) -> None:
    """In place: kept[d, d] gets the edges, given in order, that close no cycle."""
    d, one = len(W), np.uint64(1)
    below = np.zeros((d, d // 64 + 1), np.uint64)  # bit sets: the nodes that each node leads to, itself included
    for v in range(d):
        below[v, v >> 6] |= one << np.uint64(v & 63)
    for e in range(len(cause)):
        u, v = cause[e], effect[e]
        if below[v, u >> 6] >> np.uint64(u & 63) & one:
            continue
        kept[u, v] = W[u, v]
        if below[u, v >> 6] >> np.uint64(v & 63) & one:
            continue
        for a in range(d):
            if below[a, u >> 6] >> np.uint64(u & 63) & one:
                for word in range(below.shape[1]):
                    below[a, word] |= below[v, word]
