"""The columns of one system and the newest value of each: appended only, up to a cap."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .clocks import Partition
from .columns import direction_of, is_counter, split
from .records import Kind, Sample, Series, Wide
from .totals import Total

__all__ = ["Entry", "Table"]

_PLANS = 64  # sets of names looked up by identity; more of them only cost time


class Entry(NamedTuple):
    """A word that waits for its row."""

    time: float
    partition: Partition
    name: str  # of a Sample's column; empty for a Wide
    word: Sample | Wide
    cells: int  # how many finite values it has

    def samples(self) -> Iterator[tuple[tuple[str, Kind | None, str], float]]:
        """Finite values one by one, each with its column's name, kind and unit."""
        word = self.word
        if isinstance(word, Sample):
            yield (self.name, word.kind, word.unit), word.value
            return
        for name, value in zip(word.names, word.values.tolist(), strict=True):
            if math.isfinite(value):
                yield (name, None, ""), value


@dataclass(slots=True)
class _Plan:
    """Where the cells of wide words with these names go, as far as columns existed at `width`."""

    names: tuple[str, ...]
    width: int
    whole: bool  # every name is a gauge's: no need to pick
    gauges: NDArray[np.intp]  # positions in `names`, and
    slots: NDArray[np.intp]  # the columns they go to
    others: list[tuple[int, int]]  # position and column of counters and deltas
    unknown: list[int]  # positions without a column


class Table:
    """Columns of one system, each with its newest value and the time it was taken.

    Parameters
    ----------
    system
        The monitored thing.
    step, limit
        Seconds of one row, and the largest gap between two scrapes of a counter.
    max_columns
        Cap on the columns.
    counters, kpi
        Shell patterns for growing totals, and the KPI settings (`columns.direction_of`).
    """

    def __init__(
        self,
        *,
        system: str,
        step: float,
        limit: float,
        max_columns: int,
        counters: tuple[str, ...],
        kpi: tuple[str, ...],
    ) -> None:
        self.system, self.step, self.limit = system, step, limit
        self.max_columns, self.counters, self.kpi = max_columns, counters, kpi
        self.series: list[Series] = []
        self.refused: dict[str, None] = {}
        self.value, self.time = np.empty(0), np.empty(0)  # [d]
        self.totals: dict[int, Total] = {}
        self._deltas: dict[int, None] = {}  # columns, in order
        self._slots: dict[str, int] = {}
        self._plans: dict[int, _Plan] = {}

    @property
    def full(self) -> bool:
        """Say whether the cap is reached."""
        return len(self.series) >= self.max_columns

    def newcomers(self, entries: Iterable[Entry]) -> dict[str, tuple[Kind | None, str]]:
        """Columns that `entries` (in order) have a sample of and the table has not: name → kind and unit."""
        found: dict[str, tuple[Kind | None, str]] = {}
        for _, _, name, word, _ in entries:
            if isinstance(word, Sample):
                if name not in self._slots:
                    found.setdefault(name, (word.kind, word.unit))
                continue
            for position in self._plan(word.names).unknown:
                if math.isfinite(word.values[position]):
                    found.setdefault(word.names[position], (None, ""))
        return {name: found[name] for name in found if name not in self.refused}

    def admit(self, found: dict[str, tuple[Kind | None, str]]) -> None:
        """Append columns in the order of their entities and metrics; refuse those above the cap."""
        for name in sorted(found, key=split):
            if not self.full:
                self.append(name, *found[name])
            elif len(self.refused) < self.max_columns:
                self.refused[name] = None

    def append(self, name: str, kind: Kind | None, unit: str) -> None:
        """Append one column."""
        slot = self._slots[name] = len(self.series)
        entity, metric = split(name)
        kind = kind or ("counter" if is_counter(name, self.counters) else "gauge")
        self.series.append(Series(self.system, entity, metric, kind, unit, direction_of(name, self.kpi)))
        self.value, self.time = np.append(self.value, np.nan), np.append(self.time, np.nan)
        if kind == "counter":
            self.totals[slot] = Total(step=self.step, limit=self.limit)
        elif kind == "delta":
            self._deltas[slot] = None

    def apply(self, entries: Iterable[Entry]) -> None:
        """Bring the table to the end of one row; `entries` are its words in the order (time, partition, offset)."""
        if self._deltas:
            sums = list(self._deltas)
            self.value[sums] = self.time[sums] = np.nan
        scraped: set[int] = set()
        for time, _, name, word, _ in entries:
            if isinstance(word, Wide):
                self._spread(word, scraped)
            elif (slot := self._slots.get(name)) is not None:
                self._put(slot, time, word.value, scraped)
        for slot in scraped:
            self.value[slot], self.time[slot] = self.totals[slot].rate(), self.totals[slot].scrapes[-1][0]

    def _put(self, slot: int, time: float, value: float, scraped: set[int]) -> None:
        if slot in self.totals:
            self.totals[slot].add(time, value)
            scraped.add(slot)
            return
        if slot in self._deltas and not math.isnan(self.value[slot]):
            value += self.value[slot]
        self.value[slot] = value
        self.time[slot] = time

    def _spread(self, word: Wide, scraped: set[int]) -> None:
        plan, values = self._plan(word.names), word.values
        known = np.isfinite(values)
        if plan.whole and known.all():
            self.value[plan.slots] = values
            self.time[plan.slots] = word.time
            return
        there = known[plan.gauges]
        slots = plan.slots[there]
        self.value[slots] = values[plan.gauges[there]]
        self.time[slots] = word.time
        for position, slot in plan.others:
            if known[position]:
                self._put(slot, word.time, float(values[position]), scraped)

    def _plan(self, names: tuple[str, ...]) -> _Plan:
        plan = self._plans.get(id(names))
        if plan is not None and plan.names is names and (not plan.unknown or plan.width == len(self.series)):
            return plan
        slots = [self._slots.get(name, -1) for name in names]
        kinds = ["" if slot < 0 else self.series[slot].kind for slot in slots]
        gauges = [position for position, kind in enumerate(kinds) if kind == "gauge"]
        plan = _Plan(
            names=names,  # kept, so that its id is not given to another tuple
            width=len(self.series),
            whole=len(gauges) == len(names),
            gauges=np.array(gauges, np.intp),
            slots=np.array([slots[position] for position in gauges], np.intp),
            others=[(p, slots[p]) for p, kind in enumerate(kinds) if kind in ("counter", "delta")],
            unknown=[p for p, slot in enumerate(slots) if slot < 0],
        )
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        self._plans[id(names)] = plan
        return plan
