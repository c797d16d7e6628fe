"""How people write lengths of time, sizes and moments: ``90s``, ``2GB``, ``08:10``, ``2026-11-22T08:10:00Z``."""

import re
from datetime import UTC, datetime, time

__all__ = ["moment", "seconds", "size", "spell"]

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SIZES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)\s*", re.IGNORECASE)
CLOCK = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?")


def seconds(text: object) -> float:
    """Read a duration.

    Parameters
    ----------
    text
        ``90s``, ``1.5h``, or a number of seconds. Units: ms, s, m, h, d.

    Raises
    ------
    ValueError
        With the mend, if it is no duration, negative, or not finite.

    Examples
    --------
    >>> seconds("5m"), seconds("1.5h"), seconds(90)
    (300.0, 5400.0, 90.0)
    """
    match = NUMBER.fullmatch(str(text)) if isinstance(text, str | int | float) else None
    unit = UNITS.get(match[2].lower() or "s") if match else None
    if isinstance(text, bool) or match is None or unit is None:
        raise ValueError(f"{text!r} is no duration: write 90s, 5m, 2h or a number of seconds")
    return float(match[1]) * unit


def size(text: object) -> int:
    """Read a size in bytes.

    Parameters
    ----------
    text
        ``2GB``, ``500MB``, or a number of bytes; powers of ten.

    Raises
    ------
    ValueError
        With the mend, if it is no size.

    Examples
    --------
    >>> size("2GB"), size(1024)
    (2000000000, 1024)
    """
    match = NUMBER.fullmatch(str(text)) if isinstance(text, str | int | float) else None
    unit = SIZES.get(match[2].lower() or "b") if match else None
    if isinstance(text, bool) or match is None or unit is None:
        raise ValueError(f"{text!r} is no size: write 500MB, 2GB or a number of bytes")
    return int(float(match[1]) * unit)


def moment(text: str, day: float = 0.0) -> float:
    """Read a point in time as epoch seconds, UTC.

    Parameters
    ----------
    text
        A date with or without a time (``2026-11-22T08:10:00Z``; UTC unless it says otherwise), a time of
        day (``08:10``), which is taken on the UTC day that contains `day`, or a number of seconds.
    day
        Epoch seconds, such as the first row of a recording.

    Raises
    ------
    ValueError
        With the mend, if it is no time.

    Examples
    --------
    >>> moment("1970-01-02T00:01:00Z"), moment("00:01", day=90000.0), moment("60")
    (86460.0, 86460.0, 60.0)
    """
    if NUMBER.fullmatch(text) and not text.strip()[-1].isalpha():
        return float(text)
    try:
        if CLOCK.fullmatch(text):
            date = datetime.fromtimestamp(day, UTC).date()
            return datetime.combine(date, time.fromisoformat(text), UTC).timestamp()
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: write 2026-11-22T08:10:00Z, 08:10 or epoch seconds") from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def spell(length: float) -> str:
    """Write a duration the short way, so that `seconds` reads the same number again.

    Examples
    --------
    >>> spell(600.0), spell(90.0), spell(0.5), spell(0.0)
    ('10m', '90s', '500ms', '0s')
    """
    for unit in ("d", "h", "m", "s", "ms"):
        count = round(length / UNITS[unit], 6)
        if count == int(count) and (count or unit == "s"):
            return f"{int(count)}{unit}"
    return f"{length}s"
