"""What the invariant graph accounts for, from its definition."""

import numpy as np
import pytest

from headwater.causal.innovations import account, residuals
from headwater.causal.svar import Svar

P = 2
NONE = np.full((3, P), -1, np.int64)
OWN = Svar(NONE, np.zeros((3, P)), np.ones(3))
CHAIN = Svar(np.array([[-1, -1], [0, -1], [2 * P, 1]]), np.array([[0.0, 0.0], [0.8, 0.0], [0.5, 0.6]]), np.ones(3))
"""0 -> 1 one row on (.8), 0 -> 2 two rows on (.6); 2 follows itself (.5)."""


def incident(T: int = 12) -> np.ndarray:
    """A step of metric 0 that the others follow exactly as the chain says."""
    Z = np.zeros((P + T, 3))
    Z[P:, 0] = 6.0
    for t in range(P, P + T):
        Z[t, 1] = 0.8 * Z[t - 1, 0]
        Z[t, 2] = 0.5 * Z[t - 1, 2] + 0.6 * Z[t - 2, 0]
    return Z


def test_what_follows_the_graph_is_explained_and_its_root_is_not() -> None:
    found = account(incident(), OWN, CHAIN, P)
    np.testing.assert_allclose(found.explained, [0.0, 1.0, 1.0])
    np.testing.assert_allclose(found.shares, [[0, 1, 1], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(found.inside, [0, 1, 1])


def test_the_share_that_is_explained_is_the_weighted_energy_of_the_response() -> None:
    Z = incident() + np.random.default_rng(0).normal(size=(14, 3))
    Z[5, 1] = np.nan
    Z[P:, 2] *= 2.0  # grows more than the model says
    level = np.zeros(3)
    for row in Z[:P]:
        level += 0.1 * (row - level)
    y, response = Z - level, np.zeros((P + 12, 3))
    for t in range(P, P + 12):
        response[t, 1] = 0.8 * y[t - 1, 0]
        response[t, 2] = 0.5 * response[t - 1, 2] + 0.6 * y[t - 2, 0]
    explained = account(Z, OWN, CHAIN, P).explained
    for j in range(3):
        rows = [t for t in range(P, P + 12) if np.isfinite(Z[t, j])]
        w, a, r = (np.array(x) for x in ([1 / (1 + (t - P) / 10) for t in rows], y[rows, j], response[rows, j]))
        left = [sum((w * (a - times * r)) ** 2) for times in np.linspace(1, 3, 2001)]
        assert explained[j] == pytest.approx(max(0.0, 1 - min(left) / sum((w * a) ** 2)), abs=1e-5)
    assert len(rows) == 12
    assert explained[0] == 0
    assert explained[2] > 0.9 > 1 - sum((w * (a - r)) ** 2) / sum((w * a) ** 2)


def test_a_metric_has_moved_where_it_has_clearly_begun_to() -> None:
    Z = np.zeros((P + 6, 3))
    Z[P:, 0] = [0, 2, 3, 9, 12, 12]  # 3 is not .3 of 12
    Z[P:, 1] = [0, 2.9, 2.9, 2.9, 2.9, 2.9]  # within the usual steps
    Z[P:, 2] = [np.nan, -4, -4, -4, -4, -4]
    found = account(Z, OWN, CHAIN, P)
    assert found.moved.tolist() == [3, 6, 1]
    assert found.rise.tolist() == [1, 0, 0]


def test_a_deviation_that_is_older_than_the_window_is_outside() -> None:
    Z = np.zeros((P + 3, 3))
    Z[:P, 0] = 6.0
    Z[P, 1], Z[P : P + 2, 2] = 4.8, 3.6
    found = account(Z, OWN, CHAIN, P)
    assert found.explained[1] > 0.9
    assert found.inside[1] == 0


def test_a_level_that_was_there_before_is_no_deviation() -> None:
    """The level follows the context at a tenth a row, so a long-standing offset counts less than a new one."""
    standing = np.full((P + 12, 3), 6.0)
    parts = [account(Z, OWN, CHAIN, P) for Z in (standing, incident())]
    assert parts[0].inside[1] < parts[1].inside[1] == 1


def test_shares_are_the_sums_of_their_definition() -> None:
    Z = incident(30) + np.random.default_rng(2).normal(size=(32, 3))
    level = np.zeros(3)
    for row in Z[:P]:
        level += 0.1 * (row - level)
    e, share = residuals(Z, OWN, CHAIN, P).own, np.zeros((3, 3))
    for i, j, lag, theta in ((0, 1, 1, 0.8), (0, 2, 2, 0.6), (1, 2, 1, 0.3)):
        w = 1 / (1 + np.arange(30) / 10)
        share[i, j] = max(0.0, sum(w[t] ** 2 * e[t, j] * theta * (Z[P + t - lag, i] - level[i]) for t in range(30)))
    both = Svar(
        np.array([[-1, -1, -1], [0, -1, -1], [2 * P, 1, P]]),
        np.array([[0, 0, 0], [0.8, 0, 0], [0.5, 0.6, 0.3]]),
        np.ones(3),
    )
    found = account(Z, OWN, both, P).shares
    np.testing.assert_allclose(found[:, 2], share[:, 2] / share[:, 2].sum())
    assert 0.1 < found[0, 2] < 0.9


def test_shares_are_columns_that_sum_to_one_or_nothing() -> None:
    Z = np.random.default_rng(1).normal(size=(20, 3))
    sums = account(Z, OWN, CHAIN, P).shares.sum(axis=0)
    np.testing.assert_allclose(sums[(sums != 0)], 1.0)
    assert sums[0] == 0
    silent = account(np.full((9, 3), np.nan), OWN, CHAIN, P)
    assert not any(part.any() for part in silent[:3])
    assert (silent.moved == 9 - P).all()
