"""What root causes cost: a batch of the graph, the first ranking beside BARO's scorer, and ten thousand metrics.

Times are CPU seconds of one process, the best of some repeats, so that a machine with other work does not count; but
the first answer of very many metrics is waited for, so that is the time on the wall.
"""

import json
import subprocess  # a process of its own, of this very package, whose memory can be looked at
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd  # BARO takes DataFrames
from baro.root_cause_analysis import robust_scorer
from numpy.typing import NDArray

from headwater.causal.columns import describe
from headwater.causal.coral import Coral
from headwater.causal.diagnosis import Diagnosis

__all__ = ["batch", "first_ranking", "rows"]

Floats = NDArray[np.float64]
Row = dict[str, Any]
SEED = 9
HISTORY, BATCH, WINDOW = 600, 60, 10  # rows
LAGS, CANDIDATES = 3, 30
WIDTHS, QUICK_WIDTHS = (38, 100, 200, 500, 1000), (38, 100)
LENGTHS = (150, 600, 1800, 5400)  # rows of history, at 100 metrics
REPEATS = 5
WIDE, NARROW = 10_000, 40


def rows(quick: bool, progress: Callable[[str], None]) -> Iterator[Row]:
    """Yield the rows of the set ``speed``."""
    for d in QUICK_WIDTHS if quick else WIDTHS:
        progress(f"speed, d = {d}")
        yield _row("headwater", f"batch_ms@d={d}", 1e3 * batch(d), "ms")
        yield from _first(f"d={d}", *first_ranking(d, HISTORY))
    if quick:
        return
    for T in LENGTHS:
        yield from _first(f"d=100,T={T}", *first_ranking(100, T))
    progress(f"speed, d = {WIDE}")
    wide, narrow = _needed(WIDE), _needed(NARROW)
    yield _row("headwater", f"first_answer_s@d={WIDE}", wide["first_answer"], "s")
    yield _row("headwater", f"batch_s@d={WIDE}", wide["batch"], "s")
    yield _row("headwater", f"resident_mb@d={NARROW}", narrow["resident"], "MB")
    for name in ("resident", "peak"):
        yield _row("headwater", f"more_{name}_mb@d={WIDE}", wide[name] - narrow[name], "MB")


def batch(d: int) -> float:
    """CPU seconds of one causal batch: 60 rows into the graph, the fused graph, and its account of them."""
    history, window = _data(d, HISTORY, BATCH)
    coral = Coral(lags=LAGS, candidates=CANDIDATES)
    coral.step(history)
    coral.begin(0)
    ready = coral.snapshot()

    def run() -> None:
        coral.adapt(window)
        coral.weights()
        coral.account(window)

    return _best(run, before=lambda: coral.restore(ready))


def first_ranking(d: int, T: int) -> tuple[float, float]:
    """CPU seconds of the first ranking of a window, from T quiet rows on, and those of BARO's scorer.

    Ours is all that an opening incident does: the graph of quiet times is fitted, the evidence is calibrated from
    scratch, the window is examined. BARO is given its DataFrame ready.
    """
    history, window = _data(d, T, WINDOW)
    names = [f"s{j // 8}|m{j % 8}" for j in range(d)]
    columns, nothing = describe(names), np.zeros(0, np.int64)
    coral = Coral(lags=LAGS, candidates=CANDIDATES)
    coral.step(history)
    ready = coral.snapshot()

    def ours() -> None:
        coral.begin(0)
        coral.adapt(window)
        restarts = np.zeros(T, np.bool_)
        diagnosis = Diagnosis(columns=columns, history=history, restarts=restarts, kpi=nothing, kpi_sign=nothing)
        diagnosis.examine(window, coral, np.arange(d))

    frame = pd.DataFrame(np.vstack([history, window]), columns=names)
    frame.insert(0, "time", np.arange(T + WINDOW))
    return _best(ours, before=lambda: coral.restore(ready)), _best(lambda: robust_scorer(frame, inject_time=T))


def _data(d: int, quiet: int, fault: int) -> tuple[Floats, Floats]:
    """Rows of d metrics, each driven a little by the one before it, and rows in which five of them are high."""
    X = np.random.default_rng(SEED).normal(size=(quiet + fault, d))
    for t in range(1, len(X)):
        X[t] += 0.5 * X[t - 1]
        X[t, 1:] += 0.3 * X[t - 1, :-1]
    X[quiet:, :5] += 8.0
    return X[:quiet], X[quiet:]


def _first(group: str, ours: float, baro: float) -> Iterator[Row]:
    yield _row("headwater", f"first_ranking_ms@{group}", 1e3 * ours, "ms")
    yield _row("baro", f"first_ranking_ms@{group}", 1e3 * baro, "ms")
    yield _row("headwater", f"times_baro@{group}", ours / baro, "x")


def _best(run: Callable[[], object], *, before: Callable[[], object] = lambda: None) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        before()
        began = time.process_time()
        run()
        best = min(best, time.process_time() - began)
    return best


def _needed(d: int) -> dict[str, float]:
    command = [sys.executable, "-m", "headwater.benchmarks.rootcause.wide", str(d)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _row(method: str, metric: str, value: float, unit: str) -> Row:
    return {"bench": "rca", "set": "speed", "method": method, "metric": metric, "value": round(value, 4), "unit": unit}
