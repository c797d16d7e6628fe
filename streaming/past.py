"""Looking back from a row: quiet history before an onset, and the window since. Pure."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headwater.causal.evidence import median
from headwater.online import Ring

__all__ = ["EARLY", "Cut", "Past", "Rows", "cut", "look_back"]

Rows: TypeAlias = NDArray[np.float32]

EARLY = 2  # rows before the onset that belong to the window: an onset found late costs more than one found early
_APART = 4  # rows between two starts that are worth telling apart
_NEAR = 60  # rows over which the level of the last quiet row still holds
_LEAST = 30  # rows of history, and quiet ones among them below which the rows of older incidents must do as well
_LEVEL = 20  # rows whose median is a level


class Cut(NamedTuple):
    """Where the ring is cut; places count from its oldest row."""

    history: NDArray[np.int64]  # [n], places of the quiet rows
    restarts: NDArray[np.bool_]  # [n], rows before which time jumped
    first: int  # place of the first row of the window
    jumped: bool  # whether time jumped between the two
    late: int  # rows of the window before a second, later start; 0: none

    def since(self, place: int, ring: Ring, step: float) -> "Cut":
        """The same cut, with all rows from a place on as its history, quiet or not."""
        rows = np.arange(max(0, place), self.first)
        return self._replace(history=rows, restarts=_jumps(ring.times()[rows], step))


class Past(NamedTuple):
    """The ring, cut at an onset."""

    history: Rows  # [n, d], quiet rows
    restarts: NDArray[np.bool_]  # [n], rows before which time jumped
    window: Rows  # [w, d], from `EARLY` rows before the onset to the newest row
    anchor: Rows  # [d], the level to go on from, where it is not that of the history; else empty
    late: int  # rows of the window before a second, later start; 0: none


def cut(ring: Ring, back: int, step: float, *, later: int = 0) -> Cut:
    """Cut the ring `back` rows before its newest row, with a second start `later` rows before it (0: none).

    Rows of another stretch of time are no part of the window. An onset beyond the ring's end leaves some rows to
    compare with all the same: a change that has come on for so long shows against them.
    """
    times, quiet = ring.times(), ring.quiet()
    first = max(len(ring) - (back + 1 + EARLY), min(_LEAST, len(ring) // 2))
    jumps = _jumps(times, step)
    if (inside := np.flatnonzero(jumps[first + 1 :])).size:
        first += 1 + int(inside[-1])
    kept = np.flatnonzero(quiet[:first]) if quiet[:first].sum() >= _LEAST else np.arange(first)
    gap = float(times[first] - times[kept[-1]]) if len(kept) else 0.0
    late = len(ring) - later - first if later else 0
    return Cut(
        history=kept,
        restarts=_jumps(times[kept], step),
        first=first,
        jumped=not 0.0 <= gap <= _NEAR * step,
        late=late if late >= _APART else 0,
    )


def look_back(
    ring: Ring,
    where: Cut,
    columns: NDArray[np.int64] | None = None,
    *,
    settled: int = 0,
    held: NDArray[np.bool_] | None = None,
) -> Past:
    """Copy some columns (None: all) of the ring, as it was cut.

    Parameters
    ----------
    settled
        So many rows before the window are at the level to go on from, since another incident came before it.
        0: the level is that of the history, or of the first row of the window where time jumped between the two.
    held
        ``bool[d]``, of all columns: what moves for another reason, and is taken to stand still at that level.
    """
    values = ring.values()
    columns = np.arange(ring.width) if columns is None else columns
    history, window = values[np.ix_(where.history, columns)], values[where.first :][:, columns]
    anchor = window[0].copy() if where.jumped else np.empty(0, np.float32)
    if settled:
        before = values[max(0, where.first - min(settled, _LEVEL)) : where.first][:, columns].astype(np.float64)
        anchor = np.where(np.isfinite(before).any(axis=0), median(before), np.nan).astype(np.float32)
    if held is not None and len(anchor):
        window = np.where(held[columns], anchor, window)
    return Past(history, where.restarts, window, anchor, where.late)


def _jumps(times: NDArray[np.float64], step: float) -> NDArray[np.bool_]:
    gaps = np.diff(times, prepend=times[:1])
    return (gaps < 0) | (gaps > 1.5 * step)
