"""How far each partition has come in event time, and the watermark of all of them."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from headwater.online import Snapshot, restore

__all__ = ["Clocks", "ClocksState", "Partition"]

Partition: TypeAlias = tuple[str, int]
"""Topic and number."""


@dataclass(slots=True)
class ClocksState:
    """The clocks of the partitions that have delivered."""

    partitions: str  # JSON: [[topic, number], ...]
    newest: NDArray[np.float64]  # epoch seconds, in the same order


class Clocks:
    """Newest event time of each partition, over all systems in it, and the watermark that follows from them.

    Examples
    --------
    >>> clocks = Clocks()
    >>> clocks.assign([("metrics", 0), ("metrics", 1)])
    >>> clocks.advance(("metrics", 0), 100.0), clocks.watermark(lateness=5.0)
    (-inf, -inf)
    >>> clocks.idle([("metrics", 1)])
    >>> clocks.watermark(lateness=5.0)
    95.0
    """

    def __init__(self) -> None:
        self._newest: dict[Partition, float] = {}
        self._idle: set[Partition] = set()

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Wait for exactly these from now on; the clocks of those known before are kept."""
        self._newest = {partition: self._newest.get(partition, -math.inf) for partition in partitions}
        self._idle &= self._newest.keys()

    def advance(self, partition: Partition, time: float) -> float:
        """Note a word of `time`; return the partition's clock before it, which says whether the word is late."""
        before = self._newest.get(partition, -math.inf)
        if time > before:
            self._newest[partition] = time
        if self._idle:
            self._idle.discard(partition)
        return before

    def idle(self, partitions: Iterable[Partition]) -> None:
        """Stop waiting for these until they deliver again."""
        self._idle.update(self._newest.keys() & set(partitions))

    def newest(self) -> float:
        """Newest event time of all, −inf before the first."""
        return max(self._newest.values(), default=-math.inf)

    def watermark(self, lateness: float) -> float:
        """Time that all partitions waited for have passed by `lateness`; −inf while one has not delivered."""
        waited = [time for partition, time in self._newest.items() if partition not in self._idle]
        return (min(waited) if waited else self.newest()) - lateness

    def snapshot(self) -> Snapshot:
        """Copy the clocks of the partitions that have delivered."""
        known = sorted(p for p, time in self._newest.items() if time > -math.inf)
        return {"partitions": json.dumps(known), "newest": np.array([self._newest[p] for p in known], np.float64)}

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; assign the partitions afterwards."""
        state = restore(ClocksState, snapshot)
        known = [(str(topic), int(number)) for topic, number in json.loads(state.partitions)]
        self._newest = dict(zip(known, state.newest.tolist(), strict=True))
        self._idle = set()
