"""How abnormal is each metric, seen alone: one number per metric, comparable across all of them.

A window of rows is scored against the quiet history in two ways that are allowed to disagree: a *sustained*
statistic (prefix medians: faults that last) and a *sharp* one (scans and peaks: faults of a row or two). Each is
divided by its own 99 % quantile over quiet windows of the same length, pooled over the metrics of one type, so
that 1 is the one-in-a-hundred event of this type of metric in quiet time, and the larger of the two may be taken.

Per metric: the level ``L_t`` is an EWMA frozen where the window starts, ``e_t`` the residual of an AR(3); scales
are clipped at the .98 quantile and shrunk to the metric's type. No graph is used here.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import kernel

__all__ = ["Evidence", "Surprise", "SurpriseModel", "median"]

Floats = NDArray[np.float64]
_PRIOR_ROWS = 10.0  # rows of the type's scale that every metric starts from
_PRIOR_LAGS = 30.0  # the same for the type's autocorrelations
_LEVEL = 0.1
_SHARP = 0.8  # the sharp statistic is the noisier one of the two


class Evidence(NamedTuple):
    """The evidence of one window."""

    abnormal: Floats  # [d], 1 = one in a hundred quiet windows of this type
    deviation: Floats  # [d], signed: window median minus the level at its start, in the metric's unit
    confidence: float  # largest abnormality over the .95 quantile of the largest one of quiet windows


@dataclass(slots=True)
class SurpriseModel:
    """What quiet history says about each metric; arrays are ``[d]``, ``[n, d]`` or ``[d, 3]``."""

    loc: Floats
    level: Floats  # the EWMA level at the end of history
    tail: Floats  # [3, d], the newest rows, for the AR residual of the first rows of a window
    ar: Floats  # [d, 3]
    scale_level: Floats  # [d], of x - level
    scale_ar: Floats  # [d], of the AR residual
    levels: Floats  # [n, d], the level before each row
    innovations: Floats  # [n, d], the AR residual of each row
    history: Floats  # [n, d]
    clip: Floats  # [2, d], the .98 quantiles at which scales are clipped
    prior: Floats  # [2, d], variance of the type


class Surprise:
    """Score windows against quiet history.

    Parameters
    ----------
    types
        ``int64[d]``: equal numbers for metrics of one type (cpu of any pod, latency of any service).
    windows
        At most so many quiet windows calibrate the tails.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> history = rng.normal(size=(300, 4))
    >>> window = rng.normal(size=(8, 4))
    >>> window[:, 2] += 6
    >>> surprise = Surprise(types=np.zeros(4, np.int64))
    >>> evidence = surprise.score(surprise.fit(history), window)
    >>> int(evidence.abnormal.argmax()), bool(evidence.confidence > 2)
    (2, True)
    """

    def __init__(self, *, types: NDArray[np.int64], windows: int = 250) -> None:
        self.types = types
        self.windows = windows
        self._members = [np.flatnonzero(types == t) for t in np.unique(types)]

    def fit(self, history: Floats, restarts: NDArray[np.bool_] | None = None) -> SurpriseModel:
        """Learn locations, levels, autoregressions and scales from quiet rows (``float64[n, d]``, NaN allowed).

        `restarts` (``bool[n]``) names rows before which time jumped: there the level starts anew.
        """
        if restarts is None:
            restarts = np.zeros(len(history), np.bool_)
        loc = median(history)
        coarse = _scale(history - loc, self._members)
        levels, level = _levels(history, loc, np.sqrt(coarse[0]), restarts)
        ar = self._autoregression(history - loc)
        innovations = _residuals(history - loc, ar, 30.0 * np.sqrt(coarse[0]))
        variance_level, clip_level, prior_level = _scale(history - levels, self._members)
        variance_ar, clip_ar, prior_ar = _scale(innovations, self._members)
        return SurpriseModel(
            loc=loc,
            level=level,
            tail=np.ascontiguousarray(history[-3:]),
            ar=ar,
            scale_level=np.sqrt(variance_level),
            scale_ar=np.sqrt(variance_ar),
            levels=levels,
            innovations=innovations,
            history=history,
            clip=np.stack([clip_level, clip_ar]),
            prior=np.stack([prior_level, prior_ar]),
        )

    def score(self, model: SurpriseModel, window: Floats) -> Evidence:
        """Score one window of rows (``float64[W, d]``) that directly follows the history."""
        sustained, sharp = self._statistics(model, window)
        quiet_sustained, quiet_sharp = _quiet(
            model.history,
            model.levels,
            model.innovations,
            model.clip,
            model.prior,
            len(window),
            max(1, len(model.history) // self.windows),
        )
        tail_sustained, tail_sharp = self._tails(quiet_sustained), self._tails(quiet_sharp)
        abnormal = np.maximum(sustained / tail_sustained, _SHARP * sharp / tail_sharp)
        deviation = median(window - model.level)
        highest = 1.0
        if len(quiet_sustained):
            quiet = np.maximum(quiet_sustained / tail_sustained, _SHARP * quiet_sharp / tail_sharp)
            highest = max(1.0, float(np.quantile(quiet.max(axis=1), 0.95)))
        return Evidence(abnormal, np.nan_to_num(deviation), float(abnormal.max(initial=0.0)) / highest)

    def _statistics(self, model: SurpriseModel, window: Floats) -> tuple[Floats, Floats]:
        centred = np.vstack([model.tail, window]) - model.loc
        e = _residuals(centred, model.ar, 30.0 * model.scale_level)[len(model.tail) :]
        return _window_statistics(window - model.level, e, model.scale_level, model.scale_ar)

    def _tails(self, quiet: Floats) -> Floats:
        """The .99 quantile over quiet windows, per type, at least 1; a lone metric borrows from all."""
        tails = np.ones(quiet.shape[1])
        if not quiet.size:
            return tails
        pooled = float(np.quantile(quiet, 0.99))
        for members in self._members:
            own = float(np.quantile(quiet[:, members], 0.99)) if len(members) > 1 else pooled
            tails[members] = max(1.0, own)
        return tails

    def _autoregression(self, centred: Floats) -> Floats:
        """AR(3) per metric by Yule-Walker, autocorrelations shrunk to those of the type."""
        r, n = _autocorrelations(centred)
        ar = np.zeros((centred.shape[1], 3))
        for members in self._members:
            weight = n[members, None]
            pooled = (r[members] * weight).sum(axis=0) / max(weight.sum(), 1.0)
            shrunk = (r[members] * weight + _PRIOR_LAGS * pooled) / (weight + _PRIOR_LAGS)
            for j, rho in zip(members, shrunk, strict=True):
                toeplitz = np.array([[1.0, rho[0], rho[1]], [rho[0], 1.0, rho[0]], [rho[1], rho[0], 1.0]])
                ar[j] = np.linalg.solve(toeplitz + 1e-6 * np.eye(3), rho)
        return ar


def median(X: Floats) -> Floats:
    """Median per column over the finite rows; 0 for a column without any."""
    if not len(X):
        return np.zeros(X.shape[1])
    return _column_medians(np.ascontiguousarray(X.T))


def _scale(D: Floats, members: list[NDArray[np.int64]]) -> tuple[Floats, Floats, Floats]:
    """Variance per column, clipped at its .98 quantile and shrunk to its type; with the clip and the prior."""
    known = np.isfinite(D)
    n = known.sum(axis=0)
    squares = np.where(known, D, 0.0) ** 2
    clip = np.array([np.quantile(np.abs(D[known[:, j], j]), 0.98) if n[j] else 0.0 for j in range(D.shape[1])])
    total = np.minimum(squares, clip**2).sum(axis=0)
    raw = squares.sum(axis=0) / np.maximum(n, 1)
    prior = np.empty(D.shape[1])
    for columns in members:
        varied = raw[columns][raw[columns] > 0]
        # A type that never moved: any move is news, but not infinitely so.
        floor = 1e-4 * max(float(np.nanmax(np.abs(D[:, columns]), initial=0.0)), 1.0) ** 2
        prior[columns] = np.exp(np.log(varied).mean()) if len(varied) else floor
    return (total + _PRIOR_ROWS * prior) / (n + _PRIOR_ROWS), clip, prior


@kernel
def _column_medians(columns: Floats) -> Floats:
    """Median of the finite values of each row of `columns` (float64[d, n])."""
    out = np.zeros(columns.shape[0])
    for j in range(columns.shape[0]):
        finite = columns[j][np.isfinite(columns[j])]
        if len(finite):
            out[j] = np.median(finite)
    return out


@kernel
def _levels(X: Floats, loc: Floats, sd: Floats, restarts: NDArray[np.bool_]) -> tuple[Floats, Floats]:
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
                level[j] += _LEVEL * min(max(step, -10.0 * sd[j]), 10.0 * sd[j])
    return levels, level


@kernel
def _residuals(Z: Floats, ar: Floats, bound: Floats) -> Floats:
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
def _autocorrelations(Z: Floats) -> tuple[Floats, Floats]:
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
    """Largest discounted |median| over the prefixes of 4, 8, 16, .. rows and the whole."""
    T = len(y)
    best = 0.0
    length = min(4, T)
    while True:
        finite = y[:length][np.isfinite(y[:length])]
        if len(finite):
            best = max(best, abs(np.median(finite)) / (1.0 + max(length - 4, 0) / 10.0))
        if length == T:
            return best
        length = min(2 * length, T)


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
def _window_statistics(offset: Floats, e: Floats, scale_level: Floats, scale_ar: Floats) -> tuple[Floats, Floats]:
    """The sustained and the sharp statistic per column, of `offset` = x - level and the AR residual `e`."""
    d = offset.shape[1]
    sustained, sharp = np.zeros(d), np.zeros(d)
    for j in range(d):
        y, r = offset[:, j].copy(), e[:, j].copy()
        sustained[j] = np.sqrt(_prefix_median(y) / scale_level[j] * _prefix_median(r) / scale_ar[j])
        sharp[j] = np.sqrt(_prefix_scan(y) / scale_level[j] * _prefix_peak(r) / scale_ar[j])
    return sustained, sharp


@kernel
def _quiet(
    X: Floats, levels: Floats, e: Floats, clip: Floats, prior: Floats, W: int, stride: int
) -> tuple[Floats, Floats]:
    """The same statistics of quiet windows, each with scales from which its own rows are left out."""
    T, d = X.shape
    count = max(0, (T - W) // stride + 1)
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
            s, f = w * stride, w * stride + W
            n = rows[T] - (rows[f] - rows[s]) + 10.0
            if rows[f] == rows[s]:
                continue
            left = squares[:, T] - (squares[:, f] - squares[:, s]) + 10.0 * prior[:, j]
            scale = np.sqrt(np.maximum(left, 0.0) / n)
            y, r = X[s:f, j] - levels[s, j], e[s:f, j].copy()
            sustained[w, j] = np.sqrt(_prefix_median(y) / scale[0] * _prefix_median(r) / scale[1])
            sharp[w, j] = np.sqrt(_prefix_scan(y) / scale[0] * _prefix_peak(r) / scale[1])
    return sustained, sharp
