"""CUSUM of what departs from the levels: one for the crowd of metrics, one for each of them.

With g the statistic of `levels`, in units of its quiet 99 % quantile, and kappa the most that one row may say,
``W_t = max(0, W_{t-1} + min(g_t, kappa) - 1)``. An alarm latches its CUSUM until it has sunk to zero, from three at
most: it is told once, nothing is blind meanwhile, and what was already under way at an alarm belongs to it.

Quiet time teaches on: a unit that is exceeded more often than in 1 % of rows rises, and sinks back to that of the base
where it is not; the maximum of each excursion goes into the tail that the threshold comes from. What happens within
`CALM` rows after an alarm moves no unit, and an excursion that was told counts as no higher than ordinary ones.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import kernel

__all__ = ["CROWD", "LONE", "Channel", "Cusum", "bound", "climb", "follow", "heights", "maxima", "silence"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
REPEAT = 0.2  # weight of a sample that repeats the one before
REARM = 3.0  # where a latched CUSUM starts to sink from
FLOOR = 2.0  # no threshold is lower
TOLD = 2.0  # mean excesses above its start that an excursion with an alarm counts for
MEMORY = 100_000.0  # rows; a tail that has seen twice as many forgets half


class Channel(NamedTuple):
    """What sets the crowd's CUSUM and that of a metric apart."""

    clip: float  # kappa
    pace: float  # e-folds by which a unit rises with a row that exceeds it
    doubt: float  # standard errors of the mean excess that are added to it
    steep: float  # least height of a CUSUM that makes an excursion e times rarer, where the base has not seen that rare


# Chosen by looking, on all sets of docs/trigger.md (`steep` on simulator seeds 1-16 too).
CROWD = Channel(clip=20.0, pace=0.005, doubt=0.0, steep=1.0)
LONE = Channel(clip=20.0, pace=0.005, doubt=1.0, steep=8.0)


class Cusum(NamedTuple):
    """Where the CUSUMs stand: that of the crowd first, then one for each of d metrics."""

    height: Array  # [1 + d] W
    bound: Array  # [1 + d] threshold, set when an excursion begins
    top: Array  # [1 + d] highest W of the excursion
    ease: Array  # [1 + d] 1 over what the unit has risen by
    age: Counts  # [1 + d] rows since W was zero
    latched: Counts  # [1 + d] rows since its alarm; 0: armed
    tail: Array  # [4, 1 + d] excursions above `start`: start, how many, sum of excesses, rows seen (less `rows`)
    rows: Array  # [2] rows watched since the base; share of rows that are not the row before


@kernel
def climb(height: float, g: float, clip: float, repeats: bool) -> float:
    """Next height of a CUSUM; `repeats`: the sample is the one before, and a held value is one piece of news."""
    step = min(g, clip) - 1.0
    return max(0.0, height + (REPEAT * step if repeats and step > 0.0 else step))


@kernel
def heights(g: Array, clip: float, repeats: NDArray[np.bool_]) -> Array:
    """Heights of a CUSUM from zero, ``float64[T]``; ``repeats[T]`` as `climb` takes it."""
    path = np.empty(len(g))
    height = 0.0
    for t in range(len(g)):
        height = climb(height, g[t], clip, repeats[t])
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
def _excess(tail: Array, doubt: float) -> float:
    return float(tail[2] / tail[1] * (1.0 + doubt / np.sqrt(tail[1])))


@kernel
def bound(tail: Array, rows: float, fresh: float, rate: float, channel: Channel) -> float:
    """Height that excursions in quiet time exceed `rate` times per row.

    As far as the rows that were seen can tell, 1 in ``fresh * rows``, the exponential tail says it; beyond that each
    e-fold costs `steep` at least: what is rarer than the base is long cannot have been seen in it.

    Parameters
    ----------
    tail
        ``float64[4]``, see `Cusum`.
    rows
        Rows since the base.
    fresh
        Share of rows that are not the row before: repeats are no news.
    """
    excess, seen = _excess(tail, channel.doubt), tail[3] + rows
    within = max(rate, 1.0 / (seen * fresh))
    height = tail[0] + excess * max(0.0, np.log(tail[1] / seen / within))
    return float(max(FLOOR, height) + max(excess, channel.steep) * np.log(within / rate))


@kernel
def silence(tail: Array, rows: float, fresh: float, height: float, channel: Channel) -> float:
    """How unlikely a CUSUM at `height` is in quiet time, -ln of the false alarms per row: the inverse of `bound`."""
    excess, seen = _excess(tail, channel.doubt), tail[3] + rows
    often, rarest = np.log(tail[1] / seen), np.log(seen * fresh)
    edge = max(FLOOR, tail[0] + excess * max(0.0, often + rarest))
    if height <= edge:
        return float(min(max(rarest, -often), (height - tail[0]) / excess - often))
    return float(max(rarest, -often) + (height - edge) / max(excess, channel.steep))


@kernel
def follow(c: int, g: float, repeats: bool, rate: float, channel: Channel, now: Cusum, calm: bool) -> bool:
    """Take one more row into CUSUM c, in place, and return whether it fires; `rate`: its false alarms per row."""
    x = g * now.ease[c]
    if calm:
        now.ease[c] = now.ease[c] * np.exp(-0.99 * channel.pace) if x > 1.0 else now.ease[c]
        if x <= 1.0 and now.ease[c] < 1.0:
            now.ease[c] = min(1.0, now.ease[c] * np.exp(0.01 * channel.pace))
    height = now.height[c]
    if height == 0.0:
        if not x > 1.0:
            return False
        now.age[c] = 0
        now.bound[c] = bound(now.tail[:, c], now.rows[0], now.rows[1], rate, channel)
    now.age[c] += 1
    height = climb(height, x, channel.clip, repeats)
    now.top[c] = max(now.top[c], height)
    fires = bool(now.latched[c] == 0 and height >= now.bound[c])
    if now.latched[c] > 0:
        height = min(height, REARM)
    if fires or now.latched[c] > 0:
        now.latched[c] += 1
    now.height[c] = height
    if height == 0.0:
        _close(c, channel, now)
    return fires


@kernel
def _close(c: int, channel: Channel, now: Cusum) -> None:
    """Learn the maximum of an excursion that is over, in place."""
    tail, top = now.tail[:, c], now.top[c]
    if now.latched[c] > 0:
        top = min(top, tail[0] + TOLD * _excess(tail, channel.doubt))
    if top > tail[0] or now.latched[c] > 0:
        tail[1] += 1.0
        tail[2] += max(0.0, top - tail[0])
    seen = tail[3] + now.rows[0]
    if seen > 2.0 * MEMORY:
        tail[1], tail[2], tail[3] = 0.5 * tail[1], 0.5 * tail[2], 0.5 * seen - now.rows[0]
    now.top[c], now.latched[c] = 0.0, 0
