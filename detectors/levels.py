"""Levels at three rates, and what a row departs from them: the evidence that a change gives at once.

A level is a running mean, ``m += a (x - m)``, the O(1) form of "project off the slow temporal subspace". What is left
of a sample, its innovation ``y = x - m``, is seen in the row in which a change happens, where the distance of a whole
window shows one change as many times as the window is long.

    dense:   g = max_k [ w E_k / q_k + (1 - w) J_k / q'_k ],  E_k = sum_n (y_kn / s_n)^2,  J_k = sum_n (y_kn / s_kn)^2
    sparse:  g_n = max_k (y_kn / q_kn)^2

with s_n the standard deviation of metric n, s_kn that of its innovations, and q 99 % quantiles, all of the base. E is
large where metrics leave what they span, J where they jump as they seldom do. Neither alone is right everywhere.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, kernel

__all__ = ["ECHO", "RATES", "REACH", "Span", "depart", "lone", "runs"]

Array = NDArray[np.float64]
RATES = (0.3, 0.1, 0.03)
REACH = 100.0  # standard deviations from the mean of the base beyond which a sample says no more
ECHO = 5.0  # standard deviations by which one sample moves a level: a wild one does not echo through the next rows


class Span(NamedTuple):
    """How far metrics reach in quiet time; 0 for one that is not known yet."""

    centre: Array  # [d] mean
    scale: Array  # [d] standard deviation; NaN: not known
    spans: Array  # [d] 1 / s_n^2
    jumps: Array  # [3, d] 1 / s_kn^2
    units: Array  # [3, d] 1 / q_kn^2
    caps: Array  # [2, 3] the most that one metric adds to E_k, J_k
    gains: Array  # [2, 3] weights of E_k, J_k in g


@kernel
def depart(X: Block, span: Span, level: Array, Y: Array, g: Array) -> None:
    """Innovations of rows into `Y` ``[T, 4, d]``, 0 where missing, and their dense statistic into `g` ``[T]``.

    The fourth of a row is where the middle level stood before it. Moves the levels ``[3, d]`` in place. A loop is over
    few arrays: of more, the compiler cannot tell that they do not overlap, and takes one metric at a time.
    """
    d = X.shape[1]
    near, e, low, high, echo = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    for n in range(d):
        known = not np.isnan(span.scale[n])
        low[n] = span.centre[n] - REACH * span.scale[n] if known else np.nan
        high[n] = span.centre[n] + REACH * span.scale[n] if known else np.nan
        echo[n] = ECHO * span.scale[n] if known else 0.0
    most = np.empty((3, 5))
    for k in range(3):
        most[k, 0], most[k, 1:3], most[k, 3:] = RATES[k], span.caps[:, k], span.gains[:, k]
    for t in range(len(X)):
        _bound(X[t], low, high, near)
        _copy(level[1], Y[t, 3])
        g[t] = 0.0
        for k in range(3):
            _innovate(near, echo, level[k], Y[t, k], span.spans, span.jumps[k], most[k], e)
            g[t] = max(g[t], _total(e))


@kernel
def _bound(x: Array, low: Array, high: Array, near: Array) -> None:
    """Bring a row between its bounds, into `near`; NaN where missing or without bounds."""
    for n in range(len(x)):
        v = min(max(x[n], low[n]), high[n])
        near[n] = v if abs(x[n]) < np.inf and low[n] <= high[n] else np.nan


@kernel
def _copy(a: Array, into: Array) -> None:
    """Copy; a slice assignment takes several times as long."""
    for n in range(len(a)):
        into[n] = a[n]


@kernel
def _innovate(
    near: Array, echo: Array, level: Array, y: Array, spans: Array, jumps: Array, most: Array, e: Array
) -> None:
    """Innovations of one level into `y`, its next place, in place, and what each adds to the dense statistic into `e`.

    `most` holds the level's rate, then caps and gains of both parts.
    """
    rate, cap, jump_cap, gain, jump_gain = most[0], most[1], most[2], most[3], most[4]
    for n in range(len(near)):
        away = near[n] - level[n]
        y[n] = 0.0 if np.isnan(away) else away
        level[n] += rate * min(max(y[n], -echo[n]), echo[n])
    for n in range(len(near)):
        square = y[n] * y[n]
        e[n] = gain * min(square * spans[n], cap) + jump_gain * min(square * jumps[n], jump_cap)


@kernel
def _total(e: Array) -> float:
    """Sum in eight strands, since an addition waits for the one before."""
    a, b, c, d, f, g, h, i = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    even = len(e) // 8 * 8
    for n in range(0, even, 8):
        a, b, c, d = a + e[n], b + e[n + 1], c + e[n + 2], d + e[n + 3]
        f, g, h, i = f + e[n + 4], g + e[n + 5], h + e[n + 6], i + e[n + 7]
    for n in range(even, len(e)):
        a += e[n]
    return float(((a + b) + (c + d)) + ((f + g) + (h + i)))


@kernel
def lone(y: Array, span: Span, g: Array) -> None:
    """Sparse statistic of each metric from a row of `depart`, written into `g` ``[d]``."""
    fast, middle, slow = span.units[0], span.units[1], span.units[2]
    for n in range(len(g)):
        g[n] = max(y[0, n] * y[0, n] * fast[n], y[1, n] * y[1, n] * middle[n], y[2, n] * y[2, n] * slow[n])


@kernel
def runs(X: Block, run: NDArray[np.int64], last: Array, longest: NDArray[np.int64]) -> None:
    """Count how long each metric has stood still, in place: `run`, `last` and `longest`."""
    T, d = X.shape
    for t in range(T):
        for n in range(d):
            if abs(X[t, n]) < np.inf:
                run[n] = run[n] + 1 if X[t, n] == last[n] else 0
                last[n] = X[t, n]
                longest[n] = max(longest[n], run[n])
