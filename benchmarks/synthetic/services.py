"""Faults planted into services that call each other: a resource of one runs short, and its callers feel it.

Every service has two internal metrics and three symptoms. A service's latency is its own plus a share of that of each
service it calls; the first service is the front, and its latency the KPI. Quiet latency travels too.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .noise import Noise, lively
from .planted import HISTORY, ROWS, Planted

__all__ = ["Services", "plant"]

Floats: TypeAlias = NDArray[np.float64]
METRICS = ("cpu_util", "memory_bytes", "latency_p95_s", "error_ratio", "requests_per_s")
BASE = np.array([40.0, 2e9, 0.05, 0.01, 200.0])
SPREAD = np.array([6.0, 1e8, 0.004, 0.002, 20.0])  # of quiet rows, in the unit of the metric
LATENCY, ERRORS = 2, 3


@dataclass(frozen=True, slots=True)
class Services:
    """What is planted; the defaults: a fault that travels calls without growing."""

    count: tuple[int, int] = (6, 12)  # range of the number of services
    size: tuple[float, float] = (3.0, 6.0)  # range, of the fault, in a metric's largest deviation but 1 % of quiet rows
    growth: float = 1.0  # of the latency that a fault adds, per call: queues amplify
    fan_in: bool = False  # the service at fault is called by half of the others
    rewired: bool = False  # one call on the way from the service at fault is not known
    fault: Literal["inside", "delay", "front", "none"] = "inside"
    """Inside: a resource runs short. Delay: calls to it take longer, and no resource of it shows that. Front: users
    suffer, and nothing that is measured says why."""


def plant(what: Services, seed: int, noise: Noise) -> Planted:
    """Plant one fault; the same seed plants the same."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(what.count[0], what.count[1] + 1))
    calls = _calls(rng, count)
    root = int(rng.integers(1, count))
    if what.fan_in:
        calls[: count // 2, root] = True
        calls[root, : count // 2] = False
        np.fill_diagonal(calls, False)
    Z, rare = _quiet(rng, noise, count)
    added = np.zeros((HISTORY + ROWS, count))  # latency, in quiet spreads
    roots: list[int] = []
    if what.fault == "inside":
        roots = _fail(rng, Z, rare, root, what.size, added)
    elif what.fault == "delay":
        added[HISTORY:, root] = rng.uniform(*what.size) * rare[root, LATENCY]
        roots = [root * len(METRICS) + LATENCY]
    elif what.fault == "front":
        added[HISTORY:, 0] = rng.uniform(*what.size) * rare[0, LATENCY]
    _travel(Z, calls, added, what.growth)
    X = (BASE + SPREAD * Z).reshape(len(Z), -1)
    names = tuple(f"svc-{i:02d}|{metric}" for i in range(count) for metric in METRICS)
    known = calls.copy()
    if what.rewired:
        known[rng.choice(np.flatnonzero(calls[:, root])), root] = False
    edges = tuple((f"svc-{a:02d}", f"svc-{b:02d}") for a, b in zip(*np.nonzero(known), strict=True))
    at = tuple(names[j] for j in roots)
    return Planted(names, X[:HISTORY], X[HISTORY:], at, edges, (f"svc-00|{METRICS[LATENCY]}",))


def _calls(rng: np.random.Generator, count: int) -> NDArray[np.bool_]:
    """Draw who calls whom: each service is called by one or two before it, so all are reached from the first."""
    calls = np.zeros((count, count), np.bool_)
    for b in range(1, count):
        calls[rng.integers(b, size=rng.integers(1, 3)), b] = True
    return calls


def _quiet(rng: np.random.Generator, noise: Noise, count: int) -> tuple[Floats, Floats]:
    """Quiet rows ``float64[T, count, metrics]`` in standard deviations, and the .99 quantile of their size."""
    columns: list[Floats] = []
    while len(columns) < count * len(METRICS):
        N = noise(rng, HISTORY + ROWS, False)
        alive = N[:, rng.permutation(lively(N[:HISTORY]))]
        columns += list(((alive - alive[:HISTORY].mean(axis=0)) / alive[:HISTORY].std(axis=0)).T)
    Z = np.stack(columns[: count * len(METRICS)], axis=1).reshape(HISTORY + ROWS, count, len(METRICS))
    return Z, np.quantile(np.abs(Z[:HISTORY]), 0.99, axis=0)


def _fail(
    rng: np.random.Generator, Z: Floats, rare: Floats, root: int, size: tuple[float, float], added: Floats
) -> list[int]:
    """In place: an internal metric of the root rises, and with it the time that it takes; the metric's column."""
    metric = int(rng.integers(LATENCY))
    times = rng.uniform(*size)
    Z[HISTORY:, root, metric] += times * rare[root, metric]
    added[HISTORY:, root] = times * rare[root, LATENCY] * rng.uniform(0.5, 1.5)
    if rng.random() < 0.3:
        Z[HISTORY:, root, ERRORS] += times * rare[root, ERRORS]
    return [root * len(METRICS) + metric]


def _travel(Z: Floats, calls: NDArray[np.bool_], added: Floats, growth: float) -> None:
    """In place: latencies gain what the called add, last services first, since nobody calls one before it."""
    for a in reversed(range(len(calls))):
        callees = np.flatnonzero(calls[a])
        for b in callees:
            added[:, a] += growth * added[:, b]
            Z[:, a, LATENCY] += 0.3 * Z[:, b, LATENCY]
        Z[:, a, LATENCY] += added[:, a]
