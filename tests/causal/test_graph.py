"""The graph functions against networkx and brute force."""

import networkx as nx
import numpy as np
import pytest

from headwater.causal.graph import (
    break_cycles,
    commutator,
    graphml,
    most_probable_path,
    to_networkx,
)
from tests.causal.naive_causal import acyclic, paths


def random_graph(seed: int, d: int, density: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((d, d)) < density, rng.random((d, d)), 0.0)


@pytest.mark.parametrize(("seed", "d", "density"), [(0, 6, 0.5), (1, 30, 0.2), (2, 70, 0.1), (3, 130, 0.05)])
def test_break_cycles_equals_its_slow_twin(seed: int, d: int, density: float) -> None:
    W = random_graph(seed, d, density)
    kept = break_cycles(W)
    np.testing.assert_array_equal(kept, acyclic(W))
    assert nx.is_directed_acyclic_graph(nx.from_numpy_array(kept, create_using=nx.DiGraph))
    assert np.count_nonzero(kept) < np.count_nonzero(W)


def test_break_cycles_leaves_an_acyclic_graph_and_its_argument_alone() -> None:
    W = np.triu(random_graph(4, 12, 0.6), 1)
    before = W.copy()
    np.testing.assert_array_equal(break_cycles(W), before)
    np.testing.assert_array_equal(W, before)


@pytest.mark.parametrize("seed", range(5))
def test_most_probable_path_is_the_best_of_all_paths(seed: int) -> None:
    W = random_graph(seed, 7, 0.45)
    best = max(paths(W, 0, 6), default=(0.0, (0, 6)))
    found = most_probable_path(W, 0, 6)
    assert found.nodes == best[1]
    assert found.probability == pytest.approx(best[0])


def test_most_probable_path_of_what_is_not_connected_is_the_two_ends() -> None:
    W = np.zeros((3, 3))
    W[0, 1] = 1.0
    assert most_probable_path(W, 2, 1) == ((2, 1), 0.0)
    assert most_probable_path(W, 1, 0) == ((1, 0), 0.0), "edges are not walked from effect to cause"
    assert most_probable_path(W, 2, 2) == ((2,), 1.0)


def test_to_networkx_carries_weight_lag_and_part() -> None:
    exported = to_networkx([("db|cpu", "api|latency", 0.5, 2, "dependent")])
    assert list(exported.edges(data=True)) == [
        ("db|cpu", "api|latency", {"weight": 0.5, "lag": 2, "part": "dependent"})
    ]


def test_graphml_is_read_back_as_it_was() -> None:
    edges = [("db|cpu", "api|<latency>", 0.5, 2, "dependent"), ("api|<latency>", "front|errors", 0.25, 1, "invariant")]
    back = nx.parse_graphml(graphml(edges))
    assert dict(back.edges) == dict(to_networkx(edges).edges)


def test_the_commutator_keeps_one_direction_and_saturates_with_size() -> None:
    rng = np.random.default_rng(6)
    share = []
    for d in (20, 500):
        A, B = (1 / (1 + np.exp(-Z @ Z.T)) for Z in rng.normal(scale=0.5, size=(2, d, 16)))
        W = commutator(A, B)
        assert not np.any((W > 0) & (W.T > 0))
        np.testing.assert_array_equal(commutator(A, A), np.zeros((d, d)))
        share.append(np.mean(W[np.triu_indices(d, 1)] + W.T[np.triu_indices(d, 1)] > 0.99))
    assert share[0] < 0.05 < share[1]
