"""Planted faults, whose cause is known by construction: what a method is worth on each case of `synthetic`.

Noise is real where recordings are given, else made. Where the cause is measured, ``top1`` is the share of first
metrics, ``as1`` that of first services that are right; ``declined`` is the share of answers "nothing" and "outside",
which are right only where it is not. ``gain`` is the top-1 of the list that the graph has lowered less that of the
graph-free one, with a 95 % interval by bootstrap over seeds. The seeds took no part in the fit of confidence, and
``synthetic/all`` holds the cases whose generators took none either.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.benchmarks.synthetic.cases import CASES, windows
from headwater.benchmarks.synthetic.fitting import TESTED
from headwater.benchmarks.synthetic.noise import source

from .judging import Judged, judge
from .others import PEERS, RANK_METRICS, rank_random
from .ours import OURS, Case
from .running import Row, row
from .scorers import calibration_error

__all__ = ["ALL", "SYNTHETIC", "Planting", "pooled", "rows_of", "run_planted"]

SYNTHETIC = tuple(f"synthetic/{name}" for name in CASES)
ALL = "synthetic/all"
FIRST = 7000  # seed; nothing was chosen on it or what follows
DECLINED = ("nothing", "outside")
PLANTED = ("headwater", "headwater/abnormal", "headwater/graph_free", "headwater/walk")
RESAMPLES = 2000
Found = dict[str, list[Judged]]


class Planting(NamedTuple):
    """A case and how often it is planted: the work of one process."""

    data: Path | None
    case: str
    many: int
    peers: tuple[str, ...]


def run_planted(what: Planting) -> Found:
    """Rank the windows of a case by each method."""
    found: Found = {}
    ours = {name: OURS[name] for name in PLANTED}
    for seed, window in enumerate(windows(what.case, range(FIRST, FIRST + what.many), source(what.data))):
        several = len(window.columns.services) > 1
        services = several and bool(window.truth)
        case = Case(window)
        apt = [name for name in what.peers if name in PEERS and (several or name in RANK_METRICS)]
        for name, method in {**ours, **{name: PEERS[name] for name in apt}}.items():
            found.setdefault(name, []).append(judge(window, method(case), services=services))
        if "random" in what.peers:
            random = rank_random(case, np.random.default_rng(seed))
            found.setdefault("random", []).append(judge(window, random, services=services))
    return found


def rows_of(what: Planting, found: Found) -> Iterator[Row]:
    """Yield the rows of a case."""
    name = f"synthetic/{what.case}"
    for method, ones in found.items():
        for metric, values in (
            ("as1", [one.rank <= 1.0 for one in ones if not np.isnan(one.rank)]),
            ("top1", [one.top for one in ones if not np.isnan(one.top)]),
            ("hit100", [one.hit for one in ones if not np.isnan(one.hit)]),
            ("declined", [one.answer in DECLINED for one in ones if one.answer]),
            ("specificity", [one.answer != "named" for one in ones if one.answer]),
        ):
            if values and (metric != "specificity" or CASES[what.case].kind != "measured"):
                yield row(name, method, f"{metric}/injected", float(np.mean(values)))
        yield row(name, method, "incidents/injected", len(ones), "incidents")
    gains = np.array([a.top - b.top for a, b in zip(found["headwater"], found["headwater/abnormal"], strict=True)])
    if np.isfinite(gains).all():
        low, high = _interval(gains)
        for metric, value in (("gain", float(gains.mean())), ("gain_low", low), ("gain_high", high)):
            yield row(name, "headwater", f"{metric}/injected", value)


def pooled(found: Sequence[tuple[Planting, Found]]) -> Iterator[Row]:
    """Yield the calibration of our confidence on cases that were not fitted, and answers over all cases by kind."""
    ones = [one for what, of in found if what.case in TESTED for one in of["headwater"]]
    if ones:
        right = np.array([one.top >= 0.5 if np.isnan(one.rank) else one.rank <= 1.0 for one in ones])
        error = calibration_error(np.array([one.confidence for one in ones]), right)
        yield row(ALL, "headwater", "ece/injected", error)
        yield row(ALL, "headwater", "incidents/injected", len(ones), "incidents")
    for kind in ("measured", "unmeasured"):
        answers = [one.answer for what, of in found if CASES[what.case].kind == kind for one in of["headwater"]]
        if answers:
            declined = float(np.mean([answer in DECLINED for answer in answers]))
            yield row(ALL, "headwater", f"declined_{kind}/injected", declined)


def _interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    draws = np.random.default_rng(0).integers(len(differences), size=(RESAMPLES, len(differences)))
    low, high = np.quantile(differences[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
