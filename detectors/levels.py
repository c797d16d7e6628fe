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

__all__ = ["ECHO", "RATES", "REACH", "Span", "advance", "crowd", "lone", "runs"]

Array = NDArray[np.float64]
RATES = (0.3, 0.1, 0.03)
REACH = 100.0  # standard deviations from the mean of the base beyond which a sample says no more
ECHO = 5.0  # standard deviations by which one sample moves a level: a wild one does not echo through the next rows
FAST, MIDDLE, SLOW = RATES


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
def advance(x: Array, span: Span, level: Array, y: Array) -> None:
    """Move the levels ``[3, d]`` towards a row, in place, and write its innovations into `y`: 0 where missing."""
    fast, middle, slow, centre, scale = level[0], level[1], level[2], span.centre, span.scale
    for n in range(len(x)):
        reach, echo = REACH * scale[n], ECHO * scale[n]
        there = abs(x[n]) < np.inf and not np.isnan(reach)
        near = min(max(x[n], centre[n] - reach), centre[n] + reach)
        y0 = near - fast[n] if there else 0.0
        y1 = near - middle[n] if there else 0.0
        y2 = near - slow[n] if there else 0.0
        fast[n] += FAST * min(max(y0, -echo), echo) if there else 0.0
        middle[n] += MIDDLE * min(max(y1, -echo), echo) if there else 0.0
        slow[n] += SLOW * min(max(y2, -echo), echo) if there else 0.0
        y[0, n], y[1, n], y[2, n] = y0, y1, y2


@kernel
def crowd(y: Array, span: Span, e: Array) -> float:
    """Dense statistic g of a row's innovations; overwrites `e` ``[3, d]``."""
    spans, d = span.spans, y.shape[1]
    for k in range(3):
        yk, ek, jumps = y[k], e[k], span.jumps[k]
        cap, jump_cap, gain, jump_gain = span.caps[0, k], span.caps[1, k], span.gains[0, k], span.gains[1, k]
        for n in range(d):
            square = yk[n] * yk[n]
            ek[n] = gain * min(square * spans[n], cap) + jump_gain * min(square * jumps[n], jump_cap)
    a, b, c = 0.0, 0.0, 0.0
    for n in range(d):
        a += e[0, n]
        b += e[1, n]
        c += e[2, n]
    return max(a, b, c)


@kernel
def lone(y: Array, span: Span, g: Array) -> None:
    """Sparse statistic of each metric, written into `g` ``[d]``."""
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
