"""Bench ``trigger``: what our triggers notice, beside the peers, on recordings, injected faults and change points.

The protocol is in `benchmarks/detection`: `streams` (what is learned and scored), `scoring` (hits and false alarms),
`protocol` (how scores become alarms), `sweep` (the best threshold there was). ``f1@R`` and ``fa@R`` are at R accepted
false alarms a day (skab: an hour), no label seen; ``f1_best`` and ``recall@1`` (recall at 1 false alarm a day; skab:
@12 an hour) come from the sweep. Of injected faults ``recall@1`` is at the threshold of the warm-up.
"""

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import threadpoolctl

from headwater.streaming.errors import InputError

from .detection import evaluate, injected, mssa_series, plant, speed
from .detection.generated import generated
from .detection.protocol import Method
from .detection.registry import PEERS as KNOWN
from .detection.registry import methods
from .detection.streams import Stream, cut, recorded

__all__ = ["DESCRIPTION", "PEERS", "SETS", "rows"]

DESCRIPTION = "what triggers notice, ours and a dozen peers: recordings, injected faults, change points; what rows cost"

INJECTED = tuple(f"injected/{kind}" for kind in injected.KINDS)
RECORDED = ("smd", "asd", "jumpstarter", "skab", "tep")
AGREEMENT = "mssa_generated"
ASKED = (*mssa_series.SETS, "generated")  # only by name: mssa's own series lie in another folder
SETS = (*RECORDED, *INJECTED, "generated", *mssa_series.SETS, AGREEMENT, "speed")
PEERS = tuple(KNOWN)
WORKERS = 2  # processes
QUICK, QUICK_FEW = 1500, 500  # rows of warm-up and of test, in the quick form
OUTSIDE = {  # beginnings of names that have no say there
    "tep": ("headwater/", "mssa-released", "random", "blind"),  # thresholds of scores are all that it is about
    "injected": ("kswin",),  # an hour of it for three sets
}


class Task(NamedTuple):
    """One method on one set, as it goes to another process."""

    group: str  # a set; `injected` stands for all chosen kinds of it, which share a warm-up
    kinds: tuple[str, ...]
    method: str
    few: bool  # 5,000 rows of each stream, and 2,000 of its warm-up
    data: Path | None
    quick: bool


def rows(
    quick: bool,
    data: Path | None,
    progress: Callable[[str], None],
    sets: Sequence[str] = (),
    peers: tuple[str, ...] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of each set and method; without `data` only what is generated."""
    chosen = [name for name in SETS if name in (sets or _without_asking(data, quick))]
    missing = [name for name in chosen if name in (*RECORDED, *INJECTED)] if data is None else []
    if missing:
        raise InputError(f"{missing[0]}: its recordings are not here", "no --data was given", "name their folder")
    tasks = list(_tasks(chosen, data, quick, peers))
    for task, numbers in zip(tasks, _done(tasks, quick), strict=True):
        progress(f"{task.group}: {task.method}")
        for group, (metric, value, unit) in numbers:
            if not math.isnan(value):  # no delay where nothing was hit
                name = f"{task.method}@5k" if task.few else task.method
                yield _row(group, name, metric, value, unit)
    with threadpoolctl.threadpool_limits(1):
        for name in [name for name in chosen if name in mssa_series.SETS]:
            yield from mssa_series.rows(name, data, quick, progress)
        if AGREEMENT in chosen:
            yield from mssa_series.agreement(progress)
        if "speed" in chosen:
            progress("speed")
            for cost in speed.costs(quick):
                yield _row("speed", *cost)


def work(task: Task) -> list[tuple[str, evaluate.Number]]:
    """Run one task; returns the set and number of each row."""
    method = methods(None)[task.method]
    with threadpoolctl.threadpool_limits(1):
        if task.group == "injected":
            kinds = {name: _streams(name, task) for name in task.kinds}
            return list(evaluate.faults(method, kinds))
        streams = _streams(task.group, task)
        _compiled(method, streams[0])
        judge = {"skab": evaluate.changes, "tep": plant.plant}.get(task.group, evaluate.segments)
        return [(task.group, number) for number in judge(method, streams)]


def _without_asking(data: Path | None, quick: bool) -> list[str]:
    if data is None:
        return ["generated", "speed"]
    return [name for name in SETS if name not in ASKED and not (quick and name == AGREEMENT)]


def _tasks(chosen: Sequence[str], data: Path | None, quick: bool, peers: tuple[str, ...] | None) -> Iterator[Task]:
    """Yield what there is to do; beside a slow peer ours runs on as few rows."""
    kinds = tuple(name for name in chosen if name in INJECTED)
    groups = [name for name in chosen if name in (*RECORDED, "generated")] + ["injected"] * bool(kinds)
    for group in groups:
        outside = OUTSIDE.get(group, ())
        found = [method for method in methods(peers).values() if not method.name.startswith(outside)]
        for method in found:
            yield Task(group, kinds, method.name, method.slow, data, quick)
        if any(method.slow for method in found):
            yield Task(group, kinds, "headwater", True, data, quick)


def _done(tasks: Sequence[Task], quick: bool) -> Iterator[list[tuple[str, evaluate.Number]]]:
    """Work on tasks, two at a time, and return their numbers in order."""
    if quick:
        yield from map(work, tasks)
        return
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, tasks)


def _streams(group: str, task: Task) -> list[Stream]:
    found = _read(group, task.data, 1 if task.quick else None)
    if task.quick:
        return [cut(stream, *(2 * [QUICK_FEW if task.few else QUICK])) for stream in found]
    return evaluate.few(found) if task.few else found


@cache
def _read(group: str, data: Path | None, most: int | None) -> list[Stream]:
    if data is None:
        return generated(most or 4)
    if group in INJECTED:
        return injected.injected(data, group.rpartition("/")[2])[:most]
    return recorded(data, group)[:most]


def _compiled(method: Method, stream: Stream) -> None:
    """Compile what the method needs before the clock runs."""
    warm = method.make(stream.interval)
    warm.fit(stream.warm[-500:])
    warm.score(stream.test[:50])


def _row(group: str, method: str, metric: str, value: float, unit: str) -> dict[str, Any]:
    shown = round(value) if unit == "rows/s" else round(value, 4)
    return {"bench": "trigger", "set": group, "method": method, "metric": metric, "value": shown, "unit": unit}
