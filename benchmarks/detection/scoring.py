"""Score alarms against labelled segments: the one scorer of every detector, ours and the peers.

An event is hit by an alarm inside its segment, or up to `EARLY` rows before it; however many there are, it is one hit.
An alarm is false outside of all segments and of the grace after them. Nothing is ever adjusted: one alarm in a
segment does not make its other rows right (point adjustment would).
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["EARLY", "REARM", "Counts", "Labels", "chance", "count", "events", "f1", "match", "nab", "total"]

EARLY = 3  # rows before a segment at which an alarm still hits it
REARM = 5  # quiet rows after which a detector that was over its threshold alarms anew

Mask = NDArray[np.bool_]
Segments = Sequence[tuple[int, int]]  # first and last row


class Labels(NamedTuple):
    """What is true of a stretch of rows."""

    rows: int
    segments: Segments
    grace: int  # rows after a segment in which an alarm is not false


class Counts(NamedTuple):
    """What alarms are worth; counts of several streams are added field by field."""

    events: int
    hits: int
    false: int  # alarms
    rows: int
    delays: tuple[int, ...]  # rows from the start of each event that was hit; an early alarm is at once


def events(over: Mask) -> NDArray[np.int64]:
    """Return the rows of alarms: `over` its threshold, and not so in the `REARM` rows before.

    One rule for all. A score that flickers is forgiven gaps of less than `REARM` rows. One that sums (CUSUM) and stays
    high is one alarm for as long, which spares it false alarms and costs it the next event, should that begin before
    it has sunk.

    Examples
    --------
    >>> events(np.array([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1], np.bool_)).tolist()
    [1, 11]
    """
    rows = np.flatnonzero(over)
    return rows[np.diff(rows, prepend=-REARM - 1) > REARM]


def count(alarms: NDArray[np.int64], labels: Labels, early: int = EARLY, within: int | None = None) -> Counts:
    """Count hits and false alarms.

    Parameters
    ----------
    alarms
        Rows, in order.
    labels
        Segments in order.
    early
        Rows before a segment that count as in it.
    within
        An event must be hit in so many rows from its start; None: in its segment.
    """
    false = np.ones(len(alarms), np.bool_)
    delays = []
    for first, last in labels.segments:
        false &= (alarms < first - early) | (alarms > last + labels.grace)
        until = last if within is None else first + within - 1
        inside = alarms[(alarms >= first - early) & (alarms <= until)]
        if len(inside):
            delays.append(max(0, int(inside[0]) - first))
    return Counts(len(labels.segments), len(delays), int(false.sum()), labels.rows, tuple(delays))


def match(alarms: NDArray[np.int64], changes: Sequence[int], width: int, rows: int) -> Counts:
    """Count change points: each is hit by the first alarm, not taken yet, in the `width` rows from it on.

    One alarm is for one change, and one that is for none is false.
    """
    taken = np.zeros(len(alarms), np.bool_)
    delays = []
    for change in changes:
        free = np.flatnonzero((alarms >= change) & (alarms <= change + width) & ~taken)
        if len(free):
            taken[free[0]] = True
            delays.append(int(alarms[free[0]]) - change)
    return Counts(len(changes), len(delays), int((~taken).sum()), rows, tuple(delays))


def total(parts: Iterable[Counts]) -> Counts:
    """Add the counts of several streams."""
    found = list(parts)
    events, hits, false, rows = (sum(values) for values in zip(*(part[:4] for part in found), strict=True))
    return Counts(events, hits, false, rows, tuple(delay for part in found for delay in part.delays))


def f1(counts: Counts) -> float:
    """F1 of events: precision is hits among hits and false alarms.

    Examples
    --------
    >>> f1(Counts(events=4, hits=2, false=2, rows=100, delays=(0, 0)))
    0.5
    """
    return 2.0 * counts.hits / max(counts.hits + counts.false + counts.events, 1)


def chance(alarms: int, labels: Labels, early: int = EARLY) -> tuple[float, float]:
    """Return the hits and false alarms that so many alarms at random rows would make, in the mean."""
    free = np.ones(labels.rows, np.bool_)
    hits = 0.0
    for first, last in labels.segments:
        length = min(last, labels.rows - 1) - max(0, first - early) + 1
        hits += 1.0 - (1.0 - length / labels.rows) ** alarms
        free[max(0, first - early) : last + labels.grace + 1] = False
    return hits, alarms * float(free.mean())


def nab(alarms: NDArray[np.int64], changes: Sequence[int], width: int, costs: tuple[float, float, float]) -> float:
    """Score change points as SKAB's leaderboard does: NAB with a window after each, not yet normalised.

    The first alarm in the window ``[change, change + width]`` earns ``A_tp`` at its left, falling as a tanh to
    ``A_fp`` at its right; alarms outside of all windows cost ``A_fp``, changes without an alarm ``A_fn``. Where
    windows overlap, the later one begins after the earlier.

    Parameters
    ----------
    costs
        ``A_tp, A_fp, A_fn``.
    """
    A_tp, A_fp, A_fn = costs
    score, outside, free_from = 0.0, np.ones(len(alarms), np.bool_), -1
    for change in changes:
        left, right = max(change, free_from), change + width
        inside = (alarms >= left) & (alarms <= right)
        outside &= ~inside
        free_from = right + 1
        if not inside.any():
            score += A_fn
            continue
        x = math.pi * ((int(alarms[inside][0]) - left) / max(right - left, 1) - 0.5)
        score += A_fp + 0.5 * (A_tp - A_fp) * (1.0 - math.tanh(x) / math.tanh(0.5 * math.pi))
    return score + A_fp * int(outside.sum())
