"""Lag order and whiteness, asked of statsmodels on the columns that can answer."""

import numpy as np
import pytest
from statsmodels.tsa.api import VAR

from headwater.causal.coral import Coral
from headwater.causal.order import lag_order, misfit, screened, whiteness


def lagged_pair(seed: int, lag: int, T: int = 900, d: int = 3) -> np.ndarray:
    e = np.random.default_rng(seed).normal(size=(T, d))
    X = e.copy()
    X[lag:, 1] += 0.9 * e[:-lag, 0]
    return X


@pytest.mark.parametrize("lag", [1, 2, 4])
def test_the_lag_of_the_data_is_found(lag: int) -> None:
    X = lagged_pair(0, lag)
    assert lag_order(X, criterion="bic") == lag
    for criterion in ("aic", "bic", "hqic"):
        assert lag_order(X, criterion=criterion) == VAR(X).select_order(5).selected_orders[criterion]
    assert lag_order(X) == lag_order(X, criterion="aic") >= lag


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


def test_whiteness_finds_what_is_large_significant_and_can_be_tested() -> None:
    e = np.random.default_rng(5).normal(size=(800, 6))
    e[1:, 0] += 0.5 * e[:-1, 0]
    e[7:, 4] += 0.9 * e[:-7, 4]
    e[1:, 5] += 0.12 * e[:-1, 5]  # significant, and harmless
    e[5:9, 1] = np.nan
    e[:, 3] = 0.0
    found = whiteness(e)
    assert (found.columns.tolist(), found.lag.tolist(), found.tested) == ([4, 0], [7, 1], 5)
    assert found.correlation[0] == pytest.approx(0.5, abs=0.08)
    assert whiteness(e[:15]).tested == 0
    assert misfit(e[:15], list("abcdef"), lags=1) == ""


@pytest.mark.parametrize("seed", range(5))
def test_white_residuals_are_no_misfit(seed: int) -> None:
    assert misfit(np.random.default_rng(seed).normal(size=(300, 40)), ["x"] * 40, lags=3) == ""


def test_a_misfit_is_said_with_the_worst_metric_and_its_mend() -> None:
    e = np.random.default_rng(6).normal(size=(800, 3))
    e[5:, 1] += 0.9 * e[:-5, 1]
    said = misfit(e, ["a|x", "b|y", "c|z"], lags=2)
    assert said.startswith("the residuals of 1 of 3 metrics are not white with 2 lags, above all b|y (+0.")
    assert said.endswith("at lag 5), so learned edges may be wrong; mend: set [causal] lags = 5")
    drifting = misfit(np.cumsum(e, axis=0), ["a|x", "b|y", "c|z"], lags=2)
    assert "3 of 3" in drifting
    assert "[system] step" in drifting


def test_the_mend_for_too_few_lags_mends() -> None:
    rng = np.random.default_rng(7)
    X = rng.normal(size=(1500, 4))
    for t in range(4, len(X)):
        X[t] += 0.7 * X[t - 4]
    short, long = Coral(lags=2), Coral(lags=4)
    for coral in (short, long):
        coral.step(X)
        coral.begin(0)
    assert misfit(short.residuals(X).full, list("abcd"), lags=2).endswith("lags = 4")
    assert misfit(long.residuals(X).full, list("abcd"), lags=4) == ""
