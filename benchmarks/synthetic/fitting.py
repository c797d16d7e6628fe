"""Fit the constants of `headwater.causal.confidence`, and print how reliable they are where nothing was fitted.

``python -m headwater.benchmarks.synthetic.fitting [DIR]``, DIR being the folder with the recordings. Fitted by
logistic regression with a small ridge on the cases `FITTED`, seeds 0 .. 29, on real noise and on made noise; tested on
the other cases, seeds from 1000 on. The recorded incidents take no part in the fit.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headwater.benchmarks.rootcause.ours import Case
from headwater.benchmarks.rootcause.scorers import calibration_error
from headwater.benchmarks.rootcause.sets import SYSTEMS, incidents
from headwater.benchmarks.rootcause.windows import Window
from headwater.causal.confidence import signs

from .cases import windows
from .noise import source

__all__ = ["FITTED", "TESTED", "Sample", "fitted", "sample"]

Floats: TypeAlias = NDArray[np.float64]
FITTED = (
    *("no_edges", "unit_gain", "superlinear", "noisy_root", "lag0_amplifying", "unseen_graph", "drift", "signal_loss"),
    *("calls", "calls_delay", "calls_unknown", "unmeasured_kpi", "unmeasured_parent"),
)
TESTED = (
    *("damped", "amplifying", "confounded", "lag0", "fan_in", "missing_blocks", "misdated", "topology_change"),
    *("calls_amplifying", "calls_fan_in", "unmeasured_common"),
)
SEEDS, OTHERS = range(30), range(1000, 1025)
RIDGE = 2.0  # of every weight but the first


class Sample(NamedTuple):
    """What is known of one ranking, and whether its first entry is right."""

    several: bool  # services; else one host
    signs: Floats
    right: bool


def sample(what: Window) -> Sample:
    """Rank a window and say whether the first of the list is right."""
    case = Case(what)
    found = case.shipped
    several = len(what.columns.services) > 1
    if several:
        right = what.columns.services[int(np.argmax(found.services.score))] == what.truth
    else:
        right = int(found.order[0]) in what.metrics
    return Sample(several, signs(found, case.offsets), right)


def fitted(samples: Iterable[Sample]) -> Floats:
    """Weights ``float64[signs]`` of the logistic regression, by Newton's method."""
    chosen = list(samples)
    X, y = np.stack([one.signs for one in chosen]), np.array([one.right for one in chosen], np.float64)
    price = np.full(X.shape[1], RIDGE)
    price[0] = 0.0
    w = np.zeros(X.shape[1])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-X @ w))
        slope = X.T @ (y - p) - price * w
        curve = (X * (p * (1.0 - p))[:, None]).T @ X + np.diag(price + 1e-9)
        w += np.linalg.solve(curve, slope)
    return w


def reliability(samples: Iterable[Sample], host: Floats, services: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Confidence of each sample, and whether it is right."""
    chosen = list(samples)
    logits = np.array([one.signs @ (services if one.several else host) for one in chosen])
    return 1.0 / (1.0 + np.exp(-logits)), np.array([one.right for one in chosen])


def _planted(names: Iterable[str], seeds: range, data: Path | None) -> Iterator[Sample]:
    for noise in [source(None)] + ([source(data)] if data else []):
        for name in names:
            yield from map(sample, windows(name, seeds, noise))


def _line(name: str, samples: list[Sample], host: Floats, services: Floats) -> str:
    sure, right = reliability(samples, host, services)
    parts = np.array_split(np.argsort(sure, kind="stable"), 5)
    bins = " ".join(f"{sure[part].mean():.2f}/{right[part].mean():.2f}" for part in parts if len(part))
    return f"{name:20} n {len(sure):5}  ece {calibration_error(sure, right):.3f}  confidence/right: {bins}"


def main(data: Path | None) -> None:
    """Fit and print."""
    learned = list(_planted(FITTED, SEEDS, data))
    host, services = (fitted(one for one in learned if one.several == several) for several in (False, True))
    for name, weights in (("HOST", host), ("SERVICES", services)):
        print(f"{name}: tuple[float, ...] = ({', '.join(f'{w:.2f}' for w in weights)})")
    tested = list(_planted(TESTED, OTHERS, data))
    print(_line("fitted", learned, host, services))
    print(_line("other cases", tested, host, services))
    if data:
        for system in SYSTEMS:
            print(_line(system, [sample(w) for w in incidents(data, system) if w.visible], host, services))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
