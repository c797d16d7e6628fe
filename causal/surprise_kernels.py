"""The loops behind `evidence`: levels, forecasts and the statistics of a window. NaN is skipped everywhere.

Three series stand behind each metric: its distance from the fast level, the residual of its forecast, and its distance
from the slow level, in this order wherever an axis of three occurs.
"""

import numpy as np
from numpy.typing import NDArray

from headwater.online import kernel

__all__ = [
    "ar_residuals",
    "autocorrelations",
    "column_medians",
    "gaps",
    "levels_of",
    "quiet_statistics",
    "window_statistics",
]

Floats = NDArray[np.float64]
FIRST = 5  # rows after a restart that tell the level there


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
def levels_of(
    X: Floats, start: Floats, bound: Floats, rate: float, restarts: NDArray[np.bool_], apart: Floats
) -> tuple[Floats, Floats]:
    """EWMA level before each row and after the last; steps are clipped at `bound`. NaN leaves the level alone.

    At a restart the level moves to the median of the next `FIRST` rows where that is further off than `apart`.
    """
    T, d = X.shape
    levels = np.empty((T, d))
    level = start.copy()
    for t in range(T):
        for j in range(d):
            if restarts[t]:
                first = X[t : t + FIRST, j]
                first = first[np.isfinite(first)]
                if len(first) and abs(np.median(first) - level[j]) > apart[j]:
                    level[j] = np.median(first)
            levels[t, j] = level[j]
            step = X[t, j] - level[j]
            if np.isfinite(step):
                level[j] += rate * min(max(step, -bound[j]), bound[j])
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
def gaps(X: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Longest run of missing rows per column, and the run that the last row ends."""
    T, d = X.shape
    longest, run = np.zeros(d, np.int64), np.zeros(d, np.int64)
    for t in range(T):
        for j in range(d):
            run[j] = 0 if np.isfinite(X[t, j]) else run[j] + 1
            longest[j] = max(longest[j], run[j])
    return longest, run


@kernel
def _median(y: Floats) -> float:
    """|median| of the finite values, 0 without any; short arrays by insertion, which is faster."""
    T = len(y)
    ordered = np.empty(T)
    n = 0
    for t in range(T):
        if np.isfinite(y[t]):
            place = n
            while T <= 16 and place > 0 and ordered[place - 1] > y[t]:
                ordered[place] = ordered[place - 1]
                place -= 1
            ordered[place] = y[t]
            n += 1
    if n == 0:
        return 0.0
    if T > 16:
        return float(abs(np.median(ordered[:n])))
    return float(abs(0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])))


@kernel
def _prefix_median(y: Floats, late: float) -> float:
    """Largest discounted |median| over the prefixes of 4, 8, 16, .. rows and the whole."""
    length = min(4, len(y))
    best = 0.0
    while True:
        best = max(best, _median(y[:length]) / (1.0 + late * max(length - 4, 0)))
        if length == len(y):
            return best
        length = min(2 * length, len(y))


@kernel
def _prefix_scan(y: Floats, late: float) -> float:
    """Largest discounted |sum| / sqrt(rows) over all prefixes."""
    best = 0.0
    total = 0.0
    n = 0
    for t in range(len(y)):
        if np.isfinite(y[t]):
            total += y[t]
            n += 1
            best = max(best, abs(total) / np.sqrt(n) / (1.0 + late * t))
    return best


@kernel
def _prefix_peak(y: Floats, late: float) -> float:
    """Largest discounted |value|."""
    best = 0.0
    for t in range(len(y)):
        if np.isfinite(y[t]):
            best = max(best, abs(y[t]) / (1.0 + late * t))
    return best


@kernel
def window_statistics(series: Floats, scale: Floats, late: float) -> Floats:
    """The sustained, the sharp and the lasting statistic per column, ``[3, d]``, of ``series[3, W, d]``.

    `late` is the discount of a row's evidence per row before it.
    """
    d = series.shape[2]
    out = np.zeros((3, d))
    for j in range(d):
        y, e = series[0, :, j].copy(), series[1, :, j].copy()
        both = scale[0, j] * scale[1, j]
        out[0, j] = np.sqrt(_prefix_median(y, late) * _prefix_median(e, late) / both)
        out[1, j] = np.sqrt(_prefix_scan(y, late) * _prefix_peak(e, late) / both)
        out[2, j] = _median(series[2, :, j].copy()) / scale[2, j]
    return out


@kernel
def quiet_statistics(
    series: Floats,
    levels: Floats,
    clip: Floats,
    prior: Floats,
    kin: float,
    late: float,
    starts: NDArray[np.int64],
    W: int,
) -> Floats:
    """The same statistics of quiet windows, ``[3, windows, d]``, with scales from which their own rows are left out.

    ``series[3, n, d]`` are distances from the moving `levels` (``[2, n, d]``, the fast and the slow one); in a window
    both stand still.
    """
    T, d = series.shape[1:]
    count = len(starts)
    out = np.zeros((3, count, d))
    for j in range(d):
        squares = np.zeros((3, T + 1))
        rows = np.zeros(T + 1)
        for t in range(T):
            known = np.isfinite(series[0, t, j])
            rows[t + 1] = rows[t] + known
            for k in range(3):
                squares[k, t + 1] = squares[k, t] + (min(series[k, t, j] ** 2, clip[k, j] ** 2) if known else 0.0)
        for w in range(count):
            s, f = starts[w], starts[w] + W
            n = rows[T] - (rows[f] - rows[s]) + kin
            if rows[f] == rows[s]:
                continue
            left = squares[:, T] - (squares[:, f] - squares[:, s]) + kin * prior[:, j]
            scale = np.sqrt(np.maximum(left, 1e-300) / n)
            y = series[0, s:f, j] + levels[0, s:f, j] - levels[0, s, j]
            z = series[2, s:f, j] + levels[1, s:f, j] - levels[1, s, j]
            e = series[1, s:f, j].copy()
            both = scale[0] * scale[1]
            out[0, w, j] = np.sqrt(_prefix_median(y, late) * _prefix_median(e, late) / both)
            out[1, w, j] = np.sqrt(_prefix_scan(y, late) * _prefix_peak(e, late) / both)
            out[2, w, j] = _median(z) / scale[2]
    return out
