"""Looking back from a row: quiet history before an onset, and the window since. Pure."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headwater.online import Ring

__all__ = ["EARLY", "Past", "Rows", "look_back"]

Rows: TypeAlias = NDArray[np.float32]

EARLY = 2  # rows before the onset that belong to the window: an onset found late costs more than one found early
_APART = 4  # rows between two starts that are worth telling apart
_NEAR = 60  # rows over which the level of the last quiet row still holds
_LEAST = 30  # rows of history, and quiet ones among them below which the rows of older incidents must do as well


class Past(NamedTuple):
    """The ring, cut at an onset."""

    history: Rows  # [n, d], quiet rows
    restarts: NDArray[np.bool_]  # [n], rows before which time jumped
    window: Rows  # [w, d], from `EARLY` rows before the onset to the newest row
    jumped: bool  # whether time jumped between the two
    late: int  # rows of the window before a second, later start; 0: none


def look_back(ring: Ring, back: int, step: float, *, later: int = 0) -> Past:
    """Cut the ring `back` rows before its newest row, with a second start `later` rows before it (0: none).

    Rows of another stretch of time are no part of the window. An onset beyond the ring's end leaves some rows to
    compare with all the same: a change that has come on for so long shows against them.
    """
    times, quiet = ring.times(), ring.quiet()
    first = max(len(ring) - (back + 1 + EARLY), min(_LEAST, len(ring) // 2))
    jumps = _jumps(times, step)
    if (inside := np.flatnonzero(jumps[first + 1 :])).size:
        first += 1 + int(inside[-1])
    kept = quiet[:first] if quiet[:first].sum() >= _LEAST else np.ones(first, np.bool_)
    values = ring.values()
    gap = times[first] - times[:first][kept][-1] if kept.any() else 0.0
    late = len(ring) - later - first if later else 0
    return Past(
        history=values[:first][kept],
        restarts=_jumps(times[:first][kept], step),
        window=values[first:].copy(),
        jumped=not 0.0 <= gap <= _NEAR * step,
        late=late if late >= _APART else 0,
    )


def _jumps(times: NDArray[np.float64], step: float) -> NDArray[np.bool_]:
    gaps = np.diff(times, prepend=times[:1])
    return (gaps < 0) | (gaps > 1.5 * step)
