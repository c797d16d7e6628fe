"""The pieces that every chart of the dashboard is made of: one axis of time, one look, one set of roles.

An option is a plain ECharts dictionary. Colours of ordinary lines come from the theme (.streamlit/config.toml);
only roles have colours of their own here, chosen to read on light and on dark and never without a shape or a word.
"""

from typing import Any, TypeAlias

import polars as pl

__all__ = ["CAUSE", "MUTED", "PATH", "SYMPTOM", "THRESHOLD", "Option", "base", "dash", "line", "millis", "time_axis"]

Option: TypeAlias = dict[str, Any]

CAUSE = "#E0691A"
PATH = "#2F86C9"
SYMPTOM = "#B5609A"
MUTED = "#8793A3"
THRESHOLD = "#D1495B"

_DASHES = ("solid", "dashed", "dotted")


def millis(seconds: float) -> int:
    """Epoch milliseconds, as a time axis takes them."""
    return round(seconds * 1e3)


def dash(index: int) -> str:
    """The line style of the n-th bright line: colours repeat after eight, the pair with the style does not."""
    return _DASHES[index // 8 % len(_DASHES)]


def time_axis(**more: Any) -> Option:
    """An axis of time, 24 hours, in UTC (with `base`, which sets ``useUTC``)."""
    label = {
        "hideOverlap": True,
        "showMinLabel": False,
        "showMaxLabel": False,
        "formatter": {
            "year": "{yyyy}-{MM}-{dd}",
            "month": "{yyyy}-{MM}-{dd}",
            "day": "{MM}-{dd}",
            "hour": "{HH}:{mm}",
            "minute": "{HH}:{mm}",
            "second": "{HH}:{mm}:{ss}",
        },
    }
    return {"type": "time", "axisLabel": label, "splitNumber": 6} | more


def base(table: pl.DataFrame | None = None, **more: Any) -> Option:
    """What all charts share. Nothing moves by itself: a chart that is refreshed must not flicker."""
    option: Option = {
        "animation": False,
        "useUTC": True,
        "grid": {"left": 8, "right": 16, "top": 34, "bottom": 8, "containLabel": True},
        "tooltip": {"trigger": "axis", "confine": True, "order": "valueDesc", "valueFormatter": "%.3g"},
    }
    if table is not None:
        option["dataset"] = {"source": table}
    return option | more


def line(name: str, x: str = "time", *, y: str | None = None, **more: Any) -> Option:
    """A line through the column `y` (if None: `name`) of the chart's table; it has a gap where there is no value.

    The tooltip shows the column `name`, so a line may be drawn on a scale of its own and still tell its value.
    """
    return {
        "type": "line",
        "name": name,
        "encode": {"x": x, "y": y or name, "tooltip": [name]},
        "showSymbol": False,
        "connectNulls": False,
        "emphasis": {"focus": "series"},
    } | more
