"""One method on one set: the numbers that become rows."""

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .injected import WITHIN
from .protocol import Calibrated, Detector, Method, over
from .scoring import Counts, chance, count, events, f1, match, nab, total
from .streams import Stream, cut
from .sweep import best, sweep

__all__ = ["FEW", "NAB_WINDOW", "Number", "changes", "faults", "few", "segments"]

Floats = NDArray[np.float64]
Number = tuple[str, float, str]  # metric, value, unit

FEW = (2000, 5000)  # rows of warm-up and of test, for a method below 2,000 rows/s
NAB_WINDOW = 60  # rows after a change point
NAB = {"standard": (1.0, -0.11, -1.0), "low_fp": (1.0, -0.22, -1.0), "low_fn": (1.0, -0.11, -2.0)}  # A_tp, A_fp, A_fn
BLIND = 60  # rows between the alarms of the blind one on SKAB, as in the literature
DAY, HOUR = 86400.0, 3600.0
PER_DAY = (0.2, 1.0)  # accepted false alarms
PER_HOUR = 12.0


class Scored(NamedTuple):
    """What a method made of a stream."""

    stream: Stream
    detector: Detector  # as it was after the warm-up
    score: Floats
    seconds: float  # of processor time for the rows scored


def few(streams: Sequence[Stream]) -> list[Stream]:
    """Cut streams to what a slow method is given."""
    return [cut(stream, *FEW) for stream in streams]


def segments(method: Method, streams: Sequence[Stream]) -> Iterator[Number]:
    """Yield what a method is worth on labelled segments, calibrated and swept."""
    done = [_scored(method, stream) for stream in streams]
    per_row = streams[0].interval / DAY
    for per_day in PER_DAY:
        alarms = [events(over(_fresh(one.detector), one.stream.test, one.score, per_day * per_row)) for one in done]
        counts = total(count(rows, one.stream.labels) for rows, one in zip(alarms, done, strict=True))
        luck = [chance(len(rows), one.stream.labels) for rows, one in zip(alarms, done, strict=True)]
        yield from _calibrated(counts, luck, f"@{per_day:g}", per_row, "1/day")
    yield "delay", _median(counts), "rows"  # at the larger rate
    found = sweep([one.score for one in done], lambda k, rows: count(rows, done[k].stream.labels))
    top, recall = best(found, per_row)
    yield "f1_best", top, ""
    yield "recall@1", recall, ""
    yield "events", counts.events, "events"
    yield "rows_per_s", _speed(done), "rows/s"


def changes(method: Method, streams: Sequence[Stream]) -> Iterator[Number]:
    """Yield what a method is worth on change points (skab), at a rate an hour."""
    done = [_scored(method, stream) for stream in streams]
    per_row = streams[0].interval / HOUR
    alarms = [events(over(_fresh(one.detector), one.stream.test, one.score, PER_HOUR * per_row)) for one in done]
    counts = total(_matched(one.stream, rows) for rows, one in zip(alarms, done, strict=True))
    luck = [_luck(len(rows), one.stream) for rows, one in zip(alarms, done, strict=True)]
    yield from _calibrated(counts, luck, f"@{PER_HOUR:g}", per_row, "1/h")
    if method.name == "blind":
        alarms = [np.arange(BLIND - 1, one.stream.labels.rows, BLIND) for one in done]
    for profile, costs in NAB.items():
        yield f"nab_{profile}", _nab(alarms, streams, costs), ""
    found = sweep([one.score for one in done], lambda k, rows: _matched(done[k].stream, rows))
    top, recall = best(found, PER_HOUR * per_row)
    yield "f1_best", top, ""
    yield f"recall@{PER_HOUR:g}", recall, ""
    yield "delay", _median(counts), "rows"
    yield "events", counts.events, "events"
    yield "rows_per_s", _speed(done), "rows/s"


def faults(method: Method, kinds: Mapping[str, Sequence[Stream]]) -> Iterator[tuple[str, Number]]:
    """Yield, by kind, the share of injected faults found at one false alarm a day, and those of the clean rows.

    The streams of all kinds have the same warm-up, so it is learned once. Here ``recall@1`` comes from the threshold
    of the warm-up: no sweep.
    """
    hits: dict[str, list[Counts]] = {kind: [] for kind in kinds}
    calm: list[Counts] = []
    for twins in zip(*kinds.values(), strict=True):
        first: Stream = twins[0]
        detector = method.make(first.interval)
        detector.fit(first.warm)
        rate = PER_DAY[-1] * first.interval / DAY
        if first.clean is not None:
            quiet = _alarms(detector, first.clean, rate)
            calm.append(count(quiet, first.labels._replace(segments=())))
        for kind, stream in zip(kinds, twins, strict=True):
            hits[kind].append(count(_alarms(detector, stream.test, rate), stream.labels, early=0, within=WITHIN))
    per_row = DAY / next(iter(kinds.values()))[0].interval
    quiet_counts = total(calm)
    for kind, parts in hits.items():
        counts = total(parts)
        yield kind, ("recall@1", counts.hits / max(counts.events, 1), "")
        yield kind, ("fa@1", quiet_counts.false / quiet_counts.rows * per_row, "1/day")
        yield kind, ("f1@1", f1(counts), "")
        yield kind, ("delay", _median(counts), "rows")
        yield kind, ("events", counts.events, "events")


def _alarms(detector: Detector, X: Floats, rate: float) -> NDArray[np.int64]:
    detector = _fresh(detector)
    score = np.empty(0) if isinstance(detector, Calibrated) else detector.score(X)
    return events(over(detector, X, score, rate))


def _scored(method: Method, stream: Stream) -> Scored:
    """Learn the warm-up and score the test rows; the detector is kept as it was in between."""
    detector = method.make(stream.interval)
    detector.fit(stream.warm)
    scorer = _fresh(detector)
    started = time.process_time()
    score = scorer.score(stream.test)
    return Scored(stream, detector, score, time.process_time() - started)


def _fresh(detector: Detector) -> Detector:
    return copy.deepcopy(detector)


def _calibrated(
    counts: Counts, luck: Sequence[tuple[float, float]], at: str, per_row: float, unit: str
) -> Iterator[Number]:
    hits, false = (sum(parts) for parts in zip(*luck, strict=True))
    lucky = 2.0 * hits / max(hits + false + counts.events, 1.0)
    yield f"f1{at}", f1(counts), ""
    yield f"fa{at}", counts.false / counts.rows / per_row, unit
    yield f"recall_calibrated{at}", counts.hits / max(counts.events, 1), ""
    yield f"precision{at}", counts.hits / max(counts.hits + counts.false, 1), ""
    yield f"f1_above_chance{at}", (f1(counts) - lucky) / (1.0 - lucky), ""


def _matched(stream: Stream, alarms: NDArray[np.int64]) -> Counts:
    return match(alarms, stream.changes, NAB_WINDOW, stream.labels.rows)


def _luck(alarms: int, stream: Stream) -> tuple[float, float]:
    """Return hits and false alarms of so many alarms at random: an alarm that is no hit is false."""
    windows = [(at, at + NAB_WINDOW) for at in stream.changes]
    hits, _ = chance(alarms, stream.labels._replace(segments=windows), early=0)
    return hits, max(alarms - hits, 0.0)


def _nab(alarms: Sequence[NDArray[np.int64]], streams: Sequence[Stream], costs: tuple[float, float, float]) -> float:
    """Return NAB, 0 for no alarm and 100 for each change at once."""
    score = sum(nab(rows, stream.changes, NAB_WINDOW, costs) for rows, stream in zip(alarms, streams, strict=True))
    many = sum(len(stream.changes) for stream in streams)
    return 100.0 * (score - many * costs[2]) / (many * (costs[0] - costs[2]))


def _median(counts: Counts) -> float:
    return float(np.median(counts.delays)) if counts.delays else float("nan")


def _speed(done: Sequence[Scored]) -> float:
    return sum(len(one.score) for one in done) / max(sum(one.seconds for one in done), 1e-9)
