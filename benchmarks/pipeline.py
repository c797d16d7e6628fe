"""Bench ``pipeline``: what a row costs by stage, a numpy-only twin beside it, and BARO ranking the same windows.

Accuracy is of services: how often the true one is among the first k of the ranking (AS@k), and the mean for k = 1..5.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from .rootcause import nezha
from .rootcause.others import PEERS
from .rootcause.ours import OURS, Case
from .rootcause.scorers import accuracy, place
from .rootcause.simulated import simulated
from .rootcause.windows import Window, before
from .stages import batches, load, snapshot_bytes, stages

__all__ = ["DESCRIPTION", "rows"]

DESCRIPTION = "cost of a row by stage at d = 40, 200, 1000, numpy beside it; BARO ranking the same windows as ours"

REPEATS = {40: 20, 200: 8, 1000: 4}  # by width
QUICK_REPEATS = {40: 8, 200: 3, 1000: 2}
ROWS, QUICK_ROWS = 512, 256  # timed at each width
SEEDS = range(1, 11)  # of the simulator
QUICK_SEEDS = range(1, 2)
METHODS = {
    **{name: OURS[name] for name in ("headwater", "headwater/abnormal", "headwater/walk")},
    "baro": PEERS["baro"],
    "n-sigma": PEERS["nsigma"],
}
NUMBERS = {"as1": "AS@1", "as3": "AS@3", "avg5": "Avg@5"}


def rows(quick: bool, data: Path | None, progress: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Yield costs by width, then accuracy by set of windows."""
    for d, repeats in (QUICK_REPEATS if quick else REPEATS).items():
        progress(f"d = {d}")
        yield from _costs(d, QUICK_ROWS if quick else ROWS, repeats)
    seeds = QUICK_SEEDS if quick else SEEDS
    progress(f"simulated faults, seeds {seeds.start} to {seeds.stop - 1}")
    yield from _accuracy("simulated", filter(None, map(simulated, seeds)))
    if data is not None:
        for name, baseline in (("nezha, whole past", False), ("nezha, baseline", True)):
            progress(name)
            windows = list(nezha.incidents(data, nezha.ONLINE_BOUTIQUE, baseline=baseline))[:: 8 if quick else 1]
            yield from _accuracy(name, windows)
        yield from _accuracy("nezha, baseline, control", map(before, windows))


def _costs(d: int, length: int, repeats: int) -> Iterator[dict[str, Any]]:
    what = load(d, length)
    spent = stages(what, repeats)
    group = f"d={d}"
    for stage, seconds in spent.items():
        name, numpy = stage.removesuffix(", numpy"), stage.endswith(", numpy")
        yield _row(group, "numpy" if numpy else "headwater", f"{name}_time", round(1e6 * seconds, 2), "us/row")
    yield _row(group, "headwater", "rows_per_second", round(1.0 / spent["step"]), "rows/s")
    for stage in ("quiet", "step"):
        ratio = spent[f"{stage}, numpy"] / spent[stage]
        yield _row(group, "headwater", f"{stage}_times_faster_than_numpy", round(ratio, 2), "x")
    first, batch = batches(what)
    yield _row(group, "headwater", "incident_opening", round(1e3 * first, 2), "ms")
    yield _row(group, "headwater", "incident_batch", round(1e3 * batch, 2), "ms")
    for part, size in snapshot_bytes(what).items():
        yield _row(group, "headwater", f"snapshot_{part}", size, "bytes")


def _accuracy(group: str, windows: Iterable[Window]) -> Iterator[dict[str, Any]]:
    """Rank each window by every method; faults that metrics do not show at all are told apart."""
    ranks: dict[tuple[str, str], list[float]] = {}
    for window in windows:
        case, true = Case(window), window.columns.services.index(window.truth)
        for method, rankings in METHODS.items():
            rank = place(rankings(case).services, true)
            ranks.setdefault((group, method), []).append(rank)
            if window.visible:
                ranks.setdefault((f"{group}, visible", method), []).append(rank)
    for (name, method), found in ranks.items():
        if name != group and len(found) == len(ranks[group, method]):
            continue  # all are visible
        yield _row(name, method, "windows", len(found), "windows")
        values = accuracy(found)
        for metric, printed in NUMBERS.items():
            yield _row(name, method, printed, round(values[metric], 4), "")


def _row(group: str, method: str, metric: str, value: float, unit: str) -> dict[str, Any]:
    return {"bench": "pipeline", "set": group, "method": method, "metric": metric, "value": value, "unit": unit}
