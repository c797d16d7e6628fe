"""Rankings of all windows of a system by all methods, as rows; systems side by side in two processes."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .detected import Detected, detected
from .judging import Judged, judge, missed, numbers, specificity
from .others import PEERS, RANK_METRICS, rank_random
from .ours import ABLATIONS, OURS, Case, Ranking, ranking
from .sets import SETS, healthy, incidents
from .windows import Time

__all__ = ["BENCH", "DRAWS", "PROCESSES", "Job", "Row", "chosen_peers", "in_processes", "row", "run"]

Row = dict[str, Any]
J = TypeVar("J")
R = TypeVar("R")
Method = Callable[[Case], Ranking]
BENCH = "rca"
PROCESSES = 2
DRAWS = 50  # of the random order
FINAL = "headwater/final"  # our ranking once it has settled
SAYS = ("headwater", "traversal")  # methods that may name nobody


class Job(NamedTuple):
    """A piece of work of one process."""

    data: Path
    system: str
    when: str  # "injected", "late1", "detected" or "healthy"
    sets: tuple[str, ...]  # of this system, whose rows are wanted
    peers: tuple[str, ...]
    every: int = 1  # only each so many-th window


def run(job: Job) -> list[Row]:
    """Return the rows of a job."""
    if job.when == "healthy":
        return list(_healthy(job))
    services = SETS[job.system].services
    found: dict[str, list[Judged]] = {}
    waited: list[tuple[int, int]] = []
    for fault in islice(_faults(job), 0, None, job.every):
        case = Case(fault.window) if fault.window else None
        for method, one in _judged(job, fault, case):
            found.setdefault(method, []).append(one)
        if case and fault.window and job.when == "detected":
            findings, grown = case.final(fault.later)
            found.setdefault(FINAL, []).append(judge(fault.window, ranking(findings), services=services))
            waited.append((fault.delay, fault.ranked + grown))
    return [*_rows(job, found), *_waits(job, waited)]


def _rows(job: Job, found: dict[str, list[Judged]]) -> Iterator[Row]:
    """Yield what the methods are worth on the sets of a job."""
    for name in job.sets:
        for method, ones in found.items():
            of_set = [one for one in ones if one.visible or not SETS[name].visible]
            for metric, value, unit in numbers(of_set, services=SETS[name].services):
                count = DRAWS if method == "random" and unit == "incidents" else 1
                yield row(name, method, f"{metric}/{job.when}", value / count, unit)


def _waits(job: Job, waited: Sequence[tuple[int, int]]) -> Iterator[Row]:
    """Yield how many rows the first answer and the final one take, by the median over what was detected."""
    for metric, rows in zip(("first", "final"), zip(*waited, strict=True), strict=False):
        for name in job.sets:
            if not SETS[name].visible:
                yield row(name, "headwater", f"{metric}/{job.when}", float(np.median(rows)), "rows")


def row(name: str, method: str, metric: str, value: float, unit: str = "") -> Row:
    """Return a row of the bench."""
    rounded = round(float(value), 4)
    return {"bench": BENCH, "set": name, "method": method, "metric": metric, "value": rounded, "unit": unit}


def chosen_peers(wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the peers that are run; a peer is chosen with its settings."""
    names = (*PEERS, "random")
    return tuple(name for name in names if wanted is None or name.partition("/")[0] in wanted)


def in_processes(jobs: Sequence[J], work: Callable[[J], R], *, processes: int = PROCESSES) -> Iterator[tuple[J, R]]:
    """Yield each job with its result, in the order of the jobs."""
    if processes == 1 or len(jobs) <= 1:
        yield from ((job, work(job)) for job in jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from zip(jobs, pool.map(work, jobs), strict=True)


def _judged(job: Job, fault: Detected, case: Case | None) -> Iterator[tuple[str, Judged]]:
    """Yield what each method makes of a fault; without a case it was not detected."""
    methods, services = _methods(job), SETS[job.system].services
    draws = DRAWS if "random" in job.peers else 0
    if case is None:
        miss = missed(visible=fault.visible, labelled=fault.labelled)
        finals = [FINAL] if job.when == "detected" else []
        yield from ((name, miss) for name in (*methods, *finals, *["random"] * draws))
        return
    for name, method in methods.items():
        yield name, judge(case.window, method(case), services=services)
    for seed in range(draws):
        yield "random", judge(case.window, rank_random(case, np.random.default_rng(seed)), services=services)


def _methods(job: Job) -> dict[str, Method]:
    apt = [name for name in job.peers if SETS[job.system].services or name in RANK_METRICS]
    ablated = ABLATIONS if job.when != "detected" else {}
    return {**OURS, **ablated, **{name: PEERS[name] for name in apt if name in PEERS}}


def _faults(job: Job) -> Iterator[Detected]:
    """Yield the faults of a job; of a given time each is as good as detected."""
    if job.when == "detected":
        yield from detected(job.data, job.system)
        return
    time: Time = "late1" if job.when == "late1" else "injected"
    for window in incidents(job.data, job.system, time):
        yield Detected(window, window.visible, len(window.metrics) > 0)


def _healthy(job: Job) -> Iterator[Row]:
    said: dict[str, list[str]] = {}
    methods = {name: method for name, method in _methods(job).items() if name in SAYS}
    for window in islice(healthy(job.data, job.system), 0, None, job.every):
        case = Case(window)
        for name, method in methods.items():
            said.setdefault(name, []).append(method(case).answer)
    for of_set in job.sets:
        for name, answers in said.items():
            yield row(of_set, name, "specificity/injected", specificity(answers))
            yield row(of_set, name, "healthy/injected", len(answers), "windows")
