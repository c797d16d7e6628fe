"""Windows from the time at which our own trigger noticed, the same for every method.

Nezha: the trigger learns the fault-free tail and plays the faulty part; a fault is detected by the first alarm from
its injection to two samples after its end. SMD, ASD: it learns the training half and plays the test half; a segment is
detected by the first alarm inside it. PetShop has five rows an incident, too few to watch. The trigger is the shipped
one at one false alarm a day, and sees all columns; a window reaches from `EARLY` rows before the onset that it gives
to the alarm, on Nezha to as many rows after the onset as a window has there, as the pipeline looks back. On Nezha the
tail, which the trigger has learned, comes before the history.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headwater.detectors.entities import EntityTriggers

from . import hosts, nezha
from .windows import Window

__all__ = ["Detected", "detected"]

Floats = NDArray[np.float64]
EARLY = 2  # rows before the onset that belong to the window
FARTHEST = 10  # rows before the alarm that a window reaches back at most
LONGEST = 40  # rows that a window may grow by
AFTER = 2  # samples after the end of a fault in which an alarm still counts
INTERVALS = {"smd": 60.0, "asd": 300.0}  # seconds


class Alarm(NamedTuple):
    """An alarm, in rows of the part that was played."""

    row: int
    onset: int


class Detected(NamedTuple):
    """A fault as our trigger saw it."""

    window: Window | None  # None: not detected, a miss for every method
    visible: bool
    labelled: bool  # whether the metrics at fault are known
    delay: int = 0  # rows from the first faulty one to the alarm
    ranked: int = 0  # the same to the end of the window
    later: Floats = np.empty((0, 0))  # [m, d], the rows that follow the window


def detected(data: Path, system: str) -> Iterator[Detected]:
    """Yield all faults of a system, in their order; none for one that cannot be watched."""
    if system in INTERVALS:
        yield from _hosts(data, system)
    elif system != "petshop":
        yield from _nezha(data, nezha.ONLINE_BOUTIQUE if system == "nezha_ob" else nezha.TRAIN_TICKET)


def _nezha(data: Path, stream: str) -> Iterator[Detected]:
    what = nezha.recorded(data, stream)
    alarms = _nezha_alarms(data, stream)
    for k, fault in enumerate(nezha.faults(data, stream)):
        start = int(np.searchsorted(what.times, fault.start, side="right"))
        last = int(np.searchsorted(what.times, fault.end + AFTER * nezha.STEP, side="right")) - 1
        alarm = _first(alarms, start, last)
        if alarm is None:
            yield Detected(None, fault.visible, bool(fault.metrics))
            continue
        older = nezha.faults(data, stream)[k - 1].end + nezha.AFTERMATH if k else what.times[0] - 1.0
        free = int(np.searchsorted(what.times, older, side="right"))  # rows of older faults are no part of it
        first = max(alarm.onset - EARLY, alarm.row - FARTHEST, min(free, alarm.row))
        stop = max(alarm.row + 1, first + EARLY + nezha.ROWS)
        window = nezha.window(data, stream, k, max(first, 1), stop, baseline=True)
        after = nezha.faults(data, stream)[k + 1 :]
        end = np.searchsorted(what.times, after[0].start, side="right") if after else what.quiet.argmax()
        later = what.X[stop : min(stop + LONGEST, int(end))]
        yield Detected(window, fault.visible, bool(fault.metrics), alarm.row - start, stop - 1 - start, later)


@lru_cache(maxsize=2)
def _nezha_alarms(data: Path, stream: str) -> tuple[Alarm, ...]:
    table = pl.read_parquet(data / "nezha" / "streams" / f"{stream}.parquet").drop("t")
    quiet = nezha.recorded(data, stream).quiet
    X = table.to_numpy().astype(np.float64)
    return _alarms(table.columns, X[quiet], X[~quiet], nezha.STEP)


def _hosts(data: Path, name: str) -> Iterator[Detected]:
    for stream in hosts.streams(data, name):
        what = hosts.recorded(data, name, stream)
        begin = int(what.quiet.sum())
        alarms = _alarms(what.columns.names, what.X[:begin], what.X[begin:], INTERVALS[name])
        for fault in hosts.faults(data, name, stream):
            alarm = _first(alarms, int(fault.start) - begin, int(fault.end) - begin)
            if alarm is None:
                yield Detected(None, True, True)
                continue
            row = alarm.row + begin
            first = max(alarm.onset + begin - EARLY, row - FARTHEST)
            window = hosts.window(data, name, stream, fault, first, row + 1)
            delay, later = row - int(fault.start), what.X[row + 1 : row + 1 + LONGEST]
            yield Detected(window, True, True, delay, delay, later)


def _alarms(names: Sequence[str], base: Floats, X: Floats, interval: float) -> tuple[Alarm, ...]:
    """Learn `base` and watch `X` (``float64[T, d]``) with the shipped trigger; alarms are not fused into incidents."""
    trigger = EntityTriggers(trigger={"interval": interval, "false_alarms_per_day": 1.0}, refractory=0)
    trigger.adopt([name.partition("|")[0] for name in names])
    trigger.fit(base)
    trigger.rebase(X[:0])  # what follows is another stretch of time
    info = trigger.step(X)
    rows = np.flatnonzero(info.alarm)
    return tuple(Alarm(int(row), int(row - info.onset[row])) for row in rows)


def _first(alarms: Sequence[Alarm], first: int, last: int) -> Alarm | None:
    return next((alarm for alarm in alarms if first <= alarm.row <= last), None)
