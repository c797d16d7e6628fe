"""What a row costs: the dense channel on blocks, beside the released mSSA and beside the memory it has to touch."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.benchmarks.peers.mssa_released import mssa_released
from headwater.detectors import TriggerPoint
from headwater.online import kernel

__all__ = ["Cost", "costs"]

Floats = NDArray[np.float64]

WIDTHS = (38, 200, 1000)
BETWEEN = (10, 100, 500, 2000)  # widths at which ours alone is measured
LENGTHS = (1, 10, 100, 1000, 10_000)  # rows of a block, at 38 metrics
BLOCK = 2000  # rows
BASE = 600
SEED = 5
RATES = 3  # levels of a metric


class Cost(NamedTuple):
    """A row of the table."""

    method: str
    metric: str
    value: float
    unit: str


def costs(quick: bool) -> Iterator[Cost]:
    """Yield rows per second and the two ratios at some widths, then what a row costs by width and by length of a block.

    `benchmarks.drawing` draws them: ``row_us@d=...`` and ``row_us@d=38,T=...``.
    """
    for d in WIDTHS[:2] if quick else WIDTHS:
        ours, loop, released = dense(d, BLOCK), touched(d, BLOCK), _released(d, quick)
        spent = {"headwater/joint": ours, "headwater": both(d, BLOCK), "mssa-released": released, "same bytes": loop}
        for method, seconds in spent.items():
            yield Cost(method, f"rows_per_s@d={d}", 1.0 / seconds, "rows/s")
            yield Cost(method, f"row_us@d={d}", 1e6 * seconds, "us")
        yield Cost("headwater/joint", f"times_mssa_released@d={d}", released / ours, "x")
        yield Cost("headwater/joint", f"share_of_same_bytes@d={d}", loop / ours, "")
    if not quick:
        for d in BETWEEN:
            yield Cost("headwater/joint", f"row_us@d={d}", 1e6 * dense(d, BLOCK), "us")
            yield Cost("headwater", f"row_us@d={d}", 1e6 * both(d, BLOCK), "us")
        for T in LENGTHS:
            yield Cost("headwater/joint", f"row_us@d=38,T={T}", 1e6 * dense(38, T), "us")
            yield Cost("headwater", f"row_us@d=38,T={T}", 1e6 * both(38, T), "us")


def dense(d: int, T: int) -> float:
    """Seconds a row costs in ``step`` of the dense channel, in blocks of `T` rows."""
    return _stepping(TriggerPoint(channels=("joint",), base=BASE), d, T)


def both(d: int, T: int) -> float:
    """Seconds a row costs in ``step`` as shipped."""
    return _stepping(TriggerPoint(base=BASE), d, T)


def touched(d: int, T: int) -> float:
    """Seconds a row costs that only touches the memory: 96 bytes of state and input per metric, 16 of output."""
    draw = np.random.default_rng(SEED)
    X, level = draw.normal(size=(T, d)), np.zeros((RATES, d))
    fixed, out = draw.normal(size=(2 + RATES, d)), np.empty((2, T, d))
    return _best(lambda: _touch(X, level, fixed, out)) / T


def _stepping(trigger: TriggerPoint, d: int, T: int) -> float:
    rows = _rows(d, BASE + T)
    trigger.fit(rows[:BASE])
    learned = trigger.snapshot()
    block = rows[BASE:]

    def again() -> None:
        trigger.step(block)

    trigger.step(block)
    trigger.restore(learned)
    return _best(again) / T


def _released(d: int, quick: bool) -> float:
    """Seconds a row costs the released mSSA, one base of T = 400 rows (500 folds, L = 20) learned in 2,000.

    It re-bases after each alarm, so that a base in 2,000 rows is little: false alarms make it more.
    """
    rows = _rows(d, 1000 if quick else BLOCK)
    started = time.process_time()
    mssa_released(rows, base=400, window=20, theta=1e9)
    return (time.process_time() - started) / len(rows)


def _rows(d: int, T: int) -> Floats:
    return np.random.default_rng(SEED).normal(size=(T, d))


def _best(call: Callable[[], None], repeats: int = 7) -> float:
    """Seconds of processor time of the fastest of several calls; short ones are repeated to be seen at all."""
    call()
    started = time.process_time()
    call()
    many = max(1, int(0.02 / max(time.process_time() - started, 1e-6)))
    times = []
    for _ in range(repeats):
        started = time.process_time()
        for _ in range(many):
            call()
        times.append((time.process_time() - started) / many)
    return min(times)


@kernel
def _touch(X: Floats, level: Floats, fixed: Floats, out: Floats) -> None:
    """Read a sample, its mean, scale and three units; move three levels; write two results; writes level and out."""
    for t in range(X.shape[0]):
        for n in range(X.shape[1]):
            z = (X[t, n] - fixed[0, n]) * fixed[1, n]
            largest = 0.0
            for k in range(RATES):
                y = z - level[k, n]
                level[k, n] += 0.1 * y
                largest += y * fixed[2 + k, n]
            out[0, t, n] = largest
            out[1, t, n] = z
