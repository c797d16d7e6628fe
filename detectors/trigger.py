"""TriggerPoint: when did the system change, in which metrics, and how surely.

The temporal subspace comes from `mssa`, the thresholds from `calibrate`, the evidence from `cusum`; here is what
is learned when: the first base, the base of a metric that appears later, and the slow refresh in quiet time.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.base import AnomalyDetector

from headwater.online import Block, Snapshot, restore, take

from .calibrate import learn, silence
from .cusum import Evidence, Recent, Watch, watch
from .trigger_info import TriggerInfo
from .trigger_state import TriggerState

__all__ = ["TriggerInfo", "TriggerPoint"]

Array = NDArray[np.float64]
DAY = 86400.0
SLOWEST = 0.25  # weight of the newest rows in a refresh, once several bases have been seen
ENOUGH = 10  # windows that make a base when it is handed over
SAMPLES = 3  # windows of present samples without which a metric has no base


class TriggerPoint(AnomalyDetector):
    """Notice that a system has changed, against the temporal subspace of a quiet base (multivariate SSA).

    The base is centred and scaled by its standard deviations, and the Page matrices of all metrics, side by side,
    give the signal subspace ``U`` of ``R^L``, the local level first. With ``x_n(t)`` the newest L samples of metric n,
    ``e_n(t)^2 = |(I - U U') x_n(t)|^2``; by default only the newest sample's share of it, which is the error of the
    subspace's own prediction one row ahead: a change is then seen in the row in which it happens and not L times.
    One CUSUM per metric and one over all metrics, in units of quiet 99 % quantiles, raise the alarms; see `cusum`
    for the recurrences and `calibrate` for the thresholds.

    Guaranteed: an alarm uses nothing but rows up to its own, and thresholds nothing but rows before the alarm that
    were quiet; rows from an onset on are taken out of what is learned. A missing sample is no evidence: a metric's
    window holds its newest L *present* samples, and one that vanishes raises no alarm here. A metric that was
    constant and moves, and stays moved, does. A metric that appears later learns its own base of as many rows
    while the others watch. Every `base` quiet rows the base moves towards the newest of them: by half, by a third,
    then by a quarter; units and thresholds rise at once and sink so slowly.

    Parameters
    ----------
    base
        Rows of the base window.
    window
        L, samples of a metric that are looked at together.
    rank
        Of the signal subspace; None: the one that predicts held-out blocks of the base best.
    false_alarms_per_day
        Accepted from all channels together, in quiet time.
    interval
        Seconds between rows, to count days.
    channels
        Whose alarms are reported: ``joint``, ``metric`` or both. Scores are always there.
    whole_window
        Use all of ``e_n(t)^2``, as the paper does.
    relearn
        Rows after which something that stays changed is learned as normal without being told.

    Examples
    --------
    >>> rows = np.random.default_rng(7).normal(size=(1000, 5))
    >>> rows[800:, 3] += 9.0
    >>> info = TriggerPoint().step(rows)
    >>> at = int(np.flatnonzero(info.alarm)[0])
    >>> at, at - int(info.onset[at]), int(info.contributions[at].argmax())
    (803, 799, 3)

    References
    ----------
    Alanqary, Alomar and Shah, "Change Point Detection via Multivariate Singular Spectrum Analysis" (NeurIPS 2021).
    Wang et al., "Incremental Causal Graph Learning for Online Root Cause Analysis" (KDD 2023), eq. 1-4. The released
    code of the former squares the sum of the norms where both papers have the Frobenius norm, and is blind for a
    base after each alarm. What else differs, and what was measured, is in docs/trigger.md.
    """

    def __init__(
        self,
        *,
        base: int = 600,
        window: int = 10,
        rank: int | None = None,
        false_alarms_per_day: float = 1.0,
        interval: float = 1.0,
        channels: tuple[str, ...] = ("joint", "metric"),
        whole_window: bool = False,
        relearn: int = 7200,
    ) -> None:
        if window < 3:
            raise ValueError(f"window must be at least 3 samples, not {window}")
        if base < ENOUGH * window:
            raise ValueError(f"base must be at least {ENOUGH} windows, {ENOUGH * window} rows, not {base}")
        if rank is not None and not 1 <= rank < window:
            raise ValueError(f"rank must be 1 to {window - 1}, less than the window, not {rank}")
        if not (false_alarms_per_day > 0.0 and interval > 0.0):
            raise ValueError(f"both must be positive: {false_alarms_per_day=}, {interval=}")
        if not channels or not set(channels) <= {"joint", "metric"}:
            raise ValueError(f"channels must be some of 'joint' and 'metric', not {channels!r}")
        if relearn < 1:
            raise ValueError(f"relearn must be at least 1 row, not {relearn}")
        self.base = base
        self.window = window
        self.rank = rank
        self.false_alarms_per_day = false_alarms_per_day
        self.interval = interval
        self.channels = channels
        self.whole_window = whole_window
        self.relearn = relearn
        self._state = TriggerState.empty(base, window)

    def step(self, X: Block) -> TriggerInfo:
        """Judge rows ``float64[T, d]`` and then learn them; new metrics may appear at the right.

        Raises
        ------
        ValueError
            If there are fewer metrics than before.
        """
        X = np.array(X, np.float64, order="C", ndmin=2)
        T = len(X)
        s = self._state
        s.widen(X.shape[1])
        out = _evidence(*X.shape)
        learning, strength, score = np.ones(T), np.full(T, np.nan), np.full(T, np.nan)
        at = 0
        while at < T:
            before, until = int(s.filled[0]), self._until()
            rows = slice(at, min(T, at + until - before))  # nothing is learned inside these rows
            part = _part(out, rows)
            watch(X[rows], *s.views(), part, self._heard(), self.relearn)
            if s.learned == 0:
                learning[rows] = np.minimum(1.0, np.arange(before + 1, before + 1 + len(part.joint)) / self.base)
            strength[rows] = _strength(part, s)
            score[rows] = silence(s.joint_tail, part.joint * s.joint[2])
            at = rows.stop
            if s.filled[0] == until:
                self._look_back()
        return TriggerInfo(learning, out.joint, out.scores, out.alarm, out.onset, strength, out.contributions, score)

    def fit(self, X: Block) -> None:
        """Forget everything and learn the base from `X` at once: the same as stepping through ``base`` rows.

        Of more rows all are learned. Fewer than ten windows only begin the base.
        """
        self._state = TriggerState.empty(self.base, self.window)
        if len(X) < ENOUGH * self.window:
            self.step(X)
        else:
            self._adopt(X)

    def rebase(self, X: Block) -> None:
        """Take `X` as the new base, after a change that stayed. Until this is called the old one keeps watching.

        Fewer rows than ten windows say too little about scales: the old base stays, at the level of what comes next.
        """
        s = self._state
        if len(X) >= ENOUGH * self.window:
            self._adopt(X)
        for running in (s.height, s.age, s.muted, s.joint_height, s.joint_age, s.joint_muted):
            running[:] = 0
        s.held[:] = 0

    def snapshot(self) -> Snapshot:
        """Copy all that has been learned."""
        return take(self._state)

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; raises `SnapshotError` unless base and window are those of this detector."""
        state = restore(TriggerState, snapshot)
        state.check(self.base, self.window)
        self._state = state

    def learn_one(self, x: Mapping[Hashable, Any]) -> None:
        """Take one row as a dict (river): metrics are known by name, and one that is not there is missing."""
        s = self._state
        new = sorted({str(name) for name in x} - set(s.names.tolist()))
        if new:
            s.names = np.array([*s.names.tolist(), *new])
        self.step(self._row(x))

    def score_one(self, x: Mapping[Hashable, Any]) -> float:
        """Tell how high `x` would bring the highest CUSUM, 1 being an alarm; 0 while learning. Learns nothing."""
        s = self._state
        row = self._row(x)
        if s.learned == 0 or row.shape[1] != s.width:
            return 0.0
        base, now, recent = s.views()
        base, now = base._replace(bound=base.bound.copy()), Watch._make(a.copy() for a in now)
        out = _evidence(*row.shape)
        nowhere = Recent(np.empty(row.shape), np.zeros(row.shape, np.bool_), np.zeros(1, np.int64), recent.born.copy())
        watch(row, base, now, nowhere, out, self._heard(), self.relearn)
        return float(np.fmax.reduce(np.append(out.scores, [out.joint[0], 0.0])))

    def _row(self, x: Mapping[Hashable, Any]) -> Block:
        values = {str(name): value for name, value in x.items()}
        return np.array([[float(values.get(name, np.nan)) for name in self._state.names.tolist()]])

    def _heard(self) -> tuple[bool, bool]:
        return "joint" in self.channels, "metric" in self.channels

    def _until(self) -> int:
        """Count of quiet rows at which to look back: the first base, then every tenth of one."""
        filled, tenth = int(self._state.filled[0]), self.base // 10
        phase = filled % self.base
        ahead = self.base if self._state.learned == 0 else min(self.base, (phase // tenth + 1) * tenth)
        return filled - phase + ahead

    def _look_back(self) -> None:
        """Learn the first base; later refresh it once per base, and learn metrics that have been here for one."""
        s = self._state
        waiting = s.waiting(self.base, SAMPLES * self.window)
        if s.learned == 0 or s.filled[0] % self.base == 0 or waiting.any():
            oldest = int(s.filled[0] % self.base)
            rows, breaks = np.roll(s.rows, -oldest, axis=0), np.roll(s.breaks, -oldest, axis=0)
            rows[:, np.isnan(s.unit) & ~waiting] = np.nan
            self._learn(rows, breaks, max(1.0 / (s.learned + 1), SLOWEST))

    def _adopt(self, X: Block) -> None:
        """Learn a base that is handed over."""
        X = np.array(X, np.float64, order="C", ndmin=2)
        s = self._state
        s.widen(X.shape[1])
        newest = X[-self.base :]
        s.rows[:], s.breaks[:] = np.nan, False
        s.rows[-len(newest) :] = newest
        s.filled[0] = self.base
        present = np.isfinite(newest)
        s.born = np.where(present.any(axis=0), np.argmax(present, axis=0) + self.base - len(newest), -1)
        s.unit[:], s.joint[:] = np.nan, np.nan
        X[:, ~s.waiting(len(newest), SAMPLES * self.window)] = np.nan
        self._learn(X, np.zeros(X.shape, np.bool_), 1.0)

    def _learn(self, rows: Block, breaks: NDArray[np.bool_], weight: float) -> None:
        s = self._state
        each = self.false_alarms_per_day * self.interval / DAY / len(self.channels)
        fresh = learn(rows, breaks, window=self.window, rank=self.rank, whole=self.whole_window, alarms=each)
        s.held[np.isnan(s.unit)] = 0  # windows begin with the rows after the base
        s.blend(fresh, weight)


def _evidence(T: int, d: int) -> Evidence:
    return Evidence(
        joint=np.full(T, np.nan),
        scores=np.full((T, d), np.nan),
        alarm=np.zeros(T, np.int8),
        onset=np.zeros(T, np.int64),
        metric=np.zeros(T, np.int64),
        height=np.zeros(T),
        contributions=np.full((T, d), np.nan),
        sums=np.zeros((T, 2)),
        fate=np.zeros((T, d), np.int64),
    )


def _part(of: Evidence, rows: slice) -> Evidence:
    return Evidence._make(column[rows] for column in of)


def _strength(seen: Evidence, s: TriggerState) -> Array:
    """Surprise at the alarm of each row, NaN where there is none."""
    strength = np.full(len(seen.alarm), np.nan)
    for t in np.flatnonzero(seen.alarm):
        tail = s.joint_tail if seen.alarm[t] == 1 else s.metric_tail[:, seen.metric[t]]
        strength[t] = silence(tail, seen.height[t])
    return strength
