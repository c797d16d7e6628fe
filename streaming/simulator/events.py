"""The engine: an agenda of events in time order, streams of random numbers, and meters read once a second."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Agenda", "Average", "Draw", "Percentiles", "Tally", "draws"]

Draw: TypeAlias = Callable[[], float]
"""Gives the next number of a random stream."""


class Agenda:
    """What will happen, by time; simultaneous events keep the order in which they were planned.

    Examples
    --------
    >>> agenda, seen = Agenda(), []
    >>> agenda.after(2.0, seen.append, "late")
    >>> agenda.after(1.0, seen.append, "early")
    >>> agenda.run(until=1.5)
    >>> seen, agenda.now
    (['early'], 1.5)
    """

    __slots__ = ("_heap", "_planned", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._planned = 0

    def after(self, delay: float, act: Callable[[Any], None], argument: Any) -> None:
        """Call ``act(argument)`` in `delay` seconds."""
        self._planned += 1
        heapq.heappush(self._heap, (self.now + delay, self._planned, act, argument))

    def run(self, until: float) -> None:
        """Let everything happen that is due by `until`, and stand there."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= until:
            self.now, _, act, argument = pop(heap)
            act(argument)
        self.now = until


def draws(rng: np.random.Generator, sample: Callable[[np.random.Generator, int], NDArray[np.float64]]) -> Draw:
    """Give the numbers of ``sample(rng, n)`` one by one; drawn in blocks, since a call of numpy costs a microsecond."""

    def stream() -> Iterator[float]:
        while True:
            yield from sample(rng, 1024).tolist()

    return stream().__next__


class Tally:
    """A sum and a count over the last `span` seconds; `tick` once a second."""

    __slots__ = ("_counts", "_span", "_sums", "count", "total")

    def __init__(self, span: int) -> None:
        self._span = span
        self._sums = deque([0.0])
        self._counts = deque([0])
        self.total = 0.0
        self.count = 0

    def add(self, value: float = 1.0) -> None:
        """Count one more."""
        self._sums[-1] += value
        self._counts[-1] += 1
        self.total += value
        self.count += 1

    @property
    def rate(self) -> float:
        """The sum per second of the span."""
        return self.total / self._span

    @property
    def mean(self) -> float:
        """The mean value; NaN if there was none."""
        return self.total / self.count if self.count else math.nan

    def tick(self) -> None:
        """Begin the next second."""
        self._sums.append(0.0)
        self._counts.append(0)
        if len(self._sums) > self._span:
            self._sums.popleft()
            self._counts.popleft()
            # Summed anew, so that rounding does not pile up over hours.
            self.total, self.count = math.fsum(self._sums), sum(self._counts)


class Average:
    """The mean of a level over the second since the last `read`, from its running area."""

    __slots__ = ("_area", "_last")

    def __init__(self, area: Callable[[], float]) -> None:
        self._area = area
        self._last = 0.0

    def read(self) -> float:
        """The area that was added since the last call."""
        area = self._area()
        added, self._last = area - self._last, area
        return added


class Percentiles:
    """The values of the last `span` seconds; `tick` once a second."""

    __slots__ = ("_seconds",)

    def __init__(self, span: int) -> None:
        self._seconds: deque[list[float]] = deque([[]], maxlen=span)

    def add(self, value: float) -> None:
        """Take one more value."""
        self._seconds[-1].append(value)

    def read(self, *shares: float) -> list[float]:
        """The nearest-rank percentiles at `shares`; NaN where there was no value."""
        values = sorted(chain.from_iterable(self._seconds))
        n = len(values)
        return [values[max(0, math.ceil(n * share) - 1)] if n else math.nan for share in shares]

    def tick(self) -> None:
        """Begin the next second."""
        self._seconds.append([])
