"""CUSUM over energies: one for each metric and one for all of them together, row after row.

With the energy of metric n in units of its own quiet 99 % quantile, ``g_n(t)``, and kappa the most that one row may
say, ``W_n(t) = max(0, W_n(t-1) + min(g_n(t), kappa) - 1)``; the joint one runs on the mean of two sums over
the metrics, each in units of its quiet 99 % quantile c: of the plain energies (CORAL eq. 1-4: ``D_t / c`` there) and
of the energies in units of what each metric does on its own.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, kernel

from .mssa import energy, push

__all__ = ["Base", "Evidence", "Recent", "Watch", "cusum", "echo_limit", "joint_energy", "maxima", "watch"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
METRIC_CLIP = 8.0  # the most that one row of one metric says: a lone wild sample stays below any threshold
JOINT_CLIP = 20.0  # the most that one row of all metrics says
SHARE_CLIP = 20.0  # the most that one metric adds to the joint energy, in its own units ...
SPAN_CLIP = 100.0  # ... and in squared standard deviations
ECHO = 2.0  # how far, in quiet 99 % errors, a sample may pull the predictions of the next rows


class Base(NamedTuple):
    """What quiet looks like; NaN for a metric that is still learning."""

    mean: Array  # [d]
    scale: Array  # [d] standard deviation
    unit: Array  # [d] 99 % quantile of the energy
    bound: Array  # [d] threshold of the metric's CUSUM
    ahead: Array  # [L - 1] prediction one step ahead
    filters: Array  # [L - r, L] complement of the signal subspace; [0, L]: the newest sample's share only
    joint: Array  # [3] 99 % quantiles of both joint energies, threshold of the joint CUSUM


class Watch(NamedTuple):
    """Where the watch stands: all that the next row needs."""

    window: Array  # [d, L] the newest present samples
    started: NDArray[np.bool_]  # [d] the window holds samples
    W: Array  # [d]
    age: Counts  # [d] rows since W was zero
    muted: Counts  # [d] rows since the metric's alarm; 0: armed
    before: Array  # [d] the level at the onset
    peak: Array  # [d] the largest departure from it
    joint_W: Array  # [1]
    joint_age: Counts  # [1]
    joint_muted: Counts  # [1]


class Recent(NamedTuple):
    """The newest quiet rows: what the next base is learned from."""

    rows: Array  # [base, d] a ring
    filled: Counts  # [1] quiet rows ever
    born: Counts  # [d] `filled` when the metric first appeared; -1: not yet


class Evidence(NamedTuple):
    """What each row showed."""

    joint: Array  # [T]
    scores: Array  # [T, d]
    alarm: NDArray[np.int8]  # [T]
    onset: Counts  # [T]
    metric: Counts  # [T] the metric that fired
    contributions: Array  # [T, d]


@kernel
def cusum(energies: Array, clip: float) -> Array:
    """Path of ``W_t = max(0, W_{t-1} + min(energy_t, clip) - 1)``, ``float64[T]``; NaN leaves W as it is."""
    path = np.empty(len(energies))
    W = 0.0
    for t in range(len(energies)):
        if not np.isnan(energies[t]):
            W = max(0.0, W + min(energies[t], clip) - 1.0)
        path[t] = W
    return path


@kernel
def maxima(path: Array) -> Array:
    """Height of each excursion of a CUSUM from zero."""
    tops = np.empty(len(path) + 1)
    count, top = 0, 0.0
    for W in path:
        if W > 0.0:
            top = max(top, W)
        elif top > 0.0:
            tops[count] = top
            count, top = count + 1, 0.0
    if top > 0.0:
        tops[count] = top
        count += 1
    return tops[:count].copy()


@kernel
def joint_energy(energies: Array, unit: Array) -> Array:
    """Both sums over the metrics, ``float64[T, 2]``: of squared standard deviations, and of each metric's units."""
    T, d = energies.shape
    sums = np.zeros((T, 2))
    for t in range(T):
        for n in range(d):
            if not np.isnan(energies[t, n] / unit[n]):
                sums[t, 0] += min(energies[t, n], SPAN_CLIP)
                sums[t, 1] += min(energies[t, n] / unit[n], SHARE_CLIP)
    return sums


def echo_limit(unit: Array, scale: Array, whole: bool) -> Array:
    """How far a sample may lie from its prediction and still enter the window as it is, in the metric's unit."""
    return np.full(len(unit), np.inf) if whole else ECHO * np.sqrt(unit) * scale


@kernel
def _forget(recent: Recent, first: int, last: int, rows: int) -> None:
    """Delete the newest `rows` rows of metrics first..last from `recent`, in place: a fault is not learned."""
    size = len(recent.rows)
    for back in range(min(rows, size)):
        for n in range(first, last):
            recent.rows[(recent.filled[0] - back) % size, n] = np.nan


@kernel
def _look(n: int, x: float, base: Base, now: Watch, sums: Array) -> bool:
    """Judge one sample of metric n: updates `now` and the joint `sums` in place, returns whether it fires."""
    armed = now.muted[n] == 0
    limit = ECHO * np.sqrt(base.unit[n]) * base.scale[n] if armed and len(base.filters) == 0 else np.inf
    predicted = push(now.window[n], x, base.mean[n], base.ahead, limit)
    e = energy(now.window[n], (x - predicted) / base.scale[n], base.mean[n], base.scale[n], base.filters)
    if armed:  # what has been declared is no news to the joint watch
        sums[0] += min(e, SPAN_CLIP)
        sums[1] += min(e / base.unit[n], SHARE_CLIP)
    if now.W[n] == 0.0:
        now.before[n], now.peak[n], now.age[n] = predicted, 0.0, 1
    now.W[n] = max(0.0, now.W[n] + min(e / base.unit[n], METRIC_CLIP) - 1.0)
    now.peak[n] = max(now.peak[n], abs(x - now.before[n]) / base.scale[n])
    if now.W[n] == 0.0:
        now.muted[n] = 0
    return armed and now.W[n] >= base.bound[n]


@kernel
def _look_at_all(sums: Array, base: Base, now: Watch) -> bool:
    """Judge the joint energy of one row: updates `now` in place, returns whether it fires."""
    if np.isnan(base.joint[2]):
        return False
    if now.joint_W[0] == 0.0:
        now.joint_age[0] = 1
    e = 0.5 * (sums[0] / base.joint[0] + sums[1] / base.joint[1])
    now.joint_W[0] = max(0.0, now.joint_W[0] + min(e, JOINT_CLIP) - 1.0)
    if now.joint_W[0] == 0.0:
        now.joint_muted[0] = 0
    return now.joint_muted[0] == 0 and now.joint_W[0] >= base.joint[2]


@kernel
def watch(X: Block, base: Base, now: Watch, recent: Recent, out: Evidence, relearn: int, until: int) -> int:
    """Watch rows until `recent` holds `until` quiet rows; returns how many were used. In place: now, recent, out."""
    T, d = X.shape
    sums = np.zeros(2)
    for t in range(T):
        quiet = now.joint_muted[0] == 0 or now.joint_muted[0] > relearn
        slot = recent.filled[0] % len(recent.rows)
        sums[:] = 0.0
        now.joint_age[0] += now.joint_W[0] > 0.0
        now.joint_muted[0] += now.joint_muted[0] > 0
        for n in range(d):
            x = X[t, n]
            now.age[n] += now.W[n] > 0.0
            now.muted[n] += now.muted[n] > 0
            if quiet:
                recent.rows[slot, n] = x if now.muted[n] == 0 or now.muted[n] > relearn else np.nan
            if not np.isfinite(x):
                continue
            if recent.born[n] < 0:
                recent.born[n] = recent.filled[0]
            if np.isnan(base.unit[n]):
                continue
            fires = False
            if now.started[n]:
                fires = _look(n, x, base, now, sums)
            else:
                now.window[n] = x
                now.started[n] = True
            out.scores[t, n] = now.W[n] / base.bound[n]
            if fires:
                now.muted[n] = 1
                _forget(recent, n, n + 1, now.age[n])
                if out.alarm[t] == 0 or out.scores[t, n] > out.scores[t, out.metric[t]]:
                    out.alarm[t], out.onset[t], out.metric[t] = 2, now.age[n], n
            if now.muted[n] > 0:
                now.W[n] = min(now.W[n], base.bound[n])
        fires = _look_at_all(sums, base, now)
        out.joint[t] = now.joint_W[0] / base.joint[2]
        if fires:
            out.alarm[t], out.onset[t], now.joint_muted[0] = 1, now.joint_age[0], 1
            _forget(recent, 0, d, now.joint_age[0])
        if now.joint_muted[0] > 0:
            now.joint_W[0] = min(now.joint_W[0], base.joint[2])
        if out.alarm[t] > 0:
            out.contributions[t] = now.peak
        if quiet:
            recent.filled[0] += 1
            if recent.filled[0] == until:
                return t + 1
    return T
