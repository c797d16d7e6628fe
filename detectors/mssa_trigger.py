"""MssaTrigger: multivariate singular spectrum analysis, exactly as it was published."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from headwater.online import Block, Snapshot, restore, take

from .mssa import Seen, Watch, enter, watch
from .mssa_state import MssaState
from .named_rows import NamedRows
from .trigger_info import TriggerInfo

__all__ = ["MssaTrigger"]

ENOUGH = 10  # windows that make a base when it is handed over


class MssaTrigger(NamedRows):
    """Notice that the temporal subspace shared by all metrics has changed (mSSA-CPD, CORAL eq. 1-4), exactly.

    The base, T rows, is centred and scaled by its standard deviations and cut into the stacked Page matrix
    ``Z[L, d T/L]``; ``U`` are its leading r left singular vectors. With ``x_n(t)`` the newest L samples of metric n
    and ``e_n(t) = |(I - U U') x_n(t)|``::

        D_t = (sum_n e_n(t))^2 - c     W_t = max(0, W_{t-1} + D_t)       alarm when W_t >= h = theta eps

    c and eps come from the base alone, from windows held out of it (see `page.learn`). It is a faithful reference:
    on live metrics it is slower to see a change and less selective than `TriggerPoint` (docs/trigger.md); where
    what changes is the way that metrics oscillate, it is the stronger of the two.

    Guaranteed: an alarm uses nothing but rows up to its own. A missing sample counts as the mean of the base; a metric
    that the base has not seen is watched from the next base on. There is one channel: scores of single metrics are NaN.

    Parameters
    ----------
    base
        T, rows of the base window; cut to whole windows. Published: .6 of the mean distance of changes.
    window
        L, samples of a window; None: ``floor(sqrt(T))``. Published: ``floor(sqrt(f T))`` with f 1, .5 or .1.
    rank
        Below 1: as many directions as make up this share of the sum of singular values; else the rank.
    theta
        Threshold in units of the largest held-out statistic. Published: 1, 5 or 10.
    statistic
        ``released``: the above, which the released code computes and the published scores come from, with its reduced
        SVD; ``frobenius``: ``D_t = sum_n e_n(t)^2 - c``, which both papers print (erratum: not the same thing).
    after
        ``restart``: the T rows after an alarm are the next base, as published, and nothing is seen meanwhile;
        ``latch``: the same base goes on watching, and alarms again once W has sunk to zero.
    standardize
        Centre and scale by the base. Without it rows are taken as they are, and a missing sample counts as 0.
    folds
        Random draws of held-out windows, a tenth of them each.

    Examples
    --------
    >>> t = np.arange(3000)[:, None]
    >>> period = np.where(t < 2000, 12.0, 9.0)
    >>> rows = np.sin(2 * np.pi * t / period + np.arange(3)) + 0.2 * np.random.default_rng(7).normal(size=(3000, 3))
    >>> info = MssaTrigger(base=600).step(rows)
    >>> at = int(np.flatnonzero(info.alarm)[0])
    >>> at, at - int(info.onset[at])
    (2005, 2001)

    References
    ----------
    Alanqary, Alomar and Shah, "Change Point Detection via Multivariate Singular Spectrum Analysis" (NeurIPS 2021).
    Wang et al., "Incremental Causal Graph Learning for Online Root Cause Analysis" (KDD 2023), eq. 1-4.
    """

    _state: MssaState

    def __init__(
        self,
        *,
        base: int = 600,
        window: int | None = None,
        rank: float = 0.95,
        theta: float = 5.0,
        statistic: str = "released",
        after: str = "restart",
        standardize: bool = True,
        folds: int = 500,
    ) -> None:
        length = int(base**0.5) if window is None and base > 0 else window or 0
        if length < 2 or base < 2 * length:
            raise ValueError(f"a base must hold two windows of at least 2 samples: {base=}, {window=}")
        if not (0.0 < rank < 1.0 or (rank >= 1 and rank == int(rank) and rank < length)):
            raise ValueError(f"rank must be a share below 1, or a whole number below the window, {length}; not {rank}")
        if not (theta > 0.0 and folds >= 1):
            raise ValueError(f"theta must be positive and folds at least 1, not {theta=}, {folds=}")
        if statistic not in ("frobenius", "released"):
            raise ValueError(f"statistic must be 'frobenius' or 'released', not {statistic!r}")
        if after not in ("restart", "latch"):
            raise ValueError(f"after must be 'restart' or 'latch', not {after!r}")
        self.base = base
        self.window = window
        self.rank = rank
        self.theta = theta
        self.statistic = statistic
        self.after = after
        self.standardize = standardize
        self.folds = folds
        self._state = self._empty()

    def step(self, X: Block) -> TriggerInfo:
        """Judge rows ``float64[T, d]``, learning the base from those that make it; new metrics may appear at the right.

        Raises
        ------
        ValueError
            If there are fewer metrics than before.
        """
        X = np.array(X, np.float64, order="C", ndmin=2)
        T = len(X)
        s = self._state
        s.widen(X.shape[1])
        out = _seen(*X.shape)
        learning = np.ones(T)
        at = 0
        while at < T:
            if s.filled[0] == len(s.rows):
                at += self._watch(X[at:], _from(out, at))
                continue
            filled = int(s.filled[0])
            taken = min(T - at, len(s.rows) - filled)
            s.rows[filled : filled + taken] = X[at : at + taken]
            s.filled[0] += taken
            if s.learned == 0:
                learning[at : at + taken] = np.arange(filled + 1, filled + taken + 1) / len(s.rows)
            at += taken
            if s.filled[0] == len(s.rows):
                self._adopt(s.rows)
                at += self._watch(X[at - 1 :], _from(out, at - 1)) - 1  # the last row of the base is the first judged
        strength = np.where(out.alarm > 0, out.score, np.nan)
        scores = np.full(X.shape, np.nan)
        return TriggerInfo(
            learning, out.joint, scores, out.alarm, out.onset, strength, out.contributions, score=out.score
        )

    def fit(self, X: Block) -> None:
        """Forget everything and learn the base from `X` at once, from its newest T rows.

        Fewer than ten windows only begin the base.
        """
        self._state = self._empty()
        if len(X) < ENOUGH * self._length():
            self.step(X)
        else:
            self.rebase(X)

    def rebase(self, X: Block) -> None:
        """Take the newest T rows of `X` as the new base, after a change that stayed.

        Fewer rows than ten windows say too little: the old base stays, and its CUSUM starts again at zero.
        """
        X = np.array(X, np.float64, order="C", ndmin=2)
        s = self._state
        s.widen(X.shape[1])
        s.height[:], s.age[:], s.latched[:] = 0.0, 0, 0
        if len(X) >= ENOUGH * self._length():
            newest = X[-len(s.rows) :]
            s.rows[:] = np.nan
            s.rows[-len(newest) :] = newest
            s.filled[0] = len(s.rows)
            self._adopt(newest)
            enter(newest[-1], *s.views(), self.statistic == "released")

    def snapshot(self) -> Snapshot:
        """Copy all that has been learned."""
        return take(self._state)

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; raises `SnapshotError` unless base and window are those of this detector."""
        state = restore(MssaState, snapshot)
        state.check(len(self._empty().rows), self._length())
        self._state = state

    def score_one(self, x: Mapping[Hashable, Any]) -> float:
        """Tell how high `x` would bring the CUSUM, 1 being an alarm; 0 while learning. Learns nothing."""
        s = self._state
        row = self._row(x)
        if s.filled[0] < len(s.rows) or row.shape[1] != s.width:
            return 0.0
        signal, now = s.views()
        out = _seen(*row.shape)
        watch(row, signal, Watch._make(a.copy() for a in now), out, self.statistic == "released", True)
        return float(out.joint[0])

    def _watch(self, X: Block, out: Seen) -> int:
        """Judge rows up to an alarm after which the base is learned anew, and tell how many."""
        latch = self.after == "latch"
        signal, now = self._state.views()
        count = int(watch(X, signal, now, out, self.statistic == "released", latch))
        if not latch and out.alarm[count - 1] > 0:
            self._state.filled[0] = 0
        return count

    def _adopt(self, rows: Block) -> None:
        self._state.learn(
            rows,
            standardize=self.standardize,
            rank=self.rank,
            released=self.statistic == "released",
            theta=self.theta,
            folds=self.folds,
        )

    def _length(self) -> int:
        return int(self.base**0.5) if self.window is None else self.window

    def _empty(self) -> MssaState:
        L = self._length()
        return MssaState.empty(self.base // L * L, L)


def _seen(T: int, d: int) -> Seen:
    return Seen(
        joint=np.full(T, np.nan),
        score=np.full(T, np.nan),
        alarm=np.zeros(T, np.int8),
        onset=np.zeros(T, np.int64),
        contributions=np.full((T, d), np.nan),
    )


def _from(out: Seen, at: int) -> Seen:
    return Seen._make(column[at:] for column in out)
