"""A topology and people's verdicts hold in every part of the graph, at once and after a restart."""

import networkx as nx
import numpy as np
import pytest

from headwater.causal.coral import Coral
from headwater.online import SnapshotError
from tests.causal.naive_causal import svar_rows, tree

D = 10


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    """Quiet rows and the tree that they follow."""
    rng = np.random.default_rng(0)
    A = tree(rng, D, 0.6)
    return svar_rows(rng, A, 1500), A - np.diag(np.diag(A)) > 0


def learned(X: np.ndarray, **settings: object) -> Coral:
    coral = Coral(**settings)
    coral.step(X[:1200])
    coral.begin(0)
    return coral


def first(edges: np.ndarray, k: int = 0) -> tuple[int, int]:
    i, j = np.argwhere(edges)[k].tolist()
    return i, j


@pytest.mark.parametrize("fusion", ["additive", "commutator"])
def test_a_forbidden_edge_is_in_no_part_and_comes_back_when_released(
    data: tuple[np.ndarray, np.ndarray], fusion: str
) -> None:
    X, edges = data
    i, j = first(edges)
    coral = learned(X, fusion=fusion)
    assert coral.weights().W[i, j] > 0.2
    before = coral.weights().W
    coral.forbid(i, j)
    assert coral.weights().W[i, j] == 0
    assert coral.account(X[1190:1230]).shares[i, j] == 0, "what is forbidden explains nothing"
    strange = X[1200:].copy()
    strange[3:, j] += 3.0 * strange[:-3, i]  # the incident would learn it
    coral.adapt(strange)
    assert coral.weights().W.any()
    assert coral.weights().W[i, j] == 0
    assert not coral._state.dependent.theta[j, coral._state.changes[j] // coral.lags == i].any()
    coral.release(i, j)
    assert coral.verdicts == ()
    if fusion == "additive":
        assert coral.weights().W[i, j] > 0.2
        np.testing.assert_allclose(learned(X).weights().W, before, atol=1e-4)


@pytest.mark.parametrize("fusion", ["additive", "commutator"])
def test_a_confirmed_edge_is_in_every_graph_and_the_graph_has_no_cycle(
    data: tuple[np.ndarray, np.ndarray], fusion: str
) -> None:
    X, edges = data
    i, j = first(edges)
    coral = learned(X, fusion=fusion)
    coral.confirm(j, i)  # against what the data says
    for _ in range(2):
        W = coral.weights().W
        assert W[j, i] >= 0.1
        assert W[i, j] == 0, "the other way round would close a cycle"
        assert nx.is_directed_acyclic_graph(nx.from_numpy_array(W, create_using=nx.DiGraph))
        coral.adapt(X[1200:])


def test_a_cycle_of_confirmed_edges_and_what_is_no_edge_are_refused_and_change_nothing() -> None:
    coral = Coral()
    coral.step(np.random.default_rng(1).normal(size=(100, 4)))
    coral.confirm(0, 1)
    coral.confirm(1, 2)
    with pytest.raises(ValueError, match=r"2 -> 0 would close a cycle .* release"):
        coral.confirm(2, 0)
    assert coral.verdicts == ((0, 1, True), (1, 2, True))
    coral.release(1, 2)
    coral.confirm(2, 0)
    for cause, effect in ((0, 0), (0, 4), (-1, 2)):
        with pytest.raises(ValueError, match=rf"0 \.\. 3, not {cause} and {effect}"):
            coral.forbid(cause, effect)


def test_a_hard_topology_is_a_mask_and_a_soft_one_a_preference(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, edges = data
    some = edges.copy()
    i, j = first(edges)
    some[i, j], some[D - 1, 0] = False, True
    masked, preferred, free = learned(X, prior="hard"), learned(X), learned(X)
    assert free.learns_topology
    for coral in (masked, preferred):
        coral.expect(some)
        assert not coral.learns_topology
    assert not masked.weights().W[~some].any()
    assert preferred.weights().W[i, j] > 0.2, "what the data shows clearly is learned all the same"
    assert (preferred.weights().W[some & edges] >= free.weights().W[some & edges]).all()
    masked.adapt(X[1200:])
    assert not masked.weights().W[~some].any()
    masked.confirm(i, j)
    assert masked.weights().W[i, j] > 0.2, "a person knows better than the topology"
    masked.release(i, j)
    masked.expect(None)
    assert masked.learns_topology
    assert masked.weights().W[i, j] > 0.2


def test_a_topology_finds_true_edges_where_rows_are_few() -> None:
    hits = np.zeros(2)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        A = tree(rng, 40, 0.25)
        X, edges = svar_rows(rng, A, 150), (A > 0) & ~np.eye(40, dtype=bool)
        for k, prior in enumerate((None, edges)):
            coral = Coral(hold_back=0)
            coral.expect(prior)
            coral.step(X)
            coral.begin(0)
            W = coral.weights().W
            hits[k] += edges.ravel()[np.argsort(-W.ravel(), kind="stable")[:39]].mean() / 6
    assert hits[1] > hits[0] + 0.08


def test_what_was_said_survives_a_restart_in_the_middle_of_an_incident(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, edges = data
    coral, resumed = learned(X, prior="hard"), Coral(prior="hard")
    coral.expect(edges)
    coral.forbid(*first(edges, 1))
    coral.confirm(9, 0)
    coral.adapt(X[1200:1240])
    resumed.restore(coral.snapshot())
    assert resumed.verdicts == coral.verdicts
    for one in (coral, resumed):
        one.adapt(X[1240:])
    for a, b in zip(coral.weights(), resumed.weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(SnapshotError, match=r"Coral\.verdicts: expected shape"):
        resumed.restore(coral.snapshot() | {"verdicts": np.zeros((3, 3), np.int8)})


def test_columns_that_appear_are_expected_nowhere_until_a_topology_names_them() -> None:
    rng = np.random.default_rng(2)
    X = svar_rows(rng, tree(rng, 6, 0.6), 900)
    coral = Coral(prior="hard", hold_back=0)
    coral.expect(np.ones((4, 4), bool))
    coral.step(X)
    coral.begin(0)
    W = coral.weights().W
    assert W[:4, :4].any()
    assert not W[4:].any()
    coral.expect(np.ones((6, 6), bool))
    assert coral.weights().W[:, 4:].any()
