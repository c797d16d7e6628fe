"""The learner contract, and the two array words that all rooms share."""

from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Block", "Learner", "Snapshot"]

Block: TypeAlias = NDArray[np.float64]
"""``float64[T, d]``: T rows in time order, d metrics. NaN means missing."""

Snapshot: TypeAlias = dict[str, NDArray[Any] | int | float | str | bool]
"""All that a learner has learned, flat, by field name."""


@runtime_checkable
class Learner(Protocol):
    """Learns from blocks of rows, one row after the other.

    The keyword-only constructor *is* the configuration and is never reassigned. All that is learned lives in
    one dataclass of arrays. Guaranteed, and tested by `headwater.online.checks` for every learner:

    - each row is scored before it is learned, and a block equals its rows, to the bit;
    - reading never writes; the caller's array is neither kept nor changed;
    - NaN is missing; new columns may appear at the right, and memory stays bounded;
    - snapshot → restore → continue equals an uninterrupted run, to the bit.
    """

    def step(self, X: Block) -> Any:
        """Learn `X` (shape ``[T, d]``) and return the evidence of its T rows."""
        ...

    def snapshot(self) -> Snapshot:
        """Copy all that has been learned."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Take back a snapshot; raise `SnapshotError` for one that does not fit, and change nothing."""
        ...
