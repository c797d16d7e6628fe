"""The history ring: the newest rows of one system, in a fixed amount of memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .contracts import Snapshot
from .state import SnapshotError, restore, take

__all__ = ["Ring", "RingState"]


@dataclass(slots=True)
class RingState:
    """The kept rows, oldest first."""

    values: NDArray[np.float32]  # [n, d]
    times: NDArray[np.float64]  # [n]
    quiet: NDArray[np.bool_]  # [n]
    count: int  # rows ever pushed


class Ring:
    """Keep the newest `capacity` rows of one system and hand them out as views.

    Values are kept as float32: what the store keeps of a row is what a learner may look back at, so a window
    read after a restart is the same window. Columns may be added at the right; their past is NaN.

    Rows are appended to a buffer that is an eighth longer than the ring and is moved back when it is full, so any
    window is one contiguous view, which holds until the next row is pushed.

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
        slots = capacity + max(1, capacity // 8)
        self._values = np.full((slots, 0), np.nan, np.float32)
        self._times = np.full(slots, np.nan)
        self._quiet = np.zeros(slots, np.bool_)
        self._end = 0  # of the rows in the buffer
        self._count = 0  # rows ever pushed

    def __len__(self) -> int:
        return min(self._end, self.capacity)

    @property
    def width(self) -> int:
        """How many columns a row has."""
        return int(self._values.shape[1])

    def push(self, time: float, row: NDArray[np.float64], *, quiet: bool) -> None:
        """Append one row (``float64[d]``); `quiet` says that no incident was open.

        Raises
        ------
        ValueError
            If the row has fewer columns than the one before.
        """
        self.extend(np.array([time]), row[None], quiet=quiet)

    def extend(self, times: NDArray[np.float64], rows: NDArray[np.float64], *, quiet: bool) -> None:
        """Append rows (``float64[T, d]``) in one go; the same as to `push` each of them."""
        if len(times) == 0:
            return
        more = rows.shape[1] - self.width
        if more < 0:
            raise ValueError(
                f"a row of {rows.shape[1]} columns after rows of {self.width}: columns are only ever added"
            )
        if more > 0:
            self._values = np.pad(self._values, ((0, 0), (0, more)), constant_values=np.nan)
        new = min(len(times), self.capacity)
        if self._end + new > len(self._times):
            self._move_back(min(len(self), self.capacity - new))
        place = slice(self._end, self._end + new)
        self._values[place], self._times[place], self._quiet[place] = rows[-new:], times[-new:], quiet
        self._end += new
        self._count += len(times)

    def values(self) -> NDArray[np.float32]:
        """The kept rows, oldest first: a view, ``float32[n, d]``."""
        return self._values[self._window()]

    def times(self) -> NDArray[np.float64]:
        """The times of the kept rows: a view, ``float64[n]``."""
        return self._times[self._window()]

    def quiet(self) -> NDArray[np.bool_]:
        """Which of the kept rows no incident touches: a view, ``bool[n]``."""
        return self._quiet[self._window()]

    def mark(self, rows: int, *, quiet: bool) -> None:
        """Relabel the newest `rows` rows: an onset lies before the row that raised the alarm."""
        self._quiet[self._end - min(rows, len(self)) : self._end] = quiet

    def _window(self) -> slice:
        return slice(self._end - len(self), self._end)

    def _move_back(self, rows: int) -> None:
        """Move the newest `rows` rows to the front of the buffer, piece by piece: a copy of all would double it."""
        gap = self._end - rows
        for array in (self._values, self._times, self._quiet):
            for start in range(0, rows, max(gap, 1)):
                stop = min(start + gap, rows)
                array[start:stop] = array[gap + start : gap + stop]
        self._end = rows

    def snapshot(self) -> Snapshot:
        """Copy the kept rows."""
        return take(RingState(self.values(), self.times(), self.quiet(), self._count))

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; of a larger ring, the newest rows that fit.

        Raises
        ------
        SnapshotError
            If it is no ring's; nothing is changed then.
        """
        s = restore(RingState, snapshot)
        if not len(s.times) == len(s.values) == len(s.quiet):
            found = f"{len(s.times)}, {len(s.values)} and {len(s.quiet)}"
            raise SnapshotError(f"RingState: times, values and quiet must be equally long, not {found}")
        kept = slice(max(0, len(s.times) - self.capacity), None)
        n = len(s.times[kept])
        self._values = np.full((len(self._times), s.values.shape[1]), np.nan, np.float32)
        self._values[:n], self._times[:n], self._quiet[:n] = s.values[kept], s.times[kept], s.quiet[kept]
        self._end, self._count = n, s.count
