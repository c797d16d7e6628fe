"""Which metrics are worth a graph, where there are too many for one: false-discovery control over all of them.

The first of two tiers. Every metric gets a number in O(rows) straight from the ring, in chunks of columns, so that no
copy of the history is made; what exceeds the quiet windows of its own type significantly, the KPIs, and the metrics
around these in the call graph are the suspects. Evidence and graph (the second tier) are computed for them alone.
"""

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from headwater.online import kernel

from .columns import Columns

__all__ = ["Control", "Suspects", "p_values", "suspects"]

Floats: TypeAlias = NDArray[np.float64]
Control: TypeAlias = Literal["fdr_bh", "fdr_by"]

RECENT = 600  # rows of history that are looked at
WINDOWS = 48  # quiet windows per metric; of fewer than 40, none is rare enough to be significant among all metrics
LONGEST = 16  # rows of a window that are looked at, evenly spread
CHUNK = 512  # columns at a time: what bounds the memory
FEW = 100  # suspects are at least so many, by rank, if the control leaves fewer: a graph of one metric says nothing
LEVEL = 0.1  # rate of the level that a window is held against
EARLY = 10.0  # rows after which evidence counts half
TAIL = 0.99  # quantile of quiet windows of a type that counts 1


class Suspects(NamedTuple):
    """Columns that deserve a closer look."""

    columns: NDArray[np.int64]  # [m], ascending
    strength: Floats  # [d], 1 = one in a hundred quiet windows of this type
    p: Floats  # [d], of a window so unusual among the quiet windows of all metrics
    found: int  # how many metrics the false-discovery control calls anomalous


def suspects(
    history: NDArray[np.floating],
    window: NDArray[np.floating],
    columns: Columns,
    *,
    always: NDArray[np.int64] | None = None,
    most: int = 300,
    rate: float = 0.05,
    control: Control = "fdr_bh",
) -> Suspects:
    """Choose the suspects among d metrics.

    Parameters
    ----------
    history
        ``[n, d]``, quiet rows, of which the newest 600 count; a view of the ring will do. NaN is missing.
    window
        ``[W, d]``, the rows since the onset.
    columns
        Types, owners and calls of the d columns.
    always
        ``int64``, columns that are suspects in any case, as the KPIs are.
    most
        Largest number of suspects: first `always`, then the anomalous by strength, then their neighbours in the call
        graph by strength.
    rate
        Expected share of false ones among the anomalous.
    control
        ``fdr_bh`` is Benjamini-Hochberg, right for metrics that are independent or go together; ``fdr_by``
        (Benjamini-Yekutieli) is right under any dependence, and finds fewer. Both are those of statsmodels.

    Examples
    --------
    >>> from headwater.causal.columns import describe
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(420, 1000))
    >>> rows[400:, [7, 99]] += 6
    >>> names = [f"pod{j}|cpu" for j in range(1000)]
    >>> found = suspects(rows[:400], rows[400:], describe(names))
    >>> found.found, np.argsort(found.p)[:2].tolist(), len(found.columns)
    (2, [7, 99], 100)
    """
    strengths, quiet = _strengths(history[-RECENT:], window, columns.types)
    strength = strengths.max(axis=0)
    # Each statistic has its own quiet windows, since the sharp one's tail is the heavier; two chances count twice.
    p = np.minimum(2.0 * np.minimum(*map(p_values, strengths, quiet)), 1.0)
    rejected = multipletests(p, alpha=rate, method=control)[0]
    always = np.zeros(0, np.int64) if always is None else always
    wanted = np.zeros(len(p))
    wanted[_neighbours(columns, rejected)] = 1.0
    wanted[rejected] = 2.0
    wanted[always] = 3.0
    order = np.lexsort((-strength, -wanted))
    count = max(int((wanted > 0).sum()), FEW)
    return Suspects(np.sort(order[: min(count, most)]), strength, p, int(rejected.sum()))


def p_values(strength: Floats, quiet: Floats) -> Floats:
    """Share of the pooled `quiet` strengths ``float64[N]`` that reach each `strength` ``float64[d]``; never 0.

    >>> p_values(np.array([0.5, 3.0]), np.array([0.1, 0.4, 1.0])).tolist()
    [0.5, 0.25]
    """
    ordered = np.sort(quiet)
    reached = len(ordered) - np.searchsorted(ordered, strength, side="left")
    return np.asarray((1 + reached) / (1 + len(ordered)))


def _strengths(
    history: NDArray[np.floating], window: NDArray[np.floating], types: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Both statistics ``[2, d]`` of the window, and ``[2, N]`` of quiet windows, in units of each type's own tails."""
    n, d, W = len(history), window.shape[1], len(window)
    starts = np.linspace(0, max(n - W, 0), WINDOWS + 1).astype(np.int64)[1:] if n > W else np.zeros(0, np.int64)
    found, every = np.zeros((2, len(starts) + 1, d)), -(-W // LONGEST)
    for first in range(0, d, CHUNK):
        chunk = slice(first, first + CHUNK)
        past, rows = (np.ascontiguousarray(X[:, chunk], np.float64) for X in (history, window[::every]))
        _statistics(past, rows, starts, every, found[:, :, chunk])
    for one in found:
        pooled = _tail(one[1:], 1.0)
        for members in _groups(types):
            one[:, members] /= _tail(one[1:, members], pooled)
    return found[:, 0], found[:, 1:].reshape(2, -1)


def _tail(quiet: Floats, otherwise: float) -> float:
    """The .99 quantile of quiet windows, at least 1; `otherwise` where there are too few of them for a tail."""
    return max(1.0, float(np.quantile(quiet, TAIL))) if quiet.size >= 2 / (1 - TAIL) else otherwise


def _groups(types: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The columns of each type."""
    order = np.argsort(types, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(types[order])) + 1) if len(order) else []


def _neighbours(columns: Columns, anomalous: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Columns of the services that own, call, or are called by the owner of an anomalous column."""
    owners = np.unique(columns.owner[anomalous & (columns.owner >= 0)])
    near = np.zeros(len(columns.services), np.bool_)
    near[owners] = True
    near |= columns.calls[owners].any(axis=0) | columns.calls[:, owners].any(axis=1)
    return np.flatnonzero((columns.owner >= 0) & near[columns.owner])


@kernel
def _statistics(history: Floats, window: Floats, starts: NDArray[np.int64], every: int, found: Floats) -> None:
    """In place: found[2, 1 + count, c] gets both statistics of the window and of the quiet ones, against the level.

    The sustained one is the median, the sharp one the root of the largest scan times the largest peak, both in scales
    of x - level; the sharp one and its quiet windows discount what comes late.
    """
    c = history.shape[1]
    levels, scale = _levels(history, starts)
    y = np.empty(len(window))
    for k in range(len(starts) + 1):
        for j in range(c):
            for t in range(len(y)):
                y[t] = (window[t, j] if k == 0 else history[starts[k - 1] + t * every, j]) - levels[k, j]
            scan = peak = total = 0.0
            m = 0
            for t in range(len(y)):
                if np.isfinite(y[t]):
                    late = 1.0 + t / EARLY
                    total += y[t]
                    peak = max(peak, abs(y[t]) / late)
                    place = m
                    while place > 0 and y[place - 1] > y[t]:
                        place -= 1
                    value = y[t]
                    for other in range(m, place, -1):
                        y[other] = y[other - 1]
                    y[place] = value
                    m += 1
                    scan = max(scan, abs(total) / np.sqrt(m) / late)
            if m > 0:
                found[0, k, j] = abs(0.5 * (y[(m - 1) // 2] + y[m // 2])) / scale[j]
                found[1, k, j] = np.sqrt(scan * peak) / scale[j]


@kernel
def _levels(history: Floats, starts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Levels [1 + count, c] after the last row and before each start, and the scale [c] of x - level."""
    n, c = history.shape
    levels, level, seen = np.zeros((len(starts) + 1, c)), np.full(c, np.nan), np.zeros(c)
    scale, size = np.zeros(c), np.zeros(c)
    k = 0
    for t in range(n):
        while k < len(starts) and starts[k] == t:
            k += 1
            levels[k] = level
        for j in range(c):
            x = history[t, j]
            if np.isfinite(x):
                if seen[j] == 0.0:
                    level[j] = x
                step = x - level[j]
                scale[j] += step * step
                size[j] = max(size[j], abs(x))
                seen[j] += 1.0
                level[j] += LEVEL * step
    levels[0] = level
    for j in range(c):
        # A metric that never moved has any scale: what moves now is news.
        scale[j] = max(np.sqrt(scale[j] / max(seen[j], 1.0)), 1e-3 * size[j] + 1e-9)
    return levels, scale
