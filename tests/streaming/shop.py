"""A small recording: a shop of six metrics whose database's disk fills, and what the monitor says of it as bytes."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from headwater.streaming.monitor import AlignConfig, Monitor
from headwater.streaming.pipeline_config import PipelineConfig
from headwater.streaming.records import Arrival, Changed, Event, Position, Ranked, Tick, Triggered, Wide

NAMES = ("front|latency_s", "front|cpu", "cart|latency_s", "cart|cpu", "db|latency_s", "db|disk_util")
STEP = 10.0
START = 1_000_000.0
ONSET = 90
PARTITION = ("metrics", 0)
ALIGN = AlignConfig(STEP)


def config(**changes) -> PipelineConfig:
    settings = {
        "system": "shop",
        "step": STEP,
        "kpi": (("front|latency_s", "up"),),
        "edges": (("front", "cart"), ("cart", "db")),
        "base_rows": 60,
        "batch_rows": 4,
        "close_rows": 8,
        "max_rows": 60,
        "history_rows": 130,
        "patience_rows": 6,
        "lead_rows": 3,
        "hold_rows": 1,
        "candidates": 6,
    }
    return PipelineConfig(**settings | changes)


def monitor(align: AlignConfig = ALIGN, partitions=(PARTITION,), max_systems=64, **changes) -> Monitor:
    new = Monitor(align, config(**{"step": align.step} | changes), max_systems=max_systems)
    new.assign(partitions)
    return new


def rows(n: int = 150, *, seed: int = 3, onset: int = ONSET, until: int = 110) -> NDArray[np.float64]:
    """Quiet rows; from `onset` to `until` the disk is full, and a row later everybody upstream waits."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)) * [0.02, 0.05, 0.02, 0.05, 0.01, 0.05] + [0.3, 0.5, 0.2, 0.4, 0.1, 0.3]
    X[onset:until, 5] += 0.6
    X[onset + 1 : until + 1, [0, 2, 4]] += 0.4
    return X


def arrivals(
    X: NDArray[np.float64], names: Sequence[str] = NAMES, *, start=START, step=STEP, system="shop", partition=PARTITION
) -> list[Arrival]:
    names = tuple(names)
    return [Arrival(Position(*partition, t), Wide(system, start + step * t, names, row)) for t, row in enumerate(X)]


def played(one: Monitor, words: Sequence[Arrival]) -> list[Event]:
    return one.push(words) + one.flush()


def as_bytes(event: Event) -> bytes:
    if isinstance(event, Tick):
        head = (event.system, event.time, event.joint, event.learning)
        return msgspec.json.encode(head) + event.values.tobytes() + event.scores.tobytes()
    return msgspec.json.encode(event)


def by_system(events: Iterable[Event]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for event in events:
        found.setdefault(event.system, []).append(as_bytes(event))
    return found


def changes(events: Iterable[Event]) -> list[Changed]:
    return [event for event in events if isinstance(event, Changed)]


def rankings(events: Iterable[Event]) -> list[Ranked]:
    return [event for event in events if isinstance(event, Ranked)]


def triggers(events: Iterable[Event]) -> list[Triggered]:
    return [event for event in events if isinstance(event, Triggered)]


def actions(events: Iterable[Event]) -> list[str]:
    return [event.action for event in changes(events) if event.action != "ranked"]


def row_of(event: Event) -> int:
    return round((event.time - START) / STEP)
