"""What `EntityTriggers` knows beside what its triggers have learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headwater.online import Snapshot, SnapshotError

__all__ = ["EntityState", "of_trigger"]

Counts = NDArray[np.int64]
NEVER = -(1 << 40)  # a row long before the first


def of_trigger(group: int) -> str:
    """Return how the fields of a group's trigger begin in the snapshot."""
    return f"{group}."


@dataclass(slots=True)
class EntityState:
    """Columns, groups of them that share a detector, and the newest alarms."""

    owner: Counts  # [d] place of the column's entity in `entities`
    group: Counts  # [d]
    touched: Counts  # [d] row of the newest alarm that stood on the metric
    pooled: NDArray[np.bool_]  # [groups] whether it holds several small entities
    born: NDArray[np.bool_]  # [groups] whether it has ever shown a value
    rows: Counts  # [1] rows so far
    reported: Counts  # [1] row of the newest alarm that was reported
    newest: Counts  # [1] row of the newest alarm, reported or fused
    shown: Counts  # [1] width of the newest block
    entities: NDArray[np.str_]
    names: NDArray[np.str_]  # of the metrics that came in river's dictionaries

    @classmethod
    def empty(cls) -> Self:
        """Build the state before the first column."""
        return cls(
            owner=np.empty(0, np.int64),
            group=np.empty(0, np.int64),
            touched=np.empty(0, np.int64),
            pooled=np.empty(0, np.bool_),
            born=np.empty(0, np.bool_),
            rows=np.zeros(1, np.int64),
            reported=np.full(1, NEVER),
            newest=np.full(1, NEVER),
            shown=np.zeros(1, np.int64),
            entities=np.empty(0, np.str_),
            names=np.empty(0, np.str_),
        )

    def afresh(self) -> Self:
        """Build the state before the first row, of the same columns."""
        state = self.empty()
        state.widen(self.owner, self.group, self.entities.tolist(), self.pooled.tolist())
        state.names = self.names
        return state

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.owner)

    def columns(self, group: int) -> Counts:
        """Return the columns of a group."""
        return np.flatnonzero(self.group == group)

    def widen(self, owner: Counts, group: Counts, entities: Sequence[str], pooled: Sequence[bool]) -> None:
        """Know columns that have appeared at the right, and their groups."""
        self.touched = np.concatenate([self.touched, np.full(len(owner) - self.width, NEVER)])
        self.born = np.concatenate([self.born, np.zeros(len(pooled) - len(self.born), np.bool_)])
        self.owner, self.group = owner, group
        self.entities, self.pooled = np.array(entities, np.str_), np.array(pooled, np.bool_)

    def check(self, snapshot: Snapshot) -> None:
        """Refuse a state whose arrays do not fit each other or the triggers beside it.

        Raises
        ------
        SnapshotError
            Says what does not fit.
        """
        d = self.width
        shapes = {"group": (d,), "touched": (d,), "born": self.pooled.shape}
        shapes |= dict.fromkeys(("rows", "reported", "newest", "shown"), (1,))
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise SnapshotError(f"EntityState.{name}: expected shape {shape}, found {getattr(self, name).shape}")
        if d and (self.owner.max() >= len(self.entities) or self.group.max() >= len(self.pooled)):
            raise SnapshotError("EntityState: a column's entity or group is not there")
        found = {name.partition(".")[0] for name in snapshot if "." in name}
        expected = {str(g) for g in np.flatnonzero(self.born)}
        if found != expected:
            raise SnapshotError(f"EntityState: expected triggers {sorted(expected)}, found {sorted(found)}")
