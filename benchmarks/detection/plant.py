"""TEP, the simulated plant: how long after an exact onset a fault is seen, all thresholds being the same quantile."""

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
    by_rule: dict[int, list[int]] = {IN_A_ROW: [], 1: []}
    found, before, rows = 0, 0, 0
    for stream in streams:
        detector = method.make(stream.interval)
        detector.fit(stream.warm)
        calm = detector.warm if len(detector.warm) else detector.score(stream.warm)
        if not len(detector.warm):  # that was our own: learn anew
            detector.fit(stream.warm)
        over = detector.score(stream.test) >= np.nanquantile(calm, NORMAL)
        onset = stream.labels.segments[0][0]
        before, rows = before + int(over[:onset].sum()), rows + onset
        for length, delays in by_rule.items():
            at = first_run(over[onset:], length)
            delays.append(len(over) - onset if at is None else at)
            found += at is not None and length == IN_A_ROW
    yield "detected", float(found), "faults"
    yield "delay", float(np.median(by_rule[IN_A_ROW])), "rows"
    yield "delay_of_one_row", float(np.median(by_rule[1])), "rows"
    yield "rows_over_before_onset", before / rows, ""
