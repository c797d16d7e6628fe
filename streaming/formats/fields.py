"""What the formats share: JSON with a reason when it is none, times, and names."""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import msgspec

from headwater.streaming.errors import BadRecord
from headwater.streaming.records import Position, Sample, Wide

__all__ = ["AHEAD", "Decoder", "Time", "checked", "load", "moment", "printable", "reading"]

Decoder: TypeAlias = Callable[[bytes, Position, float | None], list[Sample | Wide]]
"""Record, its place, and the broker's timestamp in epoch seconds (None: unknown) → the samples in it."""
Time: TypeAlias = float | str | msgspec.UnsetType | None

T = TypeVar("T")

AHEAD = 3600.0
"""Seconds by which a sample may lie ahead of its record: one clock in the future must not close the present."""
_EARLIEST, _LATEST = 315532800.0, 4102444800.0  # 1980 and 2100
_MILLISECONDS = 1e11  # numbers above are milliseconds
_LONGEST = 1024  # characters of a name
_BARE = re.compile(rb'("(?:[^"\\]|\\.)*(?:"|\\?\Z))|-?\bInfinity\b|\bNaN\b', re.DOTALL)


def load(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    """Decode JSON. The bare ``NaN`` and ``Infinity`` that some libraries write are read as null.

    Raises
    ------
    BadRecord
        If it is no JSON, or a field is missing or of the wrong type; the reason names it.
    """
    try:
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if b"NaN" not in raw and b"Infinity" not in raw:
                raise
            return decoder.decode(_BARE.sub(lambda match: match[1] or b"null", raw))
    except msgspec.ValidationError as error:
        raise BadRecord(f"wrong type: {str(error)[:200]}") from None
    except msgspec.DecodeError as error:
        raise BadRecord(f"not JSON: {error}" if raw else "empty record") from None
    except UnicodeDecodeError as error:
        raise BadRecord(f"not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise BadRecord("not JSON we read: nested too deep") from None


def moment(time: Time, timestamp: Time, broker: float | None) -> float:
    """Epoch seconds of a record's ``time`` or ``timestamp``: seconds, milliseconds, or RFC 3339.

    Raises
    ------
    BadRecord
        If both are missing, or it is no time, outside 1980 to 2100, or over `AHEAD` after `broker`.

    Examples
    --------
    >>> from msgspec import UNSET
    >>> moment(1661140279123, UNSET, None), moment(UNSET, "2022-08-22T03:51:19.123Z", None)
    (1661140279.123, 1661140279.123)
    """
    given = timestamp if time is msgspec.UNSET else time
    if given is msgspec.UNSET:
        raise BadRecord("missing field: time")
    if given is None:
        raise BadRecord("time is null or NaN")
    seconds = _parsed(given) if isinstance(given, str) else float(given)
    if not math.isfinite(seconds):
        raise BadRecord(f"time is {str(given)[:50]}")
    if seconds > _MILLISECONDS:
        seconds /= 1000
    if not _EARLIEST <= seconds <= _LATEST:
        raise BadRecord(f"time {str(given)[:50]} lies outside 1980 to 2100")
    if broker is not None and seconds > broker + AHEAD:
        raise BadRecord(f"time {str(given)[:50]} lies {seconds - broker:.0f} s after the record itself")
    return seconds


def _parsed(text: str) -> float:
    try:
        return float(text)  # first: 1712010112345 would also pass for a date in the year 1712
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise BadRecord(f"time {text[:50]!r} is no time: write epoch seconds or RFC 3339") from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def reading(value: float | str | None) -> float:
    """Value of a sample; what is not finite counts as missing.

    Raises
    ------
    BadRecord
        If it is a text and no number.
    """
    try:
        number = math.nan if value is None else float(value)
    except ValueError:
        raise BadRecord(f"wrong type: value {str(value)[:50]!r} is no number") from None
    return number if math.isfinite(number) else math.nan


def checked(field: str, name: str) -> str:
    """Return `name` if it can name something.

    Raises
    ------
    BadRecord
        If it is empty, longer than 1,024 characters, or cannot be printed.
    """
    if name and len(name) <= _LONGEST and name.isprintable():
        return name
    reason = "is empty" if not name else f"has {len(name)} characters" if len(name) > _LONGEST else "cannot be printed"
    raise BadRecord(f"{field} {reason}")


def printable(value: object) -> str:
    """Short JSON of a value, for a reason."""
    return json.dumps(value, default=str)[:50]
