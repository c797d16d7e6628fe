"""How many lags, and is what is left of the model white? Both are asked of statsmodels, on the base window."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.stats.multitest import multipletests
from statsmodels.tsa.ar_model import ar_select_order
from statsmodels.tsa.stattools import acf
from statsmodels.tsa.vector_ar.var_model import VAR

from headwater.online import Block

__all__ = ["Misfit", "lag_order", "misfit", "screened", "whiteness"]

HORIZON = 10  # lags at which residuals are tested
LARGE = 0.2  # autocorrelation below which a significant one does no harm
TOLERABLE = 0.25  # share of the metrics that may be left with more
MOST_MISSING = 0.1  # a column that lacks more than this is no witness for the lag
TWINS = 0.99  # correlation above which two columns count as one; both would make the VAR singular


def lag_order(X: Block, *, kpis: Sequence[int] = (), max_lags: int = 5, criterion: str = "aic") -> int:
    """Choose the number of lags on the base window, at least 1, with ``VAR.select_order``.

    A VAR of all columns is singular on a short window. So the KPIs and the columns that go with them best are
    taken, T / (10 max_lags) of them at most. AIC, since the graph must forecast and its lasso does not mind a lag too
    many: on 600 rows of hosts and services BIC said 1 where AIC said 2 or 3, and effects come up to 3 rows late.

    Parameters
    ----------
    X
        ``float64[T, d]``, quiet rows.
    kpis
        Columns that must be looked at; with none, the columns that go with most others are taken.
    criterion
        ``aic``, ``bic`` (fewer lags) or ``hqic`` (between).

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


class Misfit(NamedTuple):
    """Metrics whose past the model does not use up."""

    columns: NDArray[np.int64]  # worst first
    lag: NDArray[np.int64]  # at which each is most autocorrelated, in rows
    correlation: NDArray[np.float64]  # there
    tested: int  # metrics with enough rows


def whiteness(residuals: NDArray[np.float64], *, rate: float = 0.05) -> Misfit:
    """Test residuals ``float64[T, d]`` for autocorrelation: Ljung-Box over 10 lags, Benjamini-Hochberg over metrics.

    With many rows the test finds what does no harm, so a metric counts from an autocorrelation of .2 on.

    >>> e = np.random.default_rng(0).normal(size=(500, 2))
    >>> e[4:, 1] += 0.8 * e[:-4, 1]
    >>> found = whiteness(e)
    >>> found.columns.tolist(), found.lag.tolist(), found.tested
    ([1], [4], 2)
    """
    there = [column[~np.isnan(column)] for column in residuals.T]
    tested = [j for j, e in enumerate(there) if len(e) > 2 * HORIZON and np.ptp(e) > 0]
    if not tested:
        return Misfit(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), 0)
    p = [float(acorr_ljungbox(there[j], lags=[HORIZON])["lb_pvalue"].iloc[0]) for j in tested]
    r = np.array([acf(there[j], nlags=HORIZON, fft=False)[1:] for j in tested])
    worst = np.abs(r).argmax(axis=1)
    largest = r[np.arange(len(r)), worst]
    bad = multipletests(p, alpha=rate, method="fdr_bh")[0] & (np.abs(largest) > LARGE)
    order = np.flatnonzero(bad)[np.argsort(-np.abs(largest[bad]), kind="stable")]
    return Misfit(np.array(tested)[order], worst[order] + 1, largest[order], len(tested))


def misfit(residuals: NDArray[np.float64], names: Sequence[str], *, lags: int) -> str:
    """Say what is wrong with a model of `lags` lags and how to mend it; empty if its residuals are white enough.

    Parameters
    ----------
    residuals
        ``float64[T, d]`` on the base window: ``coral.residuals(base).full``.
    names
        Of the d columns.

    Examples
    --------
    >>> e = np.random.default_rng(0).normal(size=(500, 2))
    >>> misfit(e, ["a|cpu", "b|cpu"], lags=3)
    ''
    >>> e[4:, 1] += 0.8 * e[:-4, 1]
    >>> misfit(e, ["a|cpu", "b|cpu"], lags=3).partition("; ")[2]
    'mend: set [causal] lags = 4'
    """
    found = whiteness(residuals)
    if len(found.columns) <= TOLERABLE * found.tested:
        return ""
    late = np.sort(found.lag[found.lag > lags])
    if len(late) > len(found.lag) / 2:
        # The median of what is missing; the next fit tells whether more is.
        mend = f"set [causal] lags = {int(late[(len(late) - 1) // 2])}"
    else:
        mend = "use longer steps ([system] step), or learn a longer base ([detector] base): the metrics drift"
    return (
        f"the residuals of {len(found.columns)} of {found.tested} metrics are not white with {lags} lags, above all "
        f"{names[int(found.columns[0])]} ({found.correlation[0]:+.2f} at lag {int(found.lag[0])}), "
        f"so learned edges may be wrong; mend: {mend}"
    )


def _standard(X: Block) -> NDArray[np.float64]:
    """Columns with mean 0 and sd 1; what is missing becomes the mean."""
    return np.asarray(np.nan_to_num((X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0)))
