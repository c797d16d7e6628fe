"""The walk against a linear solve and networkx."""

import networkx as nx
import numpy as np
import pytest

from headwater.causal.propagation import evidence_transitions, transitions, walk


def random_graph(seed: int, d: int = 25) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((d, d)) < 0.15, rng.random((d, d)), 0.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("restart", [0.05, 0.15, 0.6, 1.0])
def test_the_walk_solves_its_equation(seed: int, restart: float) -> None:
    rng = np.random.default_rng(seed)
    W, q0 = random_graph(seed), rng.random(25)
    q0 /= q0.sum()
    for T in (transitions(W, move=0.7), evidence_transitions(W, rng.exponential(size=25))):
        np.testing.assert_allclose(T.sum(axis=1), 1.0)
        expected = np.linalg.solve(np.eye(25) - (1 - restart) * T.T, restart * q0)
        q = walk(T, q0, restart=restart)
        np.testing.assert_allclose(q, expected, atol=1e-9)
        assert q.sum() == pytest.approx(1.0)


def test_the_walk_is_networkx_pagerank_on_the_reversed_graph() -> None:
    W = random_graph(9)
    T = transitions(W)
    G = nx.from_numpy_array(T, create_using=nx.DiGraph)
    oracle = nx.pagerank(G, alpha=0.85, personalization={3: 1.0}, tol=1e-13, max_iter=1000)
    np.testing.assert_allclose(walk(T, np.eye(25)[3]), [oracle[i] for i in range(25)], atol=1e-8)


def test_equation_24_as_printed_would_never_see_the_graph() -> None:
    W = np.array([[0.0, 1.0], [0.0, 0.0]])
    q = start = np.array([0.0, 1.0])
    for _ in range(200):
        q = 0.85 * q + 0.15 * start
    np.testing.assert_allclose(q, start)
    assert walk(transitions(W), start)[0] > 0.8


def test_a_move_goes_from_effect_to_cause_and_a_root_keeps_its_mass() -> None:
    W = np.array([[0.3, 1.0, 3.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(transitions(W, move=0.8), [[1, 0, 0], [0.8, 0.2, 0], [0.6, 0.2, 0.2]])


def test_evidence_draws_the_walk_to_the_abnormal_cause() -> None:
    W = np.zeros((3, 3))
    W[0, 2], W[1, 2] = 0.9, 0.3
    T = evidence_transitions(W, np.array([0.5, 12.0, 4.0]))
    np.testing.assert_allclose(T[2], np.array([0.45, 3.6, 0.4]) / 4.45)
    start = np.array([0.0, 0.0, 1.0])
    assert walk(transitions(W), start).argmax() == 0
    assert walk(T, start).argmax() == 1
    np.testing.assert_array_equal(evidence_transitions(W, np.array([np.nan, 0.0, 0.0])), np.eye(3))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"restart .* not 0"):
        walk(np.eye(2), np.ones(2), restart=0)
    with pytest.raises(ValueError, match="at least one KPI"):
        walk(np.eye(2), np.zeros(2))
    with pytest.raises(ValueError, match=r"move .* not 1\.5"):
        transitions(np.eye(2), move=1.5)
