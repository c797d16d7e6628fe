"""The history ring: the newest rows of one system, in a fixed amount of memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .contracts import Snapshot
from .state import SnapshotError, restore, take

__all__ = ["Ring", "RingState"]


@dataclass(slots=True)
class RingState:
    """The newest `capacity` rows, each written twice so that any window is one contiguous view."""

    values: NDArray[np.float32]  # [2 * capacity, d]
    times: NDArray[np.float64]  # [2 * capacity]
    quiet: NDArray[np.bool_]  # [2 * capacity]
    count: int  # rows ever pushed


class Ring:
    """Keep the newest `capacity` rows of one system and hand them out as views.

    Values are kept as float32: what the store keeps of a row is what a learner may look back at, so a window
    read after a restart is the same window. Columns may be added at the right; their past is NaN.

    Parameters
    ----------
    capacity
        How many rows are kept.

    Examples
    --------
    >>> import numpy as np
    >>> ring = Ring(capacity=3)
    >>> for t in range(5):
    ...     ring.push(float(t), np.array([10.0 * t]), quiet=t != 3)
    >>> ring.values()[:, 0].tolist(), ring.times().tolist(), ring.quiet().tolist()
    ([20.0, 30.0, 40.0], [2.0, 3.0, 4.0], [True, False, True])
    """

    def __init__(self, *, capacity: int = 1800) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1 row, not {capacity}")
        self.capacity = capacity
        self._state = RingState(
            values=np.empty((2 * capacity, 0), np.float32),
            times=np.full(2 * capacity, np.nan),
            quiet=np.zeros(2 * capacity, np.bool_),
            count=0,
        )

    def __len__(self) -> int:
        return min(self._state.count, self.capacity)

    @property
    def width(self) -> int:
        """How many columns a row has."""
        return int(self._state.values.shape[1])

    def push(self, time: float, row: NDArray[np.float64], *, quiet: bool) -> None:
        """Append one row (``float64[d]``); `quiet` says that no incident was open.

        Raises
        ------
        ValueError
            If the row has fewer columns than the one before.
        """
        s = self._state
        if row.shape[0] < self.width:
            raise ValueError(f"a row of {row.shape[0]} columns after rows of {self.width}: columns are only ever added")
        if row.shape[0] > self.width:
            new = np.full((2 * self.capacity, row.shape[0] - self.width), np.nan, np.float32)
            s.values = np.hstack([s.values, new])
        for slot in (s.count % self.capacity, s.count % self.capacity + self.capacity):
            s.values[slot], s.times[slot], s.quiet[slot] = row, time, quiet
        s.count += 1

    def extend(self, times: NDArray[np.float64], rows: NDArray[np.float64], *, quiet: bool) -> None:
        """Append rows (``float64[T, d]``) in one go; the same as to `push` each of them."""
        if len(times) == 0:
            return
        self.push(float(times[0]), rows[0], quiet=quiet)  # which also widens the ring
        s, kept = self._state, min(len(times) - 1, self.capacity)
        s.count += len(times) - 1
        first = np.arange(s.count - kept, s.count) % self.capacity
        for slots in (first, first + self.capacity):
            s.values[slots] = rows[len(rows) - kept :]
            s.times[slots] = times[len(times) - kept :]
            s.quiet[slots] = quiet

    def _window(self) -> slice:
        if self._state.count < self.capacity:
            return slice(0, self._state.count)
        start = self._state.count % self.capacity
        return slice(start, start + self.capacity)

    def values(self) -> NDArray[np.float32]:
        """The kept rows, oldest first: a view, ``float32[n, d]``."""
        return self._state.values[self._window()]

    def times(self) -> NDArray[np.float64]:
        """The times of the kept rows: a view, ``float64[n]``."""
        return self._state.times[self._window()]

    def quiet(self) -> NDArray[np.bool_]:
        """Which of the kept rows no incident touches: a view, ``bool[n]``."""
        return self._state.quiet[self._window()]

    def mark(self, rows: int, *, quiet: bool) -> None:
        """Relabel the newest `rows` rows: an onset lies before the row that raised the alarm."""
        newest = np.arange(self._state.count - min(rows, len(self)), self._state.count) % self.capacity
        self._state.quiet[newest] = self._state.quiet[newest + self.capacity] = quiet

    def snapshot(self) -> Snapshot:
        """Copy the ring."""
        return take(self._state)

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; of a ring of another capacity, the newest rows that fit.

        Raises
        ------
        SnapshotError
            If it is no ring's; nothing is changed then.
        """
        state = restore(RingState, snapshot)
        slots = len(state.times)
        if slots % 2 or not slots == len(state.values) == len(state.quiet):
            found = f"{slots}, {len(state.values)} and {len(state.quiet)}"
            raise SnapshotError(f"RingState: times, values and quiet must be equally long and even, not {found}")
        if slots == 2 * self.capacity:
            self._state = state
            return
        other = Ring(capacity=slots // 2)
        other._state = state
        self._state = Ring(capacity=self.capacity)._state
        for time, row, quiet in zip(other.times(), other.values(), other.quiet(), strict=True):
            self.push(float(time), row.astype(np.float64), quiet=bool(quiet))
