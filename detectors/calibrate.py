"""What quiet looks like, from a base window alone: spans, 99 % quantiles, tails of excursions, how long metrics rest.

A CUSUM whose drift is negative returns to zero again and again; the maxima of these excursions have an exponential
tail, ``P(max > h) ~ C exp(-theta h)``, so a base tells how high a longer quiet time will go; see `cusum.bound`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block

from .cusum import CROWD, LONE, heights, maxima
from .levels import ECHO, RATES, Span, depart, lone, runs

__all__ = ["LEAST", "Quiet", "fit_tail", "learn"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
LEAST = 30  # samples without which a metric is not learned
SETTLE = 30  # rows at the beginning that only bring the levels to where they belong, or a quarter of a short base
SPAN = 0.3  # weight of what metrics span against what they jump (chosen by looking, see docs/trigger.md)
VOUCHED = 600.0  # rows that vouch for one metric adding as much to the dense statistic as all do in 1 % of rows
JUMP = 100.0  # squared jumps in units of their variance say no more than this
SMALLEST_UNIT = 0.045  # of a standard deviation: a metric that hardly moves is not infinitely surprising
SMALLEST_JUMP = 0.03
UNKNOWN = 2**40  # rows that a metric must rest before it is more than what it does anyway
CHUNK = 64  # metrics, or rows, whose innovations are in memory together


class Quiet(NamedTuple):
    """A learned base; NaN in ``span.scale`` marks metrics that it has not learned."""

    span: Span
    level: Array  # [3, d] where the base ended
    tail: Array  # [4, 1 + d] as `Cusum` takes it
    fresh: float  # share of rows that are not the row before
    run: Counts  # [d] rows that each metric has stood still at the end,
    last: Array  # [d] at this value,
    longest: Counts  # [d] and the most in the base; UNKNOWN: it rests so long that resting says nothing


def fit_tail(path: Array) -> Array:
    """Exponential tail of a CUSUM's excursion maxima: start (their 80 % quantile), how many above, excesses, rows."""
    tops, rows = np.sort(maxima(path)), float(max(len(path), 1))
    if len(tops) == 0:
        return np.array([0.0, 1.0, 1.0, rows])
    start = float(np.quantile(tops, 0.8))
    above = tops[tops > start] - start
    if len(above) == 0:
        return np.array([start, 1.0, max(start, 1.0), rows])
    return np.array([start, float(len(above)), float(above.sum()), rows])


def learn(rows: Block) -> Quiet:
    """Learn a base from quiet `rows`, ``float64[T, d]``; a metric with fewer than `LEAST` samples is not learned."""
    T, d = rows.shape
    settle = min(SETTLE, T // 4)
    mean, scale = _scales(rows)
    span = Span(mean, scale, scale**-2, np.zeros((3, d)), np.zeros((3, d)), np.full((2, 3), np.inf), np.ones((2, 3)))
    span.spans[np.isnan(scale)] = 0.0
    for part, y, there in _innovations(rows, span):
        seen = np.where(there[settle:], np.abs(y[:, settle:]), np.nan)
        count = np.maximum(there[settle:].sum(axis=0), 1)
        jump = np.maximum(np.sqrt(np.nansum(seen**2, axis=1) / count), SMALLEST_JUMP * scale[part])
        unit = np.maximum(_quantile(seen), SMALLEST_UNIT * scale[part])
        still = (
            seen[0].max(axis=0, initial=0.0, where=there[settle:]) == 0.0
        )  # a constant: what one sample leaves is naught
        unit = np.where(still, 1.01 * ECHO * np.array(RATES)[:, None] * scale[part], unit)
        span.jumps[:, part], span.units[:, part] = np.nan_to_num(jump**-2), np.nan_to_num(unit**-2)
    fresh = (1.0 + np.count_nonzero(np.any(np.diff(np.nan_to_num(rows), axis=0) != 0.0, axis=1))) / T
    _weigh(rows, span, settle, fresh * T)
    tail, level = _watched(rows, span, settle)
    run, last, longest = np.zeros(d, np.int64), np.full(d, np.nan), np.zeros(d, np.int64)
    runs(rows, run, last, longest)
    rests = (longest + 1) * 10 > np.isfinite(rows).sum(axis=0)
    return Quiet(span, level, tail, fresh, run, last, np.where(rests | np.isnan(scale), UNKNOWN, longest))


def _scales(rows: Block) -> tuple[Array, Array]:
    """Mean and standard deviation of each metric (floored for constants), NaN where there are too few samples."""
    present = np.isfinite(rows)
    count = present.sum(axis=0)
    safe = np.maximum(count, 1)
    filled = np.where(present, rows, 0.0)
    mean = filled.sum(axis=0) / safe
    sd = np.sqrt((np.where(present, filled - mean, 0.0) ** 2).sum(axis=0) / safe)
    sd = np.maximum(sd, np.maximum(1e-3 * np.abs(mean), 1e-9))
    return mean, np.where(count >= LEAST, sd, np.nan)


def _quantile(values: Array) -> Array:
    """99 % quantile along the second axis of ``[3, T, d]``, of what is not NaN; NaN where nothing is."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = (~np.isnan(values)).sum(axis=1)
    at = np.maximum(np.ceil(0.99 * count).astype(np.int64) - 1, 0)
    return np.asarray(np.take_along_axis(ordered, at[:, None], axis=1)[:, 0])


def _first(rows: Block) -> Array:
    """The first sample of each metric, where levels start; 0 for one without."""
    present = np.isfinite(rows)
    return np.where(present.any(axis=0), rows[np.argmax(present, axis=0), np.arange(rows.shape[1])], 0.0)


def _innovations(rows: Block, span: Span) -> Iterator[tuple[slice, Array, NDArray[np.bool_]]]:
    """Innovations ``[3, T, chunk]`` of some metrics after the other, and where there was a sample."""
    d = rows.shape[1]
    for start in range(0, d, CHUNK):
        part = slice(start, min(d, start + CHUNK))
        some = np.ascontiguousarray(rows[:, part])
        y = np.empty((len(some), 4, some.shape[1]))
        depart(some, _part(span, part), np.repeat(_first(some)[None], 3, axis=0), y, np.empty(len(some)))
        yield part, y[:, :3].transpose(1, 0, 2), np.isfinite(some)


def _part(span: Span, part: slice) -> Span:
    of_metrics = {name: np.ascontiguousarray(getattr(span, name)[..., part]) for name in Span._fields[:5]}
    return span._replace(**of_metrics)


def _sums(rows: Block, span: Span, settle: int) -> Array:
    """Quiet 99 % quantiles of E_k and J_k as `span` caps them, ``float64[2, 3]``."""
    sums = np.zeros((2, 3, len(rows)))
    for part, y, _ in _innovations(rows, span):
        square = y * y
        for row, weight in enumerate((np.broadcast_to(span.spans[part], (3, y.shape[2])), span.jumps[:, part])):
            sums[row] += np.minimum(square * weight[:, None], span.caps[row][:, None, None]).sum(axis=2)
    return np.maximum(np.quantile(sums[:, :, settle:], 0.99, axis=2), 1e-9)


def _weigh(rows: Block, span: Span, settle: int, distinct: float) -> None:
    """Set caps and weights of the dense statistic, in place.

    How wild one metric may get is known only from the base: the shorter it is, the less a lone metric may say.
    """
    most = max(1.0, distinct / VOUCHED)
    span.caps[1] = JUMP
    span.caps[:] = np.minimum(most * _sums(rows, span, settle), [[np.inf], [JUMP]])
    span.gains[:] = np.array([[SPAN], [1.0 - SPAN]]) / _sums(rows, span, settle)


def _watched(rows: Block, span: Span, settle: int) -> tuple[Array, Array]:
    """Tails of all CUSUMs ``[4, 1 + d]``, and the levels ``[3, d]`` at the end."""
    T, d = rows.shape
    level = np.repeat(_first(rows)[None], 3, axis=0)
    dense, sparse, y = np.empty(T), np.empty((T, d)), np.empty((CHUNK, 4, d))
    for start in range(0, T, CHUNK):
        some = rows[start : start + CHUNK]
        depart(some, span, level, y, dense[start:])
        for t in range(len(some)):
            lone(y[t], span, sparse[start + t])
    fresh = np.zeros(T - settle, np.bool_)
    tail = np.empty((4, 1 + d))
    tail[:, 0] = fit_tail(heights(dense[settle:], CROWD.clip, fresh))
    for n in range(d):
        there = np.isfinite(rows[:, n])
        values = rows[there, n]
        held = np.zeros(T, np.bool_)
        held[there] = np.diff(values, prepend=np.nan) == 0.0
        path = heights(np.ascontiguousarray(sparse[settle:, n]), LONE.clip, held[settle:])
        tail[:, 1 + n] = fit_tail(path)
    return tail, level
