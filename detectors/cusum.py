"""CUSUM over energies: one for each metric and one for all of them together, row after row.

With ``g_n(t)`` the energy of metric n over its own quiet 99 % quantile and kappa the most that one row may say,
``W_n(t) = max(0, W_n(t-1) + min(g_n(t), kappa) - 1)``. The joint CUSUM runs the same way on the mean of two sums
over the metrics, each over its quiet 99 % quantile c: of the plain energies (CORAL eq. 2-3 is ``D(t) / c`` of it)
and of the ``g_n``, so that neither metrics that span much nor metrics that seldom move are overlooked.

An alarm latches its CUSUM: it says so once, and is armed again when it has sunk back to zero. Nothing is blind
meanwhile: the other metrics and the joint CUSUM, without what has been declared, go on against the same base.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, kernel

from .mssa import energy, push, settling

__all__ = ["Base", "Evidence", "Recent", "Watch", "climb", "cusum", "echo_limit", "joint_energy", "maxima", "watch"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
METRIC_CLIP = 6.0  # kappa of a metric: a lone wild sample is below every threshold
JOINT_CLIP = 20.0  # kappa of the joint CUSUM
SHARE_CLIP = 20.0  # the most that one metric adds to the sum of g_n ...
SPAN_CLIP = 100.0  # ... and to the sum of plain energies
LONE = 2.0  # ... and to either, in quiet 99 % quantiles of the sum: a lone metric is left to its own CUSUM
REPEAT = 0.2  # weight of a sample that repeats the one before: held values are one piece of news
REARM = 3.0  # where a latched CUSUM starts to sink from: three quiet rows at least
HABIT = 1.5  # factor on a metric's threshold at each of its alarms; refreshes of the base take it back
ECHO = 2.0  # how far, in quiet 99 % errors, one sample may pull the predictions of the next rows


class Base(NamedTuple):
    """What quiet looks like; NaN for a metric that is still learning."""

    mean: Array  # [d]
    scale: Array  # [d] standard deviation
    unit: Array  # [d] 99 % quantile of the energy
    bound: Array  # [d] threshold of the metric's CUSUM
    ahead: Array  # [L - 1] prediction one step ahead
    filters: Array  # [L - r, L] complement of the signal subspace; [0, L]: the newest sample's share only
    joint: Array  # [3] 99 % quantiles of both sums, threshold of the joint CUSUM


class Watch(NamedTuple):
    """Where the watch stands: all that the next row needs."""

    window: Array  # [d, L] the newest present samples
    held: Counts  # [d] how many of them are real, as far as it matters
    last: Array  # [d] the newest one as it was
    height: Array  # [d] W
    age: Counts  # [d] rows since W was zero
    muted: Counts  # [d] rows since the metric's alarm; 0: armed
    before: Array  # [d] the level at the onset
    peak: Array  # [d] the largest departure from it since, in standard deviations
    joint_height: Array  # [1]
    joint_age: Counts  # [1]
    joint_muted: Counts  # [1]


class Recent(NamedTuple):
    """The newest quiet rows: what the next base is learned from."""

    rows: Array  # [base, d] a ring
    breaks: NDArray[np.bool_]  # [base, d] rows that do not follow on those before
    filled: Counts  # [1] quiet rows ever
    born: Counts  # [d] `filled` when the metric first appeared; -1: not yet


class Evidence(NamedTuple):
    """What each row showed."""

    joint: Array  # [T] W over its threshold; while latched, over where it sinks from
    scores: Array  # [T, d] the same by metric
    alarm: NDArray[np.int8]  # [T] 0 none, 1 joint, 2 metric
    onset: Counts  # [T] rows back to the last zero of the CUSUM that fired
    metric: Counts  # [T] the metric that fired
    height: Array  # [T] W of the CUSUM that fired
    contributions: Array  # [T, d] `Watch.peak` at an alarm
    sums: Array  # [T, 2] energies for the joint CUSUM
    fate: Counts  # [T, d] 0: the sample may be learned, -1: it may not, k: neither it nor the k - 1 before it


def echo_limit(unit: Array, scale: Array, whole: bool) -> Array:
    """How far a sample may lie from its prediction and still enter the window as it is, in the metric's unit."""
    return np.full(len(unit), np.inf) if whole else ECHO * np.sqrt(unit) * scale


@kernel
def climb(height: float, energy: float, clip: float, repeats: bool) -> float:
    """Next height of a CUSUM."""
    step = min(energy, clip) - 1.0
    return max(0.0, height + (REPEAT * step if repeats and step > 0.0 else step))


@kernel
def cusum(energies: Array, clip: float, repeats: NDArray[np.bool_]) -> Array:
    """Heights of a CUSUM from zero, ``float64[T]``; NaN leaves it as it is."""
    path = np.empty(len(energies))
    height = 0.0
    for t in range(len(energies)):
        if not np.isnan(energies[t]):
            height = climb(height, energies[t], clip, repeats[t])
        path[t] = height
    return path


@kernel
def maxima(path: Array) -> Array:
    """Height of each excursion of a CUSUM from zero."""
    tops = np.empty(len(path) + 1)
    count, top = 0, 0.0
    for height in path:
        if height > 0.0:
            top = max(top, height)
        elif top > 0.0:
            tops[count] = top
            count, top = count + 1, 0.0
    if top > 0.0:
        tops[count] = top
        count += 1
    return tops[:count].copy()


@kernel
def joint_energy(energies: Array, repeats: NDArray[np.bool_], unit: Array, most: Array) -> Array:
    """Both sums over the metrics, ``float64[T, 2]``: of plain energies, and of energies in each metric's unit."""
    T, d = energies.shape
    sums = np.zeros((T, 2))
    for t in range(T):
        for n in range(d):
            g = energies[t, n] / unit[n]
            if not np.isnan(g):
                weight = REPEAT if repeats[t, n] else 1.0
                sums[t, 0] += weight * min(energies[t, n], most[0])
                sums[t, 1] += weight * min(g, most[1])
    return sums


@kernel
def _follow(n: int, X: Block, base: Base, now: Watch, out: Evidence, heard: bool, relearn: int) -> None:
    """Judge all rows of metric n, in place: `now`, `out`, and the metric's threshold in `base`."""
    window, mean, scale, unit, bound = now.window[n], base.mean[n], base.scale[n], base.unit[n], base.bound[n]
    limit = ECHO * np.sqrt(unit) * scale if len(base.filters) == 0 else np.inf
    span, share = min(SPAN_CLIP, LONE * base.joint[0]), min(SHARE_CLIP, LONE * base.joint[1])
    settled, held, last, height = settling(base.ahead), now.held[n], now.last[n], now.height[n]
    for t in range(len(X)):
        x = X[t, n]
        now.age[n] += height > 0.0
        now.muted[n] += now.muted[n] > 0
        if 0 < now.muted[n] <= relearn:
            out.fate[t, n] = -1
        if not np.isfinite(x):
            continue
        if held == 0:
            window[:] = x
        armed, weight = now.muted[n] == 0, REPEAT if x == last else 1.0
        predicted = push(window, x, mean, base.ahead, limit if armed and held >= settled else np.inf)
        e = energy(window, (x - predicted) / scale, mean, scale, base.filters) if held >= settled else 0.0
        if armed:  # what has been declared is no news to the joint CUSUM
            out.sums[t, 0] += weight * min(e, span)
            out.sums[t, 1] += weight * min(e / unit, share)
        if height == 0.0:
            now.before[n], now.peak[n], now.age[n] = predicted, 0.0, 1
        height = climb(height, e / unit, METRIC_CLIP, x == last)
        now.peak[n] = out.contributions[t, n] = max(now.peak[n], abs(x - now.before[n]) / scale)
        held, last = min(held + 1, len(window)), x
        out.scores[t, n] = height / bound if armed else min(1.0, height / REARM)
        if armed and height >= bound:
            _declare(t, n, height, now, out, heard)
            bound *= HABIT
        elif not armed:
            height = min(height, REARM)
            now.muted[n] *= height > 0.0
    now.held[n], now.last[n], now.height[n], base.bound[n] = held, last, height, bound


@kernel
def _declare(t: int, n: int, height: float, now: Watch, out: Evidence, heard: bool) -> None:
    """Raise the alarm of metric n in row t, in place; of several in a row the highest is reported."""
    if heard and (out.alarm[t] == 0 or out.scores[t, n] > out.scores[t, out.metric[t]]):
        out.alarm[t], out.onset[t], out.metric[t], out.height[t] = 2, now.age[n], n, height
    out.fate[t, n], now.muted[n] = now.age[n], 1


@kernel
def _judge_row(sums: Array, base: Base, now: Watch) -> bool:
    """Judge the sums of a row: updates `now` in place, returns whether the joint CUSUM fires."""
    now.joint_age[0] += now.joint_height[0] > 0.0
    now.joint_muted[0] += now.joint_muted[0] > 0
    armed = now.joint_muted[0] == 0
    if now.joint_height[0] == 0.0:
        now.joint_age[0] = 1
    e = 0.5 * (sums[0] / base.joint[0] + sums[1] / base.joint[1])
    now.joint_height[0] = climb(now.joint_height[0], e, JOINT_CLIP, False)
    if not armed:
        now.joint_height[0] = min(now.joint_height[0], REARM)
        now.joint_muted[0] *= now.joint_height[0] > 0.0
    return armed and bool(now.joint_height[0] >= base.joint[2])


@kernel
def _record(row: Array, fate: Counts, recent: Recent, quiet: bool) -> None:
    """Put what may be learned of a quiet row into `recent`, in place, and take out what has turned out a fault."""
    size, slot = len(recent.rows), recent.filled[0] % len(recent.rows)
    for n in range(len(row)):
        if quiet:
            if recent.born[n] < 0 and np.isfinite(row[n]):
                recent.born[n] = recent.filled[0]
            recent.rows[slot, n] = row[n] if fate[n] == 0 else np.nan
            recent.breaks[slot, n] = fate[n] > 0
        for back in range(1, min(fate[n], size)):
            recent.rows[slot - back, n] = np.nan
    recent.filled[0] += quiet


@kernel
def _judge_all(t: int, base: Base, now: Watch, recent: Recent, out: Evidence, heard: bool) -> None:
    """Let row t pass the joint CUSUM, in place; what an alarm says has begun is taken out of `recent`."""
    fires = _judge_row(out.sums[t], base, now)
    out.joint[t] = now.joint_height[0] / (REARM if now.joint_muted[0] > 0 else base.joint[2])
    if fires:
        now.joint_muted[0] = 1
        slot = recent.filled[0] % len(recent.rows)
        for back in range(1, min(now.joint_age[0], len(recent.rows))):
            recent.rows[slot - back] = np.nan
        recent.breaks[slot - 1] = True
        if heard:
            out.alarm[t], out.onset[t], out.height[t] = 1, now.joint_age[0], now.joint_height[0]


@kernel
def watch(
    X: Block, base: Base, now: Watch, recent: Recent, out: Evidence, heard: tuple[bool, bool], relearn: int
) -> None:
    """Watch rows; in place: `now`, `recent`, `out`, and the thresholds in `base`.

    `heard` says whether the alarms of the joint CUSUM and of the metrics are reported. What stays changed for
    more than `relearn` rows is recorded as quiet again.
    """
    T, d = X.shape
    for n in range(d):  # a metric depends on nothing but its own past, so its rows are judged in one go
        if not np.isnan(base.unit[n]):
            _follow(n, X, base, now, out, heard[1], relearn)
    for t in range(T):
        if not np.isnan(base.joint[2]):
            _judge_all(t, base, now, recent, out, heard[0])
        _record(X[t], out.fate[t], recent, not 0 < now.joint_muted[0] <= relearn)
        if out.alarm[t] == 0:
            out.contributions[t] = np.nan
