"""What a pipeline of very many metrics needs: run by the bench in a process of its own, whose memory is looked at.

::

    python -m headwater.benchmarks.rootcause.wide 10000
"""

import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headwater.streaming.pipeline import Pipeline
from headwater.streaming.pipeline_config import PipelineConfig
from headwater.streaming.records import Frame, Ranked, Series

__all__ = ["Need", "main", "measure"]

SYSTEM = "wide"
SEED = 3
BASE = 600  # rows
HISTORY = 1800  # rows that the ring keeps; all of them are written before the fault
BLOCK = 50
METRICS = 8  # of one entity; all of the first one's are hit
SHIFT = 12.0  # standard deviations
STATUS = Path("/proc/self/status")


class Need(NamedTuple):
    """What it took."""

    first_answer: float  # seconds of the row that opened the incident, its ranking included
    batch: float  # seconds of the slowest row after it, with or without a ranking
    resident: float  # MB after the incident; NaN where there is no /proc
    peak: float  # MB, the most there ever was


def measure(d: int) -> Need:
    """Feed d metrics to a pipeline until an incident has been ranked four times."""
    rng = np.random.default_rng(SEED)
    series = tuple(Series(SYSTEM, f"e{j // METRICS}", f"m{j % METRICS}") for j in range(d))
    pipeline = Pipeline(PipelineConfig(system=SYSTEM, base_rows=BASE, history_rows=HISTORY))

    def frame(first: int, rows: int, shift: float = 0.0) -> Frame:
        X = rng.normal(size=(rows, d))
        X[:, :METRICS] += shift
        return Frame(SYSTEM, 1e9 + first + np.arange(rows, dtype=np.float64), X, np.zeros_like(X), series)

    start = BASE + HISTORY
    for k in range(0, start, BLOCK):
        pipeline.step(frame(k, BLOCK))
    spent: list[float] = []
    for k in range(60):
        one = frame(start + k, 1, SHIFT)
        began = time.perf_counter()
        events = pipeline.step(one)
        if spent or any(isinstance(event, Ranked) for event in events):
            spent.append(time.perf_counter() - began)
    if not spent:
        raise RuntimeError("no incident was opened")
    return Need(spent[0], max(spent[1:]), _megabytes("VmRSS"), _megabytes("VmHWM"))


def _megabytes(field: str) -> float:
    if not STATUS.exists():
        return float("nan")
    found = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(found[field].split()[0]) / 1024


def main() -> None:
    """Print what the width on the command line needs, as JSON."""
    print(json.dumps(measure(int(sys.argv[1]))._asdict()))


if __name__ == "__main__":
    main()
