"""All that `MssaTrigger` has learned."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, SnapshotError

from .mssa import Signal, Watch, enter, lag_weights
from .page import QUANTILE, learn

__all__ = ["MssaState"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
BY_METRIC = {"mean": 0, "scale": 0, "window": 0, "rows": 1}  # and the axis of their metrics


@dataclass(slots=True)
class MssaState:
    """Arrays by name, as they stand in the snapshot; `Signal` and `Watch` say what each is."""

    mean: Array
    scale: Array
    complement: Array
    weights: Array
    limits: Array
    window: Array
    products: Array
    at: Counts
    height: Array
    age: Counts
    latched: Counts
    rows: Array  # [base, d] the base, as far as it is filled
    filled: Counts  # [1] rows of it
    learned: int  # bases learned so far
    names: NDArray[np.str_]  # of the metrics that came in river's dictionaries

    @classmethod
    def empty(cls, base: int, window: int) -> Self:
        """Build the state before the first row."""
        return cls(
            mean=np.empty(0),
            scale=np.empty(0),
            complement=np.zeros((window, 0)),
            weights=np.zeros((window, window)),
            limits=np.full(4, np.nan),
            window=np.empty((0, 2 * window)),
            products=np.zeros((window, window)),
            at=np.zeros(1, np.int64),
            height=np.zeros(1),
            age=np.zeros(1, np.int64),
            latched=np.zeros(1, np.int64),
            rows=np.empty((base, 0)),
            filled=np.zeros(1, np.int64),
            learned=0,
            names=np.empty(0, np.str_),
        )

    @property
    def width(self) -> int:
        """How many metrics have been seen."""
        return len(self.mean)

    def views(self) -> tuple[Signal, Watch]:
        """Hand out the arrays themselves, for kernels that update them in place."""
        signal = Signal(self.mean, self.scale, self.complement, self.weights, self.limits)
        return signal, Watch(self.window, self.products, self.at, self.height, self.age, self.latched)

    def widen(self, width: int) -> None:
        """Make room for metrics that appear at the right; their past is missing."""
        more = width - self.width
        if more < 0:
            raise ValueError(f"rows of {width} metrics after rows of {self.width}: metrics are only ever added")
        for name, axis in BY_METRIC.items() if more else ():
            old = getattr(self, name)
            shape = (*old.shape[:axis], more, *old.shape[axis + 1 :])
            new = np.full(shape, 0.0 if name == "window" else np.nan)
            setattr(self, name, np.concatenate([old, new], axis=axis))

    def learn(self, rows: Block, *, standardize: bool, rank: float, released: bool, theta: float, folds: int) -> None:
        """Take `rows` as the base, and fill the window with all of them but the last."""
        window = len(self.products)
        rows = rows[len(rows) % window :]
        self.mean, self.scale = _scales(rows) if standardize else _as_they_are(rows)
        known = ~np.isnan(self.scale)
        Z = np.where(np.isfinite(rows), (rows - self.mean) / self.scale, 0.0)[:, known]
        found = learn(Z, window, metrics=int(known.sum()), rank=rank, released=released, folds=folds)
        self.complement, self.weights = found.complement, lag_weights(found.complement)
        # Windows overlap by all but one row, so an exceedance lasts about L rows and lifts W by L times its size.
        u, excess = found.tail
        excess = max(excess, 1e-9 * found.largest)
        calm = np.log(window / (1.0 - QUANTILE)) + (found.drift - u) / excess
        self.limits = np.array([found.drift, theta * found.largest, calm, 1.0 / (window * excess)])
        for running in (self.window, self.products, self.at, self.height, self.age, self.latched):
            running[:] = 0
        for row in rows[-window:-1]:
            enter(row, *self.views(), released)
        self.learned += 1

    def check(self, base: int, window: int) -> None:
        """Refuse a state whose arrays do not fit each other, or not a detector with this base and window.

        Raises
        ------
        SnapshotError
            Names the array, and what was expected of it.
        """
        like = MssaState.empty(base, window)
        like.widen(self.width)
        for field in fields(self):
            mine, theirs = getattr(like, field.name), getattr(self, field.name)
            if field.name in ("learned", "names", "complement"):
                continue
            if (theirs.dtype, theirs.shape) != (mine.dtype, mine.shape):
                wanted, found = f"{mine.dtype}{mine.shape}", f"{theirs.dtype}{theirs.shape}"
                raise SnapshotError(f"MssaState.{field.name}: expected {wanted}, found {found}")
        if self.complement.ndim != 2 or len(self.complement) != window or self.names.dtype.kind != "U":
            shape, kind = self.complement.shape, self.names.dtype
            raise SnapshotError(f"MssaState: complement of shape {shape}, names of {kind}")


def _scales(rows: Block) -> tuple[Array, Array]:
    """Mean and standard deviation of each metric; a constant is divided by 1, one without samples by NaN."""
    present = np.isfinite(rows)
    count = present.sum(axis=0)
    filled = np.where(present, rows, 0.0)
    mean = np.where(count > 0, filled.cumsum(axis=0)[-1] / np.maximum(count, 1), np.nan)
    sd = np.sqrt((np.where(present, rows - mean, 0.0) ** 2).cumsum(axis=0)[-1] / np.maximum(count, 1))
    lowest, highest = np.where(present, rows, np.inf).min(axis=0), np.where(present, rows, -np.inf).max(axis=0)
    constant = lowest >= highest
    return np.where(constant & (count > 0), lowest, mean), np.where(count > 0, np.where(constant, 1.0, sd), np.nan)


def _as_they_are(rows: Block) -> tuple[Array, Array]:
    present = np.isfinite(rows).any(axis=0)
    return np.where(present, 0.0, np.nan), np.where(present, 1.0, np.nan)
