"""Runs: a plan happens to a system, as rows that come one by one or as a recording."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwater.streaming.records import Series

from .faults import FAULTS
from .plans import EPOCH, Plan, Truth, plan, scenario_plan
from .system import EDGES, KPI, System

__all__ = ["Recording", "play", "scenario", "simulate"]

WARM_UP = 90  # seconds before the first row, in which queues and batches fill
SURGE = 1.35  # times the usual traffic
NOISE = 12.0  # times the usual jobs of a noisy neighbour


@dataclass(frozen=True, slots=True)
class Recording:
    """A run: rows at 1 Hz, and what really happened."""

    times: NDArray[np.float64]  # [T], epoch seconds
    X: NDArray[np.float64]  # [T, d], NaN where nothing was there to be measured
    series: tuple[Series, ...]  # [d]
    truth: Truth | None
    surge: tuple[float, float]
    bystander: tuple[str, float, float]
    edges: tuple[tuple[str, str], ...] = EDGES
    kpi: tuple[str, ...] = KPI


def play(what: Plan, system: System) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Let `what` happen to a fresh `system` and give its rows as they come, each with its time.

    The row of time t covers the second that begins at t, so that the row of a fault's start shows it already.

    Examples
    --------
    >>> what = scenario_plan(7)
    >>> system = System(what.seed)
    >>> time, row = next(play(what, system))
    >>> time == EPOCH, len(row) == len(system.series)
    (True, True)
    """
    for _ in range(WARM_UP):
        system.second()
    neighbour = system.neighbours[what.bystander[0]]
    heal: Callable[[], None] | None = None
    for second in range(what.seconds):
        time = EPOCH + second
        system.traffic.surge = SURGE if what.surge[0] <= time < what.surge[1] else 1.0
        neighbour.noise = NOISE if what.bystander[1] <= time < what.bystander[2] else 1.0
        if what.truth is not None and time == what.truth.start:
            heal = FAULTS[what.truth.fault].inject(system.entities[what.truth.service])
        if heal is not None and what.truth is not None and time == what.truth.end:
            heal()
        yield time, system.second()


def simulate(seed: int, *, fault: str | None, seconds: float, service: str | None = None) -> Recording:
    """Run the system for `seconds`, with `fault` (a key of `FAULTS`) or none, at `service` or where the seed says.

    The same arguments give the same recording, to the bit.
    """
    return _record(plan(seed, fault=fault, seconds=seconds, service=service))


def scenario(seed: int, *, quiet: bool = False) -> Recording:
    """Record the demo's run of a seed: half an hour with one fault, or six quiet hours."""
    return _record(scenario_plan(seed, quiet=quiet))


def _record(what: Plan) -> Recording:
    system = System(what.seed)
    times, rows = zip(*play(what, system), strict=True)
    return Recording(np.array(times), np.array(rows), system.series, what.truth, what.surge, what.bystander)
