"""TEP, the simulated plant: how long after an exact onset a fault is seen, all thresholds being the same quantile.

The threshold is the 99 % quantile of a score in normal rows that it was not learned from: those of all runs before
their onset. In the rows it was learned from a score is lower: T² and Q exceed their 99 % quantile of those in 18 % of
fresh normal rows. What the delay is at that threshold is printed beside it.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .evaluate import Number
from .protocol import Method
from .streams import Stream

__all__ = ["first_run", "plant"]

Floats = NDArray[np.float64]

NORMAL = 0.99  # share of the normal run below the threshold
IN_A_ROW = 6  # rows over the threshold that make a detection (Russell, Chiang and Braatz, 2000); dated at the first


def first_run(over: NDArray[np.bool_], length: int) -> int | None:
    """Return where `length` rows in a row are over, or None.

    Examples
    --------
    >>> first_run(np.array([1, 0, 1, 1, 1], np.bool_), 2)
    2
    """
    runs = np.convolve(over, np.ones(length, np.int64))[length - 1 :]
    found = np.flatnonzero(runs[: max(len(over) - length + 1, 0)] == length)
    return int(found[0]) if len(found) else None


def plant(method: Method, streams: Sequence[Stream]) -> Iterator[Number]:
    """Yield faults found and the median delay; a fault that is not found counts with all its rows."""
    scores = [_scored(method, stream) for stream in streams]
    onsets = [stream.labels.segments[0][0] for stream in streams]
    fresh = np.concatenate([score[:onset] for (_, score), onset in zip(scores, onsets, strict=True)])
    h, fitted = np.nanquantile(fresh, NORMAL), np.nanquantile(scores[0][0], NORMAL)
    after = [score[onset:] for (_, score), onset in zip(scores, onsets, strict=True)]
    yield "detected", float(sum(first_run(score > h, IN_A_ROW) is not None for score in after)), "faults"
    yield "delay", _delay(after, h, IN_A_ROW), "rows"
    yield "delay_of_one_row", _delay(after, h, 1), "rows"
    yield "delay_by_learned_rows", _delay(after, fitted, IN_A_ROW), "rows"
    yield "fresh_rows_over_learned", float(np.mean(fresh > fitted)), ""


def _scored(method: Method, stream: Stream) -> tuple[Floats, Floats]:
    """Score the normal run and the run with the fault; one that scores no warm-up is run over it, and learns anew."""
    detector = method.make(stream.interval)
    detector.fit(stream.warm)
    calm = detector.warm
    if not len(calm):
        calm = detector.score(stream.warm)
        detector.fit(stream.warm)
    return calm, detector.score(stream.test)


def _delay(scores: Sequence[Floats], h: float, in_a_row: int) -> float:
    found = [(first_run(score > h, in_a_row), len(score)) for score in scores]
    return float(np.median([rows if at is None else at for at, rows in found]))
