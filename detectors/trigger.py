"""TriggerPoint: when did the system change, in which metrics, and how surely.

The temporal subspace comes from `mssa`, the thresholds from `calibrate`, the evidence from `cusum`; here is what
is learned when: the first base, the base of a metric that appears later, and the slow refresh in quiet time.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from river.base import AnomalyDetector

from headwater.online import Block, Snapshot, SnapshotError, restore, take

from .calibrate import Quiet, learn, silence
from .cusum import Base, Evidence, Recent, Watch, watch

__all__ = ["TriggerInfo", "TriggerPoint", "TriggerState"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
DAY = 86400.0
SLOWEST = 0.25  # weight of the newest rows in a refresh, once several bases have been seen


class TriggerInfo(NamedTuple):
    """Evidence of a block of T rows. A CUSUM is given over its threshold: 1 is an alarm."""

    learning: Array  # [T] share of the first base that is filled
    joint: Array  # [T] CUSUM of all metrics together; NaN while learning
    scores: Array  # [T, d] CUSUM of each metric; NaN while it is learning or missing
    alarm: NDArray[np.int8]  # [T] 0 none, 1 joint, 2 metric
    onset: Counts  # [T] rows back to the last zero of the CUSUM that fired; 0 without an alarm
    strength: Array  # [T] -ln of the false alarms expected per row at this level; NaN without an alarm
    contributions: Array  # [T, d] departure from the level at the onset, in standard deviations; NaN without an alarm


@dataclass(slots=True)
class TriggerState:
    """All that is learned: `Base`, the tails of its CUSUMs, `Watch` and `Recent`, field by field."""

    mean: Array
    scale: Array
    unit: Array
    bound: Array
    ahead: Array
    filters: Array
    joint: Array
    metric_tail: Array  # [3, d]
    joint_tail: Array  # [3]
    window: Array
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
    filled: Counts
    born: Counts
    learned: int  # bases learned so far
    names: NDArray[np.str_]  # [d] of river's dictionaries; empty when rows came as blocks


class TriggerPoint(AnomalyDetector):  # type: ignore[misc]
    """Notice that a system has changed.

    A window of the newest L samples of each metric is compared with the temporal subspace of a quiet base
    (multivariate SSA). Its squared distance from the subspace, or by default the newest sample's share of it,
    feeds one CUSUM per metric and one over all metrics.
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
        if base < 10 * window:
            raise ValueError(f"base must be at least 10 windows, {10 * window} rows, not {base}")
        if rank is not None and not 1 <= rank < window:
            raise ValueError(f"rank must be 1 to {window - 1} (below the window), not {rank}")
        if not false_alarms_per_day > 0.0 or not interval > 0.0:
            raise ValueError(f"both must be positive: {false_alarms_per_day=}, {interval=}")
        if not channels or set(channels) - {"joint", "metric"}:
            raise ValueError(f'channels must be of "joint" and "metric", not {channels!r}')
        self.base = base
        self.window = window
        self.rank = rank
        self.false_alarms_per_day = false_alarms_per_day
        self.interval = interval
        self.channels = channels
        self.whole_window = whole_window
        self.relearn = relearn
        self._state = self._unlearned()

    def step(self, X: Block) -> TriggerInfo:
        """Judge and then learn rows ``float64[T, d]``; new metrics may appear at the right."""
        X = np.array(X, np.float64, order="C", ndmin=2)
        T, d = X.shape
        self._widen(d)
        s = self._state
        out = _evidence(T, d)
        learning, strength = np.ones(T), np.full(T, np.nan)
        at = 0
        while at < T:
            before, until = int(s.filled[0]), self._until()
            rows = slice(at, min(T, at + until - before))  # nothing is learned inside these rows
            part = Evidence(*(column[rows] for column in out))
            watch(X[rows], *_views(s), part, self._heard(), self.relearn)
            if s.learned == 0:
                learning[rows] = np.minimum(1.0, np.arange(before + 1, before + len(part.joint) + 1) / self.base)
            strength[rows] = _strength(part, s)
            at = rows.stop
            if s.filled[0] == until:
                self._look_back()
        return TriggerInfo(learning, out.joint, out.scores, out.alarm, out.onset, strength, out.contributions)

    def fit(self, X: Block) -> None:
        """Forget everything and learn the base from `X` at once: the same as stepping through ``base`` rows."""
        self._state = self._unlearned()
        self._adopt(X)

    def rebase(self, X: Block) -> None:
        """Take `X` as the new base, after a change that stayed. Until then the old one keeps watching."""
        self._adopt(X)
        s = self._state
        for running in (s.height, s.age, s.muted, s.joint_height, s.joint_age, s.joint_muted):
            running[:] = 0

    def snapshot(self) -> Snapshot:
        """Copy all that has been learned."""
        return take(self._state)

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; it must come from a detector with the same base and window."""
        state = restore(TriggerState, snapshot)
        if (len(state.rows), state.window.shape[-1]) != (self.base, self.window):
            found = f"base={len(state.rows)}, window={state.window.shape[-1]}"
            raise SnapshotError(f"TriggerPoint: the snapshot has {found}, not {self.base} and {self.window}")
        self._state = state

    def learn_one(self, x: Mapping[Hashable, Any]) -> None:
        """River's way to `step` one row; metrics are known by name."""
        s = self._state
        known = set(s.names.tolist())
        new = sorted(str(name) for name in x if str(name) not in known)
        if new:
            s.names = np.array([*s.names.tolist(), *new])
        self.step(self._row(x))

    def score_one(self, x: Mapping[Hashable, Any]) -> float:
        """River's way to ask how far `x` would bring the highest CUSUM: 1 is an alarm. Learns nothing."""
        s = self._state
        if s.learned == 0:
            return 0.0
        row = self._row(x)
        base, now, recent = _views(s)
        base, now = base._replace(bound=base.bound.copy()), Watch(*(a.copy() for a in now))
        out = _evidence(1, row.shape[1])
        one = Recent(np.empty((1, row.shape[1])), np.zeros(1, np.int64), recent.born.copy())
        watch(row, base, now, one, out, self._heard(), self.relearn)
        return float(np.nanmax(np.append(out.scores, [out.joint[0], 0.0])))

    def _heard(self) -> tuple[bool, bool]:
        return "joint" in self.channels, "metric" in self.channels

    def _row(self, x: Mapping[Hashable, Any]) -> Block:
        values = {str(name): value for name, value in x.items()}
        return np.array([[float(values.get(name, np.nan)) for name in self._state.names.tolist()]])

    def _unlearned(self) -> TriggerState:
        L = self.window
        none, zero, counts = np.empty(0), np.zeros(1), np.zeros(0, np.int64)
        return TriggerState(
            mean=none.copy(),
            scale=none.copy(),
            unit=none.copy(),
            bound=none.copy(),
            ahead=np.zeros(L - 1),
            filters=np.empty((0, L)),
            joint=np.full(3, np.nan),
            metric_tail=np.empty((3, 0)),
            joint_tail=np.full(3, np.nan),
            window=np.empty((0, L)),
            last=none.copy(),
            height=none.copy(),
            age=counts.copy(),
            muted=counts.copy(),
            before=none.copy(),
            peak=none.copy(),
            joint_height=zero.copy(),
            joint_age=np.zeros(1, np.int64),
            joint_muted=np.zeros(1, np.int64),
            rows=np.empty((self.base, 0)),
            filled=np.zeros(1, np.int64),
            born=counts.copy(),
            learned=0,
            names=np.empty(0, np.str_),
        )

    def _widen(self, d: int) -> None:
        """Make room for metrics that appear at the right; their past is missing."""
        s = self._state
        more = d - len(s.mean)
        if more < 0:
            raise ValueError(f"rows of {d} metrics after rows of {len(s.mean)}: metrics are only ever added")
        if more == 0:
            return
        for name in ("mean", "scale", "unit", "bound", "last", "before", "peak"):
            setattr(s, name, np.append(getattr(s, name), np.full(more, np.nan)))
        for name in ("height", "age", "muted"):
            old = getattr(s, name)
            setattr(s, name, np.append(old, np.zeros(more, old.dtype)))
        s.born = np.append(s.born, np.full(more, -1))
        s.window = np.vstack([s.window, np.full((more, self.window), np.nan)])
        s.rows = np.hstack([s.rows, np.full((self.base, more), np.nan)])
        s.metric_tail = np.hstack([s.metric_tail, np.full((3, more), np.nan)])

    def _until(self) -> int:
        """Count of quiet rows at which to look back: the first base, then every tenth of one."""
        filled, tenth = int(self._state.filled[0]), self.base // 10
        phase = filled % self.base
        ahead = self.base if self._state.learned == 0 else min(self.base, (phase // tenth + 1) * tenth)
        return filled - phase + ahead

    def _look_back(self) -> None:
        """Learn the first base; later refresh it once per base, and learn metrics that have been here for one."""
        s = self._state
        due = self._due(self.base)
        if s.learned == 0 or s.filled[0] % self.base == 0 or due.any():
            rows = np.roll(s.rows, -int(s.filled[0] % self.base), axis=0)
            rows[:, np.isnan(s.unit) & ~due] = np.nan
            self._learn(rows, max(1.0 / (s.learned + 1), SLOWEST))

    def _due(self, rows: int) -> NDArray[np.bool_]:
        """Metrics that wait for their base and have been here for one of `rows` rows, give or take a tenth."""
        s = self._state
        enough = np.isfinite(s.rows).sum(axis=0) >= 3 * self.window
        return np.isnan(s.unit) & enough & (s.born >= 0) & (s.filled[0] - s.born >= 0.9 * rows)

    def _adopt(self, X: Block) -> None:
        X = np.array(X, np.float64, order="C", ndmin=2)
        if len(X) < 10 * self.window:
            raise ValueError(f"a base needs at least 10 windows, {10 * self.window} rows, not {len(X)}")
        self._widen(X.shape[1])
        s = self._state
        newest = X[-self.base :]
        s.rows[:] = np.nan
        s.rows[-len(newest) :] = newest
        s.filled[0] = self.base
        present = np.isfinite(newest)
        first = np.argmax(present, axis=0) + self.base - len(newest)
        s.born = np.where(present.any(axis=0), first, s.born)
        s.unit[:], s.joint[:] = np.nan, np.nan
        X[:, ~self._due(len(newest))] = np.nan
        self._learn(X, 1.0)

    def _learn(self, rows: Block, weight: float) -> None:
        """Learn `rows`; what was learned before counts with 1 - `weight`."""
        s = self._state
        share = self.false_alarms_per_day * self.interval / DAY / len(self.channels)
        fresh = learn(rows, window=self.window, rank=self.rank, whole=self.whole_window, alarms=share)
        s.last[np.isnan(s.unit)] = np.nan
        _blend(s, fresh, weight)
        s.learned += 1


def _views(s: TriggerState) -> tuple[Base, Watch, Recent]:
    base = Base(s.mean, s.scale, s.unit, s.bound, s.ahead, s.filters, s.joint)
    running = (s.window, s.last, s.height, s.age, s.muted, s.before, s.peak, s.joint_height, s.joint_age, s.joint_muted)
    return base, Watch(*running), Recent(s.rows, s.filled, s.born)


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


def _strength(seen: Evidence, s: TriggerState) -> Array:
    """Surprise at the alarm of each row, NaN where there is none."""
    strength = np.full(len(seen.alarm), np.nan)
    for t in np.flatnonzero(seen.alarm):
        tail = s.joint_tail if seen.alarm[t] == 1 else s.metric_tail[:, seen.metric[t]]
        strength[t] = silence(tail, seen.height[t])
    return strength


def _blend(s: TriggerState, fresh: Quiet, weight: float) -> None:
    """Move the base towards a fresh one."""
    base = fresh.base
    known = ~np.isnan(base.unit)
    both = known & ~np.isnan(s.unit)
    for name, rises in (("mean", False), ("scale", False), ("unit", True), ("bound", True)):
        old, new = getattr(s, name), getattr(base, name)
        mixed = np.where(known, new, old)
        mixed[both] = (1.0 - weight) * old[both] + weight * new[both]
        if rises:
            mixed[both] = np.maximum(mixed[both], new[both])
        setattr(s, name, mixed)
    s.metric_tail = np.where(known, fresh.metric_tail, s.metric_tail)
    s.joint = base.joint if np.isnan(s.joint[2]) else (1.0 - weight) * s.joint + weight * base.joint
    s.joint_tail = fresh.joint_tail
    s.ahead, s.filters = base.ahead, base.filters
