"""The aligner by its definition: every row looks at all samples again."""

import math
from typing import NamedTuple

import numpy as np


class Given(NamedTuple):
    time: float
    partition: int
    offset: int
    name: str
    kind: str
    value: float


def naive_rows(samples, *, step, staleness):
    """Names in column order, and {row time: [value]} for samples none of which is late."""
    samples = sorted(s for s in samples if math.isfinite(s.value))
    rows = [math.ceil(s.time / step) for s in samples]
    if not rows:
        return [], {}
    first = {}
    for row, sample in zip(rows, samples, strict=True):
        first.setdefault(sample.name, row)
    names = sorted(first, key=lambda name: (first[name], name.split("|")))
    result = {}
    for row in range(min(rows), max(rows) + 1):
        newest = max(r for r in rows if r <= row)
        if row - newest > 2 * math.ceil(staleness):
            continue
        result[row * step] = [naive_cell([s for s in samples if s.name == n], row, step, staleness) for n in names]
    return names, result


def naive_cell(samples, row, step, staleness):
    here = [s for s in samples if s.time <= row * step]
    if not here or row * step - here[-1].time > staleness * step:
        return math.nan
    if here[-1].kind == "delta":
        inside = [s.value for s in here if s.time > (row - 1) * step]
        return sum(inside) if inside else math.nan
    if here[-1].kind == "gauge":
        return here[-1].value
    total = {s.time: s.value for s in here}  # of equal times the last one stays
    times = np.array(list(total))
    values = np.array(list(total.values()))
    start = times[-1] - step
    if times[0] > start:
        return math.nan
    window = slice(np.flatnonzero(times <= start)[-1], None)
    if np.any(np.diff(times[window]) > staleness * step) or np.any(np.diff(values[window]) < 0):
        return math.nan
    return (values[-1] - np.interp(start, times, values)) / step
