"""The synthetic cases by name, each as windows like those of recorded incidents."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from headwater.benchmarks.rootcause.windows import Window
from headwater.causal.columns import describe

from . import host, services
from .host import Host
from .noise import Noise
from .services import Services

__all__ = ["CASES", "Kind", "case", "windows"]

Plan: TypeAlias = Host | Services
Kind: TypeAlias = Literal["measured", "unmeasured", "healthy"]


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the bench."""

    plan: Plan
    kind: Kind = "measured"  # unmeasured: the answer is "nothing" or "outside"


STEEP, STRONG = 3.0, (1.2, 1.8)
CASES: dict[str, Case] = {
    # a host: ranking.md, A3
    "no_edges": Case(Host(edges=False)),
    "damped": Case(Host(gain=(0.4, 0.7))),
    "unit_gain": Case(Host()),
    "amplifying": Case(Host(gain=STRONG)),
    "confounded": Case(Host(gain=STRONG, confounded=True)),
    "superlinear": Case(Host(steep=STEEP)),
    "noisy_root": Case(Host(blur=0.7)),
    "lag0": Case(Host(lagged=False)),
    "lag0_amplifying": Case(Host(lagged=False, gain=STRONG)),
    "unseen_graph": Case(Host(learnable=False)),
    # a host: what else recordings lack
    "fan_in": Case(Host(fan_in=True)),
    "signal_loss": Case(Host(silent=True)),
    "drift": Case(Host(drift=3.0)),
    "missing_blocks": Case(Host(missing=0.1)),
    "misdated": Case(Host(misdated=True)),
    "topology_change": Case(Host(rewired=True)),
    # services that call each other
    "calls": Case(Services()),
    "calls_amplifying": Case(Services(growth=1.5)),
    "calls_fan_in": Case(Services(fan_in=True)),
    "calls_delay": Case(Services(fault="delay")),
    "calls_unknown": Case(Services(rewired=True)),
    # nothing to name
    "unmeasured_kpi": Case(Services(fault="front"), "unmeasured"),
    "unmeasured_common": Case(Host(hidden=True, learnable=False, lagged=False), "unmeasured"),
    "unmeasured_parent": Case(Host(hidden=True), "unmeasured"),
    "healthy": Case(Host(faulty=False), "healthy"),
    "healthy_calls": Case(Services(fault="none"), "healthy"),
}


def case(name: str, seed: int, noise: Noise) -> Window:
    """Return the window of a case; the same seed and noise give the same."""
    plan = CASES[name].plan
    planted = host.plant(plan, seed, noise) if isinstance(plan, Host) else services.plant(plan, seed, noise)
    columns = describe(planted.names, planted.calls)
    place = {column: j for j, column in enumerate(planted.names)}
    kpi = np.array([place[column] for column in planted.kpi], np.int64)
    return Window(
        columns=columns,
        history=planted.history,
        restarts=np.zeros(len(planted.history), np.bool_),
        window=planted.window,
        truth=planted.roots[0].partition("|")[0] if planted.roots else "",
        metrics=np.array([place[column] for column in planted.roots], np.int64),
        kpi=kpi,
        kpi_sign=np.ones_like(kpi),
        name=f"{name} {seed}",
        kind=name,
    )


def windows(name: str, seeds: range, noise: Noise) -> Iterator[Window]:
    """Yield the windows of a case for some seeds."""
    yield from map(partial(case, name, noise=noise), seeds)
