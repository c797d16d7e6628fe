"""The loops behind `evidence`: levels, forecasts and the two statistics of a window. NaN is skipped everywhere."""

import numpy as np
from numpy.typing import NDArray

from headwater.online import kernel

__all__ = [
    "PRIOR_ROWS",
    "ar_residuals",
    "autocorrelations",
    "column_medians",
    "levels_of",
    "quiet_statistics",
    "window_statistics",
]

Floats = NDArray[np.float64]
LEVEL = 0.1  # rate of the EWMA level
PRIOR_ROWS = 10.0  # rows of its type's scale that every metric starts from


@kernel
def column_medians(columns: Floats) -> Floats:
    """Median of the finite values of each row of `columns` (float64[d, n])."""
    out = np.zeros(columns.shape[0])
    for j in range(columns.shape[0]):
        finite = columns[j][np.isfinite(columns[j])]
        if len(finite):
            out[j] = np.median(finite)
    return out


@kernel
def levels_of(X: Floats, loc: Floats, sd: Floats, restarts: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """EWMA level before each row and after the last; steps are clipped at 10 sd. NaN leaves the level alone."""
    T, d = X.shape
    levels = np.empty((T, d))
    level = loc.copy()
    for t in range(T):
        for j in range(d):
            if restarts[t] and np.isfinite(X[t, j]):
                level[j] = X[t, j]
            levels[t, j] = level[j]
            step = X[t, j] - level[j]
            if np.isfinite(step):
                level[j] += LEVEL * min(max(step, -10.0 * sd[j]), 10.0 * sd[j])
    return levels, level


@kernel
def ar_residuals(Z: Floats, ar: Floats, bound: Floats) -> Floats:
    """One-step residual of an AR(3) on centred rows; regressors are clipped at `bound`, missing ones are 0."""
    T, d = Z.shape
    out = np.empty((T, d))
    for t in range(T):
        for j in range(d):
            forecast = 0.0
            for lag in range(1, 4):
                if t >= lag and np.isfinite(Z[t - lag, j]):
                    forecast += ar[j, lag - 1] * min(max(Z[t - lag, j], -bound[j]), bound[j])
            out[t, j] = Z[t, j] - forecast
    return out


@kernel
def autocorrelations(Z: Floats) -> tuple[Floats, Floats]:
    """Autocorrelations at lags 1..3 of centred columns, and the number of finite rows."""
    T, d = Z.shape
    r = np.zeros((d, 3))
    n = np.zeros(d)
    for j in range(d):
        power = 0.0
        for t in range(T):
            if np.isfinite(Z[t, j]):
                power += Z[t, j] ** 2
                n[j] += 1.0
        for lag in range(1, 4):
            total = 0.0
            for t in range(lag, T):
                product = Z[t, j] * Z[t - lag, j]
                if np.isfinite(product):
                    total += product
            r[j, lag - 1] = total / power if power > 0.0 else 0.0
    return r, n


@kernel
def _prefix_median(y: Floats) -> float:
    """Largest discounted |median| over the prefixes of 4, 8, 16, .. rows and the whole, by one insertion sort."""
    T = len(y)
    ordered = np.empty(T)
    n = 0
    best = 0.0
    length = min(4, T)
    for t in range(T):
        if np.isfinite(y[t]):
            place = n
            while place > 0 and ordered[place - 1] > y[t]:
                ordered[place] = ordered[place - 1]
                place -= 1
            ordered[place] = y[t]
            n += 1
        if t + 1 == length:
            if n > 0:
                middle = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
                best = max(best, abs(middle) / (1.0 + max(length - 4, 0) / 10.0))
            length = min(2 * length, T)
    return best


@kernel
def _prefix_scan(y: Floats) -> float:
    """Largest discounted |sum| / sqrt(rows) over all prefixes."""
    best = 0.0
    total = 0.0
    n = 0
    for t in range(len(y)):
        if np.isfinite(y[t]):
            total += y[t]
            n += 1
            best = max(best, abs(total) / np.sqrt(n) / (1.0 + t / 10.0))
    return best


@kernel
def _prefix_peak(y: Floats) -> float:
    """Largest discounted |value|."""
    best = 0.0
    for t in range(len(y)):
        if np.isfinite(y[t]):
            best = max(best, abs(y[t]) / (1.0 + t / 10.0))
    return best


@kernel
def window_statistics(offset: Floats, e: Floats, scale_level: Floats, scale_ar: Floats) -> tuple[Floats, Floats]:
    """The sustained and the sharp statistic per column, of `offset` = x - level and the AR residual `e`."""
    d = offset.shape[1]
    sustained, sharp = np.zeros(d), np.zeros(d)
    for j in range(d):
        y, r = offset[:, j].copy(), e[:, j].copy()
        sustained[j] = np.sqrt(_prefix_median(y) / scale_level[j] * _prefix_median(r) / scale_ar[j])
        sharp[j] = np.sqrt(_prefix_scan(y) / scale_level[j] * _prefix_peak(r) / scale_ar[j])
    return sustained, sharp


@kernel
def quiet_statistics(
    X: Floats, levels: Floats, e: Floats, clip: Floats, prior: Floats, starts: NDArray[np.int64], W: int
) -> tuple[Floats, Floats]:
    """The same statistics of quiet windows, each with scales from which its own rows are left out."""
    T, d = X.shape
    count = len(starts)
    sustained, sharp = np.zeros((count, d)), np.zeros((count, d))
    for j in range(d):
        squares = np.zeros((2, T + 1))
        rows = np.zeros(T + 1)
        for t in range(T):
            known = np.isfinite(X[t, j])
            rows[t + 1] = rows[t] + known
            a = min((X[t, j] - levels[t, j]) ** 2, clip[0, j] ** 2) if known else 0.0
            b = min(e[t, j] ** 2, clip[1, j] ** 2) if known else 0.0
            squares[0, t + 1] = squares[0, t] + a
            squares[1, t + 1] = squares[1, t] + b
        for w in range(count):
            s, f = starts[w], starts[w] + W
            n = rows[T] - (rows[f] - rows[s]) + PRIOR_ROWS
            if rows[f] == rows[s]:
                continue
            left = squares[:, T] - (squares[:, f] - squares[:, s]) + PRIOR_ROWS * prior[:, j]
            scale = np.sqrt(np.maximum(left, 0.0) / n)
            y, r = X[s:f, j] - levels[s, j], e[s:f, j].copy()
            sustained[w, j] = np.sqrt(_prefix_median(y) / scale[0] * _prefix_median(r) / scale[1])
            sharp[w, j] = np.sqrt(_prefix_scan(y) / scale[0] * _prefix_peak(r) / scale[1])
    return sustained, sharp
