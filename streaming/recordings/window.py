"""A part of a recording, as people write it: ``08:10..23:59``, ``2026-11-22..2026-11-23T06:00``, ``0..5000``."""

import re

import numpy as np
from numpy.typing import NDArray

from headwater.streaming.durations import moment
from headwater.streaming.errors import InputError

__all__ = ["inside"]

_DAY = 86400.0
_CLOCK = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?")
_MINUTE = re.compile(r"(.*[T ])?\d\d:\d\d")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBER = re.compile(r"\d+(\.\d+)?")


def inside(span: str, times: NDArray[np.float64], *, unit: float = 1.0) -> NDArray[np.bool_]:
    """Rows that lie in a span.

    Parameters
    ----------
    span
        ``FROM..TO``, both ends included; an end may be left out. Times of day hold on every day of the
        recording (UTC) and may reach over midnight; a minute or a date as `TO` is meant with all of it.
    times
        ``float64[n]``, epoch seconds.
    unit
        Seconds that a plain number counts: 1 for epoch seconds, the step for row numbers.

    Returns
    -------
    ``bool[n]``

    Raises
    ------
    InputError
        If the span cannot be read, or mixes a time of day with a date.

    Examples
    --------
    >>> times = np.array([0.0, 8 * 3600.0, 8 * 3600.0 + 59, 9 * 3600.0])
    >>> inside("08:00..08:00", times).tolist()
    [False, True, True, False]
    """
    first, dots, last = (part.strip() for part in span.partition(".."))
    if not dots or not (first or last):
        raise InputError(f"{span!r} is no part of a recording", "it has no ends", "write FROM..TO, as in 08:10..09:40")
    daily = [bool(_CLOCK.fullmatch(end)) for end in (first, last) if end]
    if any(daily) and not all(daily):
        raise InputError(f"{span!r} mixes a time of day and a date", "", "write both ends the same way")
    low, high = _start(first, unit), _end(last, unit)
    if not all(daily):
        return (times >= low) & (times <= high)
    clock = times % _DAY
    if first and last and low > high:
        return (clock >= low) | (clock <= high)
    return (clock >= low) & (clock <= high)


def _start(text: str, unit: float) -> float:
    if not text:
        return -np.inf
    try:
        return moment(text) * (unit if _NUMBER.fullmatch(text) else 1.0)
    except ValueError as error:
        raise InputError(f"{text!r} is no end of a span", str(error), "write FROM..TO, as in 08:10..09:40") from None


def _end(text: str, unit: float) -> float:
    if not text:
        return np.inf
    whole = 60.0 if _MINUTE.fullmatch(text) else _DAY if _DATE.fullmatch(text) else 0.0
    end = _start(text, unit) + whole
    return float(np.nextafter(end, -np.inf)) if whole else end
