"""The lasso against its optimality conditions, scikit-learn and statsmodels."""

import numpy as np
import pytest
from sklearn.linear_model import Lasso
from statsmodels.tsa.api import VAR

from headwater.causal.svar import Svar, carry, contributions, dense, fit, own_lags, predict, screen
from tests.causal.naive_causal import lagged, padded_moments, svar_rows, toeplitz, tree

P = 2


def problem(seed: int, d: int = 6, T: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = svar_rows(rng, tree(rng, d, 0.5), T)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    gamma = padded_moments(X, P)
    return X, gamma, np.sqrt(np.diagonal(gamma[0]))


def start(d: int, slots: int, gamma: np.ndarray, scale: np.ndarray) -> Svar:
    nothing = Svar(own_lags(d, P), np.zeros((d, P)), np.ones(d))
    candidates = screen(gamma, scale, nothing, slots)
    return Svar(candidates, np.zeros(candidates.shape), np.ones(d))


def test_without_a_price_it_is_the_least_squares_var_of_statsmodels() -> None:
    X, gamma, scale = problem(0)
    found = fit(gamma, scale, start(6, 12, gamma, scale), np.zeros((6, 14)), tolerance=1e-12)
    padded = np.vstack([np.zeros((P, 6)), X, np.zeros((P, 6))])
    oracle = VAR(padded).fit(P, trend="n")
    np.testing.assert_allclose(dense(found, P).reshape(P * 6, 6), oracle.params, atol=1e-8)
    left = np.sqrt(np.mean(oracle.resid**2, axis=0) / np.diagonal(gamma[0]))
    np.testing.assert_allclose(found.scale, left, rtol=1e-8)


@pytest.mark.parametrize("price", [0.01, 0.1, 0.4])
def test_with_a_price_it_is_the_lasso_of_scikit_learn(price: float) -> None:
    X, gamma, _ = problem(1)
    found = fit(gamma, np.ones(6), start(6, 12, gamma, np.ones(6)), np.full((6, 14), price), tolerance=1e-12)
    targets, R = lagged(X, P)
    for j in range(6):
        oracle = Lasso(alpha=price, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(R, targets[:, j]).coef_
        np.testing.assert_allclose(dense(found, P)[:, :, j].T.ravel(), oracle, atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_the_optimality_conditions_hold_around_a_base(seed: int) -> None:
    _, gamma, scale = problem(seed, d=8)
    rng = np.random.default_rng(seed)
    first = start(8, 10, gamma, scale)
    base = np.where(rng.random(first.theta.shape) < 0.3, rng.normal(size=first.theta.shape), 0.0)
    base[first.candidates < 0] = 0.0
    price = rng.uniform(0.01, 0.2, size=base.shape)
    found = fit(gamma, scale, first, price, base)
    S = toeplitz(gamma)
    for j in range(8):
        used = found.candidates[j] >= 0
        c = found.candidates[j, used]
        at = (c % P + 1) * 8 + c // P
        units = scale[c // P]
        gradient = (S[at, j] - S[np.ix_(at, at)] @ (base + found.theta)[j, used]) / (units * scale[j])
        active = found.theta[j, used] != 0
        bound = price[j, used]
        np.testing.assert_allclose(gradient[active], (np.sign(found.theta[j, used]) * bound)[active], atol=1e-4)
        assert np.all(np.abs(gradient[~active]) <= bound[~active] + 1e-4)


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    _, gamma, scale = problem(2)
    cold = start(6, 12, gamma, scale)
    price = np.full((6, 14), 0.02)
    other = fit(problem(3)[1], problem(3)[2], cold, price)
    assert np.abs(other.theta).max() > 0.1
    np.testing.assert_allclose(fit(gamma, scale, other, price).theta, fit(gamma, scale, cold, price).theta, atol=2e-4)


def test_units_do_not_matter() -> None:
    _, gamma, scale = problem(4)
    price = np.full((6, 14), 0.03)
    found = fit(gamma, scale, start(6, 12, gamma, scale), price, tolerance=1e-10)
    u = np.array([1e-3, 1.0, 7.0, 1e4, 1.0, 1.0])
    scaled = gamma * u[:, None] * u
    other = fit(scaled, scale * u, start(6, 12, scaled, scale * u), price, tolerance=1e-10)
    np.testing.assert_allclose(dense(other, P) * u[:, None] / u, dense(found, P), atol=1e-7)
    np.testing.assert_allclose(other.scale, found.scale, atol=1e-7)


def test_screening_finds_the_causes_keeps_what_has_weight_and_fills_no_more_than_there_is() -> None:
    rng = np.random.default_rng(5)
    A = tree(rng, 30, 0.7)
    gamma = padded_moments(svar_rows(rng, A, 3000), P)
    scale = np.sqrt(np.diagonal(gamma[0]))
    chosen = screen(gamma, scale, Svar(own_lags(30, P), np.zeros((30, P)), np.ones(30)), 10)
    np.testing.assert_array_equal(chosen[:, :P], own_lags(30, P))
    for j in range(1, 30):
        assert np.flatnonzero(A[:, j] * (np.arange(30) != j))[0] in chosen[j, P:] // P
    keep = Svar(np.full((30, 1), 29 * P, np.int64), np.ones((30, 1)), np.ones(30))
    assert all(29 * P in row for row in screen(gamma, scale, keep, 10))
    small = screen(gamma[:, :3, :3], scale[:3], Svar(own_lags(3, P), np.zeros((3, P)), np.ones(3)), 10)
    assert ((small >= 0).sum(axis=1) == 3 * P).all()
    assert all(len(set(row[row >= 0])) == 3 * P for row in small)


def test_a_metric_without_scale_neither_causes_nor_is_caused() -> None:
    _, gamma, scale = problem(6)
    scale[2] = 0.0
    found = fit(gamma, scale, start(6, 12, gamma, scale), np.full((6, 14), 0.01))
    full = dense(found, P)
    assert not full[:, 2].any()
    assert not full[:, :, 2].any()
    assert full.any()


def test_carry_moves_coefficients_to_where_their_candidates_went() -> None:
    svar = Svar(np.array([[4, 7, -1]]), np.array([[0.5, -2.0, 9.0]]), np.ones(1))
    np.testing.assert_array_equal(carry(svar, np.array([[7, -1, 5, 4]])), [[-2.0, 0.0, 0.0, 0.5]])


def test_predict_and_contributions_equal_plain_loops() -> None:
    rng = np.random.default_rng(7)
    Z, e, level = rng.normal(scale=20, size=(P + 9, 4)), rng.normal(size=(9, 4)), rng.normal(size=4)
    Z[3, 1] = Z[0, 0] = np.nan
    e[2, 2] = np.nan
    A = rng.normal(size=(P, 4, 4)) * (rng.random((P, 4, 4)) < 0.7)
    theta = A.transpose(2, 1, 0).reshape(4, 4 * P)
    svar = Svar(np.tile(np.arange(4 * P), (4, 1)), theta, np.ones(4))
    R = np.clip(np.where(np.isnan(Z), 0.0, Z), -30, 30)
    ahead, parts = np.zeros((9, 4)), np.zeros((2, 4, 4))
    for t in range(9):
        for lag in range(1, P + 1):
            ahead[t] += R[P + t - lag] @ A[lag - 1]
            for i in range(4):
                for j in range(4):
                    if i != j:
                        late = int(t - lag >= 0)
                        parts[late, i, j] += np.nan_to_num(e[t, j]) * A[lag - 1, i, j] * (R[P + t - lag, i] - level[i])
    np.testing.assert_allclose(predict(Z, svar, P), ahead, atol=1e-10)
    np.testing.assert_allclose(contributions(Z, e, level, svar, P), parts, atol=1e-10)
    assert np.abs(Z[np.isfinite(Z)]).max() > 30, "the clip is never reached"
    np.testing.assert_array_equal(dense(svar, P), A)
