"""How many lags, and is what is left of the model white? Both are asked of statsmodels, on the base window."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.ar_model import ar_select_order
from statsmodels.tsa.vector_ar.var_model import VAR

from headwater.online import Block

__all__ = ["lag_order", "screened", "whiteness"]

MOST_MISSING = 0.1  # a column that lacks more than this is no witness for the lag
TWINS = 0.99  # correlation above which two columns count as one; both would make the VAR singular


def lag_order(X: Block, *, kpis: Sequence[int] = (), max_lags: int = 5, criterion: str = "bic") -> int:
    """Choose the number of lags on the base window, at least 1, with ``VAR.select_order``.

    A VAR of all columns is singular on a short window. So the KPIs and the columns that go with them best are
    taken, T / (10 max_lags) of them at most.

    Parameters
    ----------
    X
        ``float64[T, d]``, quiet rows.
    kpis
        Columns that must be looked at; with none, the columns that go with most others are taken.
    criterion
        ``aic``, ``bic`` or ``hqic``.

    Examples
    --------
    >>> e = np.random.default_rng(3).normal(size=(600, 2))
    >>> e[2:, 1] += 0.8 * e[:-2, 0]
    >>> lag_order(e)
    2
    """
    if criterion not in ("aic", "bic", "hqic"):
        raise ValueError(f"criterion must be aic, bic or hqic, not {criterion!r}")
    columns = screened(X, kpis=kpis, most=len(X) // (10 * max_lags))
    if not columns:
        return 1
    Z = _standard(X[:, columns])
    if Z.shape[1] == 1:
        return max(1, *map(int, ar_select_order(Z[:, 0], max_lags, ic=criterion).ar_lags or [1]))
    return max(1, int(VAR(Z).select_order(max_lags).selected_orders[criterion]))


def screened(X: Block, *, kpis: Sequence[int] = (), most: int) -> list[int]:
    """Choose at most `most` columns that vary, are mostly there, are no twins, and go with the KPIs one row on."""
    varies = np.array([np.ptp(x[~np.isnan(x)], axis=0) > 0 if not np.isnan(x).all() else False for x in X.T])
    usable = np.flatnonzero(varies & (np.isnan(X).mean(axis=0) <= MOST_MISSING))
    if len(usable) == 0 or most < 1:
        return []
    Z = _standard(X[:, usable])
    now = np.abs(Z.T @ Z) / len(Z)
    later = np.abs(Z[1:].T @ Z[:-1]) / len(Z)
    wanted = np.isin(usable, list(kpis))
    relation = np.maximum(later, later.T)
    merit = relation[:, wanted].max(axis=1) if wanted.any() else relation.sum(axis=1)
    chosen: list[int] = []
    for k in np.lexsort((usable, -merit, ~wanted)):
        if len(chosen) < most and all(now[k, other] < TWINS for other in chosen):
            chosen.append(int(k))
    return sorted(int(usable[k]) for k in chosen)


def whiteness(residuals: NDArray[np.float64], *, lags: int = 10, level: float = 0.05) -> float:
    """Share of the columns ``float64[T, d]`` whose residuals pass the Ljung-Box test; NaN if none can be tested.

    Well below ``1 - level`` the model misses dynamics: too few lags, or a metric with a daily course.

    >>> e = np.random.default_rng(0).normal(size=(500, 2))
    >>> e[:, 1] = np.cumsum(e[:, 1])
    >>> whiteness(e)
    0.5
    """
    passed = []
    for column in residuals.T:
        there = column[~np.isnan(column)]
        if len(there) > 2 * lags and np.ptp(there) > 0:
            passed.append(float(acorr_ljungbox(there, lags=[lags])["lb_pvalue"].iloc[0]) > level)
    return float(np.mean(passed)) if passed else float("nan")


def _standard(X: Block) -> NDArray[np.float64]:
    """Columns with mean 0 and sd 1; what is missing becomes the mean."""
    return np.asarray(np.nan_to_num((X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0)))
