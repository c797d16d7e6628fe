"""What will happen in a run: drawn from its seed before it starts."""

from dataclasses import dataclass

import numpy as np

from .faults import FAULTS
from .neighbours import NEIGHBOURS

__all__ = ["EPOCH", "Plan", "Truth", "plan", "scenario_plan"]

EPOCH = 1_767_225_600.0
"""The time of the first row of every run: 2026-01-01T00:00:00Z."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What was done to the system: `fault` at `service`, from `start` until before `end` (epoch seconds)."""

    fault: str
    service: str
    metrics: tuple[str, ...]  # of the service, those that show it most directly, the best first
    start: float
    end: float

    @property
    def metric(self) -> str:
        """The metric that shows it best."""
        return self.metrics[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen in a run, in epoch seconds."""

    seed: int
    seconds: int
    truth: Truth | None
    surge: tuple[float, float]  # start, end
    bystander: tuple[str, float, float]  # neighbour, start, end


def plan(seed: int, *, fault: str | None, seconds: float, service: str | None = None) -> Plan:
    """Draw what will happen.

    The fault starts after a half to two thirds of the run and lasts about five minutes. The surge (one to three
    minutes) keeps clear of it, from 30 s before to two minutes after; the bystander may be noisy at any time.

    Raises
    ------
    ValueError
        For a fault that there is not, one that cannot happen at `service`, or a run of less than 20 minutes.
    """
    if seconds < 1200:
        raise ValueError(f"a run needs at least 1200 s for all that happens in it, not {seconds:g}")
    rng = np.random.default_rng([seed, 1])
    truth = None if fault is None else _truth(rng, fault, seconds, service)
    while True:
        surge = _interval(rng, 60.0, 180.0, seconds)
        if truth is None or surge[1] < truth.start - 30.0 or surge[0] > truth.end + 120.0:
            break
    name = tuple(NEIGHBOURS)[int(rng.integers(len(NEIGHBOURS)))]
    return Plan(seed, int(seconds), truth, surge, (name, *_interval(rng, 90.0, 240.0, seconds)))


def _truth(rng: np.random.Generator, name: str, seconds: float, service: str | None) -> Truth:
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name!r}; choose one of {', '.join(FAULTS)}")
    fault = FAULTS[name]
    if service is not None and service not in fault.services:
        raise ValueError(f"{name} cannot happen at {service!r}; choose one of {', '.join(fault.services)}")
    where = fault.services[int(rng.integers(len(fault.services)))]
    start = EPOCH + round(rng.uniform(0.5, 2 / 3) * seconds)
    return Truth(name, service or where, fault.metrics, start, start + round(rng.uniform(280.0, 320.0)))


def _interval(rng: np.random.Generator, shortest: float, longest: float, seconds: float) -> tuple[float, float]:
    length = round(rng.uniform(shortest, longest))
    start = EPOCH + round(rng.uniform(120.0, seconds - length - 60.0))
    return start, start + length


def scenario_plan(seed: int, *, quiet: bool = False) -> Plan:
    """The demo's run of a seed: 31 minutes with a fault, each type once in every 11 seeds; or six quiet hours."""
    if quiet:
        return plan(seed, fault=None, seconds=21_600)
    names = tuple(FAULTS)
    block, place = divmod(seed - 1, len(names))
    order = np.random.default_rng([abs(block), 2]).permutation(len(names))
    return plan(seed, fault=names[int(order[place])], seconds=1860)
