"""Rows and questions that the tests of TriggerPoint share."""

import numpy as np

from headwater.detectors import TriggerInfo
from headwater.online import Block


def noise(T: int = 1200, d: int = 6, seed: int = 7) -> Block:
    return np.random.default_rng(seed).normal(size=(T, d))


def alarms(info: TriggerInfo) -> list[int]:
    return np.flatnonzero(info.alarm).tolist()


def shifted(rows: Block, metric: int, start: int, stop: int | None = None, by: float = 12.0) -> Block:
    rows = rows.copy()
    rows[start:stop, metric] += by
    return rows


def same(one: TriggerInfo, other: TriggerInfo) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))
