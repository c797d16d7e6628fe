"""What quiet looks like, from a base window alone: scales, subspace, and thresholds to a stated false-alarm rate.

A CUSUM whose drift is negative returns to zero again and again; the maxima of these excursions have an
exponential tail, ``P(max > h) ~ C exp(-theta h)``, so a short base tells how high a long quiet time will go.
Everything is judged on held-out blocks: the subspace never saw the rows whose energies set its thresholds.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block

from .cusum import JOINT_CLIP, LONE, METRIC_CLIP, SHARE_CLIP, SPAN_CLIP, Base, cusum, echo_limit, joint_energy, maxima
from .mssa import choose_rank, complement, energies, page_grams, predictor, subspace

__all__ = ["Quiet", "Tail", "fit_tail", "learn", "lone_rows", "raised", "silence", "threshold"]

Array = NDArray[np.float64]
CONFIDENCE = 1.64  # one-sided 95 % of the mean excess, which a short base knows only roughly
FOLDS = 5
JOINT_FLOOR = 2.0
WILD = 0.003  # share of rows in which a heavy-tailed metric may say all that one row may say
SMALLEST_UNIT = 0.002  # of a squared standard deviation: a metric that hardly moves is not infinitely surprising


class Tail(NamedTuple):
    """Excursions that rise above `start` do so at `rate` per row and by `excess` on average."""

    start: float
    excess: float
    rate: float


class Quiet(NamedTuple):
    """A learned base and the tails of its CUSUMs: ``metric_tail[3, d]`` and ``joint_tail[3]``."""

    base: Base
    metric_tail: Array
    joint_tail: Array


def fit_tail(tops: Array, rows: int) -> Tail:
    """Exponential tail above the 80 % quantile of the excursion maxima seen in `rows` rows."""
    if len(tops) == 0:
        return Tail(0.0, 1.0, 1.0 / max(rows, 1))
    tops = np.sort(tops)
    start = float(tops[(4 * len(tops) - 1) // 5])
    above = tops[np.searchsorted(tops, start, side="right") :] - start
    if len(above) == 0:
        return Tail(start, max(start, 1.0), 1.0 / max(rows, 1))
    excess = float(above.mean()) * (1.0 + CONFIDENCE * len(above) ** -0.5)
    return Tail(start, excess, len(above) / max(rows, 1))


def threshold(tail: Tail, false_alarms: float) -> float:
    """Height that excursions in quiet time exceed `false_alarms` times per row."""
    return tail.start + tail.excess * max(0.0, float(np.log(tail.rate / false_alarms)))


def raised(tail: Tail, false_alarms: float, floor: float) -> Tail:
    """Give the tail a larger excess, if need be, so that its threshold is not below `floor`."""
    odds = float(np.log(tail.rate / false_alarms))
    if threshold(tail, false_alarms) >= floor:
        return tail
    return Tail(0.0, floor / odds, tail.rate) if odds > 0.0 else Tail(floor, tail.excess, tail.rate)


def lone_rows(clip: float) -> Tail:
    """Tail of a metric whose wild rows come independently of each other: what a short base may not have shown.

    Each further row that is wild before the CUSUM has sunk back adds ``clip - 1``, with odds of ``WILD * clip``.
    """
    return Tail(clip - 1.0, (clip - 1.0) / -float(np.log(WILD * clip)), WILD)


def silence(tail: Array, level: Array) -> Array:
    """How unlikely a CUSUM at `level` is in quiet time: -ln of the false alarms expected per row.

    `tail` is ``float64[3, ...]``, a `Tail` for each entry of `level`.
    """
    result: Array = np.maximum(level - tail[0], 0.0) / tail[1] - np.log(tail[2])
    return result


def _scales(rows: Block) -> tuple[Array, Array, Array]:
    """Mean, standard deviation (floored for constants) and number of samples of each metric."""
    present = np.isfinite(rows)
    count = present.sum(axis=0)
    safe = np.maximum(count, 1)
    filled = np.where(present, rows, 0.0)
    mean = filled.sum(axis=0) / safe
    sd = np.sqrt((np.where(present, filled - mean, 0.0) ** 2).sum(axis=0) / safe)
    return mean, np.maximum(sd, np.maximum(1e-3 * np.abs(mean), 1e-9)), count


def _quantile(values: Array) -> Array:
    """99 % quantile along the first axis, of what is not NaN; NaN where nothing is."""
    ordered = np.sort(values, axis=0)  # NaN last
    count = (~np.isnan(values)).sum(axis=0)
    at = np.maximum(np.ceil(0.99 * count).astype(np.int64) - 1, 0)
    return np.asarray(np.take_along_axis(ordered, at[None], axis=0)[0])


def _directions(gram: Array, rank: int, whole: bool) -> tuple[Array, Array]:
    U = subspace(gram, rank)
    return predictor(U), complement(U) if whole else np.empty((0, len(U)))


def learn(
    rows: Block, breaks: NDArray[np.bool_], *, window: int, rank: int | None, whole: bool, alarms: float
) -> Quiet:
    """Learn a base from quiet `rows`, ``float64[T, d]``.

    Parameters
    ----------
    rows
        At least ``2 * window`` rows. A metric with fewer than ``3 * window`` samples is not learned (NaN).
    breaks
        Where rows of a metric, ``bool[T, d]``, do not follow on those before.
    window, rank
        Length L of the Page matrix and rank of the signal subspace; None: the one that predicts best.
    whole
        Energy of the whole window (CORAL eq. 1-4) instead of the newest sample's share.
    alarms
        False alarms per row allowed to the joint CUSUM, and again to those of the metrics together.
    """
    mean, scale, count = _scales(rows)
    usable = count >= 3 * window
    Z = np.clip((np.where(np.isfinite(rows), rows, np.nan) - mean) / scale, -10.0, 10.0)[:, usable]
    grams = page_grams(Z, window)
    gram = grams.sum(axis=0)
    rank = choose_rank(Z, window) if rank is None else rank
    ahead, filters = _directions(gram, rank, whole)
    free, repeats = energies(rows, breaks, mean, scale, np.full(len(mean), np.inf), ahead, filters)
    limit = echo_limit(np.maximum(_quantile(free), SMALLEST_UNIT), scale, whole)
    held_out = np.empty_like(free)
    for blocks in np.array_split(np.arange(len(grams)), min(FOLDS, len(grams))):
        start, stop = blocks[0] * window, (blocks[-1] + 1) * window if blocks[-1] + 1 < len(grams) else len(rows)
        run_up = max(0, start - 3 * window)
        directions = _directions(gram - grams[blocks].sum(axis=0), rank, whole)
        held_out[start:stop] = energies(rows[run_up:stop], breaks[run_up:stop], mean, scale, limit, *directions)[0][
            start - run_up :
        ]
    unit = np.where(usable, np.maximum(_quantile(held_out), SMALLEST_UNIT), np.nan)
    base = Base(mean, scale, unit, unit, ahead, filters, joint=np.full(3, np.nan))
    return _thresholds(rows, held_out, repeats, base, alarms)


def _thresholds(rows: Block, held_out: Array, repeats: NDArray[np.bool_], base: Base, alarms: float) -> Quiet:
    """Add what the CUSUMs of the held-out energies say: their tails and thresholds."""
    distinct = 1 + int(np.any(np.diff(np.nan_to_num(rows), axis=0) != 0.0, axis=1).sum())
    short = 600.0 / distinct  # a short base, or one that repeats its rows, has seen little
    d = len(base.mean)
    tails, bound = np.full((3, d), np.nan), np.full(d, np.nan)
    known = np.flatnonzero(~np.isnan(base.unit))
    each = alarms / max(1, len(known))
    floor = short + threshold(lone_rows(METRIC_CLIP), each)
    for n in known:
        path = cusum(held_out[:, n] / base.unit[n], METRIC_CLIP, repeats[:, n])
        tail = raised(fit_tail(maxima(path), len(rows)), each, floor)
        tails[:, n], bound[n] = tail, threshold(tail, each)
    most = np.array([SPAN_CLIP, SHARE_CLIP])
    c = np.maximum(_quantile(joint_energy(held_out, repeats, base.unit, most)), 1e-9)
    sums = joint_energy(held_out, repeats, base.unit, np.minimum(most, LONE * c))
    path = cusum(0.5 * (sums / c).sum(axis=1), JOINT_CLIP, np.zeros(len(rows), np.bool_))
    tail = raised(fit_tail(maxima(path), len(rows)), alarms, JOINT_FLOOR + short)
    joint = np.array([c[0], c[1], threshold(tail, alarms)])
    return Quiet(base._replace(bound=bound, joint=joint), tails, np.array(tail))
