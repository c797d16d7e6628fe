"""How abnormal is each metric, seen alone: one number per metric, comparable across all of them.

A window of rows is scored against the quiet history in two ways that are allowed to disagree: a *sustained*
statistic (prefix medians: faults that last) and a *sharp* one (scans and peaks: faults of a row or two). Each is
divided by its own 99 % quantile over quiet windows of the same length, pooled over the metrics of one type, so
that 1 is the one-in-a-hundred event of this type of metric in quiet time, and the larger of the two may be taken.

Per metric: the level ``L_t`` is an EWMA frozen where the window starts, ``e_t`` the residual of an AR(3); scales
are clipped at the .98 quantile and shrunk to the metric's type. No graph is used here.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .recipe import SHIPPED, Recipe
from .surprise_kernels import (
    PRIOR_ROWS,
    ar_residuals,
    autocorrelations,
    column_medians,
    levels_of,
    quiet_statistics,
    window_statistics,
)

__all__ = ["Evidence", "Surprise", "SurpriseModel", "median", "usual_range"]

Floats = NDArray[np.float64]
_PRIOR_LAGS = 30.0  # the same for the type's autocorrelations
_LENGTHS = (3, 4, 6, 8, 12, 16, 24, 32, 40)  # of quiet windows; a window is held against the next longer ones
_WINDOWS = 40  # quiet windows that a tail needs


class Evidence(NamedTuple):
    """The evidence of one window."""

    abnormal: Floats  # [d], 1 = one in a hundred quiet windows of this type; the largest of the next three
    sustained: Floats  # [d], of the statistic of faults that last
    sharp: Floats  # [d], of the statistic of faults of a row or two
    silent: Floats  # [d], of having gone silent
    deviation: Floats  # [d], signed: window median minus the level at its start, in the metric's unit
    value: Floats  # [d], window median; the level where nothing was measured
    ratio: float  # largest abnormality over the .95 quantile of the largest one of quiet windows


class Tails(NamedTuple):
    """What is rare in quiet windows of one length."""

    sustained: Floats  # [d], .99 quantile of the metric's type
    sharp: Floats  # [d]
    highest: float  # .95 quantile of the largest abnormality in a window


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
    restarts: NDArray[np.bool_]  # [n]
    tails: dict[int, Tails]  # by length of the window, filled when first needed


class Surprise:
    """Score windows against quiet history.

    Parameters
    ----------
    types
        ``int64[d]``: equal numbers for metrics of one type (cpu of any pod, latency of any service).
    windows
        At most so many quiet windows calibrate the tails.
    recipe
        Weights of the parts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> history = rng.normal(size=(300, 4))
    >>> window = rng.normal(size=(8, 4))
    >>> window[:, 2] += 6
    >>> surprise = Surprise(types=np.zeros(4, np.int64))
    >>> evidence = surprise.score(surprise.fit(history), window)
    >>> int(evidence.abnormal.argmax()), bool(evidence.ratio > 2)
    (2, True)
    """

    def __init__(self, *, types: NDArray[np.int64], windows: int = 150, recipe: Recipe = SHIPPED) -> None:
        self.types = types
        self.recipe = recipe
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
        levels, level = levels_of(history, loc, np.sqrt(coarse[0]), restarts)
        ar = self._autoregression(history - loc)
        innovations = ar_residuals(history - loc, ar, 30.0 * np.sqrt(coarse[0]))
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
            restarts=restarts,
            tails={},
        )

    def score(self, model: SurpriseModel, window: Floats) -> Evidence:
        """Score one window of rows (``float64[W, d]``) that directly follows the history."""
        length = next((W for W in _LENGTHS if len(window) <= W), len(window))
        if length not in model.tails:
            model.tails[length] = self._tails(model, length)
        tails = model.tails[length]
        sustained, sharp = self._statistics(model, window)
        sustained, sharp = self.recipe.sustained * sustained / tails.sustained, self.recipe.sharp * sharp / tails.sharp
        abnormal = np.maximum(sustained, sharp)
        seen = np.isfinite(window).any(axis=0)
        value = np.where(seen, median(window), model.level)
        deviation = np.nan_to_num(value - model.level)
        ratio = float(abnormal.max(initial=0.0)) / tails.highest
        return Evidence(abnormal, sustained, sharp, np.zeros_like(abnormal), deviation, value, ratio)

    def advance(self, model: SurpriseModel, rows: Floats) -> SurpriseModel:
        """The model for a window that starts after `rows` (``float64[r, d]``), which follow the history."""
        still = np.zeros(len(rows), np.bool_)
        _, level = levels_of(rows, model.level, model.scale_level, still)
        return replace(model, level=level, tail=np.vstack([model.tail, rows])[-3:])

    def _statistics(self, model: SurpriseModel, window: Floats) -> tuple[Floats, Floats]:
        centred = np.vstack([model.tail, window]) - model.loc
        e = ar_residuals(centred, model.ar, 30.0 * model.scale_level)[len(model.tail) :]
        return window_statistics(window - model.level, e, model.scale_level, model.scale_ar)

    def _tails(self, model: SurpriseModel, W: int) -> Tails:
        """What both statistics reach in quiet windows of W rows; none lies across a restart if enough do not."""
        length = len(model.history)
        jumps = np.concatenate([[0], np.cumsum(model.restarts)])
        starts = np.arange(0, max(length - W + 1, 0), max(1, length // self.windows))
        whole = jumps[starts + W] == jumps[np.maximum(starts - 2, 0)]  # 3 rows of context for a forecast
        if whole.sum() >= _WINDOWS:
            starts = starts[whole]
        sustained, sharp = quiet_statistics(
            model.history, model.levels, model.innovations, model.clip, model.prior, starts, W
        )
        tails = self._tail(sustained), self._tail(sharp)
        highest = 1.0
        if len(starts):
            quiet = np.maximum(self.recipe.sustained * sustained / tails[0], self.recipe.sharp * sharp / tails[1])
            highest = max(1.0, float(np.quantile(quiet.max(axis=1), 0.95)))
        return Tails(*tails, highest)

    def _tail(self, quiet: Floats) -> Floats:
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
        r, n = autocorrelations(centred)
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
    return column_medians(np.ascontiguousarray(X.T))


def usual_range(history: Floats) -> tuple[Floats, Floats]:
    """The lowest and the highest value per column that history calls usual: .5 % to 99.5 %, a tenth wider."""
    low, high = np.nanquantile(np.where(np.isfinite(history).any(axis=0), history, 0.0), [0.005, 0.995], axis=0)
    margin = 0.1 * (high - low) + 1e-9 * np.abs(high)
    return low - margin, high + margin


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
    return (total + PRIOR_ROWS * prior) / (n + PRIOR_ROWS), clip, prior
