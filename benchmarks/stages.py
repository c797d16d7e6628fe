"""What each stage of the pipeline costs per row, beside the same quiet step in plain numpy. Best of several repeats.

Every repeat starts from the same learned state, and ours and the twin take turns, so that a machine with other work
slows both. BLAS gets one thread: with more, its threads wait for each other on a busy machine, and the twin, which
leans on it most, would look slower than it is.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from headwater.causal.coral import Coral
from headwater.causal.moments import LaggedMoments
from headwater.detectors import TriggerPoint
from headwater.detectors.trigger import JOINT_SHARE
from headwater.online import Ring, Snapshot
from headwater.streaming.align import Aligner
from headwater.streaming.checkpoint import freeze, hashes, thaw
from headwater.streaming.columns import Columns
from headwater.streaming.formats import decoder
from headwater.streaming.graphs import GRAPH_COLUMNS
from headwater.streaming.pipeline import Pipeline
from headwater.streaming.pipeline_config import PipelineConfig
from headwater.streaming.records import Frame, Position, Ranked, Series, Wide
from headwater.streaming.simulator import EPOCH

from .peers.numpy_twin import QuietStep

__all__ = ["Load", "batches", "load", "snapshot_bytes", "stages"]

Floats = NDArray[np.float64]
SYSTEM = "bench"
SEED = 1
BASE = 600  # rows that are learned as the base
WARM = 40  # rows that are stepped before the clock starts: the first one chooses the lag order
METRICS = 8  # of one entity
SHIFT = 12.0  # standard deviations, in the metrics of one entity: an incident
BATCHES = 5
Thunk = Callable[[], object]


class Load(NamedTuple):
    """Quiet rows at 1 Hz, and a pipeline that has learned what came before them."""

    series: tuple[Series, ...]
    times: Floats  # [T]
    X: Floats  # [T, d]
    parts: dict[str, tuple[str, bytes]]  # of the pipeline


def load(d: int, rows: int) -> Load:
    """Make rows of d metrics that wander a little and are never still."""
    noise = np.random.default_rng(SEED).normal(size=(2, BASE + WARM + rows, d))
    X = np.empty(noise.shape[1:])
    level = np.zeros(d)
    for t in range(len(X)):
        level = 0.98 * level + 0.1 * noise[0, t]
        X[t] = level + noise[1, t]
    series = tuple(Series(SYSTEM, f"e{j // METRICS}", f"m{j % METRICS}") for j in range(d))
    times = EPOCH + np.arange(len(X), dtype=np.float64)
    pipeline = Pipeline(_config())
    pipeline.learn(Frame(SYSTEM, times[:BASE], X[:BASE], np.zeros_like(X[:BASE]), series))
    pipeline.learned()
    start = BASE + WARM
    pipeline.step(Frame(SYSTEM, times[BASE:start], X[BASE:start], np.zeros_like(X[BASE:start]), series))
    marks = hashes(pipeline.config)
    parts = {part: (marks[part], data) for part, data in freeze(pipeline).items()}
    return Load(series, times[start:], X[start:], parts)


def stages(what: Load, repeats: int) -> dict[str, float]:
    """Seconds per row of each stage, and of the twin.

    ``quiet`` is the step of the learners (trigger, ring, and moments up to `GRAPH_COLUMNS` metrics), ``step`` the whole
    of `Pipeline.step` on one block, with refits, refreshes and ticks, ``single_row_step`` the same with one row a
    frame, as a live topic has it.
    """
    pipeline, rows = _pipeline(what), what.X
    learned, graph = _learned(pipeline), pipeline.work.graphs.coral.snapshot()
    kinds: dict[str, Callable[[], Thunk]] = {
        "decode": lambda: _decoding(what),
        "align": lambda: _aligning(what),
        "trigger": lambda: _trigger(learned, rows),
        "ring": lambda: _ring(rows),
        "quiet": lambda: _quiet(learned, rows),
        "quiet, numpy": lambda: _twin(learned, what),
        "step": lambda: _stepping(what, len(rows)),
        "step, numpy": lambda: _twin(learned, what, ticks=True),
        "single_row_step": lambda: _stepping(what, 1),
    }
    if _has_graph(rows):
        kinds["graph"] = lambda: _graph(graph, rows, pipeline.work.graphs.lags)
    best = dict.fromkeys(kinds, float("inf"))
    with threadpool_limits(1):
        for name, make in [*kinds.items()] * repeats:
            run = make()
            started = time.perf_counter()
            run()
            best[name] = min(best[name], (time.perf_counter() - started) / len(rows))
    return best


def batches(what: Load) -> tuple[float, float]:
    """Seconds of opening an incident, with the first ranking, and the median of the batches after it."""
    pipeline, X = _pipeline(what), what.X.copy()
    spent: list[float] = []
    X[10:, :METRICS] += SHIFT
    for k in range(len(X)):
        frame = Frame(SYSTEM, what.times[k : k + 1], X[k : k + 1], np.zeros((1, X.shape[1])), what.series)
        started = time.perf_counter()
        ranked = any(isinstance(event, Ranked) for event in pipeline.step(frame))
        if ranked:
            spent.append(time.perf_counter() - started)
        if len(spent) > BATCHES:
            return spent[0], float(np.median(spent[1:]))
    raise RuntimeError("no incident was opened")


def snapshot_bytes(what: Load) -> dict[str, int]:
    """Bytes of each part of a snapshot after all rows."""
    pipeline = _pipeline(what)
    pipeline.step(Frame(SYSTEM, what.times, what.X, np.zeros_like(what.X), what.series))
    return {part: len(data) for part, data in freeze(pipeline).items()}


def _config() -> PipelineConfig:
    return PipelineConfig(system=SYSTEM, base_rows=BASE)


def _pipeline(what: Load) -> Pipeline:
    pipeline = Pipeline(_config())
    thaw(pipeline, what.parts)
    return pipeline


def _has_graph(rows: Floats) -> bool:
    """Say whether a graph is learned in quiet time; of more metrics one is learned of an incident's suspects only."""
    return len(rows[0]) <= GRAPH_COLUMNS


def _decoding(what: Load) -> Thunk:
    names = [one.name for one in what.series]
    decode = decoder("wide", columns=Columns(SYSTEM))
    records = [
        msgspec.json.encode({"time": when, "values": dict(zip(names, row, strict=True))})
        for when, row in zip(what.times.tolist(), what.X.tolist(), strict=True)
    ]
    return lambda: [decode(raw, Position("metrics", 0, k), None) for k, raw in enumerate(records)]


def _aligning(what: Load) -> Thunk:
    names = tuple(one.name for one in what.series)
    aligner = Aligner(system=SYSTEM, step=1.0, lateness=0.0)
    words = [Wide(SYSTEM, float(when), names, row) for when, row in zip(what.times, what.X, strict=True)]

    def run() -> None:
        for word in words:
            aligner.push(("metrics", 0), word, clock=-np.inf)
        while aligner.flush(words[-1].time) is not None:
            pass

    return run


def _learned(pipeline: Pipeline) -> Snapshot:
    """One detector of all metrics, as the twin has one; the pipeline's own has one for each entity."""
    trigger = TriggerPoint(base=BASE)
    trigger.fit(pipeline.ring.values()[:BASE].astype(np.float64))
    return trigger.snapshot()


def _trigger(learned: Snapshot, rows: Floats) -> Thunk:
    trigger = TriggerPoint(base=BASE)
    trigger.restore(learned)
    return lambda: trigger.step(rows)


def _ring(rows: Floats) -> Thunk:
    ring = Ring(capacity=1800)

    times = np.arange(len(rows), dtype=np.float64)
    return lambda: ring.extend(times, rows, quiet=True)


def _graph(learned: Snapshot, rows: Floats, lags: int) -> Thunk:
    coral = Coral(lags=lags, hold_back=_held(learned) - 32)
    coral.restore(learned)
    return lambda: coral.step(rows)


def _held(learned: Snapshot) -> int:
    return len(np.asarray(learned["held"]))


def _quiet(learned: Snapshot, rows: Floats) -> Thunk:
    trigger, ring, moments = _trigger(learned, rows), _ring(rows), LaggedMoments()

    def run() -> None:
        trigger()
        ring()
        if _has_graph(rows):
            moments.step(rows)

    return run


def _twin(learned: Snapshot, what: Load, *, ticks: bool = False) -> Thunk:
    rates = JOINT_SHARE / 86400.0, (1.0 - JOINT_SHARE) / 86400.0 / what.X.shape[1]  # as shipped, at 1 Hz
    twin = QuietStep(SYSTEM, learned, rates, relearn=_config().max_rows, history=1800, graph=_has_graph(what.X))

    def run() -> None:
        for when, row in zip(what.times.tolist(), what.X, strict=True):
            if ticks:
                twin.step(when, row)
            else:
                twin.learn(when, row)

    return run


def _stepping(what: Load, length: int) -> Thunk:
    pipeline, blank = _pipeline(what), np.zeros((length, len(what.series)))
    frames = [
        Frame(SYSTEM, what.times[at : at + length], what.X[at : at + length], blank, what.series)
        for at in range(0, len(what.X), length)
    ]
    return lambda: [pipeline.step(frame) for frame in frames]
