"""Times, spans and numbers as people read them. Every clock time is UTC, 24 hours, and says so once nearby."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

__all__ = ["clock", "legend", "moment", "number", "percent", "plain", "span"]

_LADDER = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def clock(time: float) -> str:
    """Time of day, UTC.

    >>> clock(1_700_000_000.0)
    '22:13:20'
    """
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S")


def moment(time: float) -> str:
    """Date and time of day with the zone.

    >>> moment(1_700_000_000.0)
    '2023-11-14 22:13:20 UTC'
    """
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: float) -> str:
    """A length of time in at most two units.

    >>> span(0.42), span(75), span(7_500), span(200_000)
    ('0.4 s', '1 min 15 s', '2 h 05 min', '2 d 7 h')
    """
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h} h"
    if hours:
        return f"{hours} h {m:02d} min"
    return f"{m} min {s:02d} s" if m else f"{s} s"


def number(value: float, unit: str = "") -> str:
    """Three figures, with thousands separated or a prefix, and the unit; a dash where there is no value.

    >>> number(0.97312), number(1536, "req/s"), number(3.2e9, "B"), number(float("nan"), "ms")
    ('0.973', '1,536 req/s', '3.2 GB', '–')
    """
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    for scale, prefix in _LADDER:
        if size >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    text = f"{value:,.0f}" if size >= 999.5 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def percent(share: float) -> str:
    """A share of one as a whole percentage.

    >>> percent(0.914)
    '91 %'
    """
    return f"{100 * share:.0f} %" if math.isfinite(share) else "–"


def legend(meanings: Mapping[str, str]) -> str:
    """What the columns of a table say, as one line of Markdown.

    >>> legend({"own": "its share", "flow": "the rest"})
    '*own*: its share · *flow*: the rest.'
    """
    return " · ".join(f"*{column}*: {meaning}" for column, meaning in meanings.items()) + "."


def plain(text: str) -> str:
    r"""Text from outside, such as a metric's name, as Markdown that shows exactly it: no picture, link or formula.

    >>> print(plain("![x](y) a_b $1"))
    \!\[x\]\(y\) a\_b \$1
    """
    return re.sub(r"([\\`*_{}\[\]()#+!|~$<>:])", r"\\\1", text)
