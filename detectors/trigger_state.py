"""All that `TriggerPoint` has learned, and the views of it that the kernels work on."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headwater.online import SnapshotError

from .calibrate import LEAST, UNKNOWN, Quiet
from .cusum import Cusum
from .levels import Span
from .watch import Still, Trace, Watch

__all__ = ["TriggerState"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
LONG_AGO = 2**40  # rows
_AXIS = {"jumps": 1, "units": 1, "level": 1, "tail": 1, "rows": 1}  # of the metrics, 0 for the others
_OF_ALL = ("caps", "gains", "seen", "told", "free", "since", "filled", "learned", "names")


@dataclass(slots=True)
class TriggerState:
    """Arrays by name, as they stand in the snapshot; `Span`, `Cusum`, `Still` and `Trace` say what each is."""

    centre: Array
    scale: Array
    spans: Array
    jumps: Array
    units: Array
    caps: Array
    gains: Array
    level: Array
    height: Array
    bound: Array
    top: Array
    ease: Array
    age: Counts
    latched: Counts
    tail: Array
    seen: Array
    run: Counts
    last: Array
    longest: Counts
    told: Counts
    before: Array
    peak: Array
    joint_before: Array
    joint_peak: Array
    free: Array
    since: Counts
    rows: Array  # [base, d] the newest quiet rows, while a metric waits for its base: a ring
    filled: Counts  # [1] rows ever put there
    born: Counts  # [d] `filled` when the metric first appeared; -1: not yet
    learned: int  # bases learned so far
    names: NDArray[np.str_]  # of the metrics that came in river's dictionaries

    @classmethod
    def empty(cls, base: int) -> Self:
        """Build the state before the first row."""
        none, no_row, nowhere = np.empty(0), np.empty((3, 0)), np.empty(0, np.int64)
        one = np.zeros(1, np.int64)
        return cls(
            centre=none,
            scale=none,
            spans=none,
            jumps=no_row,
            units=no_row,
            caps=np.zeros((2, 3)),
            gains=np.zeros((2, 3)),
            level=no_row,
            height=np.zeros(1),
            bound=np.ones(1),
            top=np.zeros(1),
            ease=np.ones(1),
            age=one.copy(),
            latched=one.copy(),
            tail=np.ones((4, 1)),
            seen=np.ones(2),
            run=nowhere,
            last=none,
            longest=nowhere,
            told=one.copy(),
            before=none,
            peak=none,
            joint_before=none,
            joint_peak=none,
            free=np.zeros(1),
            since=np.full(1, LONG_AGO),
            rows=np.empty((base, 0)),
            filled=one.copy(),
            born=nowhere,
            learned=0,
            names=np.empty(0, np.str_),
        )

    @property
    def width(self) -> int:
        """How many metrics have been seen."""
        return len(self.centre)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Metrics that have a base."""
        known: NDArray[np.bool_] = ~np.isnan(self.scale)
        return known

    def views(self) -> tuple[Span, Watch]:
        """Hand out the arrays themselves, for kernels that update them in place."""
        span = Span(self.centre, self.scale, self.spans, self.jumps, self.units, self.caps, self.gains)
        now = Cusum(self.height, self.bound, self.top, self.ease, self.age, self.latched, self.tail, self.seen)
        trace = Trace(self.before, self.peak, self.joint_before, self.joint_peak, self.free, self.since)
        return span, Watch(self.level, now, Still(self.run, self.last, self.longest, self.told), trace)

    def widen(self, width: int) -> None:
        """Make room for metrics that appear at the right; their past is missing."""
        more = width - self.width
        if more < 0:
            raise ValueError(f"rows of {width} metrics after rows of {self.width}: metrics are only ever added")
        fill = {"scale": np.nan, "last": np.nan, "rows": np.nan, "born": -1, "longest": UNKNOWN}
        fill |= {"bound": 1.0, "ease": 1.0, "tail": 1.0}
        for name in self._by_metric() if more else ():
            old, axis = getattr(self, name), _AXIS.get(name, 0)
            shape = (*old.shape[:axis], more, *old.shape[axis + 1 :])
            setattr(self, name, np.concatenate([old, np.full(shape, fill.get(name, 0), old.dtype)], axis=axis))

    def waiting(self, rows: int) -> NDArray[np.bool_]:
        """Metrics without a base that have been here for `rows` rows, a tenth less is fine, with enough samples."""
        here = (self.born >= 0) & (self.filled[0] - self.born >= 0.9 * rows)
        enough = np.isfinite(self.rows).sum(axis=0) >= LEAST
        return np.asarray(~self.known & here & enough)

    def take(self, quiet: Quiet) -> None:
        """Take a whole base, and begin to watch from its end."""
        for name, value in zip(Span._fields, quiet.span, strict=True):
            setattr(self, name, value)
        self.level, self.tail, self.run, self.last = quiet.level, quiet.tail, quiet.run, quiet.last
        self.longest = quiet.longest
        self.seen = np.array([0.0, quiet.fresh])
        self.rest()
        self.ease[:] = 1.0
        self.since[:] = LONG_AGO
        self.learned += 1

    def join(self, quiet: Quiet, late: NDArray[np.bool_]) -> None:
        """Take the base of metrics that came late beside the others."""
        before, after = self.known.sum(), (self.known | late).sum()
        for source, names in ((quiet.span, Span._fields[:5]), (quiet, ("level", "run", "last", "longest"))):
            for name in names:
                getattr(self, name)[..., late] = getattr(source, name)[..., late]
        self.tail[:, 1:][:, late] = quiet.tail[:, 1:][:, late]
        self.tail[3, 1:][late] -= self.seen[0]
        self.gains *= before / after

    def rest(self) -> None:
        """Put all CUSUMs to zero."""
        for running in (self.height, self.top, self.free, self.age, self.latched, self.told):
            running[:] = 0
        self.bound[:] = 1.0

    def check(self, base: int) -> None:
        """Refuse a state whose arrays do not fit each other, or not a detector with this base.

        Raises
        ------
        SnapshotError
            Names the array, and what was expected of it.
        """
        like = TriggerState.empty(base)
        like.widen(self.width)
        for field in fields(self):
            mine, theirs = getattr(like, field.name), getattr(self, field.name)
            if field.name in ("learned", "names"):
                continue
            if (theirs.dtype, theirs.shape) != (mine.dtype, mine.shape):
                wanted, found = f"{mine.dtype}{mine.shape}", f"{theirs.dtype}{theirs.shape}"
                raise SnapshotError(f"TriggerState.{field.name}: expected {wanted}, found {found}")
        if self.names.dtype.kind != "U" or self.names.ndim != 1:
            raise SnapshotError(f"TriggerState.names: expected words, found {self.names.dtype}{self.names.shape}")

    @staticmethod
    def _by_metric() -> tuple[str, ...]:
        return tuple(f.name for f in fields(TriggerState) if f.name not in _OF_ALL)
