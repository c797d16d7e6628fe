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
from .levels import REACH, Span, advance, crowd, lone

__all__ = ["CALM", "FROZEN", "STILL", "Evidence", "Rates", "Still", "Trace", "Watch", "watch"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
CALM = 60  # rows after an alarm from which nothing is learned
STILL = 3  # times the longest rest of the base
FROZEN = 2  # metrics that must stand still for an alarm
TOP = 10.0  # thresholds at which the score of the crowd ends, so that it sinks in time for the next event
LOW = 0.1  # thresholds below which a metric says nothing of the score


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
    calm: NDArray[np.bool_]  # [T] whether a row may be learned
    contributions: Array  # [T, d]


class Scratch(NamedTuple):
    """Of the row in work."""

    y: Array  # [3, d] innovations
    e: Array  # [3, d]
    g: Array  # [d]


@kernel
def _before(n: int, x: float, span: Span, work: Scratch) -> float:
    """Level of metric n before it moved towards this row."""
    reach = REACH * span.scale[n]
    return float(min(max(x, span.centre[n] - reach), span.centre[n] + reach) - work.y[1, n])


@kernel
def _trace_crowd(x: Array, begins: bool, span: Span, state: Watch, work: Scratch) -> None:
    """Follow how far each metric departs during an excursion of the crowd, in place."""
    trace = state.trace
    for n in range(len(x)):
        if np.isnan(span.scale[n]):
            continue
        there = abs(x[n]) < np.inf
        if begins:
            trace.joint_before[n] = _before(n, x[n], span, work) if there else state.level[1, n]
            trace.joint_peak[n] = 0.0
        if there:
            trace.joint_peak[n] = max(trace.joint_peak[n], abs(x[n] - trace.joint_before[n]) / span.scale[n])


@kernel
def _crowd(t: int, x: Array, span: Span, state: Watch, rates: Rates, work: Scratch, out: Evidence) -> bool:
    """Take row t into the CUSUM of the crowd, in place; returns whether it fires."""
    now, trace = state.now, state.trace
    learns = trace.since[0] > CALM and not 0 < now.latched[0] <= rates.relearn
    g, idle = crowd(work.y, span, work.e), now.height[0] == 0.0
    eased = g * now.ease[0]
    fires = follow(0, g, False, rates.joint, CROWD, now, learns)
    trace.free[0] = min(climb(trace.free[0], eased, CROWD.clip, False), TOP * now.bound[0])
    out.joint[t] = now.height[0] / now.bound[0]
    if rates.heard[0]:
        seen = silence(now.tail[:, 0], now.rows[0], now.rows[1], trace.free[0], CROWD)
        out.score[t] = seen + np.log(rates.joint / rates.all)
    if now.height[0] > 0.0:
        _trace_crowd(x, idle, span, state, work)
    return fires and rates.heard[0] and now.age[0] <= trace.since[0]


@kernel
def _metrics(t: int, x: Array, span: Span, state: Watch, rates: Rates, work: Scratch, out: Evidence) -> int:
    """Take row t into the CUSUM of each metric, in place; returns the metric that fires, the highest, or -1."""
    now, trace, fired = state.now, state.trace, -1
    lone(work.y, span, work.g)
    calm = trace.since[0] > CALM
    for n in range(len(x)):
        c = 1 + n
        if not (abs(x[n]) < np.inf and not np.isnan(span.scale[n])):
            continue
        idle = now.height[c] == 0.0
        repeats, learns = x[n] == state.still.last[n], calm and not 0 < now.latched[c] <= rates.relearn
        fires = follow(c, work.g[n], repeats, rates.metric, LONE, now, learns)
        out.scores[t, n] = 0.0
        if now.height[c] == 0.0:
            continue
        if idle:
            trace.before[n], trace.peak[n] = _before(n, x[n], span, work), 0.0
        trace.peak[n] = max(trace.peak[n], abs(x[n] - trace.before[n]) / span.scale[n])
        out.scores[t, n] = now.height[c] / now.bound[c]
        if out.scores[t, n] > LOW:
            seen = silence(now.tail[:, c], now.rows[0], now.rows[1], now.height[c], LONE)
            out.score[t] = max(out.score[t], seen + np.log(rates.metric / rates.all))
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
def _contribute(t: int, x: Array, span: Span, state: Watch, out: Evidence) -> None:
    """Write down what each metric has to do with the alarm of row t, in place."""
    now, still, trace, into = state.now, state.still, state.trace, out.contributions[t]
    for n in range(len(x)):
        there = abs(x[n]) < np.inf
        if np.isnan(span.scale[n]):
            continue
        if out.alarm[t] == 3:
            into[n] = still.run[n] / (STILL * (still.longest[n] + 1.0)) if there else 0.0
            continue
        away = abs(x[n] - state.level[1, n]) / span.scale[n] if there else 0.0
        if now.height[0] > 0.0:
            away = max(away, trace.joint_peak[n])
        into[n] = max(away, trace.peak[n]) if now.height[1 + n] > 0.0 else away


@kernel
def watch(X: Block, span: Span, state: Watch, rates: Rates, out: Evidence) -> None:
    """Watch rows; updates `state` in place and fills `out`."""
    T, d = X.shape
    now, trace = state.now, state.trace
    work = Scratch(np.empty((3, d)), np.empty((3, d)), np.empty(d))
    for t in range(T):
        x, fired, rest = X[t], -1, 0
        trace.since[0] += 1
        now.rows[0] += 1.0
        advance(x, span, state.level, work.y)
        if _crowd(t, x, span, state, rates, work, out):
            out.alarm[t], out.onset[t] = 1, now.age[0]
        if rates.heard[1]:
            fired = _metrics(t, x, span, state, rates, work, out)
        rest = _frozen(x, state.still, trace) if rates.heard[1] or rates.heard[2] else 0
        if out.alarm[t] == 0 and fired >= 0:
            out.alarm[t], out.onset[t] = 2, now.age[1 + fired]
        elif out.alarm[t] == 0 and rest > 0 and rates.heard[2]:
            out.alarm[t], out.onset[t] = 3, rest
            out.score[t] = max(out.score[t], -np.log(rates.all))
        if out.alarm[t] > 0:
            trace.since[0] = 0
            _contribute(t, x, span, state, out)
            _catch_up(x, span, state)
        out.calm[t] = trace.since[0] > CALM


@kernel
def _catch_up(x: Array, span: Span, state: Watch) -> None:
    """Centre anew, in place, what has left the reach of the base now that its change is told: it is not lost."""
    for n in range(len(x)):
        if abs(x[n]) < np.inf and abs(x[n] - span.centre[n]) > REACH * span.scale[n]:
            span.centre[n] = x[n]
            state.level[:, n] = x[n]
