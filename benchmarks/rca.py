"""Bench ``rca``: who ranks the root cause first, on recordings whose cause is known, from three times.

A set's metrics carry the time from which it was ranked: as injected, one sample late, or as our trigger detected it.
Services: ``as1 as3 as5 avg5 mrr``, and ``metric_as1 metric_avg5`` where metrics are labelled; hosts: ``hit100 top1``.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .rootcause import speed
from .rootcause.loso import GRID, left_out, tasks, worth
from .rootcause.others import PEERS as METHODS
from .rootcause.planted import ALL, SYNTHETIC, Planting, pooled, rows_of, run_planted
from .rootcause.running import PROCESSES, Job, Row, chosen_peers, in_processes, row, run
from .rootcause.sets import SETS as RECORDED
from .rootcause.sets import SYSTEMS

__all__ = ["DESCRIPTION", "PEERS", "SETS", "rows"]

DESCRIPTION = "root causes of recorded and planted faults, ours and peers on the same windows, from three times"
PEERS = tuple(dict.fromkeys((*(name.partition("/")[0] for name in METHODS), "random")))
LEFT_OUT = tuple(f"loso/{system}" for system in SYSTEMS)
SPEED = "speed"
SETS = (*RECORDED, *SYNTHETIC, ALL, *LEFT_OUT, SPEED)
TIMES = ("injected", "late1", "detected")
QUICK = 8  # each so many-th window
MANY, FEW = 200, 2  # planted faults a case


def rows(
    quick: bool,
    data: Path | None,
    progress: Callable[[str], None],
    sets: Sequence[str] = (),
    peers: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield what each method is worth on each set."""
    wanted = tuple(sets) or SETS
    if SPEED in wanted:
        yield from speed.rows(quick, progress)
    if any(name in SYNTHETIC or name == ALL for name in wanted):
        yield from _planted(data, wanted, chosen_peers(peers), quick, progress)
    if data is None:
        progress("no --data: only what needs no recordings")
        return
    jobs = _jobs(data, wanted, chosen_peers(peers), quick)
    for job, found in in_processes(jobs, run, processes=1 if quick else PROCESSES):
        progress(f"{job.system}, {job.when}")
        yield from found
    if any(name in LEFT_OUT for name in wanted):
        progress(f"each system left out, {len(GRID)} settings")
        yield from _left_out(data, wanted, quick)


def _planted(
    data: Path | None, wanted: Sequence[str], peers: tuple[str, ...], quick: bool, progress: Callable[[str], None]
) -> Iterator[Row]:
    """Yield what each method is worth on planted faults; of all together, where all are wanted."""
    names = SYNTHETIC if ALL in wanted else [name for name in SYNTHETIC if name in wanted]
    plantings = [Planting(data, name.partition("/")[2], FEW if quick else MANY, peers) for name in names]
    found = []
    for planting, judged in in_processes(plantings, run_planted, processes=1 if quick else PROCESSES):
        progress(f"synthetic, {planting.case}")
        yield from rows_of(planting, judged)
        found.append((planting, judged))
    if ALL in wanted:
        yield from pooled(found)


def _left_out(data: Path, wanted: Sequence[str], quick: bool) -> Iterator[Row]:
    """Yield what is lost on a system whose constants were chosen on the others."""
    done = in_processes(tasks(data, QUICK if quick else 1), worth, processes=1 if quick else PROCESSES)
    of = {(task.system, task.time): values for task, values in done}
    for system, metric, value in left_out(of):
        if f"loso/{system}" in wanted:
            yield row(f"loso/{system}", "headwater", metric, value)


def _jobs(data: Path, wanted: Sequence[str], peers: tuple[str, ...], quick: bool) -> list[Job]:
    """Return the work, the longest first."""
    jobs: list[Job] = []
    for system in SYSTEMS:
        of_system = tuple(name for name in wanted if name in RECORDED and RECORDED[name].system == system)
        times = (*TIMES, "healthy") if system != "petshop" else ("injected", "late1", "healthy")
        every = QUICK if quick else 1
        jobs += [Job(data, system, when, of_system, peers, every) for when in times if of_system]
    return jobs
