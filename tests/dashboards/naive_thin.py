"""The slow obvious twin of thinning."""

import math


def thin(times: list[float], column: list[float], points: int) -> tuple[set[float], set[float]]:
    """Lowest and highest value of each of ``points // 2`` equal buckets of time, NaN skipped."""
    start, end = round(times[0] * 1000), round(times[-1] * 1000)
    buckets: dict[int, list[float]] = {}
    for time, value in zip(times, column, strict=True):
        place = (round(time * 1000) - start) * (points // 2) // (end - start + 1)
        if not math.isnan(value):
            buckets.setdefault(place, []).append(value)
    return {min(b) for b in buckets.values()}, {max(b) for b in buckets.values()}
