"""How abnormal is each metric, seen alone: one number per metric, comparable across all of them.

A window of rows is scored against the quiet history in three ways that are allowed to disagree: a *sustained*
statistic (prefix medians against a fast level: faults that go on), a *sharp* one (scans and peaks: faults of a row or
two) and a *lasting* one (the median of the whole window against a slow level: faults that ramp up, or whose start was
given late). Each is divided by its own 99 % quantile over quiet windows of the same length, pooled over the metrics of
one type, so that 1 is the one-in-a-hundred event of this type of metric in quiet time, and the largest may be taken.
A metric that has gone *silent* is counted beside them (`silence`). No graph is used here.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .recipe import SHIPPED, Recipe
from .silence import Silence
from .surprise_kernels import (
    ar_residuals,
    autocorrelations,
    column_medians,
    levels_of,
    quiet_statistics,
    window_statistics,
)

__all__ = ["Evidence", "Surprise", "SurpriseModel", "median", "usual_range"]

Floats = NDArray[np.float64]
_FAST, _SLOW = 0.1, 0.01  # rates of the two levels
_STEP = 10.0, 1.0  # scales at which their steps are clipped: the slow one is not moved by what may be a fault
_APART = 4.0  # scales by which the slow one must be wrong after time jumped to be set anew
_PRIOR_LAGS = 30.0  # rows of its type's autocorrelations that every metric starts from
_LENGTHS = (3, 4, 6, 8, 12, 16, 24, 32, 40, 64, 96, 128, 192, 256, 384, 512)  # of quiet windows
_SHARE = 3  # a window is at most so large a part of history: of longer ones there are no quiet examples
_SHORTEST = 8  # but so many rows are always looked at
_WINDOWS = 40  # quiet windows that a tail needs
_LASTS = 16.0  # rows at which a shift that fills the window counts half


class Evidence(NamedTuple):
    """The evidence of one window."""

    abnormal: Floats  # [d], 1 = one in a hundred quiet windows of this type; the largest of the next three
    sustained: Floats  # [d], of the statistics of faults that last
    sharp: Floats  # [d], of the statistic of faults of a row or two
    silent: Floats  # [d], of having gone silent
    deviation: Floats  # [d], signed: window median minus the level at its start, in the metric's unit
    value: Floats  # [d], window median; the level where nothing was measured
    ratio: float  # largest abnormality over the .95 quantile of the largest one of quiet windows
    blind: bool  # most of what is measured has gone silent at once: nothing can be said of single metrics


class Tails(NamedTuple):
    """What is rare in quiet windows of one length."""

    of: Floats  # [3, d], .99 quantile of the metric's type, per statistic
    highest: float  # .95 quantile of the largest abnormality in a window


@dataclass(slots=True)
class SurpriseModel:
    """What quiet history says about each metric; an axis of three is fast level, forecast, slow level."""

    level: Floats  # [d], the fast level at the end of history
    slow: Floats  # [d], the slow one, from which forecasts count
    tail: Floats  # [3, d], the newest rows, for the AR residual of the first rows of a window
    ar: Floats  # [d, 3]
    scale: Floats  # [3, d]
    levels: Floats  # [2, n, d], both levels before each row
    series: Floats  # [3, n, d], distances from these, and the AR residual between them
    clip: Floats  # [3, d], the .98 quantiles at which scales are clipped
    prior: Floats  # [3, d], variance of the type
    restarts: NDArray[np.bool_]  # [n]
    silence: Silence
    tails: dict[int, Tails] = field(default_factory=dict)  # by length of the window, filled when first needed


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
    steady
        ``bool[d]``, metrics that are reported whether or not anything is going on (a latency is not, without requests):
        their silence is news. None: all.

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

    def __init__(
        self,
        *,
        types: NDArray[np.int64],
        windows: int = 150,
        recipe: Recipe = SHIPPED,
        steady: NDArray[np.bool_] | None = None,
    ) -> None:
        self.types = types
        self.steady = np.ones(len(types), np.bool_) if steady is None else steady
        self.recipe = recipe
        self.windows = windows
        self._late = 1.0 / recipe.early if recipe.early else 0.0
        self._kin = max(recipe.kin, 1e-6)  # without kin a metric that never moved has next to no scale
        self._members = [np.flatnonzero(types == t) for t in np.unique(types)]

    def fit(self, history: Floats, restarts: NDArray[np.bool_] | None = None) -> SurpriseModel:
        """Learn locations, levels, autoregressions and scales from quiet rows (``float64[n, d]``, NaN allowed).

        `restarts` (``bool[n]``) names rows before which time jumped: there the fast level starts anew, and the slow one
        where it is clearly wrong. Of n rows of history the fast level and forecasts count ``n / (n + 50)``: in few rows
        the slow one, which starts at the median, is the safer guess.
        """
        if restarts is None:
            restarts = np.zeros(len(history), np.bool_)
        n = len(history)
        trust = n / (n + self.recipe.young) if n else 0.0
        loc = median(history)
        coarse = np.sqrt(self._scale(history - loc)[0])
        fast, level = levels_of(history, loc, _STEP[0] * coarse, _FAST, restarts, np.zeros_like(loc))
        slowly, slow = levels_of(history, loc, _STEP[1] * coarse, _SLOW, restarts, _APART * coarse)
        levels = np.stack([slowly + trust * (fast - slowly), slowly])
        Z = history - slowly
        ar = trust * self._autoregression(Z)
        series = np.stack([history - levels[0], ar_residuals(Z, ar, 30.0 * coarse), Z])
        variance, clip, prior = (np.stack(part) for part in zip(*map(self._scale, series), strict=True))
        return SurpriseModel(
            level=slow + trust * (level - slow),
            slow=slow,
            tail=np.ascontiguousarray(history[-3:]),
            ar=ar,
            scale=np.sqrt(variance),
            levels=levels,
            series=series,
            clip=clip,
            prior=prior,
            restarts=restarts,
            silence=Silence.of(history),
        )

    def score(self, model: SurpriseModel, window: Floats) -> Evidence:
        """Score one window of rows (``float64[W, d]``) that directly follows the history."""
        looked = window[: max(len(model.restarts) // _SHARE, _SHORTEST)]
        length = next((W for W in _LENGTHS if len(looked) <= W), len(looked))
        if length not in model.tails:
            model.tails[length] = self._tails(model, length)
        tails = model.tails[length]
        sustained, sharp, lasting = self._weights(len(looked)) * self._statistics(model, looked) / tails.of
        silent, blind = model.silence.judge(window)
        sustained = np.maximum(sustained, lasting)
        abnormal = np.maximum(sustained, sharp)
        silent *= self.recipe.silence * self.steady
        # Silence has no size that compares with a deviation: one that is certain stands above all of them.
        loudest = float(abnormal.max(initial=0.0))
        silent = np.where(silent >= 2.0, silent + loudest, silent)
        abnormal = np.maximum(abnormal, silent)
        seen = np.isfinite(window).any(axis=0)
        value = np.where(seen, median(window), model.level)
        deviation = np.nan_to_num(value - model.level)
        ratio = float(abnormal.max(initial=0.0)) / tails.highest
        return Evidence(abnormal, sustained, sharp, silent, deviation, value, ratio, blind)

    def advance(self, model: SurpriseModel, rows: Floats) -> SurpriseModel:
        """The model for a window that starts after `rows` (``float64[r, d]``), which follow the history."""
        still = np.zeros(len(rows), np.bool_)
        _, level = levels_of(rows, model.level, _STEP[0] * model.scale[0], _FAST, still, np.zeros_like(model.level))
        return replace(model, level=level, tail=np.vstack([model.tail, rows])[-3:])

    def settle(self, model: SurpriseModel, rows: Floats) -> SurpriseModel:
        """The model for a window after `rows` (``float64[r, d]``) that do not follow the history, but set its level."""
        seen = np.isfinite(rows).any(axis=0)
        start = np.where(seen, median(rows), model.level)
        slow = np.where(seen, start, model.slow)
        return self.advance(replace(model, level=start, slow=slow, tail=np.tile(start, (3, 1))), rows)

    def _weights(self, rows: int) -> Floats:
        """Weights of the statistics of a window of so many rows: what has lasted for long may count alone."""
        r = self.recipe
        return np.array([[r.sustained], [r.sharp], [r.lasting * rows / (rows + _LASTS)]])

    def _statistics(self, model: SurpriseModel, window: Floats) -> Floats:
        centred = np.vstack([model.tail, window]) - model.slow
        e = ar_residuals(centred, model.ar, 30.0 * model.scale[0])[len(model.tail) :]
        return window_statistics(np.stack([window - model.level, e, window - model.slow]), model.scale, self._late)

    def _tails(self, model: SurpriseModel, W: int) -> Tails:
        """What the statistics reach in quiet windows of W rows; none lies across a restart if enough do not."""
        length = len(model.restarts)
        jumps = np.concatenate([[0], np.cumsum(model.restarts)])
        starts = np.arange(0, max(length - W + 1, 0), max(1, length // self.windows))
        whole = jumps[starts + W] == jumps[np.maximum(starts - 2, 0)]  # 3 rows of context for a forecast
        if whole.sum() >= _WINDOWS:
            starts = starts[whole]
        quiet = quiet_statistics(model.series, model.levels, model.clip, model.prior, self._kin, self._late, starts, W)
        tails = np.stack([self._tail(one) for one in quiet])
        highest = 1.0
        if len(starts):
            largest = (self._weights(W)[:, :, None] * quiet / tails[:, None]).max(axis=(0, 2))
            highest = max(1.0, float(np.quantile(largest, 0.95)))
        return Tails(tails, highest)

    def _tail(self, quiet: Floats) -> Floats:
        """The .99 quantile over quiet windows, per type, at least 1; a lone metric borrows from all."""
        tails = np.ones(quiet.shape[1])
        if not quiet.size or not self.recipe.tail:
            return tails
        pooled = float(np.quantile(quiet, self.recipe.tail))
        for members in self._members:
            own = float(np.quantile(quiet[:, members], self.recipe.tail)) if len(members) > 1 else pooled
            tails[members] = max(1.0, own)
        return tails

    def _autoregression(self, centred: Floats) -> Floats:
        """AR(3) per metric by Yule-Walker, autocorrelations shrunk to those of the type."""
        r, n = autocorrelations(centred)
        shrunk = np.empty_like(r)
        for members in self._members:
            weight = n[members, None]
            pooled = (r[members] * weight).sum(axis=0) / max(weight.sum(), 1.0)
            shrunk[members] = (r[members] * weight + _PRIOR_LAGS * pooled) / (weight + _PRIOR_LAGS)
        lags = np.abs(np.subtract.outer(range(3), range(3)))
        toeplitz = np.concatenate([np.ones((len(r), 1)), shrunk], axis=1)[:, lags] + 1e-6 * np.eye(3)
        return np.asarray(np.linalg.solve(toeplitz, shrunk[:, :, None])[:, :, 0])

    def _scale(self, D: Floats) -> tuple[Floats, Floats, Floats]:
        """Variance per column, clipped at its .98 quantile and shrunk to its type; with the clip and the prior."""
        known = np.isfinite(D)
        n = known.sum(axis=0)
        sizes = np.where(known, np.abs(D), 0.0)
        clip = np.array(
            [np.quantile(sizes[known[:, j], j], self.recipe.clip or 1.0) if n[j] else 0.0 for j in range(len(n))]
        )
        total = (np.minimum(sizes, clip) ** 2).sum(axis=0)
        raw = (sizes**2).sum(axis=0) / np.maximum(n, 1)
        prior = np.empty(len(n))
        for columns in self._members:
            varied = raw[columns][raw[columns] > 0]
            # A type that never moved: any move is news, but not infinitely so.
            floor = 1e-4 * max(float(sizes[:, columns].max(initial=0.0)), 1.0) ** 2
            prior[columns] = np.exp(np.log(varied).mean()) if len(varied) else floor
        return (total + self._kin * prior) / (n + self._kin), clip, prior


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
