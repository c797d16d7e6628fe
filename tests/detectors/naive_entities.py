"""Slow and obvious twin of the entity triggers: every trigger on its own, and the fusing told from its definition."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from headwater.detectors import TriggerPoint
from headwater.detectors.trigger_info import TriggerInfo
from headwater.online import Block


class Alarm(NamedTuple):
    row: int
    group: int
    onset: int
    metrics: set[int]
    reported: bool


def alone(rows: Block, groups: Sequence[Sequence[int]], budget: float, **setting: Any) -> list[TriggerInfo]:
    """Run a trigger for each group of columns."""
    share = budget / len(groups)
    return [TriggerPoint(false_alarms_per_day=share, **setting).step(rows[:, list(columns)]) for columns in groups]


def fused(infos: Sequence[TriggerInfo], groups: Sequence[Sequence[int]], refractory: int) -> list[Alarm]:
    """Look at all earlier alarms for each alarm."""
    alarms: list[Alarm] = []
    for row in range(len(infos[0].alarm)):
        firing = [g for g, info in enumerate(infos) if info.alarm[row]]
        for g in sorted(firing, key=lambda g: -infos[g].strength[row]):
            departed = np.nan_to_num(infos[g].contributions[row])
            metrics = {groups[g][k] for k in np.flatnonzero(departed >= 0.5 * departed.max())}
            onset = row - int(infos[g].onset[row])
            near = [alarm for alarm in alarms if row - alarm.row <= refractory]
            again = any(alarm.metrics & metrics for alarm in near)
            reported = [alarm.row for alarm in alarms if alarm.reported]
            spreads = bool(near) and onset <= reported[-1] + refractory
            alarms.append(Alarm(row, g, onset, metrics, not (again or spreads)))
    return alarms
