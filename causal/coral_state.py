"""All that `Coral` has learned beside its moments: the rows held back and three models."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headwater.online import SnapshotError, take

from .svar import Svar, own_lags

__all__ = ["CoralState"]


@dataclass(slots=True)
class CoralState:
    """Arrays by name, as they stand in the snapshot; `Svar` views of them by property."""

    held: NDArray[np.float64]  # [hold_back + block, d], newest quiet rows, oldest first
    filled: int  # how many of them
    blocks: int  # learned since the last fit
    incident: bool
    names: str  # of the columns that came as dicts, joined by the unit separator
    own: NDArray[np.float64]  # [d, p], own-lags model
    own_scale: NDArray[np.float64]  # [d], what it leaves
    causes: NDArray[np.int64]  # [d, p + K], candidates of the invariant part
    theta: NDArray[np.float64]  # [d, p + K], the invariant part
    theta_scale: NDArray[np.float64]  # [d], what it leaves
    changes: NDArray[np.int64]  # [d, p + 2 K], candidates of the dependent part
    delta: NDArray[np.float64]  # [d, p + 2 K], the dependent part

    @classmethod
    def empty(cls, rows: int, p: int, K: int) -> Self:
        """Build the state before the first row, with room for `rows` rows."""
        return cls(
            held=np.full((rows, 0), np.nan),
            filled=0,
            blocks=0,
            incident=False,
            names="",
            own=np.zeros((0, p)),
            own_scale=np.ones(0),
            causes=np.full((0, p + K), -1, np.int64),
            theta=np.zeros((0, p + K)),
            theta_scale=np.ones(0),
            changes=np.full((0, p + 2 * K), -1, np.int64),
            delta=np.zeros((0, p + 2 * K)),
        )

    @property
    def own_model(self) -> Svar:
        """The model in which every metric follows from its own past."""
        return Svar(own_lags(*self.own.shape), self.own, self.own_scale)

    @property
    def invariant(self) -> Svar:
        """The model of quiet times."""
        return Svar(self.causes, self.theta, self.theta_scale)

    @property
    def dependent(self) -> Svar:
        """What the incident adds to it."""
        return Svar(self.changes, self.delta, np.ones(len(self.delta)))

    def grow(self, d: int) -> None:
        """Make room for columns that appear at the right; nothing is known of them."""
        more = max(0, d - len(self.own))
        self.held = np.pad(self.held, ((0, 0), (0, more)), constant_values=np.nan)
        for name, fill in (("own", 0.0), ("causes", -1), ("theta", 0.0), ("changes", -1), ("delta", 0.0)):
            setattr(self, name, np.pad(getattr(self, name), ((0, more), (0, 0)), constant_values=fill))
        self.own_scale = np.pad(self.own_scale, (0, more), constant_values=1.0)
        self.theta_scale = np.pad(self.theta_scale, (0, more), constant_values=1.0)

    def check(self, mine: Self, d: int) -> None:
        """Raise `SnapshotError` unless the arrays are of `mine`'s shapes with d columns."""
        for name, array in take(mine).items():
            if isinstance(array, np.ndarray):
                wanted = (len(array), d) if name == "held" else (d, *array.shape[1:])
                if (found := getattr(self, name).shape) != wanted:
                    raise SnapshotError(f"Coral.{name}: expected shape {wanted}, found {found}")
