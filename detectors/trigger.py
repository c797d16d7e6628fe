"""TriggerPoint: when did the system change, in which metrics, and how surely.

What a row departs from comes from `levels`, what quiet looks like from `calibrate`, how evidence adds up from `cusum`
and what it says from `watch`; here is what is learned when, and the mode that is the papers' method.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, Snapshot, restore, take

from .calibrate import LEAST, learn
from .mssa_trigger import MssaTrigger
from .named_rows import NamedRows
from .trigger_info import TriggerInfo
from .trigger_state import TriggerState
from .watch import Evidence, Rates, watch

__all__ = ["JOINT_SHARE", "TriggerInfo", "TriggerPoint"]

Array = NDArray[np.float64]
DAY = 86400.0
CHANNELS = ("joint", "metric", "frozen")
JOINT_SHARE = 0.9  # of the accepted false alarms, the rest is shared by the metrics (docs/trigger.md: the trade-off)
ENOUGH = 100  # rows that make a base when it is handed over


class TriggerPoint(NamedRows):
    """Notice that a system has changed, against what was quiet.

    A row is judged by how far it departs from levels that follow each metric at three rates. Departures add up in one
    CUSUM over all metrics (dense changes) and one for each metric (sparse ones), in units of quiet 99 % quantiles;
    thresholds come from the tail of what the CUSUMs did in the base, set to the accepted rate of false alarms. Metrics
    that stand still far longer than they ever did are an alarm of their own.

    Guaranteed: an alarm uses nothing but rows up to its own, and thresholds nothing but rows before the excursion that
    it ends. After an alarm nothing is blind: the other CUSUMs go on, and what begins later is told. A missing sample is
    no evidence, and one that vanishes raises no alarm here. A metric that appears later learns its own base of as many
    rows while the others watch. Outside of incidents units and tails go on learning; see `cusum`.

    Parameters
    ----------
    mode
        ``level``: the above; ``mssa``: `MssaTrigger` as published, with thresholds of its own.
    base
        Rows of the base window.
    false_alarms_per_day
        Accepted from all channels together, in quiet time.
    interval
        Seconds between rows, to count days.
    channels
        Which are watched: ``joint`` (dense), ``metric`` (sparse), ``frozen``. Alone, ``joint`` costs least.
    relearn
        Rows after which something that stays in alarm is learned as normal without being told.
    window, rank
        Of mode ``mssa``: length L of a window; rank of the subspace, None: a share of .95.

    Examples
    --------
    >>> rows = np.random.default_rng(7).normal(size=(1000, 5))
    >>> rows[800:, 3] += 9.0
    >>> info = TriggerPoint().step(rows)
    >>> at = int(np.flatnonzero(info.alarm)[0])
    >>> 800 <= at < 815, at - int(info.onset[at]), int(info.contributions[at].argmax())
    (True, 799, 3)

    References
    ----------
    Page, "Continuous inspection schemes" (1954). Alanqary, Alomar and Shah, "Change Point Detection via Multivariate
    Singular Spectrum Analysis" (NeurIPS 2021) and Wang et al., "Incremental Causal Graph Learning for Online Root Cause
    Analysis" (KDD 2023), eq. 1-4, whose statistic the levels replace. What differs and what was measured is in
    docs/trigger.md.
    """

    _state: TriggerState

    def __init__(
        self,
        *,
        mode: str = "level",
        base: int = 600,
        false_alarms_per_day: float = 1.0,
        interval: float = 1.0,
        channels: tuple[str, ...] = CHANNELS,
        relearn: int = 7200,
        window: int | None = None,
        rank: int | None = None,
    ) -> None:
        if mode not in ("level", "mssa"):
            raise ValueError(f"mode must be 'level' or 'mssa', not {mode!r}")
        if base < LEAST:
            raise ValueError(f"base must be at least {LEAST} rows, not {base}")
        if not (false_alarms_per_day > 0.0 and interval > 0.0):
            raise ValueError(f"both must be positive: {false_alarms_per_day=}, {interval=}")
        if not channels or not set(channels) <= set(CHANNELS):
            raise ValueError(f"channels must be some of {', '.join(CHANNELS)}, not {channels!r}")
        if relearn < 1:
            raise ValueError(f"relearn must be at least 1 row, not {relearn}")
        self.mode = mode
        self.base = base
        self.false_alarms_per_day = false_alarms_per_day
        self.interval = interval
        self.channels = channels
        self.relearn = relearn
        self.window = window
        self.rank = rank
        self._published = MssaTrigger(base=base, window=window, rank=rank or 0.95) if mode == "mssa" else None
        self._state = TriggerState.empty(base)

    def step(self, X: Block) -> TriggerInfo:
        """Judge rows ``float64[T, d]`` and then learn them; new metrics may appear at the right.

        Raises
        ------
        ValueError
            If there are fewer metrics than before.
        """
        if self._published:
            return self._published.step(X)
        X = np.ascontiguousarray(np.atleast_2d(X), np.float64)
        s = self._state
        s.widen(X.shape[1])
        out, learning = _evidence(X, "metric" in self.channels), np.ones(len(X))
        at = 0
        while at < len(X):
            rows, record = self._stretch(X, at)
            filled = int(s.filled[0])
            if s.learned:
                part = Evidence._make(column[rows] for column in out)
                span, state = s.views()
                watch(X[rows], span, state, self._rates(), part)
                kept = X[rows][part.calm] if record else X[:0]
            else:
                kept = X[rows]
                learning[rows] = np.minimum(1.0, np.arange(filled + 1, filled + 1 + len(kept)) / self.base)
            self._record(kept)
            at = rows.stop
        scores = out.scores if "metric" in self.channels else np.broadcast_to(np.nan, X.shape)
        return TriggerInfo(
            learning, out.joint, scores, out.alarm, out.onset, out.strength, _of_alarms(out), score=out.score
        )

    def fit(self, X: Block) -> None:
        """Forget everything and learn the base from `X` at once, all of its rows; too few only begin the base."""
        if self._published:
            return self._published.fit(X)
        self._state = TriggerState.empty(self.base)
        if len(X) < min(ENOUGH, self.base):
            self.step(X)
        else:
            self._adopt(X)
        return None

    def rebase(self, X: Block) -> None:
        """Take `X` as the new base, after a change that stayed. Until this is called the old one keeps watching.

        Too few rows say too little about scales: the old base stays, at the level of `X`.
        """
        if self._published:
            return self._published.rebase(X)
        if len(X) >= min(ENOUGH, self.base):
            self._adopt(X)
            return None
        X = np.array(X, np.float64, order="C", ndmin=2)
        s = self._state
        s.rest()
        present = np.isfinite(X)
        for n in np.flatnonzero(present.any(axis=0) & s.known[: X.shape[1]]):
            s.centre[n] = s.level[:, n] = X[present[:, n], n].mean()
        return None

    def snapshot(self) -> Snapshot:
        """Copy all that has been learned."""
        return self._published.snapshot() if self._published else take(self._state)

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; raises `SnapshotError` unless its base is that of this detector."""
        if self._published:
            return self._published.restore(snapshot)
        state = restore(TriggerState, snapshot)
        state.check(self.base)
        self._state = state
        return None

    def learn_one(self, x: Mapping[Hashable, Any]) -> None:
        """Take one row as a dict (river): metrics are known by name, and one that is not there is missing."""
        if self._published:
            self._published.learn_one(x)
        else:
            super().learn_one(x)

    def score_one(self, x: Mapping[Hashable, Any]) -> float:
        """Tell how high `x` would bring the highest CUSUM, 1 being an alarm; 0 while learning. Learns nothing."""
        if self._published:
            return self._published.score_one(x)
        s = self._state
        row = self._row(x)
        if s.learned == 0 or row.shape[1] != s.width:
            return 0.0
        copy = restore(TriggerState, take(s))
        out = _evidence(row, "metric" in self.channels)
        span, state = copy.views()
        watch(row, span, state, self._rates(), out)
        return float(np.fmax.reduce(np.append(out.scores, [out.joint[0], 0.0])))

    def _rates(self) -> Rates:
        accepted = self.false_alarms_per_day * self.interval / DAY
        joint, metric, frozen = (channel in self.channels for channel in CHANNELS)
        share = JOINT_SHARE if joint and metric else 1.0
        each = (1.0 - share if joint and metric else 1.0) / max(1, int(np.count_nonzero(self._state.known)))
        return Rates(share * accepted, each * accepted, accepted, (joint, metric, frozen), self.relearn)

    def _stretch(self, X: Block, at: int) -> tuple[slice, bool]:
        """Rows from `at` on inside which nothing is learned anew, and whether they are kept for a base to come."""
        s = self._state
        missing = ~s.known
        if s.learned and not missing.any():
            return slice(at, len(X)), False
        if s.learned and not (missing & (s.born >= 0)).any():
            newcomer = np.isfinite(X[at:, missing]).any(axis=1)
            if not newcomer.any():
                return slice(at, len(X)), False
            first = int(newcomer.argmax())
            if first > 0:
                return slice(at, at + first), False
        return slice(at, min(len(X), at + self._until() - int(s.filled[0]))), True

    def _until(self) -> int:
        """Count of kept rows at which to look back: the first base, then every tenth of one."""
        filled, tenth = int(self._state.filled[0]), max(1, self.base // 10)
        phase = filled % self.base
        ahead = self.base if self._state.learned == 0 else min(self.base, (phase // tenth + 1) * tenth)
        return filled - phase + ahead

    def _record(self, rows: Block) -> None:
        """Keep quiet rows, and learn from them when it is time."""
        if not len(rows):
            return
        s = self._state
        until, filled = self._until(), int(s.filled[0])
        present = np.isfinite(rows)
        new = (s.born < 0) & present.any(axis=0)
        s.born[new] = filled + np.argmax(present[:, new], axis=0)
        s.rows[(filled + np.arange(len(rows))) % self.base] = rows
        s.filled[0] += len(rows)
        if s.filled[0] < until:
            return
        late = s.waiting(self.base)
        if s.learned == 0 or late.any():
            ordered = np.roll(s.rows, -int(s.filled[0] % self.base), axis=0)
            if s.learned == 0:
                s.take(learn(np.where(late, ordered, np.nan)))
            else:
                s.join(learn(np.where(late, ordered, np.nan)), late)

    def _adopt(self, X: Block) -> None:
        """Learn a base that is handed over."""
        X = np.array(X, np.float64, order="C", ndmin=2)
        s = self._state
        s.widen(X.shape[1])
        X = np.pad(X, ((0, 0), (0, s.width - X.shape[1])), constant_values=np.nan)
        s.filled[0] = self.base
        present = np.isfinite(X)
        begins = np.argmax(present, axis=0)
        s.born = np.where(present.any(axis=0), self.base - np.minimum(self.base, len(X) - begins), -1)
        late = len(X) - begins < 0.9 * min(self.base, len(X))  # such a metric waits for a base of its own
        s.rows[:] = np.nan
        newest = X[-self.base :]
        s.rows[self.base - len(newest) :] = newest
        s.take(learn(np.where(late, np.nan, X)))


def _evidence(X: Block, metrics: bool) -> Evidence:
    T, d = X.shape
    return Evidence(
        joint=np.full(T, np.nan),
        scores=np.full((T if metrics else 0, d), np.nan),
        alarm=np.zeros(T, np.int8),
        onset=np.zeros(T, np.int64),
        score=np.full(T, np.nan),
        strength=np.full(T, np.nan),
        calm=np.zeros(T, np.bool_),
        contributions=np.zeros((T, d)),  # costs nothing until it is written to
    )


def _of_alarms(out: Evidence) -> Array:
    """Contributions, NaN in rows without an alarm; without any, one NaN that looks like all of them."""
    quiet = out.alarm == 0
    if quiet.all():
        return np.broadcast_to(np.nan, out.contributions.shape)
    out.contributions[quiet] = np.nan
    return out.contributions
