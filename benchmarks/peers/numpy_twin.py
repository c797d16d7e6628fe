"""The quiet step in plain numpy: score a row, keep it, learn its lagged moments. No numba.

A row depends on the row before it, so rows are worked on one after the other, and all metrics of a row at once; what
may wait (moments) is done in blocks with BLAS. Nothing is left out that a quiet row needs, and what happens once in
hundreds of rows (a refit of the graph, a refresh of the base) is not here, which is to the twin's advantage. Results
equal ours; a test holds it to that.
"""

import numpy as np
from numpy.typing import NDArray

from headwater.detectors.cusum import CROWD, FLOOR, LONE, MEMORY, REARM, REPEAT, TOLD, Channel
from headwater.detectors.levels import ECHO, RATES, REACH
from headwater.detectors.watch import CALM, FROZEN, STILL
from headwater.online import Snapshot
from headwater.streaming.records import Tick

__all__ = ["Moments", "QuietStep", "Watch"]

Array = NDArray[np.float64]
CLIP = 10.0  # largest absolute z that enters a product


class Watch:
    """`TriggerPoint` from its snapshot on, all metrics having a base.

    Parameters
    ----------
    learned
        ``TriggerPoint.snapshot()`` of a detector that has learned its base.
    rates
        Accepted false alarms per row of the crowd, and of each metric.
    relearn
        Rows after which a change that stays is quiet again.
    """

    def __init__(self, learned: Snapshot, rates: tuple[float, float], relearn: int) -> None:
        for name in ("centre", "scale", "spans", "jumps", "units", "caps", "gains", "level", "tail", "seen"):
            setattr(self, name, np.array(learned[name], np.float64))
        for name in ("height", "bound", "top", "ease", "age", "latched", "run", "last", "longest", "told", "since"):
            setattr(self, name, np.array(learned[name]))
        self.rates = np.array([rates[0], *[rates[1]] * len(self.centre)])
        self.clip, self.pace, self.doubt, self.steep = (
            np.array([getattr(CROWD, name), *[getattr(LONE, name)] * len(self.centre)]) for name in Channel._fields
        )
        self.relearn = relearn

    level: Array
    scale: Array
    centre: Array
    spans: Array
    jumps: Array
    units: Array
    caps: Array
    gains: Array
    tail: Array
    seen: Array
    height: Array
    bound: Array
    top: Array
    ease: Array
    age: Array
    latched: Array
    run: Array
    last: Array
    longest: Array
    told: Array
    since: Array

    def step(self, x: Array) -> tuple[Array, float]:
        """Judge a row ``float64[d]``: the CUSUM of each metric and that of the crowd, over their thresholds."""
        self.since += 1
        self.seen[0] += 1.0
        there = np.isfinite(x)
        near = np.where(there, np.clip(x, self.centre - REACH * self.scale, self.centre + REACH * self.scale), 0.0)
        y = np.where(there, near - self.level, 0.0)
        self.level += np.array(RATES)[:, None] * np.clip(y, -ECHO * self.scale, ECHO * self.scale)
        square = y * y
        e = self.gains[0][:, None] * np.minimum(square * self.spans, self.caps[0][:, None])
        e += self.gains[1][:, None] * np.minimum(square * self.jumps, self.caps[1][:, None])
        g = np.concatenate([[e.sum(axis=1).max()], (square * self.units).max(axis=0)])
        repeats = np.concatenate([[False], x == self.last])
        fires = self._climb(g, np.concatenate([[True], there]), repeats)
        ratio = self.height / self.bound
        frozen = self._rest(x, there)
        news = fires & (self.age <= self.since)
        if news.any() or (0 < frozen <= self.since[0]):
            self.since[:] = 0
            far = there & (np.abs(x - self.centre) > REACH * self.scale)
            self.centre[far] = x[far]
            self.level[:, far] = x[far]
        return np.where(there, ratio[1:], np.nan), float(ratio[0])

    def _climb(self, g: Array, there: NDArray[np.bool_], repeats: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Take a row into all CUSUMs; returns which fire."""
        x = g * self.ease
        learns = there & (self.since[0] > CALM) & ~((self.latched > 0) & (self.latched <= self.relearn))
        exceeds = x > 1.0
        risen = learns & ~exceeds & (self.ease < 1.0)
        if risen.any():
            self.ease[risen] = np.minimum(1.0, self.ease * np.exp(0.01 * self.pace))[risen]
        np.multiply(self.ease, np.exp(-0.99 * self.pace), out=self.ease, where=learns & exceeds)
        begins = there & (self.height == 0.0) & exceeds
        for c in np.flatnonzero(begins).tolist():
            self.age[c], self.bound[c] = 0, self._bound(c)
        works: NDArray[np.bool_] = there & ((self.height > 0.0) | begins)
        if not works.any():
            return works
        self.age += works
        step = np.minimum(x, self.clip) - 1.0
        step[repeats & (step > 0.0)] *= REPEAT
        height = np.maximum(0.0, self.height + step)
        np.maximum(self.top, height, out=self.top, where=works)
        fires = works & (self.latched == 0) & (height >= self.bound)
        height = np.where(self.latched > 0, np.minimum(height, REARM), height)
        self.latched += works & (fires | (self.latched > 0))
        np.copyto(self.height, height, where=works)
        for c in np.flatnonzero(works & (height == 0.0)).tolist():
            self._close(c)
        return np.asarray(fires)

    def _excess(self, c: int) -> float:
        return float(self.tail[2, c] / self.tail[1, c] * (1.0 + self.doubt[c] / self.tail[1, c] ** 0.5))

    def _bound(self, c: int) -> float:
        seen, excess = self.tail[3, c] + self.seen[0], self._excess(c)
        within = max(self.rates[c], 1.0 / (seen * self.seen[1]))
        inside = self.tail[0, c] + excess * max(0.0, np.log(self.tail[1, c] / seen / within))
        return float(max(FLOOR, inside) + max(excess, self.steep[c]) * np.log(within / self.rates[c]))

    def _close(self, c: int) -> None:
        """Learn the maximum of an excursion that is over."""
        tail, told = self.tail[:, c], self.latched[c] > 0
        top = min(self.top[c], tail[0] + TOLD * self._excess(c)) if told else self.top[c]
        if told or top > tail[0]:
            tail[1] += 1.0
            tail[2] += max(0.0, top - tail[0])
        seen = tail[3] + self.seen[0]
        if seen > 2.0 * MEMORY:
            tail[1:] = 0.5 * tail[1], 0.5 * tail[2], 0.5 * seen - self.seen[0]
        self.top[c], self.latched[c] = 0.0, 0

    def _rest(self, x: Array, there: NDArray[np.bool_]) -> int:
        """Count how long metrics have stood still; returns the rows since they froze if that is news."""
        ends = there & (x != self.last)
        keep = (self.told[0] > 0) & (self.run >= STILL * (self.longest + 1))
        np.maximum(self.longest, self.run, out=self.longest, where=ends & ~keep)
        self.run += there
        self.run[ends] = 0
        np.copyto(self.last, x, where=ends)
        still = there & (self.run >= STILL * (self.longest + 1))
        told = self.told[0]
        self.told[0] = still.sum() >= FROZEN
        return int(self.run[still].min()) if self.told[0] and not told else 0


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
    learned, rates, relearn
        As `Watch` takes them.
    history
        Rows of the ring.
    graph
        Whether moments are learned.
    """

    def __init__(
        self,
        system: str,
        learned: Snapshot,
        rates: tuple[float, float],
        *,
        relearn: int,
        history: int,
        graph: bool = True,
    ) -> None:
        d = len(np.asarray(learned["centre"]))
        self.system = system
        self.watch = Watch(learned, rates, relearn)
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
