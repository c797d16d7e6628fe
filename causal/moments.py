"""Lagged second moments with forgetting: all that a sparse linear SVAR needs to know of the past."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, Snapshot, SnapshotError, kernel, restore, take

__all__ = ["LaggedMoments", "MomentsState", "pooled"]

Floats: TypeAlias = NDArray[np.float64]

LARGEST = 1e150  # what has no square is no measurement; false for NaN, too


@dataclass(slots=True)
class MomentsState:
    """What the next block needs: running location and spread, the moments, and the rows that wait."""

    mean: Floats  # [d]
    spread: Floats  # [d], forgotten sum of squared deviations
    seen: Floats  # [d], forgotten count of the values that were there
    gamma: Floats  # [p + 1, d, d], forgotten sums of x_t x_{t-l}'
    tail: Floats  # [p, d], the newest standardised rows, newest last; 0 = unknown
    waiting: Floats  # [block, d], raw rows of the block that is not full yet
    filled: int  # how many of them
    weight: float  # forgotten count of rows in gamma


class LaggedMoments:
    """Keep ``Gamma_l = E[z_t z_{t-l}']``, l = 0..p, of standardised rows, with exponential forgetting.

    For a block of b rows, ``f = 2^(-1 / half_life)`` and ``z = (x - mean) / sd`` clipped at `clip`::

        Gamma_l  <-  f^b Gamma_l + f^(l/2) sum_t f^(b-1-t) z_t z_{t-l}'

    With the factor ``f^(l/2)`` this is the autocovariance of one tapered series, so the block-Toeplitz matrix of
    the Gammas has no negative eigenvalue and coordinate descent on it cannot diverge (without the factor it can,
    and on windows about as long as wide it did). A missing value counts as its mean. Mean and spread run with the
    same forgetting, unclipped, and include the block that they standardise.

    Rows are learned in blocks of `block` rows, whatever the size of the pieces they arrive in, and by plain
    loops: the result does not depend on chunks, on threads or on columns that appear later, to the bit.

    Parameters
    ----------
    lags
        p, the largest lag.
    half_life
        Rows after which a row counts half.
    clip
        Largest absolute z that enters a product.
    block
        Rows learned at a time.
    local
        Centre every block on its own mean and do not scale it: for an incident, whose new levels would otherwise
        make all shifted metrics look like causes of each other. The caller scales.

    Examples
    --------
    An effect one row behind its cause shows in Gamma_1:

    >>> import numpy as np
    >>> cause = np.random.default_rng(1).normal(size=641)
    >>> moments = LaggedMoments(lags=2)
    >>> moments.step(np.column_stack([cause[1:], cause[:-1]]))
    >>> np.abs(moments.covariances()[:, 1, 0]).argmax()
    np.int64(1)
    """

    def __init__(
        self, *, lags: int = 3, half_life: float = 20_000, clip: float = 10.0, block: int = 32, local: bool = False
    ) -> None:
        if lags < 1:
            raise ValueError(f"lags must be at least 1, not {lags}")
        if not half_life > 0:
            raise ValueError(f"half_life must be a positive number of rows, not {half_life}")
        if not clip > 0:
            raise ValueError(f"clip must be a positive number of standard deviations, not {clip}")
        if block <= lags:
            raise ValueError(f"block must be larger than lags={lags}, not {block}")
        self.lags = lags
        self.half_life = half_life
        self.clip = clip
        self.block = block
        self.local = local
        self._state = MomentsState(
            mean=np.zeros(0),
            spread=np.zeros(0),
            seen=np.zeros(0),
            gamma=np.zeros((lags + 1, 0, 0)),
            tail=np.zeros((lags, 0)),
            waiting=np.full((block, 0), np.nan),
            filled=0,
            weight=0.0,
        )

    @property
    def width(self) -> int:
        """How many columns have been seen."""
        return len(self._state.mean)

    @property
    def room(self) -> int:
        """How many rows are missing to the next full block."""
        return self.block - self._state.filled

    @property
    def weight(self) -> float:
        """How many rows the moments are worth, after forgetting."""
        return self._state.weight

    @property
    def mean(self) -> Floats:
        """Running mean, a copy of ``float64[d]``; 0 for a metric that was never there."""
        return self._state.mean.copy()

    @property
    def seen(self) -> Floats:
        """How many values of each metric the mean is worth, a copy of ``float64[d]``."""
        return self._state.seen.copy()

    @property
    def sd(self) -> Floats:
        """Running standard deviation ``float64[d]``, at least a thousandth of the mean, and 1 where all is 0."""
        s = self._state
        return _floored(s.mean, s.spread, s.seen)

    def step(self, X: Block) -> None:
        """Learn rows ``float64[T, d]``; those that do not fill a block wait in the state."""
        self.grow(X.shape[1])
        s, start = self._state, 0
        while start < len(X):
            stop = min(len(X), start + self.room)
            rows = X[start:stop]
            s.waiting[s.filled : s.filled + len(rows), : X.shape[1]] = rows
            s.waiting[s.filled : s.filled + len(rows), X.shape[1] :] = np.nan
            s.filled += len(rows)
            start = stop
            if s.filled == self.block:
                self.flush()

    def flush(self) -> None:
        """Learn the waiting rows now, as a block that is shorter."""
        s = self._state
        if s.filled == 0:
            return
        forget = 2.0 ** (-1.0 / self.half_life)
        Z = np.zeros((self.lags + s.filled, self.width))
        Z[: self.lags] = s.tail
        _standardise(s.waiting[: s.filled], s.mean, s.spread, s.seen, forget, self.clip, self.local, Z)
        _accumulate(Z, s.gamma, forget)
        s.weight = s.weight * forget**s.filled + (1 - forget**s.filled) / (1 - forget)
        s.tail[:] = Z[s.filled :]
        s.filled = 0

    def gap(self) -> None:
        """Say that the next row does not follow the last one: no product is formed across the gap."""
        self.flush()
        self._state.tail[:] = 0.0

    def covariances(self) -> Floats:
        """``float64[p + 1, d, d]``, ``[l, j, i] = E[z_{t, j} z_{t-l, i}]``; zeros before the first block."""
        return self._state.gamma / max(self._state.weight, 1.0)

    def absorb(self, local: "LaggedMoments", sd: Floats) -> None:
        """Take over the level and the products of a `local` twin that was fed with (x - mean) / sd."""
        twin = local._state
        self.grow(local.width)
        self._state.mean += np.pad(sd * twin.mean, (0, self.width - local.width))
        self._state.gamma[:, : local.width, : local.width] += twin.gamma
        self._state.weight += twin.weight

    def grow(self, width: int) -> None:
        """Make room for columns that appear at the right; their past is missing."""
        s, more = self._state, width - self.width
        if more <= 0:
            return
        s.mean, s.spread, s.seen = (np.pad(a, (0, more)) for a in (s.mean, s.spread, s.seen))
        s.gamma = np.pad(s.gamma, ((0, 0), (0, more), (0, more)))
        s.tail = np.pad(s.tail, ((0, 0), (0, more)))
        s.waiting = np.pad(s.waiting, ((0, 0), (0, more)), constant_values=np.nan)

    def snapshot(self) -> Snapshot:
        """Copy all that has been learned."""
        return take(self._state)

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back.

        Raises
        ------
        SnapshotError
            If it is of another form, or of moments with other `lags` or another `block`.
        """
        state = restore(MomentsState, snapshot)
        d = len(state.mean)
        shapes = {"gamma": (self.lags + 1, d, d), "tail": (self.lags, d), "waiting": (self.block, d)}
        shapes |= {"spread": (d,), "seen": (d,)}
        for name, shape in shapes.items():
            if (found := getattr(state, name).shape) != shape:
                raise SnapshotError(f"LaggedMoments.{name}: expected shape {shape}, found {found}")
        self._state = state


def pooled(one: LaggedMoments, other: LaggedMoments) -> Floats:
    """Covariances ``float64[p + 1, d, d]`` of the rows of two learners together, every row with the same weight."""
    weights = one.weight, other.weight
    total = weights[0] * one.covariances() + weights[1] * other.covariances()
    return np.asarray(total / max(sum(weights), 1.0))


@kernel
def _floored(mean: Floats, spread: Floats, seen: Floats) -> Floats:
    """Standard deviations [d] with their floor; a metric that is 0 throughout has scale 1."""
    sd = np.empty(len(mean))
    for j in range(len(mean)):
        raw = np.sqrt(spread[j] / seen[j]) if seen[j] > 0.0 else 0.0
        sd[j] = max(raw, 1e-3 * abs(mean[j]))
        if sd[j] == 0.0:
            sd[j] = 1.0
    return sd


@kernel
def _standardise(
    X: Block, mean: Floats, spread: Floats, seen: Floats, forget: float, clip: float, local: bool, Z: Floats
) -> None:
    """In place: mean, spread, seen [d] learn the rows X[b, d]; the last b rows of Z become their z, NaN to 0."""
    b, d = X.shape
    total, count = np.zeros(d), np.zeros(d)
    for t in range(b):
        for j in range(d):
            x = X[t, j]
            spread[j] *= forget
            seen[j] *= forget
            if abs(x) <= LARGEST:
                seen[j] += 1.0
                before = x - mean[j]
                mean[j] += before / seen[j]
                spread[j] += before * (x - mean[j])
                total[j] += x
                count[j] += 1.0
    sd = np.ones(d) if local else _floored(mean, spread, seen)
    centre = total / np.maximum(count, 1.0) if local else mean
    first = len(Z) - b
    for t in range(b):
        for j in range(d):
            x = X[t, j]
            Z[first + t, j] = min(clip, max(-clip, (x - centre[j]) / sd[j])) if abs(x) <= LARGEST else 0.0


@kernel
def _accumulate(Z: Floats, gamma: Floats, forget: float) -> None:
    """In place: gamma[p + 1, d, d] forgets, then learns the rows of Z after its first p (the context)."""
    p, d = len(gamma) - 1, Z.shape[1]
    b = len(Z) - p
    decay = forget**b
    for lag in range(p + 1):
        for j in range(d):
            row = gamma[lag, j]
            for i in range(d):
                row[i] *= decay
            for t in range(b):
                u = forget ** (b - 1 - t + 0.5 * lag) * Z[p + t, j]
                if u != 0.0:
                    cause = Z[p + t - lag]
                    for i in range(d):
                        row[i] += u * cause[i]
