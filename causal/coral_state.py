"""All that `Coral` keeps beside its moments: the rows held back, three models, and what is known of edges."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headwater.online import SnapshotError, take

from .constraints import Prior, Standing, standing
from .graph import break_cycles
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
    informed: bool  # whether there is a topology
    expected: NDArray[np.bool_]  # [d, d], the edges that it allows
    verdicts: NDArray[np.int8]  # [d, d], +1 confirmed, -1 forbidden, 0 neither

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
            informed=False,
            expected=np.zeros((0, 0), np.bool_),
            verdicts=np.zeros((0, 0), np.int8),
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

    def standing(self, prior: Prior) -> Standing:
        """What is known of each edge before it is learned, ``int8[d, d]``."""
        return standing(self.expected, self.verdicts, informed=self.informed, prior=prior)

    def expect(self, edges: NDArray[np.bool_] | None) -> None:
        """Take a topology ``bool[n, n]`` of the first n columns, or none."""
        self.informed, self.expected = edges is not None, np.zeros_like(self.expected)
        if edges is not None:
            self.expected[: len(edges), : len(edges)] = edges

    def judge(self, cause: int, effect: int, verdict: int) -> None:
        """Note a verdict; raise `ValueError` for what is no edge, or would close a cycle of confirmed ones."""
        d = len(self.verdicts)
        if not (0 <= cause < d and 0 <= effect < d and cause != effect):
            raise ValueError(f"an edge joins two different columns of 0 .. {d - 1}, not {cause} and {effect}")
        verdicts = self.verdicts.copy()
        verdicts[cause, effect] = verdict
        confirmed = np.where(verdicts > 0, 1.0, 0.0)
        if verdict > 0 and not np.array_equal(break_cycles(confirmed), confirmed):
            raise ValueError(f"{cause} -> {effect} would close a cycle of confirmed edges; release one of them first")
        self.verdicts = verdicts

    def grow(self, d: int) -> None:
        """Make room for columns that appear at the right; nothing is known of them."""
        more = max(0, d - len(self.own))
        self.held = np.pad(self.held, ((0, 0), (0, more)), constant_values=np.nan)
        for name, fill in (("own", 0.0), ("causes", -1), ("theta", 0.0), ("changes", -1), ("delta", 0.0)):
            setattr(self, name, np.pad(getattr(self, name), ((0, more), (0, 0)), constant_values=fill))
        self.expected, self.verdicts = np.pad(self.expected, (0, more)), np.pad(self.verdicts, (0, more))
        self.own_scale = np.pad(self.own_scale, (0, more), constant_values=1.0)
        self.theta_scale = np.pad(self.theta_scale, (0, more), constant_values=1.0)

    def check(self, mine: Self, d: int) -> None:
        """Raise `SnapshotError` unless the arrays are of `mine`'s shapes with d columns."""
        for name, array in take(mine).items():
            if isinstance(array, np.ndarray):
                square = name in ("expected", "verdicts")
                wanted = (len(array), d) if name == "held" else (d, d) if square else (d, *array.shape[1:])
                if (found := getattr(self, name).shape) != wanted:
                    raise SnapshotError(f"Coral.{name}: expected shape {wanted}, found {found}")
