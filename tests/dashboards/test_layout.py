"""Where nodes stand: against the textbook longest path where there are no cycles, by its promises where there are."""

import networkx as nx
import numpy as np
import pytest

from headwater.dashboards.layout import FOCUS, columns, focus, positions


def naive_depth(graph: nx.DiGraph, node: str) -> int:
    """Longest path that ends in `node`, by trying them all."""
    return max((naive_depth(graph, cause) + 1 for cause in graph.predecessors(node)), default=0)


def random_graph(seed: int, *, cycles: bool) -> nx.DiGraph:
    random = np.random.default_rng(seed)
    names = [f"n{k:02d}" for k in range(14)]
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    for i, j in zip(*np.nonzero(random.random((14, 14)) < 0.15), strict=True):
        if i < j or (cycles and i != j):
            graph.add_edge(names[i], names[j])
    return graph


@pytest.mark.parametrize("seed", range(8))
def test_without_cycles_the_column_is_the_longest_path(seed: int) -> None:
    graph = random_graph(seed, cycles=False)
    assert columns(graph) == {node: naive_depth(graph, node) for node in graph}


@pytest.mark.parametrize("seed", range(8))
def test_with_cycles_every_effect_outside_its_cause_s_cycle_is_to_the_right(seed: int) -> None:
    graph = random_graph(seed, cycles=True)
    assert not nx.is_directed_acyclic_graph(graph)
    depth = columns(graph)
    assert set(depth) == set(graph)
    part = {node: k for k, members in enumerate(nx.strongly_connected_components(graph)) for node in members}
    assert all(depth[a] < depth[b] for a, b in graph.edges if part[a] != part[b])


@pytest.mark.parametrize("seed", range(4))
def test_no_two_nodes_stand_on_one_place_and_the_same_graph_is_drawn_the_same(seed: int) -> None:
    graph = random_graph(seed, cycles=True)
    places = positions(graph)
    assert len(set(places.values())) == len(graph)
    assert places == positions(graph.copy())


def test_the_path_runs_straight_from_left_to_right_even_through_a_cycle() -> None:
    path = ["a", "b", "c", "d"]
    graph = nx.DiGraph([("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("x", "c"), ("d", "y"), ("a", "z")])
    places = positions(graph, path)
    assert [places[name][1] for name in path] == [0.0] * 4
    xs = [places[name][0] for name in path]
    assert xs == sorted(xs)
    assert len(set(xs)) == 4
    assert all(places[name][1] != 0.0 for name in "xyz"), "the middle line is the path's alone"


def test_focus_takes_the_path_then_its_strongest_neighbours_up_to_the_cap() -> None:
    weights = {("a", "b"): 1.0, ("b", "n1"): 0.2, ("n2", "a"): -0.9, ("n3", "n4"): 5.0}
    assert focus(weights, ["a", "b"]) == ["a", "b", "n2", "n1"]
    many = {("a", f"n{k}"): 1.0 / (k + 1) for k in range(50)}
    chosen = focus(many, ["a"])
    assert len(chosen) == FOCUS
    assert chosen[:3] == ["a", "n0", "n1"]


def test_nothing_to_draw() -> None:
    assert positions(nx.DiGraph()) == {}
    assert focus({}, []) == []
