"""All that `TriggerPoint` has learned, and the views of it that the kernels work on."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headwater.online import SnapshotError

from .calibrate import Quiet
from .cusum import Base, Recent, Watch

__all__ = ["TriggerState"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
_METRIC_AXIS = {
    "metric_tail": 1,
    "rows": 1,
    "breaks": 1,
}  # of the arrays that have one entry per metric, 0 for the others
_OF_ALL = {"ahead", "filters", "joint", "joint_tail", "joint_height", "joint_age", "joint_muted", "filled"}


@dataclass(slots=True)
class TriggerState:
    """Arrays by name, as they stand in the snapshot; `Base`, `Watch` and `Recent` say what each is."""

    mean: Array
    scale: Array
    unit: Array
    bound: Array
    ahead: Array
    filters: Array
    joint: Array
    metric_tail: Array  # [3, d], a `Tail` of each metric
    joint_tail: Array  # [3]
    window: Array
    held: Counts
    last: Array
    height: Array
    age: Counts
    muted: Counts
    before: Array
    peak: Array
    joint_height: Array
    joint_age: Counts
    joint_muted: Counts
    rows: Array
    breaks: NDArray[np.bool_]
    filled: Counts
    born: Counts
    learned: int  # bases learned so far
    names: NDArray[np.str_]  # of the metrics that came in river's dictionaries

    @classmethod
    def empty(cls, base: int, window: int) -> Self:
        """Build the state before the first row."""
        return cls(
            mean=np.empty(0),
            scale=np.empty(0),
            unit=np.empty(0),
            bound=np.empty(0),
            ahead=np.zeros(window - 1),
            filters=np.empty((0, window)),
            joint=np.full(3, np.nan),
            metric_tail=np.empty((3, 0)),
            joint_tail=np.full(3, np.nan),
            window=np.empty((0, window)),
            held=np.empty(0, np.int64),
            last=np.empty(0),
            height=np.empty(0),
            age=np.empty(0, np.int64),
            muted=np.empty(0, np.int64),
            before=np.empty(0),
            peak=np.empty(0),
            joint_height=np.zeros(1),
            joint_age=np.zeros(1, np.int64),
            joint_muted=np.zeros(1, np.int64),
            rows=np.empty((base, 0)),
            breaks=np.empty((base, 0), np.bool_),
            filled=np.zeros(1, np.int64),
            born=np.empty(0, np.int64),
            learned=0,
            names=np.empty(0, np.str_),
        )

    @property
    def width(self) -> int:
        """How many metrics have been seen."""
        return len(self.mean)

    def views(self) -> tuple[Base, Watch, Recent]:
        """Hand out the arrays themselves, for kernels that update them in place."""
        watch = Watch(
            self.window,
            self.held,
            self.last,
            self.height,
            self.age,
            self.muted,
            self.before,
            self.peak,
            self.joint_height,
            self.joint_age,
            self.joint_muted,
        )
        base = Base(self.mean, self.scale, self.unit, self.bound, self.ahead, self.filters, self.joint)
        return base, watch, Recent(self.rows, self.breaks, self.filled, self.born)

    def widen(self, width: int) -> None:
        """Make room for metrics that appear at the right; their past is missing."""
        more = width - self.width
        if more < 0:
            raise ValueError(f"rows of {width} metrics after rows of {self.width}: metrics are only ever added")
        fill = {"breaks": False, "held": 0, "height": 0.0, "age": 0, "muted": 0, "born": -1}
        for name in self._by_metric() if more else ():
            old, axis = getattr(self, name), _METRIC_AXIS.get(name, 0)
            shape = (*old.shape[:axis], more, *old.shape[axis + 1 :])
            setattr(self, name, np.concatenate([old, np.full(shape, fill.get(name, np.nan), old.dtype)], axis=axis))

    def waiting(self, rows: int, least: int) -> NDArray[np.bool_]:
        """Metrics without a base that have been here for `rows` rows, a tenth less is fine, with `least` samples."""
        samples = np.isfinite(self.rows).sum(axis=0)
        here = (self.born >= 0) & (self.filled[0] - self.born >= 0.9 * rows)
        waiting: NDArray[np.bool_] = np.isnan(self.unit) & here & (samples >= least)
        return waiting

    def blend(self, fresh: Quiet, weight: float) -> None:
        """Move the base towards a fresh one. Quiet errors and thresholds rise at once and sink slowly."""
        new, known = fresh.base, ~np.isnan(fresh.base.unit)
        both = known & ~np.isnan(self.unit)

        def mixed(old: Array, new: Array, *, rises: bool) -> Array:
            between = (1.0 - weight) * old + weight * new
            return np.where(both, np.maximum(between, new) if rises else between, np.where(known, new, old))

        errors = mixed(self.unit * self.scale**2, new.unit * new.scale**2, rises=True)  # a unit is relative to a scale
        self.mean, self.scale = mixed(self.mean, new.mean, rises=False), mixed(self.scale, new.scale, rises=False)
        self.unit, self.bound = errors / self.scale**2, mixed(self.bound, new.bound, rises=True)
        self.metric_tail = np.where(known, fresh.metric_tail, self.metric_tail)
        first = bool(np.isnan(self.joint[2]))
        self.joint = new.joint if first else (1.0 - weight) * self.joint + weight * new.joint
        self.joint_tail = fresh.joint_tail
        self.ahead, self.filters = new.ahead, new.filters
        self.learned += 1

    def check(self, base: int, window: int) -> None:
        """Refuse a state whose arrays do not fit each other, or not a detector with this base and window.

        Raises
        ------
        SnapshotError
            Names the array, and what was expected of it.
        """
        like = TriggerState.empty(base, window)
        like.widen(self.width)
        for field in fields(self):
            mine, theirs = getattr(like, field.name), getattr(self, field.name)
            if field.name in ("learned", "names", "filters"):
                continue
            if (theirs.dtype, theirs.shape) != (mine.dtype, mine.shape):
                wanted, found = f"{mine.dtype}{mine.shape}", f"{theirs.dtype}{theirs.shape}"
                raise SnapshotError(f"TriggerState.{field.name}: expected {wanted}, found {found}")
        if self.filters.shape[1:] != (window,) or self.names.dtype.kind != "U":
            raise SnapshotError(f"TriggerState: filters of shape {self.filters.shape}, names of {self.names.dtype}")

    @staticmethod
    def _by_metric() -> tuple[str, ...]:
        return tuple(f.name for f in fields(TriggerState) if f.name not in _OF_ALL | {"learned", "names"})
