"""The quiet step in plain numpy: score a row, keep it, learn its lagged moments. No numba.

A row depends on the row before it, so rows are worked on one after the other, and all metrics of a row at once; what
may wait (moments) is done in blocks with BLAS. Nothing is left out that a quiet row needs, and what happens once in
hundreds of rows (a refit of the graph, a refresh of the base) is not here, which is to the twin's advantage. Results
equal ours; a test holds it to that.
"""

import numpy as np
from numpy.typing import NDArray

from headwater.detectors.cusum import (
    ECHO,
    HABIT,
    JOINT_CLIP,
    LONE,
    METRIC_CLIP,
    REARM,
    REPEAT,
    SHARE_CLIP,
    SPAN_CLIP,
)
from headwater.online import Snapshot
from headwater.streaming.records import Tick

__all__ = ["Moments", "QuietStep", "Watch"]

Array = NDArray[np.float64]
CLIP = 10.0  # largest absolute z that enters a product


class Watch:
    """`TriggerPoint` from its snapshot on, without the refreshes of its base.

    Parameters
    ----------
    learned
        ``TriggerPoint.snapshot()`` of a detector that has learned its base, with the newest sample's share of the
        energy (``whole_window=False``).
    relearn
        Rows after which a change that stays is quiet again.
    """

    def __init__(self, learned: Snapshot, relearn: int) -> None:
        self.mean, self.scale, self.unit, self.bound, self.ahead, self.joint, self.last, self.height = (
            np.array(learned[name], np.float64)
            for name in ("mean", "scale", "unit", "bound", "ahead", "joint", "last", "height")
        )
        self.age, self.muted, self.held, self.rows, self.breaks, self.filled, self.before, self.peak = (
            np.array(learned[name]) for name in ("age", "muted", "held", "rows", "breaks", "filled", "before", "peak")
        )
        self.centred = np.asarray(learned["window"]) - self.mean[:, None]
        self.limit = ECHO * np.sqrt(self.unit) * self.scale
        self.most = np.minimum((SPAN_CLIP, SHARE_CLIP), LONE * self.joint[:2])
        self.settled = 1 if np.ptp(self.ahead) < 1e-9 else len(self.ahead) + 1
        self.relearn = relearn
        self.joint_height = float(np.asarray(learned["joint_height"])[0])
        self.joint_age, self.joint_muted = (int(np.asarray(learned[f"joint_{name}"])[0]) for name in ("age", "muted"))

    def step(self, x: Array) -> tuple[Array, float]:
        """Judge a row ``float64[d]``: the CUSUM of each metric and the joint one, over their thresholds."""
        self.age += self.height > 0.0
        self.muted += self.muted > 0
        learnable = ~((self.muted > 0) & (self.muted <= self.relearn))
        there, armed = np.isfinite(x) & ~np.isnan(self.unit), self.muted == 0
        judged = self.held >= self.settled
        predicted = self._push(x, there, armed & judged)
        error = (x - predicted) / self.scale
        e = np.where(judged, error * error, 0.0)
        g = e / self.unit
        heard = there & armed
        repeats = x == self.last
        weight = np.where(repeats, REPEAT, 1.0) * heard
        joint = self._judge(*(np.fmin(part, most) @ weight for part, most in zip((e, g), self.most, strict=True)))
        begins = there & (self.height == 0.0)
        self.before[begins], self.peak[begins], self.age[begins] = predicted[begins], 0.0, 1
        step = np.minimum(g, METRIC_CLIP) - 1.0
        step[repeats & (step > 0.0)] *= REPEAT
        np.copyto(self.height, np.maximum(self.height + step, 0.0), where=there)
        np.copyto(self.peak, np.maximum(self.peak, np.abs(x - self.before) / self.scale), where=there)
        np.copyto(self.last, x, where=there)
        self.held[there] = np.minimum(self.held[there] + 1, self.centred.shape[1])
        scores = np.where(there, self.height / self.bound, np.nan)
        if not armed.all():
            self._sink(there & ~armed, scores)
        fired = heard & (self.height >= self.bound)
        self._record(np.where(learnable, x, np.nan), fired)
        if fired.any():
            self.muted[fired] = 1
            self.bound[fired] *= HABIT
        return scores, joint

    def _push(self, x: Array, there: NDArray[np.bool_], limited: NDArray[np.bool_]) -> Array:
        """Move the samples into the windows and return what was predicted for them."""
        fresh = there & (self.held == 0)
        if fresh.any():
            self.centred[fresh] = (x - self.mean)[fresh, None]
        if there.all():
            self.centred[:, :-1] = self.centred[:, 1:]
        else:
            self.centred[there, :-1] = self.centred[there, 1:]
        ahead = self.centred[:, :-1] @ self.ahead
        limit = np.where(limited, self.limit, np.inf)
        np.copyto(self.centred[:, -1], np.clip(x - self.mean, ahead - limit, ahead + limit), where=there)
        return self.mean + ahead

    def _sink(self, latched: NDArray[np.bool_], scores: Array) -> None:
        """Let the CUSUMs of metrics that have alarmed sink back."""
        scores[latched] = np.minimum(self.height[latched] / REARM, 1.0)
        self.height[latched] = np.minimum(self.height[latched], REARM)
        self.muted[latched & (self.height == 0.0)] = 0

    def _judge(self, plain: float, shares: float) -> float:
        """Judge the sums of a row: the joint CUSUM over its threshold, or over where it sinks from."""
        self.joint_age += self.joint_height > 0.0
        self.joint_muted += self.joint_muted > 0
        armed = self.joint_muted == 0
        if self.joint_height == 0.0:
            self.joint_age = 1
        e = 0.5 * (plain / self.joint[0] + shares / self.joint[1])
        self.joint_height = max(0.0, self.joint_height + min(e, JOINT_CLIP) - 1.0)
        if armed:
            ratio = float(self.joint_height / self.joint[2])
            if self.joint_height >= self.joint[2]:
                self.joint_muted = 1
                self._forget(slice(None), self.joint_age)
                self.breaks[self.filled[0] % len(self.rows) - 1] = True
            return ratio
        self.joint_height = min(self.joint_height, REARM)
        self.joint_muted *= self.joint_height > 0.0
        return self.joint_height / (REARM if self.joint_muted > 0 else float(self.joint[2]))

    def _record(self, x: Array, fired: NDArray[np.bool_]) -> None:
        """Keep a row for the next base, unless it belongs to a change of the whole, or of a metric."""
        for n in np.flatnonzero(fired).tolist():
            self._forget(n, int(self.age[n]))
        if 0 < self.joint_muted <= self.relearn:
            return
        slot = self.filled[0] % len(self.rows)
        self.rows[slot], self.breaks[slot] = np.where(fired, np.nan, x), fired
        self.filled[0] += 1

    def _forget(self, metrics: slice | int, age: int) -> None:
        """Take out the rows in which a change has turned out to have been under way."""
        self.rows[self.filled[0] % len(self.rows) - np.arange(1, min(age, len(self.rows))), metrics] = np.nan


class Moments:
    """`LaggedMoments`, in blocks: running mean and spread row by row, the products with BLAS."""

    def __init__(
        self, d: int, *, lags: int = 3, half_life: float = 20_000, clip: float = 10.0, block: int = 32
    ) -> None:
        self.forget, self.clip, self.lags = 2.0 ** (-1.0 / half_life), clip, lags
        self.mean, self.spread, self.seen = np.zeros(d), np.zeros(d), np.zeros(d)
        self.gamma = np.zeros((lags + 1, d, d))
        self.Z = np.zeros((lags + block, d))
        self.waiting = np.empty((block, d))
        self.filled = 0

    def step(self, x: Array) -> None:
        """Take a row ``float64[d]``."""
        self.waiting[self.filled] = x
        self.filled += 1
        if self.filled == len(self.waiting):
            self._learn()
            self.filled = 0

    def _learn(self) -> None:
        there = np.isfinite(self.waiting)
        for x, known in zip(self.waiting, there, strict=True):
            self.spread *= self.forget
            self.seen = self.seen * self.forget + known
            before = np.where(known, x - self.mean, 0.0)
            self.mean += before / np.maximum(self.seen, 1e-300)
            self.spread += np.where(known, before * (x - self.mean), 0.0)
        raw = np.sqrt(np.divide(self.spread, self.seen, out=np.zeros_like(self.seen), where=self.seen > 0))
        sd = np.maximum(raw, 1e-3 * np.abs(self.mean))
        sd[sd == 0.0] = 1.0
        p, b = self.lags, len(self.waiting)
        self.Z[:p] = self.Z[b:].copy()
        self.Z[p:] = np.where(there, np.clip((self.waiting - self.mean) / sd, -CLIP, CLIP), 0.0)
        weight = self.forget ** np.arange(b - 1, -1, -1.0)[:, None]
        for lag in range(p + 1):
            self.gamma[lag] *= self.forget**b
            self.gamma[lag] += (self.forget ** (0.5 * lag) * weight * self.Z[p:]).T @ self.Z[p - lag : p - lag + b]


class QuietStep:
    """All that a quiet row costs: the watch, the history ring, the moments, and the tick that is given out.

    Parameters
    ----------
    system
        Name in the ticks.
    learned, relearn
        As `Watch` takes them.
    history
        Rows of the ring.
    graph
        Whether moments are learned.
    """

    def __init__(self, system: str, learned: Snapshot, *, relearn: int, history: int, graph: bool = True) -> None:
        d = len(np.asarray(learned["mean"]))
        self.system = system
        self.watch = Watch(learned, relearn)
        self.moments = Moments(d) if graph else None
        self.values, self.times = np.empty((history, d), np.float32), np.empty(history)
        self.count = 0

    def learn(self, time: float, x: Array) -> tuple[Array, float]:
        """Judge one row ``float64[d]``, keep it and learn it; returns what `Watch.step` does."""
        scores, joint = self.watch.step(x)
        slot = self.count % len(self.times)
        self.values[slot], self.times[slot] = x, time
        self.count += 1
        if self.moments is not None:
            self.moments.step(x)
        return scores, joint

    def step(self, time: float, x: Array) -> Tick:
        """Do the same, and give out what the pipeline gives out for a quiet row."""
        scores, joint = self.learn(time, x)
        return Tick(
            system=self.system,
            time=time,
            values=self.values[(self.count - 1) % len(self.times)].copy(),
            scores=scores.astype(np.float32),
            joint=joint,
            learning=1.0,
        )
