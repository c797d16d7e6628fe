"""A growing total (a counter) read as a rate per second over one step, from scrapes at any phase."""

import math
from collections import deque
from itertools import pairwise

__all__ = ["Total"]


class Total:
    """The scrapes of one counter that the newest step needs.

    The rate at scrape time s is ``(C(s) - C(s - step)) / step``, where C is the total, interpolated between
    scrapes. A constant rate so comes out constant whatever the phase of the scrapes, and nothing later than s is
    needed: interpolating at the grid time would need a later scrape, which may or may not have arrived.
    NaN until the scrapes reach one step back, where two of them lie further apart than `limit`, and where the
    total fell (a restart of the process that counts: what it had counted since the scrape before is unknown).

    Parameters
    ----------
    step
        Seconds the rate is taken over.
    limit
        Largest gap between scrapes in seconds.

    Examples
    --------
    >>> total = Total(step=10.0, limit=25.0)
    >>> for time, value in [(1.0, 50.0), (12.0, 83.0), (20.0, 107.0)]:
    ...     total.add(time, value)
    >>> total.rate()
    3.0
    >>> total.add(30.0, 6.0)  # restarted
    >>> total.rate()
    nan
    """

    __slots__ = ("limit", "scrapes", "step")

    def __init__(self, *, step: float, limit: float) -> None:
        self.step = step
        self.limit = limit
        self.scrapes: deque[tuple[float, float]] = deque()  # time, value; the first reaches one step back

    def add(self, time: float, value: float) -> None:
        """Append a scrape; one of the same time replaces the one before. Times must not fall."""
        scrapes = self.scrapes
        if scrapes and scrapes[-1][0] == time:
            scrapes.pop()
        scrapes.append((time, value))
        while len(scrapes) > 2 and scrapes[1][0] <= time - self.step:
            scrapes.popleft()

    def rate(self) -> float:
        """Rate per second over the step that ends with the newest scrape; NaN where it is not known."""
        end, newest = self.scrapes[-1]
        start = end - self.step
        if len(self.scrapes) < 2 or self.scrapes[0][0] > start:
            return math.nan
        scrapes = list(self.scrapes)
        for (t0, c0), (t1, c1) in pairwise(scrapes):
            if t1 - t0 > self.limit or c1 < c0:
                return math.nan
        (t0, c0), (t1, c1) = scrapes[:2]
        if len(scrapes) == 2:
            return (c1 - c0) / (t1 - t0)
        return (newest - (c0 + (c1 - c0) * (start - t0) / (t1 - t0))) / self.step
