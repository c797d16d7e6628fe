"""The time column of a table: which it is, its epoch seconds, and the step from row to row."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headwater.streaming.durations import moment
from headwater.streaming.errors import InputError, nearest

__all__ = ["Timeline", "find_step", "find_time", "read_times"]

_NAMES = ("t", "time", "timestamp", "ts", "date", "datetime", "@timestamp", "time_stamp", "epoch", "index")
_1980 = 315532800.0
_SCALES = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))  # above the first number: so many of it in a second


@dataclass(frozen=True, slots=True)
class Timeline:
    """The times of a table's rows."""

    column: str
    seconds: NDArray[np.float64]  # [n] epoch seconds, NaN where the table says nothing
    index: bool  # the column counts rows: `seconds` are row numbers until multiplied by the step


def find_time(frame: pl.DataFrame, wanted: str | None, name: str) -> str:
    """Name of the time column.

    Raises
    ------
    InputError
        If `wanted` is no column, or none is given and none is found.
    """
    if wanted is not None:
        if wanted in frame.columns:
            return wanted
        mend = nearest(wanted, frame.columns) or f"its columns begin with: {', '.join(frame.columns[:8])}"
        raise InputError(f"{name} has no column {wanted!r}", "it was named as the time column", mend)
    lower = {column.lower(): column for column in reversed(frame.columns)}
    for candidate in _NAMES:
        if candidate in lower:
            return lower[candidate]
    for column, kind in frame.schema.items():
        if kind.is_temporal():
            return column
    why = f"none of its columns is called {', '.join(_NAMES[:7])} or holds dates"
    raise InputError(f"{name} has no time column that can be found", why, "name it: --time COLUMN")


def read_times(column: pl.Series, name: str) -> Timeline:
    """Epoch seconds of a time column: dates, ISO 8601 texts, or seconds to nanoseconds since 1970.

    Integers too small for a time after 1980 are row numbers.

    Raises
    ------
    InputError
        If the column holds no times.
    """
    kind = column.dtype
    if kind in (pl.Date, pl.Datetime):
        micros = column.cast(pl.Datetime("us")) if kind == pl.Date else column
        return Timeline(column.name, _floats(micros.dt.epoch("us")) / 1e6, index=False)
    if kind == pl.String:
        try:
            texts = [np.nan if text is None else moment(text) for text in column]
        except ValueError as error:
            raise InputError(f"column {column.name!r} of {name} holds no times", str(error), "--time COLUMN") from None
        return Timeline(column.name, np.array(texts, np.float64), index=False)
    if not kind.is_numeric():
        why = f"it holds values of type {kind}"
        raise InputError(f"column {column.name!r} of {name} holds no times", why, "name another one: --time COLUMN")
    seconds = _floats(column)
    newest = float(np.nanmax(seconds, initial=0.0))
    scale = next((per_second for above, per_second in _SCALES if newest > above), 1.0)
    known = seconds[np.isfinite(seconds)]
    index = newest < _1980 and bool(np.all(known == np.round(known)))
    return Timeline(column.name, seconds / scale, index)


def _floats(column: pl.Series) -> NDArray[np.float64]:
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy().copy()


def find_step(gaps: NDArray[np.float64]) -> float | None:
    """Step of a recording in seconds: the median gap between the samples of one series; None if there is none.

    Whole seconds if it is within 5 % of them, since a scrape of 15.02 s means 15.

    Examples
    --------
    >>> find_step(np.array([60.01, 59.98, 60.02, 240.0])), find_step(np.array([0.25, 0.25]))
    (60.0, 0.25)
    """
    gaps = gaps[gaps > 0]
    if not len(gaps):
        return None
    step = float(np.median(gaps))
    whole = round(step)
    return float(whole) if whole and abs(step - whole) <= 0.05 * step else max(round(step, 3), 0.01)
