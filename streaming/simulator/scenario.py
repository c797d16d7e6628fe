"""Scenarios: a seed, a fault or none, a harmless surge, a noisy bystander, and the recording of it all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwater.streaming.records import Series
from .faults import FAULTS
from .neighbours import NEIGHBOURS
from .system import EDGES, KPI, System

__all__ = ["EPOCH", "Plan", "Recording", "Truth", "plan", "play", "scenario", "simulate"]

EPOCH = 1_767_225_600.0
"""The first second of every recording: 2026-01-01T00:00:00Z."""
_WARM_UP = 90
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What was done to the system: the `fault` at `service`, shown by its `metrics`, from `start` to `end`."""

    fault: str
    service: str
    metrics: tuple[str, ...]
    start: float
    end: float

    @property
    def metric(self) -> str:
        """The metric that shows it most directly."""
        return self.metrics[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen in a run, in epoch seconds."""

    seed: int
    seconds: int
    truth: Truth | None
    surge: tuple[float, float]
    bystander: tuple[str, float, float]


@dataclass(frozen=True, slots=True)
class Recording:
    """A run: rows at 1 Hz, and what really happened."""

    times: NDArray[np.float64]  # [T], epoch seconds
    X: NDArray[np.float64]  # [T, d]
    series: tuple[Series, ...]  # [d]
    truth: Truth | None
    surge: tuple[float, float]
    bystander: tuple[str, float, float]
    edges: tuple[tuple[str, str], ...] = EDGES
    kpi: tuple[str, ...] = KPI


def plan(seed: int, *, fault: str | None, seconds: float, service: str | None = None) -> Plan:
    """Draw the times of everything that will happen; the fault lies 15 to 20 minutes in, if there is room."""
    if fault is not None and fault not in FAULTS:
        raise ValueError(f"there is no fault {fault!r}; choose one of {', '.join(FAULTS)}")
    rng = np.random.default_rng([seed, 1])
    truth = None
    if fault is not None:
        kind = FAULTS[fault]
        if service is not None and service not in kind.services:
            raise ValueError(f"{fault} cannot happen at {service!r}; choose one of {', '.join(kind.services)}")
        where = service or kind.services[int(rng.integers(len(kind.services)))]
        start = EPOCH + float(round(rng.uniform(0.5, 2 / 3) * seconds))
        truth = Truth(fault, where, kind.metrics, start, start + float(round(rng.uniform(280, 320))))
    while True:
        length = float(round(rng.uniform(1.0, 3.0) * _MINUTE))
        begin = EPOCH + float(round(rng.uniform(2 * _MINUTE, seconds - length - _MINUTE)))
        if truth is None or begin + length < truth.start - 30.0 or begin > truth.end + 2 * _MINUTE:
            break
    noisy = tuple(NEIGHBOURS)[int(rng.integers(len(NEIGHBOURS)))]
    lasts = float(round(rng.uniform(1.5, 4.0) * _MINUTE))
    since = EPOCH + float(round(rng.uniform(2 * _MINUTE, seconds - lasts - _MINUTE)))
    return Plan(seed, int(seconds), truth, (begin, begin + length), (noisy, since, since + lasts))


def _switches(what: Plan) -> list[tuple[float, Callable[[System], None]]]:
    """What to do to the system, by time."""

    def surge(factor: float) -> Callable[[System], None]:
        return lambda system: setattr(system.traffic, "surge", factor)

    def noise(factor: float) -> Callable[[System], None]:
        return lambda system: setattr(system.neighbours[what.bystander[0]], "noise", factor)

    todo = [(what.surge[0], surge(1.5)), (what.surge[1], surge(1.0))]
    todo += [(what.bystander[1], noise(12.0)), (what.bystander[2], noise(1.0))]
    if what.truth is not None:
        fault, service = FAULTS[what.truth.fault], what.truth.service
        todo += [
            (what.truth.start, lambda system: fault.begin(system, service)),
            (what.truth.end, lambda system: fault.end(system, service)),
        ]
    return sorted(todo, key=lambda item: item[0])


def play(what: Plan, system: System) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Let the plan happen to `system`: the rows as they come, each with its time."""
    for _ in range(_WARM_UP):
        system.second()
    todo = _switches(what)
    for second in range(what.seconds):
        time = EPOCH + second
        while todo and todo[0][0] <= time:
            todo.pop(0)[1](system)
        yield time, system.second()


def simulate(seed: int, *, fault: str | None, seconds: float, service: str | None = None) -> Recording:
    """Run the system for `seconds`, with `fault` (a key of `FAULTS`) or none, at `service` or where the seed says."""
    what = plan(seed, fault=fault, seconds=seconds, service=service)
    return _record(what)


def scenario(seed: int, *, quiet: bool = False) -> Recording:
    """The demo's run of a seed: half an hour with one fault, or six quiet hours."""
    if quiet:
        return simulate(seed, fault=None, seconds=6 * 3600)
    names = tuple(FAULTS)
    block, place = divmod(seed - 1, len(names))
    order = np.random.default_rng([block % 2**32, 2]).permutation(len(names))
    return simulate(seed, fault=names[int(order[place])], seconds=1860)


def _record(what: Plan) -> Recording:
    system = System(what.seed)
    rows = list(play(what, system))
    return Recording(
        times=np.array([time for time, _ in rows]),
        X=np.array([row for _, row in rows]),
        series=system.series,
        truth=what.truth,
        surge=what.surge,
        bystander=what.bystander,
    )
