"""The statistic of multivariate SSA row after row, and its CUSUM (CORAL eq. 2-4).

With ``x_n(t)`` the newest L samples of metric n and ``P`` the projector on the complement of the signal subspace,
``sum_n x_n' P x_n = tr(P G)``, where ``G = sum_n x_n x_n'`` in ``R^{L x L}`` moves on by one row and column per row:
O(d L) a row instead of O(d L^2). Every entry of G is computed once, when the newer of its two samples comes, so
nothing accumulates. The released form, the squared sum of the norms, needs each metric's own projection.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, kernel

from .page import residuals, statistic_of

__all__ = ["Seen", "Signal", "Watch", "enter", "lag_weights", "watch"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


class Signal(NamedTuple):
    """What the rows are compared with."""

    mean: Array  # [d]
    scale: Array  # [d]; NaN for a metric that the base has not seen
    complement: Array  # [L, m]
    weights: Array  # [L, L] of `lag_weights`
    limits: Array  # [4] c, h, the score of a CUSUM at 0, and what one unit of it adds


class Watch(NamedTuple):
    """Where the watch stands: all that the next row needs."""

    window: Array  # [d, 2 L] each sample twice, L apart, so that the newest L always lie side by side
    products: Array  # [L, L] of each of the newest L rows its products with the window before it
    at: Counts  # [1] where in the window the next sample goes
    height: Array  # [1] W
    age: Counts  # [1] rows since W was zero
    latched: Counts  # [1] whether W has to sink to zero before the next alarm


class Seen(NamedTuple):
    """What each row showed."""

    joint: Array  # [T] W / h
    score: Array  # [T] -ln of the false alarms expected per row
    alarm: NDArray[np.int8]  # [T]
    onset: Counts  # [T]
    contributions: Array  # [T, d] e_n at alarms


def lag_weights(complement: Array) -> Array:
    """Weights ``Q[L, L]`` with ``tr(P G) = sum Q * products``: row a for products that came a rows ago."""
    P = complement @ complement.T
    L = len(P)
    Q = np.zeros((L, L))
    for a in range(L):
        Q[a, a:] = 2.0 * P[L - 1 - a, : L - a]
        Q[a, L - 1] = P[L - 1 - a, L - 1 - a]
    return Q


@kernel
def enter(x: Array, signal: Signal, now: Watch, released: bool) -> None:
    """Take the row ``x[d]`` into the window (in place); a missing sample counts as 0, the mean of the base."""
    L = len(now.products)
    p = now.at[0]
    products = now.products[p]
    products[:] = 0.0
    for n in range(len(x)):
        z = (x[n] - signal.mean[n]) / signal.scale[n]
        if not np.isfinite(z):
            z = 0.0
        window = now.window[n]
        window[p] = window[p + L] = z
        if not released:
            for j in range(L):  # no sum runs across j: the processor may take several at once
                products[j] += z * window[p + 1 + j]
    now.at[0] = (p + 1) % L


@kernel
def statistic(signal: Signal, now: Watch, released: bool) -> float:
    """Distance of the newest L rows to the signal subspace, all metrics together."""
    L = len(now.products)
    if released:
        return statistic_of(residuals(now.window[:, now.at[0] : now.at[0] + L].T, signal.complement), True)
    parts = np.zeros(L)
    for a in range(L):
        products = now.products[(now.at[0] - 1 - a) % L]
        for j in range(a, L):
            parts[j] += signal.weights[a, j] * products[j]
    total = 0.0
    for part in parts:
        total += part
    return max(total, 0.0)


@kernel
def watch(X: Block, signal: Signal, now: Watch, out: Seen, released: bool, latch: bool) -> int:
    """Judge rows, updating `now` and `out` in place, up to an alarm unless it latches; returns how many."""
    c, h, base_score, slope = signal.limits
    L = len(now.products)
    for t in range(len(X)):
        enter(X[t], signal, now, released)
        if now.height[0] == 0.0:
            now.age[0], now.latched[0] = 0, 0
        now.age[0] += 1
        W = max(now.height[0] + statistic(signal, now, released) - c, 0.0)
        if now.latched[0]:
            W = min(W, h)
        now.height[0] = W
        out.joint[t], out.score[t] = W / h, base_score + slope * W
        if h <= W and not now.latched[0]:
            out.alarm[t], out.onset[t] = 1, now.age[0]
            out.contributions[t] = np.sqrt(residuals(now.window[:, now.at[0] : now.at[0] + L].T, signal.complement))
            if not latch:
                return t + 1
            now.latched[0], now.height[0] = 1, h
    return len(X)
