"""The series that mSSA-CPD was published on, scored as they were published; and series made here, for its slow twin.

The series are read from a checkout of the authors' repository (ArwaAlanqary/mSSA_cpd). The protocol is theirs, with
all that flatters: series are centred and scaled over their whole length, the best of 36 settings is taken for each
series by its own labels, and the beginning of a series counts as a change that everybody finds.
"""

import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.benchmarks.peers.mssa_released import mssa_released
from headwater.detectors.mssa_trigger import MssaTrigger
from headwater.streaming.errors import InputError

__all__ = ["SETS", "Series", "agreement", "best_f1", "generated", "published_f1", "read", "rows"]

Floats = NDArray[np.float64]
Alarms = Callable[..., list[int]]

SETS = {"mssa_mean": "mean", "mssa_energy": "energy", "mssa_frequency": "frequency", "mssa_mixed": "mixed"}
REPOSITORY = "github.com/ArwaAlanqary/mSSA_cpd"
MARGIN = 10  # rows
BASE = 0.6  # T over the mean distance of changes
SHARES, RANKS, THETAS = (1.0, 0.5, 0.1), (0.5, 0.95, 3, 5), (1.0, 5.0, 10.0)  # L = sqrt(share T)
GENERATED = 20  # series


class Series(NamedTuple):
    """One series with its changes, the first of which is its beginning."""

    name: str
    rows: Floats  # [T, d], centred and scaled over its whole length
    changes: list[int]
    distance: float  # of changes in its set, in the mean


def ours(statistic: str) -> Alarms:
    """Run our detector as published: whole-series scaling, restart after an alarm."""

    def alarms(X: Floats, **setting: Any) -> list[int]:
        trigger = MssaTrigger(statistic=statistic, standardize=False, **setting)
        found: list[int] = np.flatnonzero(trigger.step(X).alarm).tolist()
        return found

    return alarms


def twin(X: Floats, **setting: Any) -> list[int]:
    """Run the slow twin."""
    found: list[int] = mssa_released(X, **setting).alarms.tolist()
    return found


METHODS: dict[str, Alarms] = {
    "headwater/mssa": ours("released"),
    "headwater/mssa-frobenius": ours("frobenius"),
    "mssa-released": twin,
}


def rows(name: str, data: Path | None, quick: bool, progress: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Yield the F1 of a set of `SETS`: the mean over series of the best of the published grid.

    Raises
    ------
    InputError
        If the series are not in `data`.
    """
    found = read(name, data)[: 1 if quick else None]
    for method, alarms in METHODS.items():
        if method == "headwater/mssa-frobenius" and found[0].rows.shape[1] == 1:
            continue  # of one metric both forms are the same
        progress(f"{name}: {method}")
        scores = [best_f1(alarms, series) for series in found]
        yield _row(name, method, "f1", float(np.mean(scores)), "")
    yield _row(name, "no_change", "f1", float(np.mean([published_f1([], s) for s in found])), "")
    yield _row(name, "", "series", len(found), "series")


def agreement(progress: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Yield on how many generated series our alarms are those of the slow twin, in both forms."""
    progress("mssa_generated: ours and the twin")
    for method, statistic in (("headwater/mssa", "released"), ("headwater/mssa-frobenius", "frobenius")):
        setting: dict[str, Any] = {"base": 240, "window": 12, "rank": 0.5, "theta": 1.0}
        made = [generated(seed) for seed in range(GENERATED)]
        same = [ours(statistic)(X, **setting) == twin(X, statistic=statistic, **setting) for X in made]
        yield _row("mssa_generated", method, "equal_alarms", sum(same), f"of {GENERATED} series")


def generated(seed: int) -> Floats:
    """Return oscillations that change every 500 rows: ``float64[2000, 1 to 6]``, for comparison and not for scores."""
    draw = np.random.default_rng(seed)
    d, t = int(draw.integers(1, 7)), np.arange(500)[:, None]
    pieces = []
    for _ in range(4):
        waves = sum(a * np.sin(2.0 * np.pi * t / p + draw.uniform(0.0, 6.0, d)) for a, p in draw.uniform(2, 40, (3, 2)))
        pieces.append(waves + draw.normal(size=(500, d)) * draw.uniform(1.0, 6.0))
    X = np.vstack(pieces)
    return np.asarray((X - X.mean(axis=0)) / X.std(axis=0))


def best_f1(alarms: Alarms, series: Series) -> float:
    """Return the best F1 of the published grid on a series."""
    base = int(BASE * series.distance)
    grid = product(SHARES, RANKS, THETAS)
    return max(
        published_f1(alarms(series.rows, base=base, window=window, rank=rank, theta=theta), series)
        for share, rank, theta in grid
        for window in [int((share * base) ** 0.5)]
        if rank < window
    )


def published_f1(alarms: list[int], series: Series) -> float:
    """Score alarms as published; the released code stamps an alarm one row after the newest row that it saw.

    Examples
    --------
    >>> series = Series("", np.zeros((300, 1)), [0, 100, 200], 100.0)
    >>> [round(published_f1(alarms, series), 3) for alarms in ([], [104], [104, 150], [104, 204])]
    [0.5, 0.8, 0.667, 1.0]
    """
    found = np.array([0, *(t + 1 for t in alarms if t + 1 < len(series.rows))], np.float64)
    hits = 0
    for change in series.changes:
        nearest = int(np.argmin(np.abs(found - change)))
        if abs(found[nearest] - change) <= MARGIN:
            hits += 1
            found[nearest] = np.inf
    return 2.0 * hits / (len(found) + len(series.changes))


def read(name: str, data: Path | None) -> list[Series]:
    """Read a set of `SETS` from a folder that is or holds a checkout of the authors' repository."""
    folder = _folder(SETS[name], data)
    distance = float(json.loads((folder / "meta.json").read_text(encoding="utf-8"))["mean_interval"])
    found = []
    for path in sorted(folder.glob("*_ts.csv")):
        X = np.loadtxt(path, delimiter=",", ndmin=2)[:, 1:]  # the first column numbers the rows
        sd = X.std(axis=0)
        labels = np.loadtxt(path.with_name(path.name.replace("_ts.csv", "_labels.csv")), delimiter=",", ndmin=2)
        Z = (X - X.mean(axis=0)) / np.where(sd > 0.0, sd, 1.0)
        found.append(Series(path.name.removesuffix("_ts.csv"), Z, labels[:, 0].astype(int).tolist(), distance))
    return found


def _folder(name: str, data: Path | None) -> Path:
    mend = f"git clone https://{REPOSITORY}, and name the folder of the clone with --data"
    if data is None:
        raise InputError(f"the series of mSSA-CPD ({name}) are not here", "no --data was given", mend)
    for place in (data, data / "data", *(child / "data" for child in sorted(data.iterdir())), *sorted(data.iterdir())):
        if (place / name / "meta.json").is_file() and any((place / name).glob("*_ts.csv")):
            return place / name
    raise InputError(f"the series of mSSA-CPD ({name}) are not in {data}", f"no data/{name}/*_ts.csv there", mend)


def _row(name: str, method: str, metric: str, value: float, unit: str) -> dict[str, Any]:
    return {"bench": "trigger", "set": name, "method": method, "metric": metric, "value": value, "unit": unit}
