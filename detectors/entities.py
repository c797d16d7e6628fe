"""EntityTriggers: one trigger for each host, pod or service, one budget of false alarms, and alarms that are fused."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, Snapshot, restore, take

from .entity_groups import group_columns, owner_of
from .entity_state import EntityState, of_trigger
from .named_rows import NamedRows
from .trigger import TriggerPoint
from .trigger_info import TriggerInfo

__all__ = ["EntityInfo", "EntityTriggers"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
STANDS_OUT = 0.5  # of the largest departure: so far a metric must have gone to belong to an alarm


class EntityInfo(NamedTuple):
    """Evidence of a block of T rows of the d metrics of a system; what is not said here is as in `TriggerInfo`."""

    learning: Array  # [T] of the entity that has learned most
    joint: Array  # [T] the highest of all entities
    scores: Array  # [T, d]
    alarm: NDArray[np.int8]  # [T] after fusing
    onset: Counts  # [T]
    strength: Array  # [T]
    contributions: Array  # [T, d] of the entities that alarm in this row, fused or not; NaN for the others
    score: Array  # [T] -ln of the false alarms per row expected of all entities together at the highest score
    entity: Counts  # [T] whose alarm it is, a place in `EntityTriggers.entities`; -1 without an alarm
    fused: Counts  # [T] alarms that belong to one reported before


class EntityTriggers(NamedRows):
    """Watch a system entity by entity, as if it were one detector.

    A sum over the metrics of a whole system hears the loudest of its machines and no other, so each entity has a
    `TriggerPoint` of its own. The accepted rate of false alarms is one: with n entities that have ever shown a value
    each gets ``1/n`` of it. When one is born the others' thresholds follow with their next refresh, which is when the
    new one begins to watch.

    Fusing: an alarm belongs to one reported before, and is counted in `fused` instead of being reported, if

    - within `refractory` rows an alarm, reported or fused, stood on one of its metrics; or
    - within `refractory` rows there was an alarm of whatever entity, and its own onset lies no later than `refractory`
      rows after the last *reported* one. So what spreads over entities is one alarm, while a new onset on disjoint
      metrics is reported even when an old one is still going on.

    The metrics of an alarm are those that departed at least half as far as its first. In one row the most surprising
    alarm comes first. Guaranteed: with one entity of at most `most` metrics, evidence is that of its `TriggerPoint`,
    but for fused alarms; results do not depend on the size of blocks.

    Parameters
    ----------
    trigger
        Settings of each `TriggerPoint`; ``false_alarms_per_day`` is accepted from all together.
    refractory
        Rows.
    least
        Metrics without which an entity is pooled with others like it.
    most
        Metrics beyond which an entity is cut into several detectors.

    Examples
    --------
    >>> rows = np.random.default_rng(7).normal(size=(1000, 8))
    >>> rows[800:, 5] += 9.0
    >>> system = EntityTriggers()
    >>> system.adopt(["web"] * 4 + ["db"] * 4)
    >>> info = system.step(rows)
    >>> at = int(np.flatnonzero(info.alarm)[0])
    >>> 800 <= at < 810, system.entities[info.entity[at]], int(np.nanargmax(info.contributions[at]))
    (True, 'db', 5)
    """

    _state: EntityState

    def __init__(
        self, *, trigger: Mapping[str, Any] | None = None, refractory: int = 30, least: int = 3, most: int = 100
    ) -> None:
        if refractory < 0:
            raise ValueError(f"refractory must be 0 rows or more, not {refractory}")
        if not 1 <= least <= most:
            raise ValueError(f"sizes must be 1 <= least <= most, not {least=}, {most=}")
        self.trigger = trigger
        self.refractory = refractory
        self.least = least
        self.most = most
        self._budget = TriggerPoint(**(trigger or {})).false_alarms_per_day
        self._state = EntityState.empty()
        self._triggers: dict[int, TriggerPoint] = {}  # of the groups that have been born
        self._order = self._ends = np.empty(0, np.int64)  # see `_arranged`

    @property
    def entities(self) -> tuple[str, ...]:
        """Names of the entities, in the order in which they were adopted."""
        return tuple(self._state.entities.tolist())

    def adopt(self, entities: Sequence[str]) -> None:
        """Tell the entity of each column; columns are only ever appended, so what is known is not read again.

        An entity ``edge:a>b`` is part of b. Columns that are never adopted belong to the entity ``""``.

        Raises
        ------
        ValueError
            If there are fewer columns than before.
        """
        s = self._state
        if len(entities) < s.width:
            raise ValueError(f"{len(entities)} columns after {s.width}: columns are only ever added")
        owners = [owner_of(entity) for entity in entities[s.width :]]
        known = list(dict.fromkeys([*s.entities.tolist(), *owners]))
        place = {name: k for k, name in enumerate(known)}
        owner = np.concatenate([s.owner, np.array([place[name] for name in owners], np.int64)])
        pooled = s.pooled.tolist()
        group = group_columns(owner, s.group, pooled, least=self.least, most=self.most)
        s.widen(owner, group, known, pooled)

    def step(self, X: Block) -> EntityInfo:
        """Judge rows ``float64[T, d]`` and then learn them; new metrics may appear at the right.

        Raises
        ------
        ValueError
            If there are fewer metrics than before.
        """
        X, d = self._padded(X)
        out = _nothing(*X.shape)
        births = self._births(X)
        cuts = sorted({0, len(X), *births.values()})
        for start, stop in pairwise(cuts):
            if born := [g for g, row in births.items() if row == start]:
                self._bear(born)
            part = EntityInfo._make(column[start:stop] for column in out)
            self._judge(X[start:stop], part)
            self._state.rows[0] += stop - start
        return out._replace(scores=out.scores[:, :d], contributions=out.contributions[:, :d])

    def fit(self, X: Block) -> None:
        """Forget everything but whose the columns are, and learn the base of each entity from `X` at once."""
        self._triggers = {}
        self._state = self._state.afresh()
        X, _ = self._padded(X)
        self._bear(list(self._births(X)))
        for g, trigger in self._triggers.items():
            trigger.fit(X[:, self._state.columns(g)])

    def rebase(self, X: Block) -> None:
        """Take `X` as the new base of every entity, after a change that stayed."""
        X, _ = self._padded(X)
        self._bear(list(self._births(X)))
        for g, trigger in self._triggers.items():
            trigger.rebase(X[:, self._state.columns(g)])

    def snapshot(self) -> Snapshot:
        """Copy all that has been learned."""
        parts = {of_trigger(g) + name: v for g, t in self._triggers.items() for name, v in t.snapshot().items()}
        return take(self._state) | parts

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; raises `SnapshotError` unless its triggers are as this one's."""
        own = {name: value for name, value in snapshot.items() if "." not in name}
        state = restore(EntityState, own)
        state.check(snapshot)
        triggers = self._made(np.flatnonzero(state.born).tolist())
        for g, trigger in triggers.items():
            prefix = of_trigger(g)
            trigger.restore({k.removeprefix(prefix): v for k, v in snapshot.items() if k.startswith(prefix)})
        self._state, self._triggers = state, triggers
        self._order = np.empty(0, np.int64)

    def score_one(self, x: Mapping[Hashable, Any]) -> float:
        """Tell how high `x` would bring the highest CUSUM, 1 being an alarm; 0 while learning. Learns nothing."""
        row = self._row(x)
        if row.shape[1] != self._state.width:
            return 0.0
        twin = type(self)(trigger=self.trigger, refractory=self.refractory, least=self.least, most=self.most)
        twin.restore(self.snapshot())
        info = twin.step(row)
        return float(np.fmax.reduce(np.append(info.scores, [info.joint[0], 0.0])))

    def _appeared(self, names: Sequence[str]) -> None:
        """Adopt metrics that came in river's dictionaries as ``entity|metric``."""
        known = [self.entities[k] for k in self._state.owner.tolist()]
        self.adopt([*known, *(name.rpartition("|")[0] for name in names)])

    def _padded(self, X: Block) -> tuple[Block, int]:
        """Columns that have been adopted and are not there yet are missing."""
        X = np.array(X, np.float64, order="C", ndmin=2)
        d, s = X.shape[1], self._state
        if d < s.shown[0]:
            raise ValueError(f"rows of {d} metrics after rows of {s.shown[0]}: metrics are only ever added")
        if d > s.width:
            self.adopt([*(self.entities[k] for k in s.owner.tolist()), *[""] * (d - s.width)])
        s.shown[0] = d
        return np.pad(X, ((0, 0), (0, s.width - d)), constant_values=np.nan), d

    def _births(self, X: Block) -> dict[int, int]:
        """Groups that show their first value in these rows, and the row."""
        s = self._state
        unborn = np.flatnonzero(~s.born).tolist()
        seen = {g: np.isfinite(X[:, s.columns(g)]).any(axis=1) for g in unborn}
        return {g: int(there.argmax()) for g, there in seen.items() if there.any()}

    def _bear(self, groups: list[int]) -> None:
        """Add triggers for these groups; all share the budget from now on."""
        self._state.born[groups] = True
        kept = self._triggers
        self._triggers = self._made(np.flatnonzero(self._state.born).tolist())
        for g, trigger in kept.items():
            self._triggers[g].restore(trigger.snapshot())

    def _made(self, groups: list[int]) -> dict[int, TriggerPoint]:
        share = {"false_alarms_per_day": self._budget / max(len(groups), 1)}
        return {g: TriggerPoint(**(dict(self.trigger or {}) | share)) for g in groups}

    def _judge(self, X: Block, out: EntityInfo) -> None:
        """Let each entity judge its columns, and put together what they say."""
        if not self._triggers:
            return
        order, ends = self._arranged()
        by_group = np.take(X, order, axis=1)
        scores = np.full(X.shape, np.nan)
        infos = {}
        for g, trigger in self._triggers.items():
            own = slice(ends[g], ends[g + 1])
            infos[g] = info = trigger.step(by_group[:, own])
            scores[:, own] = info.scores
        out.scores[:, order] = scores
        out.learning[:] = np.max([info.learning for info in infos.values()], axis=0)
        out.joint[:] = np.fmax.reduce([info.joint for info in infos.values()])
        out.score[:] = np.fmax.reduce([info.score for info in infos.values()]) - np.log(len(infos))
        alarms = np.array([info.alarm for info in infos.values()])
        groups = np.array(list(infos))
        for t in np.flatnonzero(alarms.any(axis=0)).tolist():
            firing = groups[alarms[:, t] > 0].tolist()
            for g in sorted(firing, key=lambda g: -float(infos[g].strength[t])):
                self._fuse(t, order[ends[g] : ends[g + 1]], infos[g], out)

    def _fuse(self, t: int, columns: Counts, info: TriggerInfo, out: EntityInfo) -> None:
        """Report the alarm that these columns raise in row t of the block, or count it to an earlier one."""
        s, row = self._state, int(self._state.rows[0]) + t
        out.contributions[t, columns] = info.contributions[t]
        departed = np.nan_to_num(info.contributions[t])
        own = columns[departed >= STANDS_OUT * departed.max()]
        again = bool((row - s.touched[own] <= self.refractory).any())
        spreads = row - s.newest[0] <= self.refractory and row - info.onset[t] <= s.reported[0] + self.refractory
        s.touched[own], s.newest[0] = row, row
        if again or spreads:
            out.fused[t] += 1
            return
        s.reported[0] = row
        out.alarm[t], out.onset[t] = info.alarm[t], info.onset[t]
        out.strength[t] = info.strength[t] - np.log(len(self._triggers))
        out.entity[t] = s.owner[columns[departed.argmax()]]

    def _arranged(self) -> tuple[Counts, Counts]:
        """Columns group by group, and where each group begins among them."""
        if len(self._order) != self._state.width:
            self._order = np.argsort(self._state.group, kind="stable")
            self._ends = np.searchsorted(self._state.group[self._order], np.arange(len(self._state.born) + 1))
        return self._order, self._ends


def _nothing(T: int, d: int) -> EntityInfo:
    return EntityInfo(
        learning=np.zeros(T),
        joint=np.full(T, np.nan),
        scores=np.full((T, d), np.nan),
        alarm=np.zeros(T, np.int8),
        onset=np.zeros(T, np.int64),
        strength=np.full(T, np.nan),
        contributions=np.full((T, d), np.nan),
        score=np.full(T, np.nan),
        entity=np.full(T, -1, np.int64),
        fused=np.zeros(T, np.int64),
    )
