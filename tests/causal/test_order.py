"""Lag order and whiteness, asked of statsmodels on the columns that can answer."""

import numpy as np
import pytest
from statsmodels.tsa.api import VAR

from headwater.causal.order import lag_order, screened, whiteness


def lagged_pair(seed: int, lag: int, T: int = 900, d: int = 3) -> np.ndarray:
    e = np.random.default_rng(seed).normal(size=(T, d))
    X = e.copy()
    X[lag:, 1] += 0.9 * e[:-lag, 0]
    return X


@pytest.mark.parametrize("lag", [1, 2, 4])
def test_the_lag_of_the_data_is_found(lag: int) -> None:
    X = lagged_pair(0, lag)
    assert lag_order(X) == lag
    assert lag_order(X) == VAR(X).select_order(5).bic


def test_columns_that_would_make_the_var_singular_are_left_out() -> None:
    X = lagged_pair(1, 2)
    gone = X[:, [0]].copy()
    gone[::2] = np.nan
    crowded = np.hstack([X, np.full((900, 1), 3.0), X[:, [1]] * 5 + 1, gone, np.full((900, 1), np.nan)])
    crowded[7, 0] = np.nan
    chosen = screened(crowded, most=18)
    assert len(chosen) == 3
    assert set(chosen) & {3, 5, 6} == set()
    assert lag_order(crowded) == 2


def test_a_short_window_is_asked_about_few_columns_the_kpi_first() -> None:
    X = lagged_pair(2, 1, T=160, d=8)
    assert screened(X, kpis=[1], most=2) == [0, 1]
    assert screened(X, kpis=[1], most=1) == [1]
    assert lag_order(X[:120], kpis=[1]) == 1
    assert lag_order(X[:40]) == 1, "too short for any column"
    assert lag_order(np.full((400, 2), 5.0)) == 1, "nothing varies"


def test_one_column_is_enough() -> None:
    e = np.random.default_rng(3).normal(size=600)
    for t in range(3, 600):
        e[t] += 0.8 * e[t - 3]
    assert lag_order(e[:, None]) == 3
    assert lag_order(np.random.default_rng(3).normal(size=(600, 1))) == 1


def test_an_unknown_criterion_is_named() -> None:
    with pytest.raises(ValueError, match="not 'best'"):
        lag_order(np.zeros((9, 1)), criterion="best")


def test_whiteness_is_the_share_of_columns_that_pass() -> None:
    e = np.random.default_rng(5).normal(size=(800, 4))
    e[1:, 0] += 0.5 * e[:-1, 0]
    e[5:9, 1] = np.nan
    e[:, 3] = 0.0
    assert whiteness(e) == pytest.approx(2 / 3)
    assert np.isnan(whiteness(e[:15]))
