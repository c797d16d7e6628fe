"""The detectors of a system, and what an alarm of theirs is about: metrics, channel, entity. Pure."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headwater.detectors.entities import EntityInfo, EntityTriggers

from .pipeline_config import PipelineConfig
from .records import Series, Triggered
from .verdicts import shares

__all__ = ["alarmed", "detectors", "over", "touched", "written"]

JOINT = 1  # channel of an alarm that many metrics raise together
CHANNELS: dict[int, Literal["joint", "metric", "frozen"]] = {JOINT: "joint", 2: "metric", 3: "frozen"}
SHARE = 0.5  # of the largest departure: so far a metric must have gone for an alarm of many to be about it
TOUCHED = 0.1  # and so far for the alarm to touch it: an incident that it is in is not another one


def detectors(config: PipelineConfig) -> EntityTriggers:
    """The detectors of a system: one for each entity, with one budget of false alarms."""
    settings = {
        "mode": config.mode,
        "base": config.base_rows,
        "window": config.window,
        "rank": config.rank,
        "false_alarms_per_day": config.false_alarms_per_day,
        "interval": config.step,
        "relearn": config.max_rows,
    }
    return EntityTriggers(trigger=settings, refractory=config.refractory_rows)


def over(info: EntityInfo, row: int) -> NDArray[np.bool_]:
    """Columns ``bool[d]`` whose score is over its threshold in a row."""
    return np.asarray(info.scores[row] >= 1.0)


def alarmed(info: EntityInfo, row: int, before: NDArray[np.bool_]) -> list[int]:
    """Columns that an alarm is about: what has crossed its threshold in this row, or departed most from its level.

    `before` are the columns that were over their threshold in the row before; what is over since then is old news.

    Examples
    --------
    >>> info = EntityInfo(*[np.zeros(1)] * 10)._replace(
    ...     scores=np.array([[1.2, 3.0, 0.1]]), alarm=np.array([2]), contributions=np.array([[4.0, 90.0, 0.5]])
    ... )
    >>> alarmed(info, 0, np.array([False, True, False]))
    [0]
    """
    before = np.pad(before, (0, info.scores.shape[1] - len(before)))
    fresh = over(info, row) & ~before
    departed = np.nan_to_num(info.contributions[row])
    if info.alarm[row] == JOINT or not fresh.any():
        fresh |= _farthest(np.where(before, 0.0, departed))
    if not fresh.any():
        fresh = _farthest(departed)
    return [int(j) for j in np.flatnonzero(fresh)]


def touched(info: EntityInfo, row: int) -> list[int]:
    """Columns that depart in the row of an alarm, whether or not it is about them."""
    return [int(j) for j in np.flatnonzero(_farthest(np.nan_to_num(info.contributions[row]), TOUCHED))]


def written(
    info: EntityInfo, row: int, series: tuple[Series, ...], *, time: float, onset: float, entity: str
) -> Triggered:
    """Write an alarm down, without a place among the events of its row and without an incident."""
    return Triggered(
        system=series[0].system,
        time=time,
        n=0,
        onset=onset,
        channel=CHANNELS[int(info.alarm[row])],
        score=float(info.strength[row]),
        metrics=shares(info.contributions[row], tuple(one.name for one in series)),
        entity=entity,
    )


def _farthest(departed: NDArray[np.float64], share: float = SHARE) -> NDArray[np.bool_]:
    return np.asarray((departed >= share * departed.max(initial=0.0)) & (departed > 0.0))
