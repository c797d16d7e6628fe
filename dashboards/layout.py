"""Where the nodes of a causal graph stand: causes left, effects right, the path along the middle line.

A learned graph has cycles once its lags are folded, so strongly connected components are collapsed first and
the longest path through what is left gives the column of each component. Inside a component the distance
from its first member takes over. Pure and deterministic: the same graph is always drawn the same way.
"""

from collections.abc import Iterable, Sequence

import networkx as nx

__all__ = ["columns", "focus", "positions"]

COLUMN, ROW = 170.0, 92.0
FOCUS = 14


def focus(weights: dict[tuple[str, str], float], path: Sequence[str], marked: Iterable[str] = ()) -> list[str]:
    """The path, the marked nodes, then the strongest neighbours of the path until `FOCUS` nodes are in."""
    chosen = list(dict.fromkeys([*path, *marked]))[:FOCUS]
    for cause, effect in sorted(weights, key=lambda e: -abs(weights[e])):
        if len(chosen) >= FOCUS:
            break
        if (cause in path) != (effect in path):
            stranger = effect if cause in path else cause
            chosen.extend([stranger] if stranger not in chosen else [])
    return chosen


def columns(graph: "nx.DiGraph[str]", path: Sequence[str] = ()) -> dict[str, int]:
    """Column of every node: 0 for what nothing in the graph causes; never left of a cause outside its own cycle.

    >>> columns(nx.DiGraph([("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("d", "c")]))
    {'a': 0, 'b': 1, 'c': 2, 'd': 3}
    """
    order = {name: place for place, name in enumerate(path)}
    whole = nx.condensation(graph)
    free: dict[int, int] = {}  # first column behind each component
    depth: dict[str, int] = {}
    for part in nx.topological_sort(whole):
        members = sorted(whole.nodes[part]["members"], key=lambda n: (order.get(n, len(order)), n))
        start = max((free[p] for p in whole.predecessors(part)), default=0)
        inside = nx.single_source_shortest_path_length(graph.subgraph(members), members[0])
        depth |= {name: start + steps for name, steps in inside.items()}
        free[part] = start + max(inside.values()) + 1
    return {name: depth[name] for name in graph.nodes}


def positions(graph: "nx.DiGraph[str]", path: Sequence[str] = ()) -> dict[str, tuple[float, float]]:
    """Position of every node in pixels, x to the right, y down, the path on y = 0."""
    depth = columns(graph, path)
    placed: dict[str, tuple[float, float]] = {}
    for column in range(max(depth.values(), default=-1) + 1):
        here = [name for name in graph.nodes if depth[name] == column]
        spine = [name for name in path if name in here]
        rest = sorted((name for name in here if name not in spine), key=lambda n: (_pull(graph, placed, n), n))
        half = len(rest) // 2
        above, below = rest[:half], rest[half:]
        rows = {name: -(len(above) - k) for k, name in enumerate(above)}
        rows |= {name: k + len(spine or [""]) for k, name in enumerate(below)}
        rows |= {name: k for k, name in enumerate(spine)}
        placed |= {name: (column * COLUMN, row * ROW) for name, row in rows.items()}
    return placed


def _pull(graph: "nx.DiGraph[str]", placed: dict[str, tuple[float, float]], name: str) -> float:
    """Mean height of the causes that already stand: neighbours keep close and edges cross less."""
    heights = [placed[cause][1] for cause in graph.predecessors(name) if cause in placed]
    return sum(heights) / len(heights) if heights else 0.0
