"""A learner that obeys all laws, and for each law one that breaks it."""

from itertools import count

import numpy as np

from headwater.online import Block, Snapshot, SnapshotError


class Mean:
    """A learner that obeys all laws: how far each value is from the mean of those before it."""

    def __init__(self) -> None:
        self.total, self.seen = np.zeros(0), np.zeros(0)

    def step(self, X: Block) -> Block:
        self.grow(X.shape[1])
        out = np.empty(X.shape)
        for t, x in enumerate(X):
            out[t] = x - self.total / np.maximum(self.seen, 1.0)
            self.total += np.nan_to_num(x)
            self.seen += ~np.isnan(x)
        return out

    def grow(self, width: int) -> None:
        self.total, self.seen = (np.pad(a, (0, width - len(a))) for a in (self.total, self.seen))

    def snapshot(self) -> Snapshot:
        return {"total": self.total.copy(), "seen": self.seen.copy()}

    def restore(self, snapshot: Snapshot) -> None:
        if snapshot.keys() != {"total", "seen"} or not all(isinstance(v, np.ndarray) for v in snapshot.values()):
            raise SnapshotError("not a mean")
        self.total, self.seen = snapshot["total"].copy(), snapshot["seen"].copy()

    def peek(self) -> Block:
        return self.total.copy()


class WholeBlock(Mean):
    def step(self, X: Block) -> Block:
        super().step(X)
        return X - X.mean(axis=0)


class ForgetsItsCount(Mean):
    def restore(self, snapshot: Snapshot) -> None:
        super().restore(snapshot)
        self.seen[:] = np.floor(self.seen / 2)


class WritesWhenRead(Mean):
    def peek(self) -> Block:
        self.seen += 1.0
        return self.total


class HandsOutItself(Mean):
    def snapshot(self) -> Snapshot:
        return {"total": self.total, "seen": self.seen}


class Centres(Mean):
    def step(self, X: Block) -> Block:
        out = super().step(X)
        X -= X[0]
        return out


class Keeps(Mean):
    def step(self, X: Block) -> Block:
        if len(self.total):
            self.total += 0.0 * np.nan_to_num(self.kept[-1]) + (self.kept[-1] == 1e9)
        self.kept = X
        return super().step(X)


class MissingIsHuge(Mean):
    def step(self, X: Block) -> Block:
        out = super().step(X)
        out[np.isnan(X)] = np.inf
        return out


class Overflows(Mean):
    def step(self, X: Block) -> Block:
        with np.errstate(over="ignore"):
            return super().step(X) ** 30


class UnitScale(Mean):
    def step(self, X: Block) -> Block:
        out = super().step(X)
        if len(X):
            self.total[np.ptp(X, axis=0) == 0.0] = np.nan
        return out


class CountsAllRows(Mean):
    rows = 0

    def step(self, X: Block) -> Block:
        old = len(self.seen)
        self.grow(X.shape[1])
        self.seen[old:] = self.rows
        self.rows += len(X)
        return super().step(X)


class DividesByWidth(Mean):
    def step(self, X: Block) -> Block:
        return super().step(X) / X.shape[1]


class Hoards(Mean):
    def __init__(self) -> None:
        super().__init__()
        self.all: list[Block] = []

    def step(self, X: Block) -> Block:
        self.all.append(X.copy())
        return super().step(X)

    def snapshot(self) -> Snapshot:
        return super().snapshot() | {"all": np.concatenate(self.all)}


TICKS = count()


class ReadsTheClock(Mean):
    def step(self, X: Block) -> Block:
        return super().step(X) + next(TICKS)


class TakesAnything(Mean):
    def restore(self, snapshot: Snapshot) -> None:
        self.total, self.seen = snapshot.get("total", self.total), snapshot.get("seen", self.seen)


class RefusesTooLate(Mean):
    def restore(self, snapshot: Snapshot) -> None:
        self.total = snapshot.get("total", self.total)
        super().restore(snapshot)
