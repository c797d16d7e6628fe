"""Watch rows: three channels of evidence, one alarm at a time, and what it says.

An alarm is reported if what it tells of began after the last one: what was already under way belongs to that. A metric
that stands still three times as long as it ever did in the base is frozen; two at once are an alarm, for a lone metric
that rests is as common as an idle hour.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, kernel

from .cusum import CROWD, LONE, Cusum, climb, follow, silence
from .levels import REACH, Span, depart, lone

__all__ = ["CALM", "FROZEN", "STILL", "Evidence", "Rates", "Still", "Trace", "Watch", "watch"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
CALM = 60  # rows after an alarm from which nothing is learned
STILL = 3  # times the longest rest of the base
FROZEN = 2  # metrics that must stand still for an alarm
TOP = 10.0  # thresholds at which the score of the crowd ends, so that it sinks in time for the next event
CELLS = 4096  # rows times metrics whose departures are worked out ahead
LOW = 0.1  # thresholds below which a metric says nothing of the score
HEARSAY = 3.0  # by which its score is lower: on recordings, tails of lone metrics are that much too optimistic


class Rates(NamedTuple):
    """What is accepted and heard."""

    joint: float  # false alarms per row
    metric: float  # of each metric
    all: float  # together
    heard: tuple[bool, bool, bool]  # joint, metric, frozen
    relearn: int  # rows of a latch after which units move again


class Still(NamedTuple):
    """How long each metric has stood still."""

    run: Counts  # [d] rows with the value of the row before
    last: Array  # [d]
    longest: Counts  # [d] in quiet time
    told: Counts  # [1] whether metrics are frozen, and it was told


class Trace(NamedTuple):
    """What contributions and the score are read from."""

    before: Array  # [d] level at the onset of the metric's excursion
    peak: Array  # [d] largest departure from it since, in standard deviations
    joint_before: Array  # [d] the same for the excursion of the crowd
    joint_peak: Array  # [d]
    free: Array  # [1] W of the crowd without the latch
    since: Counts  # [1] rows since the last alarm


class Watch(NamedTuple):
    """Where the watch stands: all that the next row needs."""

    level: Array  # [3, d]
    now: Cusum
    still: Still
    trace: Trace


class Evidence(NamedTuple):
    """What each row showed."""

    joint: Array  # [T]
    scores: Array  # [T, d]
    alarm: NDArray[np.int8]  # [T]
    onset: Counts  # [T]
    score: Array  # [T]
    strength: Array  # [T] at alarms
    calm: NDArray[np.bool_]  # [T] whether a row may be learned
    contributions: Array  # [T, d]


@kernel
def _trace_crowd(x: Array, before: Array, begins: bool, span: Span, trace: Trace) -> None:
    """Follow how far each metric departs during an excursion of the crowd, in place."""
    for n in range(len(x)):
        if np.isnan(span.scale[n]):
            continue
        if begins:
            trace.joint_before[n], trace.joint_peak[n] = before[n], 0.0
        if abs(x[n]) < np.inf:
            trace.joint_peak[n] = max(trace.joint_peak[n], abs(x[n] - trace.joint_before[n]) / span.scale[n])


@kernel
def _crowd(t: int, g: float, state: Watch, rates: Rates, out: Evidence) -> bool:
    """Take row t into the CUSUM of the crowd, in place; returns whether it fires."""
    now, trace = state.now, state.trace
    learns = trace.since[0] > CALM and not 0 < now.latched[0] <= rates.relearn
    eased = g * now.ease[0]
    fires = follow(0, g, False, rates.joint, CROWD, now, learns)
    trace.free[0] = min(climb(trace.free[0], eased, CROWD.clip, False), TOP * now.bound[0])
    out.joint[t] = now.height[0] / now.bound[0]
    if rates.heard[0]:
        seen = silence(now.tail[:, 0], now.rows[0], now.rows[1], trace.free[0], CROWD)
        out.score[t] = seen + np.log(rates.joint / rates.all)
    return fires and rates.heard[0] and now.age[0] <= trace.since[0]


@kernel
def _metrics(t: int, x: Array, g: Array, before: Array, span: Span, state: Watch, rates: Rates, out: Evidence) -> int:
    """Take row t into the CUSUM of each metric, in place; returns the metric that fires, the highest, or -1."""
    now, trace, fired = state.now, state.trace, -1
    height, ease, sink = now.height, now.ease, np.exp(0.01 * LONE.pace)
    calm = trace.since[0] > CALM
    for n in range(len(x)):
        c = 1 + n
        if not (abs(x[n]) < np.inf and not np.isnan(span.scale[n])):
            continue
        if height[c] == 0.0 and g[n] * ease[c] <= 1.0:  # what `follow` does to an idle one, as most are
            if calm and ease[c] < 1.0:
                ease[c] = min(1.0, ease[c] * sink)
            out.scores[t, n] = 0.0
            continue
        idle = height[c] == 0.0
        repeats, learns = x[n] == state.still.last[n], calm and not 0 < now.latched[c] <= rates.relearn
        fires = follow(c, g[n], repeats, rates.metric, LONE, now, learns)
        out.scores[t, n] = 0.0
        if now.height[c] == 0.0:
            continue
        if idle:
            trace.before[n], trace.peak[n] = before[n], 0.0
        trace.peak[n] = max(trace.peak[n], abs(x[n] - trace.before[n]) / span.scale[n])
        out.scores[t, n] = now.height[c] / now.bound[c]
        if out.scores[t, n] > LOW:
            seen = silence(now.tail[:, c], now.rows[0], now.rows[1], now.height[c], LONE)
            out.score[t] = max(out.score[t], seen + np.log(rates.metric / rates.all) - HEARSAY)
        if fires and now.age[c] <= trace.since[0] and (fired < 0 or out.scores[t, n] > out.scores[t, fired]):
            fired = n
    return fired


@kernel
def _frozen(x: Array, still: Still, trace: Trace) -> int:
    """Take a row into the rests, in place; returns the rows since metrics froze if that is news, else 0."""
    told = still.told[0]
    count, shortest = 0, np.iinfo(np.int64).max
    for n in range(len(x)):
        if not abs(x[n]) < np.inf:
            continue
        if x[n] == still.last[n]:
            still.run[n] += 1
        else:
            if not (told > 0 and still.run[n] >= STILL * (still.longest[n] + 1)):
                still.longest[n] = max(still.longest[n], still.run[n])
            still.run[n], still.last[n] = 0, x[n]
        if still.run[n] >= STILL * (still.longest[n] + 1):
            count, shortest = count + 1, min(shortest, still.run[n])
    still.told[0] = count >= FROZEN
    return shortest if count >= FROZEN and told == 0 and shortest <= trace.since[0] else 0


@kernel
def _contribute(t: int, x: Array, before: Array, span: Span, state: Watch, out: Evidence) -> None:
    """Write down what each metric has to do with the alarm of row t, in place."""
    now, still, trace, into = state.now, state.still, state.trace, out.contributions[t]
    for n in range(len(x)):
        there = abs(x[n]) < np.inf
        if np.isnan(span.scale[n]):
            continue
        if out.alarm[t] == 3:
            into[n] = still.run[n] / (STILL * (still.longest[n] + 1.0)) if there else 0.0
            continue
        away = abs(x[n] - before[n]) / span.scale[n] if there else 0.0
        if now.height[0] > 0.0:
            away = max(away, trace.joint_peak[n])
        into[n] = max(away, trace.peak[n]) if now.height[1 + n] > 0.0 else away


@kernel
def _row(t: int, x: Array, y: Array, g: float, span: Span, state: Watch, rates: Rates, out: Evidence) -> None:
    """Judge row t by what it departs from the levels (`y` and `g` of `depart`), in place."""
    now, trace, fired, rest = state.now, state.trace, -1, 0
    trace.since[0] += 1
    now.rows[0] += 1.0
    idle = now.height[0] == 0.0
    if _crowd(t, g, state, rates, out):
        out.alarm[t], out.onset[t], out.strength[t] = 1, now.age[0], out.score[t]
    if now.height[0] > 0.0:
        _trace_crowd(x, y[3], idle, span, trace)
    if rates.heard[1]:
        lone(y, span, y[0])
        fired = _metrics(t, x, y[0], y[3], span, state, rates, out)
    if rates.heard[1] or rates.heard[2]:
        rest = _frozen(x, state.still, trace)
    if out.alarm[t] == 0 and fired >= 0:
        out.alarm[t], out.onset[t], tail = 2, now.age[1 + fired], now.tail[:, 1 + fired]
        seen = silence(tail, now.rows[0], now.rows[1], now.height[1 + fired], LONE)
        out.strength[t] = seen + np.log(rates.metric / rates.all)
    elif out.alarm[t] == 0 and rest > 0 and rates.heard[2]:
        out.alarm[t], out.onset[t], out.strength[t] = 3, rest, -np.log(rates.all)
        out.score[t] = max(out.score[t], out.strength[t])
    if out.alarm[t] > 0:
        trace.since[0] = 0
        _contribute(t, x, y[3], span, state, out)
    out.calm[t] = trace.since[0] > CALM


@kernel
def _idle(t: int, g: Array, state: Watch, rates: Rates, out: Evidence) -> int:
    """Take rows from t on, `g` being theirs, while the crowd is idle; in place; returns the first in which it is not.

    What `_crowd` does to such rows, which most are, at a tenth of the cost.
    """
    now, trace = state.now, state.trace
    ease, since, rows, fresh = now.ease[0], trace.since[0], now.rows[0], now.rows[1]
    tail, joint, score, calm = now.tail[:, 0], out.joint, out.score, out.calm
    nothing, shift, sink = 0.0 / now.bound[0], np.log(rates.joint / rates.all), np.exp(0.01 * CROWD.pace)
    for i in range(len(g) if now.height[0] == 0.0 and trace.free[0] == 0.0 else 0):
        if g[i] * ease > 1.0:
            break
        since, rows = since + 1, rows + 1.0
        if since > CALM and ease < 1.0:
            ease = min(1.0, ease * sink)
        joint[t], calm[t] = nothing, since > CALM
        score[t] = silence(tail, rows, fresh, 0.0, CROWD) + shift
        t += 1
    now.ease[0], trace.since[0], now.rows[0] = ease, since, rows
    return t


@kernel
def watch(X: Block, span: Span, state: Watch, rates: Rates, out: Evidence) -> None:
    """Watch rows; updates `state` in place and fills `out`."""
    T, d = X.shape
    ahead = max(1, min(T, CELLS // max(1, d)))
    Y, g, begin = np.empty((ahead, 4, d)), np.empty(ahead), np.empty((3, d))
    start = 0
    while start < T:
        stop = min(T, start + ahead)
        begin[:] = state.level
        depart(X[start:stop], span, state.level, Y, g)
        t = start
        while t < stop:
            if not (rates.heard[1] or rates.heard[2]):
                t = _idle(t, g[t - start : stop - start], state, rates, out)
                if t == stop:
                    break
            _row(t, X[t], Y[t - start], g[t - start], span, state, rates, out)
            t += 1
            if out.alarm[t - 1] > 0 and _lost(X[t - 1], span):
                state.level[:] = begin
                depart(X[start:t], span, state.level, Y, g)
                _catch_up(X[t - 1], span, state.level)
                stop = t  # what follows departs from other levels
        start = stop


@kernel
def _lost(x: Array, span: Span) -> bool:
    """Whether a metric has left the reach of the base."""
    lost = False
    for n in range(len(x)):
        lost |= abs(x[n]) < np.inf and abs(x[n] - span.centre[n]) > REACH * span.scale[n]
    return lost


@kernel
def _catch_up(x: Array, span: Span, level: Array) -> None:
    """Centre anew, in place, what has left the reach of the base now that its change is told: it is not lost."""
    for n in range(len(x)):
        if abs(x[n]) < np.inf and abs(x[n] - span.centre[n]) > REACH * span.scale[n]:
            span.centre[n] = x[n]
            level[:, n] = x[n]
