"""The causal graph of an incident as a chart. Its twin is the table of edges; neither says anything by colour alone."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import networkx as nx

from headwater.streaming.suspects import Edge

from .charts import CAUSE, MUTED, PATH, SYMPTOM, Option, base
from .layout import ROW, focus, positions
from .views_incident import Role

__all__ = ["Drawing", "draw", "sentence"]

EDGES = 200
NARROW = 560  # pixels
SHAPES: dict[Role, tuple[str, int, str]] = {
    "cause": ("diamond", 30, CAUSE),
    "path": ("circle", 20, PATH),
    "symptom": ("rect", 22, SYMPTOM),
    "other": ("circle", 9, MUTED),
}
"""Role → shape, size in pixels, colour."""


class Drawing(NamedTuple):
    """A chart and the height in pixels that it needs."""

    option: Option
    height: int
    nodes: int
    hidden: int  # nodes of the whole graph that are not drawn


def draw(edges: Sequence[Edge], roles: Mapping[str, Role], path: Sequence[str], *, whole: bool = False) -> Drawing:
    """The path and its neighbourhood, or with `whole` every node, causes left and effects right."""
    strongest = sorted((e for e in edges if e.cause != e.effect), key=lambda e: -abs(e.weight))
    weights = {(e.cause, e.effect): e.weight for e in strongest}
    named = [name for name, role in roles.items() if role == "cause"]
    everyone = list(dict.fromkeys([*path, *named, *(name for edge in weights for name in edge)]))
    spine = {*path, *named}
    shown = everyone if whole else focus(weights, path, named)
    inside = [
        e for e in strongest if {e.cause, e.effect} <= set(shown) and (whole or e.cause in spine or e.effect in spine)
    ][:EDGES]
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(shown)
    graph.add_edges_from((e.cause, e.effect) for e in inside)
    steps = list(pairwise(path))
    graph.add_edges_from(steps)
    places = positions(graph, path)
    heights = [y for _, y in places.values()]
    height = int(max(heights, default=0.0) - min(heights, default=0.0) + 2 * ROW)
    option = _option(graph, places, roles, _links(inside, steps))
    return Drawing(option, min(max(height, 340), 620), len(shown), len(everyone) - len(shown))


def _links(edges: Sequence[Edge], steps: Sequence[tuple[str, str]]) -> list[Option]:
    largest = max((abs(e.weight) for e in edges), default=1.0) or 1.0
    on_path = set(steps)
    learned = {(e.cause, e.effect) for e in edges}
    links = [_link(e.cause, e.effect, abs(e.weight) / largest, e, (e.cause, e.effect) in on_path) for e in edges]
    return links + [_link(cause, effect, 0.3, None, True) for cause, effect in steps if (cause, effect) not in learned]


def _link(cause: str, effect: str, strength: float, edge: Edge | None, on_path: bool) -> Option:
    """An edge learned in this incident is dashed; width is its weight; the path is coloured as well."""
    what = "a step of the path" if edge is None else f"weight {edge.weight:.2f}, lag {edge.lag} rows"
    style = {
        "width": 1.0 + 3.5 * strength,
        "type": "dashed" if edge is not None and edge.part == "dependent" else "solid",
        "opacity": 0.95 if on_path else 0.45,
        "color": PATH if on_path else MUTED,
        "curveness": 0.0 if on_path else 0.14,
    }
    return {"source": cause, "target": effect, "name": f"{cause} → {effect}: {what}", "lineStyle": style}


def _option(
    graph: "nx.DiGraph[str]",
    places: Mapping[str, tuple[float, float]],
    roles: Mapping[str, Role],
    links: Iterable[Option],
) -> Option:
    nodes = []
    for name in graph.nodes:
        role = roles.get(name, "other")
        shape, size, colour = SHAPES[role]
        entity, _, metric = name.partition("|")
        nodes.append(
            {
                "id": name,
                "name": name,
                "x": places[name][0],
                "y": places[name][1],
                "symbol": shape,
                "symbolSize": size,
                "itemStyle": {"color": colour},
                "label": {
                    "formatter": f"{{role|{role.upper()}}}\n{entity}\n{metric}"
                    if role != "other"
                    else f"{entity}\n{metric}",
                    "rich": {"role": {"fontSize": 10, "fontWeight": "bold", "color": colour}},
                    "fontSize": 12 if role != "other" else 11,
                },
            }
        )
    series = {
        "type": "graph",
        "layout": "none",
        "preserveAspect": "contain",
        "roam": True,
        "left": 70,
        "right": 70,
        "top": 30,
        "bottom": 56,
        "edgeSymbol": ["none", "arrow"],
        "edgeSymbolSize": 9,
        "label": {"show": True, "position": "bottom", "width": 150, "overflow": "truncate", "lineHeight": 14},
        "labelLayout": {"hideOverlap": True},
        "emphasis": {"focus": "adjacency"},
        "data": nodes,
        "links": list(links),
    }
    wide = base(series=[series], tooltip={"trigger": "item", "confine": True, "formatter": "{b}"})
    return {"baseOption": wide, "media": [{}, {"query": {"maxWidth": NARROW}, "option": {"series": [_upright(nodes)]}}]}


def _upright(nodes: Sequence[Option]) -> Option:
    """The same graph for a telephone: causes on top, over the whole height; only what plays a part has a label."""
    named = [node for node in nodes if node["symbolSize"] > SHAPES["other"][1]]
    turned = []
    for node in nodes:
        squeezed = any(other["x"] == node["x"] and other["y"] > node["y"] for other in named)
        label = {**node["label"], "show": node in named, "position": "bottom" if squeezed else "right"}
        turned.append({**node, "x": node["y"], "y": node["x"], "label": label})
    return {
        "preserveAspect": False,
        "left": 20,
        "right": 100,
        "top": 16,
        "bottom": 16,
        "label": {"position": "right", "width": 96, "overflow": "truncate"},
        "data": turned,
    }


def sentence(path: Sequence[str], drawing: Drawing) -> str:
    """What the graph shows, for those who cannot see it."""
    way = " to ".join(name.replace("|", " ") for name in path) or "no path was found"
    return f"Causal graph of {drawing.nodes} metrics; the path runs from {way}."
