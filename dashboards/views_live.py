"""The charts, rows and sentences of the live page. Pure: tables and records in, nothing is read here."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
import polars.selectors as cs

from headwater.streaming.records import Incident, Triggered

from .charts import CAUSE, MUTED, THRESHOLD, Option, base, dash, line, millis, time_axis
from .words import clock, moment, number, percent

__all__ = [
    "BRIGHT",
    "Chosen",
    "Overlay",
    "choose",
    "main_chart",
    "nearness",
    "scaled",
    "score_chart",
    "trigger_rows",
    "why",
]

BRIGHT, GREY = 20, 40
FLOOR = 0.01  # a logarithmic axis has no zero
GRID = {"left": 60, "right": 16, "top": 76, "bottom": 28, "containLabel": False, "outerBoundsMode": "none"}
"""The same for both charts, so that their times line up."""
LINEAR = 5.0  # scores beyond it need a logarithmic axis
STEPS = (0, *(sign * step for sign in (-1, 1) for step in (3, 10, 30, 100, 1_000, 10_000, 100_000)))
SOFT = 4.0  # spreads up to which distances are drawn to scale


class Chosen(NamedTuple):
    """Which series a chart draws: `bright` ones to follow, `grey` ones as their background."""

    bright: list[str]
    grey: list[str]


class Overlay(NamedTuple):
    """What is drawn over the lines of both charts."""

    incidents: Sequence[Incident] = ()
    triggers: Sequence[Triggered] = ()


def choose(standing: pl.DataFrame, changed: Sequence[str], picked: Sequence[str], entities: Sequence[str]) -> Chosen:
    """The series to draw: what was picked, else what changed (open incidents first, then alarms in the window).

    Picking entities narrows both lists to their metrics. If nothing changed, the three metrics nearest to their
    threshold are bright, so that the chart is never only grey.
    """
    known = [m for m in standing["metric"] if m != "joint" and (not entities or m.split("|", 1)[0] in entities)]
    if picked:
        return Chosen([m for m in picked if m in known][:BRIGHT], [])
    alarmed = set(standing.filter(pl.col("peak") >= 1.0)["metric"])
    bright = list(dict.fromkeys([*(m for m in changed if m in known), *(m for m in known if m in alarmed)]))[:BRIGHT]
    bright = bright or known[:3]
    return Chosen(bright, [m for m in known if m not in bright][:GREY])


def scaled(values: pl.DataFrame, deviations: pl.DataFrame, bright: Sequence[str]) -> pl.DataFrame:
    """Table of the main chart by distance: ``name~`` is what is drawn, and of the bright series also the value itself.

    asinh(z / 4) is a line up to about four spreads and a logarithm beyond: ordinary noise keeps its shape, and a
    metric that is a thousand spreads off does not press the others flat.
    """
    drawn = deviations.select("time", (pl.exclude("time") / SOFT).arcsinh().name.suffix("~"))
    return drawn.with_columns(values.select(bright))


def main_chart(table: pl.DataFrame, chosen: Chosen, overlay: Overlay, unit: str | None) -> Option:
    """The chosen series, bright over grey, with incidents as spans and triggers as marks.

    With `unit` None the table is that of `scaled`: lines by distance from usual, tooltips with the values.
    """
    mark = "~" if unit is None else ""
    grey = {"color": MUTED, "width": 1, "opacity": 0.35}
    series = [
        line(f"{n}{mark}", lineStyle=grey, itemStyle={"color": MUTED}, tooltip={"show": False}, silent=True, z=1)
        for n in chosen.grey
    ]
    for k, name in enumerate(chosen.bright):
        series.append(line(name, y=f"{name}{mark}", lineStyle={"width": 2, "type": dash(k)}, z=3))
    axis: Option = {"type": "value", "name": unit, "scale": True, "nameTextStyle": {"align": "left"}}
    overlaid = _marks(table, overlay)
    if unit is None:
        axis, steps = _distances(table)
        overlaid = [{"type": "line", "name": "steps", "data": [], "markLine": steps}, *overlaid]
    return base(
        table,
        grid=GRID if unit is None else {**GRID, "left": 100},
        legend={"type": "scroll", "top": 0, "left": 0, "right": 0, "data": list(chosen.bright)},
        xAxis=time_axis(**_bounds(table)),
        yAxis=[axis, _rail()],
        series=[*series, *overlaid],
    )


def _distances(table: pl.DataFrame) -> tuple[Option, Option]:
    """The axis of `scaled`, whose own labels would be arcsines, and the lines that stand in for them."""
    ends = table.select(pl.min_horizontal(cs.ends_with("~").min()), high=pl.max_horizontal(cs.ends_with("~").max()))
    low, high = ((float(end) if end is not None else 0.0) for end in ends.row(0))
    low, high = min(low, -math.asinh(1)), max(high, math.asinh(1))
    shown = [s for s in STEPS if low <= math.asinh(s / SOFT) <= high]
    axis = {
        "type": "value",
        "name": "spreads from usual",
        "min": low,
        "max": high,
        "axisLabel": {"show": False},
        "splitLine": {"show": False},
        "nameTextStyle": {"align": "left"},
    }
    lines = {
        "symbol": "none",
        "silent": True,
        "lineStyle": {"color": MUTED, "opacity": 0.3, "type": "solid", "width": 1},
        "label": {"position": "start", "color": MUTED, "opacity": 1},
        "data": [{"yAxis": math.asinh(s / SOFT), "label": {"formatter": f"{s:+,d}" if s else "0"}} for s in shown],
    }
    return axis, lines


def score_chart(table: pl.DataFrame, chosen: Chosen, overlay: Overlay) -> Option:
    """Scores over their threshold; at 1 a metric triggers. The joint score is the thick line.

    The axis is linear as long as it fits: most scores start again from 0 after a trigger. It is logarithmic where
    one grows beyond `LINEAR`.
    """
    series = [line("joint", lineStyle={"width": 3, "color": MUTED}, itemStyle={"color": MUTED}, z=2)]
    for k, name in enumerate(chosen.bright):
        series.append(line(name, lineStyle={"width": 1.5, "type": dash(k)}, z=3))
    series[0]["markLine"] = {
        "symbol": "none",
        "silent": True,
        "lineStyle": {"color": THRESHOLD, "type": "dashed", "width": 1.5},
        "label": {"formatter": "threshold", "position": "insideEndTop", "color": THRESHOLD},
        "data": [{"yAxis": 1}],
    }
    peak = max((float(m) for m in table.select(pl.exclude("time").max()).row(0) if m is not None), default=0.0)
    axis: Option = {"type": "value", "min": 0, "max": round(max(1.25, 1.1 * peak), 2)}
    if peak > LINEAR:
        axis = {"type": "log", "min": FLOOR, "max": 10.0 ** math.ceil(math.log10(peak))}
        table = table.with_columns(pl.exclude("time").clip(lower_bound=FLOOR))
    return base(
        table,
        grid=GRID,
        legend={"type": "scroll", "top": 0, "left": 0, "right": 0, "data": ["joint", *chosen.bright]},
        xAxis=time_axis(**_bounds(table)),
        yAxis=[{"name": "score / threshold", "nameTextStyle": {"align": "left"}} | axis, _rail()],
        series=[*series, *_marks(table, overlay)],
    )


def _bounds(table: pl.DataFrame) -> Option:
    if table.is_empty():
        return {}
    times = table["time"].cast(pl.Int64)
    return {"min": times[0], "max": times[-1]}


def _rail() -> Option:
    """A hidden axis from 0 to 1 that marks stand on, whatever the values do."""
    return {"type": "value", "show": False, "min": 0, "max": 1}


def _marks(table: pl.DataFrame, overlay: Overlay) -> list[Option]:
    """A series without a line: a span for each incident and a mark for each trigger.

    A trigger that opened or belongs to an incident is large and filled; one that did not is small and hollow,
    and its tooltip says why there is no incident.
    """
    bounds = _bounds(table) or {"min": 0, "max": 0}
    spans = [
        [
            {"name": i.id, "xAxis": max(millis(i.onset), bounds["min"])},
            {"xAxis": bounds["max"] if i.closed is None else min(millis(i.closed), bounds["max"])},
        ]
        for i in overlay.incidents
    ]
    points = [
        {
            "name": f"{clock(t.time)} {_fate(t)}",
            "coord": [millis(t.time), 1],
            "symbolSize": 12 if t.incident else 7,
            "itemStyle": {"color": CAUSE if t.incident else "transparent", "borderColor": CAUSE, "borderWidth": 1.5},
        }
        for t in overlay.triggers
    ]
    marks = {
        "type": "line",
        "name": "marks",
        "yAxisIndex": 1,
        "data": [],
        "markArea": {
            "silent": True,
            "itemStyle": {"color": CAUSE, "opacity": 0.10},
            "label": {"position": "top", "distance": 20, "color": CAUSE, "fontWeight": "bold"},
            "data": spans,
        },
        "markPoint": {
            "symbol": "triangle",
            "symbolRotate": 180,
            "symbolOffset": [0, "-60%"],
            "label": {"show": False},
            "tooltip": {"show": True, "trigger": "item", "formatter": "{b}"},
            "data": points,
        },
    }
    return [marks]


def _fate(trigger: Triggered) -> str:
    names = ", ".join(name for name, _ in trigger.metrics[:2]) or trigger.channel
    return f"trigger ({names}) · {trigger.incident or 'no incident: ' + (trigger.reason or 'no reason given')}"


def trigger_rows(triggers: Sequence[Triggered]) -> pl.DataFrame:
    """Triggers as a table, newest first: the twin of the marks in the charts."""
    newest = sorted(triggers, key=lambda t: (t.time, t.n), reverse=True)
    return pl.DataFrame(
        {
            "time (UTC)": [moment(t.time).removesuffix(" UTC") for t in newest],
            "onset (UTC)": [clock(t.onset) for t in newest],
            "channel": [t.channel for t in newest],
            "strength": [t.score for t in newest],
            "metrics": [", ".join(f"{name} {percent(share)}" for name, share in t.metrics[:4]) for t in newest],
            "incident": [t.incident or "none" for t in newest],
            "why no incident": [t.reason for t in newest],
        },
        schema_overrides={"strength": pl.Float64},
    )


def nearness(standing: pl.DataFrame, count: int = 8) -> pl.DataFrame:
    """The metrics nearest to their threshold, in percent of it."""
    near = standing.filter(pl.col("metric") != "joint").head(count)
    return near.select("metric", now=pl.col("now") * 100, peak=pl.col("peak") * 100).rename({"peak": "peak in range"})


def why(standing: pl.DataFrame, open_ids: Sequence[str], last: Triggered | None, learning: float) -> list[str]:
    """Why there is no incident, in sentences: how near the nearest metrics are, and what the last trigger led to."""
    said = []
    metrics = standing.filter(pl.col("metric") != "joint")
    if open_ids:
        over = metrics.filter(pl.col("now") >= 1.0).height
        said.append(f"{', '.join(open_ids)} is open; {over} of {metrics.height} metrics are over their threshold now.")
    elif learning < 1.0:
        said.append(f"It is still learning what is usual ({percent(learning)}): until then nothing can open one.")
    elif not standing.is_empty():
        joint = standing.filter(pl.col("metric") == "joint")
        near = [
            f"{name} is at {number(100 * now)} %"
            for name, now in metrics.head(1).select("metric", "now").rows()
            if now is not None
        ]
        near += [f"the joint score at {number(100 * now)} %" for now in joint["now"] if now is not None]
        said.append(
            "No incident is open: " + (" and ".join(near) + " of its threshold." if near else "nothing is seen.")
        )
    if last is None:
        said.append("There was no trigger in the last 24 hours of rows.")
    else:
        fate = f"it belongs to {last.incident}" if last.incident else f"no incident, because {last.reason or '–'}"
        said.append(f"Last trigger {moment(last.time)} ({last.channel}): {fate}.")
    return said
