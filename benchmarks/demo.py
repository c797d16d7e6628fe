"""Bench ``demo``: is the injected fault found, is it the only thing found, and does quiet time stay quiet.

Plain N-Sigma ranks the same window beside ours: where it does as well, the simulator is too easy.
"""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from headwater.streaming.demo import perform

__all__ = ["DESCRIPTION", "rows"]

DESCRIPTION = "simulated faults: incidents, rank of the true service, N-Sigma beside it, and quiet runs"

SEEDS = range(1, 21)
QUICK_SEEDS = range(1, 3)
QUIET, QUICK_QUIET = 6 * 3600.0, 1800.0  # seconds
PROCESSES = 2

Verdict = dict[str, Any]


def rows(quick: bool, data: Path | None, progress: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Yield a row for each seed and number, then the totals."""
    del data  # the simulator makes it
    seeds = QUICK_SEEDS if quick else SEEDS
    quiet_seeds, quiet = (QUICK_SEEDS[:1], QUICK_QUIET) if quick else (SEEDS, QUIET)
    context = multiprocessing.get_context("spawn")  # a fork would copy numba's threads
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        faults = _told(pool.map(attempt, seeds), progress)
        for verdict in faults:
            yield from _each(verdict, f"fault {verdict['seed']}", ("incidents", "rank", "metric_rank", "converged"))
            yield _row(f"fault {verdict['seed']}", "rank", verdict["rank_nsigma"], method="n-sigma")
        calm = _told(pool.map(partial(attempt, quiet=quiet), quiet_seeds), progress)
        for verdict in calm:
            yield from _each(verdict, f"quiet {verdict['seed']}", ("incidents",))
    yield from totals(faults, calm)


def attempt(seed: int, quiet: float = 0.0) -> Verdict:
    """Run the demo once, in a store that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as folder:
        return perform(seed, f"sqlite:///{folder}/demo.db", quiet=quiet)[1]


def totals(faults: Sequence[Verdict], calm: Sequence[Verdict]) -> Iterator[dict[str, Any]]:
    """Yield the rows that the bars are about."""
    ranks = [verdict["rank"] or float("inf") for verdict in faults]
    yield _row("faults", "runs", len(faults), "runs")
    yield _row("faults", "exactly_one_incident", sum(verdict["incidents"] == 1 for verdict in faults), "runs")
    yield _row("faults", "first_in", sum(rank == 1 for rank in ranks), "runs")
    yield _row("faults", "top3_in", sum(rank <= 3 for rank in ranks), "runs")
    yield _row("faults", "first_in", sum(verdict["rank_nsigma"] == 1 for verdict in faults), "runs", method="n-sigma")
    yield _row("faults", "converged", sum(verdict["converged"] for verdict in faults), "runs")
    yield _row("quiet", "runs", len(calm), "runs")
    yield _row("quiet", "incidents", sum(verdict["incidents"] for verdict in calm), "incidents")
    yield _row("all", "seconds_max", max(verdict["seconds"] for verdict in [*faults, *calm]), "s")


def _told(verdicts: Iterator[Verdict], progress: Callable[[str], None]) -> list[Verdict]:
    """Collect verdicts and tell each as it comes."""
    found = []
    for verdict in verdicts:
        what = verdict["fault"] or "quiet"
        progress(f"seed {verdict['seed']:>3} {what:<20} incidents {verdict['incidents']}, rank {verdict['rank']}")
        found.append(verdict)
    return found


def _each(verdict: Verdict, group: str, metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    for metric in metrics:
        yield _row(group, metric, verdict[metric])
    yield _row(group, "seconds", verdict["seconds"], "s")


def _row(group: str, metric: str, value: Any, unit: str = "", method: str = "headwater") -> dict[str, Any]:
    number = int(value) if isinstance(value, bool) else value
    return {"bench": "demo", "set": group, "method": method, "metric": metric, "value": number, "unit": unit}
