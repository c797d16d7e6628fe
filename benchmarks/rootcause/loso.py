"""Leave one system out: constants chosen on the others, held against those chosen on all.

A setting's worth on a system is Avg@5 of its services (HitRate@100 % of a host's metrics), the mean over the injected
time and one sample late. Chosen is the setting of the largest mean over the systems that it is chosen on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headwater.causal.recipe import SHIPPED, Recipe

from .judging import Judged, judge, utility
from .ours import Case, ranking
from .sets import SETS, SYSTEMS, incidents
from .windows import TIMES, Time

__all__ = ["GRID", "Task", "Worth", "left_out", "tasks", "worth"]

BESIDE: dict[str, tuple[Any, ...]] = {
    "sharp": (0.6, 0.9),
    "kin": (20.0,),
    "young": (20.0,),
    "explain": (0.0,),
    "mirrors": (False,),
}
"""Of each constant what it might have been, beside what it is."""
GRID: tuple[Recipe, ...] = tuple(
    replace(SHIPPED, **dict(zip(BESIDE, values, strict=True)))
    for values in product(*(dict.fromkeys((getattr(SHIPPED, name), *others)) for name, others in BESIDE.items()))
)
"""The settings that are chosen from, the shipped one first."""
Worth = Mapping[tuple[str, Time], list[float]]


class Task(NamedTuple):
    """What all settings are worth on a system from one time: the work of one process."""

    data: Path
    system: str
    time: Time
    every: int = 1  # only each so many-th window


def tasks(data: Path, every: int = 1) -> list[Task]:
    """Return all that must be known before a system can be left out."""
    return [Task(data, system, time, every) for system in SYSTEMS for time in TIMES]


def worth(task: Task) -> list[float]:
    """Return the worth of each setting of `GRID`."""
    services = SETS[task.system].services
    found: list[list[Judged]] = [[] for _ in GRID]
    for window in islice(incidents(task.data, task.system, task.time), 0, None, task.every):
        case = Case(window)
        for recipe, judged in zip(GRID, found, strict=True):
            judged.append(judge(window, ranking(case.findings(recipe)), services=services))
    return [utility(judged, services=services) for judged in found]


def left_out(of: Worth) -> Iterator[tuple[str, str, float]]:
    """Yield for each system what it is worth with the setting chosen on all, with that chosen on the others, and lost.

    >>> values = {("a", "injected"): [0.9, 0.6], ("b", "injected"): [0.5, 0.7], ("c", "injected"): [0.8, 0.9]}
    >>> [(system, name, round(value, 2)) for system, name, value in left_out(values)][:3]
    [('a', 'on_all', 0.9), ('a', 'on_others', 0.6), ('a', 'lost', 0.3)]
    """
    systems = list(dict.fromkeys(system for system, _ in of))
    table = np.array([np.mean([v for (name, _), v in of.items() if name == system], axis=0) for system in systems])
    on_all = int(table.mean(axis=0).argmax())
    for k, system in enumerate(systems):
        on_others = int(np.delete(table, k, axis=0).mean(axis=0).argmax())
        yield system, "on_all", float(table[k, on_all])
        yield system, "on_others", float(table[k, on_others])
        yield system, "lost", float(table[k, on_all] - table[k, on_others])
