"""Peers written from formulas do on hand-made cases what their formulas say, and on recordings what was measured."""

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from headwater.benchmarks.peers.circa import circa, parents_of
from headwater.benchmarks.peers.microrca import microrca
from headwater.benchmarks.peers.nsigma import nsigma
from headwater.benchmarks.peers.prism import prism
from headwater.benchmarks.peers.traversal import traversal
from headwater.benchmarks.peers.walk import RESTART, correlation_walk
from headwater.benchmarks.peers.zscores import zscores
from headwater.benchmarks.rootcause.others import PEERS
from headwater.benchmarks.rootcause.ours import Case
from headwater.benchmarks.rootcause.scorers import accuracy, place
from headwater.benchmarks.rootcause.sets import incidents
from headwater.causal.columns import describe

Floats = NDArray[np.float64]
CHAIN = ("front|latency", "front|cpu", "mid|latency", "mid|cpu", "back|latency", "back|cpu")
CALLS = [("front", "mid"), ("mid", "back")]


def rows(seed: int, d: int, n: int = 300) -> Floats:
    return np.random.default_rng(seed).normal(size=(n, d))


def test_zscores_are_those_of_the_standard_scaler_and_nan_stays() -> None:
    X = rows(1, 4)
    X[:, 2] = 7.0
    window = rows(2, 4, 5)
    np.testing.assert_allclose(zscores(X, window), StandardScaler().fit(X).transform(window), rtol=1e-12)
    window[0, 1], X[:, 3] = np.nan, np.nan
    z = zscores(X, window)
    assert np.isnan(z[0, 1])
    assert np.isnan(z[:, 3]).all()


def test_nsigma_two_sided_sees_a_fall() -> None:
    X, window = rows(3, 2), np.full((2, 2), -9.0)
    assert (nsigma(X, window) < 0).all()
    assert (nsigma(X, window, two_sided=True) > 7).all()


@pytest.mark.parametrize(("rule", "first"), [("sum", "b"), ("min", "a"), ("product", "a")])
def test_prism_wants_evidence_inside_and_outside(rule: str, first: str) -> None:
    columns = describe(["a|cpu", "a|latency", "b|cpu", "b|latency"])
    X = rows(4, 4)
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    window = np.array([[9.0, 7.0, 30.0, 0.1]])
    scores = prism(columns, X, window, rule)  # type: ignore[arg-type]
    assert columns.services[int(scores.argmax())] == first
    together = 9.0 + 7.0
    expected = {"sum": together - np.log1p(together), "min": 7.0, "product": 63.0}
    assert scores[0] == pytest.approx(expected[rule])


def test_prism_knows_its_rules() -> None:
    with pytest.raises(ValueError, match="rule must be one of sum, min, product"):
        prism(describe(["a|cpu"]), rows(1, 1), rows(1, 1, 2), "mean")  # type: ignore[arg-type]


def test_the_walk_is_networkx_pagerank_on_absolute_correlations() -> None:
    X, window = rows(5, 5), rows(6, 5, 4) + 3.0
    X[:, 1] += X[:, 0]
    scores = correlation_walk(X, window, np.array([3]))
    z = zscores(X, np.vstack([X, window]))
    W = np.abs(np.corrcoef(z.T))
    np.fill_diagonal(W, 0.0)
    ranks = nx.pagerank(
        nx.from_numpy_array(W, create_using=nx.DiGraph),
        alpha=1 - RESTART,
        personalization={3: 1.0},
        tol=1e-12,
        max_iter=1000,
    )
    np.testing.assert_allclose(scores, [ranks[j] for j in range(5)], atol=1e-9)
    assert scores.argmax() == 3


def test_traversal_stops_at_the_last_anomalous_callee() -> None:
    columns = describe(CHAIN, CALLS)
    scores, found = traversal(columns, np.array([90.0, 40.0, 2.0]))
    assert found
    assert [columns.services[j] for j in np.argsort(-scores)] == ["mid", "front", "back"]
    _, found = traversal(columns, np.array([9.0, 8.0, 2.0]))
    assert not found
    detached, _ = traversal(columns, np.array([2.0, 3.0, 50.0]), entry=0)
    assert detached[2] == 50.0, "not reached from the entry by anomalous services"


def test_circa_draws_parents_from_roles_and_calls() -> None:
    names = ["a|requests", "a|cpu", "a|latency", "b|requests", "b|latency", "b|errors"]
    columns = describe(names, [("a", "b")])
    parents = [[names[k] for k in found] for found in parents_of(columns)]
    assert parents == [
        [],
        ["a|requests"],
        ["a|requests", "a|cpu", "b|latency"],
        ["a|requests"],
        ["b|requests"],
        ["b|requests"],
    ]


def test_circa_scores_the_residual_that_ridge_leaves() -> None:
    columns = describe(["a|cpu", "a|latency"])
    X = rows(7, 2)
    X[:, 1] += 2.0 * X[:, 0]
    window = np.array([[3.0, 6.0], [0.0, 9.0]])
    z, w = zscores(X, X), zscores(X, window)
    left_out = []
    for t in range(len(z)):
        rest = np.delete(np.arange(len(z)), t)
        model = Ridge(alpha=1.0).fit(z[rest][:, [0]], z[rest, 1])
        left_out.append(z[t, 1] - model.predict(z[[t]][:, [0]])[0])
    model = Ridge(alpha=1.0).fit(z[:, [0]], z[:, 1])
    expected = np.abs(w[:, 1] - model.predict(w[:, [0]])).max() / np.std(left_out)
    assert circa(columns, X, window)[1] == pytest.approx(expected, rel=0.01)


def test_circa_adds_what_abnormal_descendants_bring() -> None:
    columns = describe(CHAIN, CALLS)
    X = rows(8, 6)
    window = np.zeros((3, 6))
    window[:, [5, 4, 2]] = 9.0  # the cpu of the callee, its latency, and that of its caller
    score = circa(columns, X, window)
    assert CHAIN[int(score.argmax())] == "back|cpu"
    assert score[5] > np.abs(zscores(X, window)[:, 5]).max() * 1.2


def test_microrca_ranks_the_service_inside_which_something_goes_with_its_latency() -> None:
    columns = describe(CHAIN, CALLS)
    X, window = rows(9, 6), rows(10, 6, 6)
    window[:, [0, 2]] += 8.0
    window[:, 3] += 8.0  # the cpu of the middle
    scores = microrca(columns, X, window)
    assert columns.services[int(scores.argmax())] == "mid"
    assert microrca(columns, X, np.zeros((3, 6))).tolist() == [0.0, 0.0, 0.0], "nothing is anomalous"


@pytest.mark.parametrize(
    ("name", "time", "peer", "expected"),
    [
        ("nezha_ob", "injected", "nsigma", 0.725),
        ("nezha_ob", "injected", "baro", 0.783),
        ("nezha_ob", "injected", "prism", 0.717),
        ("nezha_ob_visible", "late1", "prism", 0.756),
        ("nezha_tt", "late1", "prism", 0.200),
        ("petshop", "injected", "traversal", 0.865),
        ("petshop", "injected", "nsigma/two_sided", 0.753),
    ],
)
def test_peers_reach_what_was_measured_for_them(data: Path, name: str, time: str, peer: str, expected: float) -> None:
    """A peer that does worse here than elsewhere on the same rows would be our mistake, and flatter us."""
    found = [
        place(PEERS[peer](Case(window)).services, window.columns.services.index(window.truth))
        for window in incidents(data, name, time)  # type: ignore[arg-type]
    ]
    assert accuracy(found)["avg5"] == pytest.approx(expected, abs=0.001)
