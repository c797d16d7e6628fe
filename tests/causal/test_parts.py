"""The invariant and the dependent part: what becomes an edge, and what does not."""

import networkx as nx
import numpy as np
import pytest

from headwater.causal.coral import INCIDENT_HALF_LIFE
from headwater.causal.moments import LaggedMoments
from headwater.causal.parts import fit_dependent, fit_invariant, fit_own, fuse
from headwater.causal.svar import Svar, dense, own_lags
from tests.causal.naive_causal import svar_rows, toeplitz, tree

P, D = 2, 12
FREE = np.zeros((D, D), np.int8)


def nothing(slots: int, d: int = D) -> Svar:
    return Svar(np.full((d, slots), -1, np.int64), np.zeros((d, slots)), np.ones(d))


def moments(X: np.ndarray, *, local: bool = False) -> LaggedMoments:
    half_life = INCIDENT_HALF_LIFE if local else 20_000
    learner = LaggedMoments(lags=P, block=16, half_life=half_life, local=local)
    learner.step(X)
    learner.flush()
    return learner


@pytest.fixture(scope="module")
def quiet() -> tuple[np.ndarray, Svar]:
    rng = np.random.default_rng(0)
    A = tree(rng, D, 0.6)
    return A, fit_invariant(
        moments(svar_rows(rng, A, 4000)).covariances(), nothing(P + 8), 8, 0.02, FREE, np.ones(len(A))
    )


def test_the_invariant_part_finds_the_edges_of_a_tree(quiet: tuple[np.ndarray, Svar]) -> None:
    A, theta = quiet
    found = fuse(theta, nothing(P + 8), P, "additive", FREE)
    true = (A > 0) & ~np.eye(D, dtype=bool)
    assert (found.W[true] > 0.2).all()
    assert (found.W[~true] < 0.1).all()
    assert (found.lag[true] == 1).all()
    assert not found.part.any()


def test_own_lags_leave_more_than_the_full_model_does(quiet: tuple[np.ndarray, Svar]) -> None:
    A, theta = quiet
    gamma = moments(svar_rows(np.random.default_rng(1), A, 4000)).covariances()
    own = fit_own(gamma, Svar(own_lags(D, P), np.zeros((D, P)), np.ones(D)), 0.02)
    assert (own.scale[1:] > 1.05 * theta.scale[1:]).all()
    assert own.scale[0] == pytest.approx(theta.scale[0], rel=0.05)


def test_own_lags_are_cheaper_by_their_price(quiet: tuple[np.ndarray, Svar]) -> None:
    A, _ = quiet
    gamma = moments(svar_rows(np.random.default_rng(1), A, 4000)).covariances()
    theta = fit_invariant(gamma, nothing(P + 8), 8, 0.05, FREE, np.ones(gamma.shape[1]))
    S, effect = toeplitz(gamma), np.vstack(list(dense(theta, P)))  # [D * P, D], lag by lag
    units = np.sqrt(np.diag(S))
    gradient = np.abs(S[D:, :D] - S[D:, D:] @ effect) / np.outer(units[D:], units[:D])
    own = np.vstack([np.eye(D)] * P) > 0
    np.testing.assert_allclose(gradient[own & (effect != 0)], 0.01, atol=1e-4)
    np.testing.assert_allclose(gradient[~own & (effect != 0)], 0.05, atol=1e-4)


def test_a_known_edge_resists_its_change(quiet: tuple[np.ndarray, Svar], monkeypatch: pytest.MonkeyPatch) -> None:
    A, theta = quiet
    i, j = (int(k[0]) for k in np.nonzero(A * ~np.eye(D, dtype=bool)))
    gone = A.copy()
    gone[i, j] = 0.0
    with_price = dependent(gone, theta, 4, 400)[0, i, j]
    monkeypatch.setattr("headwater.causal.parts.RESISTANCE", 0.0)
    assert dependent(gone, theta, 4, 400)[0, i, j] < with_price - 0.02 < 0


def dependent(A: np.ndarray, theta: Svar, seed: int, rows: int, level: float = 0.0) -> np.ndarray:
    """The change found in an incident that follows A, `level` standard deviations away from quiet times."""
    rng = np.random.default_rng(seed)
    X = svar_rows(rng, A, rows + 50)[50:] / svar_rows(rng, tree(np.random.default_rng(0), D, 0.6), 2000).std(axis=0)
    learner = moments(X + rng.normal(scale=level, size=D), local=True)
    return dense(fit_dependent(learner.covariances(), learner.weight, theta, nothing(P + 16), 16, 0.02, FREE), P)


@pytest.mark.parametrize("rows", [16, 48, 160, 800])
def test_noise_and_a_level_shift_make_no_edges_and_the_price_of_chance_is_why(
    quiet: tuple[np.ndarray, Svar], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    A, theta = quiet
    cross = ~np.eye(D, dtype=bool)
    edges = [np.count_nonzero(dependent(A, theta, seed, rows, level=9.0)[:, cross]) for seed in range(5)]
    assert sum(edges) <= 2
    monkeypatch.setattr("headwater.causal.parts.np.log", lambda x: 0.0 * x)
    assert np.count_nonzero(dependent(A, theta, 2, rows, level=9.0)[:, cross]) > 2 * D


def test_a_new_mechanism_is_a_dependent_edge(quiet: tuple[np.ndarray, Svar]) -> None:
    A, theta = quiet
    leaves = np.flatnonzero(np.count_nonzero(A, axis=1) == 1)
    B = A.copy()
    B[leaves[-1], leaves[0]] = 0.9
    delta = dependent(B, theta, 3, 160)
    np.fill_diagonal(delta[0], 0.0)
    assert np.unravel_index(np.abs(delta).argmax(), delta.shape) == (0, leaves[-1], leaves[0])
    assert np.abs(delta).max() > 0.1


def one_edge(i: int, j: int, lag: int, weight: float) -> Svar:
    svar = nothing(1)
    svar.candidates[j, 0], svar.theta[j, 0] = i * P + lag - 1, weight
    return svar


def test_fusion_adds_with_sign_and_labels_what_is_new() -> None:
    theta = one_edge(0, 1, 2, 0.5)
    undone = fuse(theta, one_edge(0, 1, 2, -0.5), P, "additive", FREE)
    assert not undone.W.any()
    assert not undone.lag.any()
    stronger = fuse(theta, one_edge(0, 1, 2, 0.2), P, "additive", FREE)
    assert (stronger.W[0, 1], stronger.lag[0, 1], stronger.part[0, 1]) == (0.7, 2, 0)
    new = fuse(theta, one_edge(3, 1, 1, 0.2), P, "additive", FREE)
    assert (new.W[3, 1], new.lag[3, 1], new.part[3, 1]) == (0.2, 1, 1)
    assert new.lag.dtype == np.int64
    assert new.part.dtype == np.int8


@pytest.mark.parametrize("fusion", ["additive", "commutator"])
def test_a_fused_graph_has_no_cycle(quiet: tuple[np.ndarray, Svar], fusion: str) -> None:
    _, theta = quiet
    rng = np.random.default_rng(4)
    delta = Svar(rng.integers(0, D * P, size=(D, 6)), rng.normal(size=(D, 6)), np.ones(D))
    delta = Svar(np.sort(delta.candidates, axis=1), delta.theta, delta.scale)
    W = fuse(theta, delta, P, fusion, FREE).W
    assert nx.is_directed_acyclic_graph(nx.from_numpy_array(W, create_using=nx.DiGraph))
    assert np.count_nonzero(W) > D


def test_the_commutator_waits_for_an_incident(quiet: tuple[np.ndarray, Svar]) -> None:
    _, theta = quiet
    before = [fuse(theta, nothing(1), P, fusion, FREE).W for fusion in ("additive", "commutator")]
    np.testing.assert_array_equal(*before)
    after = [fuse(theta, one_edge(3, 1, 1, 0.4), P, fusion, FREE).W for fusion in ("additive", "commutator")]
    assert not np.array_equal(*after)


def test_the_effect_on_a_slow_metric_is_learned_though_it_is_a_small_part_of_it() -> None:
    """Metric 1 keeps .998 of itself and takes .03 of metric 0: an edge that no price of a whole unit would buy."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(4000, 2))
    X[:, 1] *= 0.02
    for t in range(1, len(X)):
        X[t, 1] += 0.998 * X[t - 1, 1] + 0.03 * X[t - 1, 0]
    gamma = moments(X).covariances()
    own = fit_own(gamma, nothing(P, 2), 0.1)
    found, flat = (
        fit_invariant(gamma, nothing(P + 2, 2), 2, 0.1, FREE[:2, :2], left) for left in (own.scale, np.ones(2))
    )
    weights = [fuse(theta, nothing(P + 2, 2), P, "additive", FREE[:2, :2]).W for theta in (found, flat)]
    assert weights[0][0, 1] > 0.02 > weights[0][1, 0]
    assert weights[1][0, 1] < 0.01
