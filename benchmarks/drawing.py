"""Draw what a bench measured against the width or the length of its data, as an SVG with two logarithmic axes.

::

    headwater bench rca --set speed --json | python -m headwater.benchmarks.drawing d first_ranking_ms > cost.svg

draws one line a method, of the metrics ``first_ranking_ms@d=...``; any text after the number (``,T=600``) is left out.
"""

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeAlias

__all__ = ["Lines", "chart", "lines", "main"]

Lines: TypeAlias = Mapping[str, Sequence[tuple[float, float]]]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 60, 170, 36, 46
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # told apart by the colour-blind, too
AXES = {"d": "metrics", "T": "rows"}


def lines(rows: Iterable[Mapping[str, Any]], axis: str, metrics: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """Points (x, value) of each method and metric, from rows with metrics ``name@...axis=x...``, by rising x.

    >>> row = {"method": "headwater", "metric": "batch_ms@d=100", "value": 8.5}
    >>> lines([row], "d", ["batch_ms"])
    {'headwater, batch_ms': [(100.0, 8.5)]}
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        name, _, where = row["metric"].partition("@")
        place = re.search(rf"(?:^|,){axis}=(\d+)", where)
        if name in metrics and place and not (axis == "d" and "T=" in where):
            found.setdefault(f"{row['method']}, {name}", []).append((float(place[1]), float(row["value"])))
    return {label: sorted(points) for label, points in found.items()}


def chart(title: str, across: str, up: str, what: Lines) -> str:
    """Draw lines on two logarithmic axes; all values must be positive."""
    xs = [x for points in what.values() for x, _ in points]
    ys = [y for points in what.values() for _, y in points]
    x_of = _scale(xs, LEFT, WIDTH - RIGHT)
    y_of = _scale(ys, HEIGHT - BOTTOM, TOP)
    parts = [f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>']
    for x in _decades(xs):
        parts.append(_rule(x_of(x), TOP, x_of(x), HEIGHT - BOTTOM))
        parts.append(f'<text x="{x_of(x):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x:g}</text>')
    for y in _decades(ys):
        parts.append(_rule(LEFT, y_of(y), WIDTH - RIGHT, y_of(y)))
        parts.append(f'<text x="{LEFT - 6}" y="{y_of(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>'
    )
    parts.append(f'<text x="{LEFT - 50}" y="{TOP - 8}">{escape(up)}</text>')
    for k, (label, points) in enumerate(what.items()):
        colour = COLOURS[k % len(COLOURS)]
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{TOP + 14 + 18 * k}" fill="{colour}">{escape(label)}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
    return "\n".join([f'{head} font-size="12">', '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>\n"])


def main() -> None:
    """Read rows from standard input, write the chart to standard output."""
    axis, *metrics = sys.argv[1:]
    found = lines(json.load(sys.stdin), axis, metrics)
    if axis not in AXES or not found:
        raise SystemExit(f"no rows with metrics {', '.join(metrics)}@{axis}=...; axes are {', '.join(AXES)}")
    unit = metrics[0].rpartition("_")[2]
    sys.stdout.write(chart(f"{unit} by {AXES[axis]}", AXES[axis], unit, found))


def _scale(values: Sequence[float], start: float, stop: float) -> Any:
    low, high = math.log10(min(values)), math.log10(max(values))
    span = max(high - low, 1e-9)
    return lambda value: start + (stop - start) * (math.log10(value) - low) / span


def _decades(values: Sequence[float]) -> list[float]:
    """1, 2 and 5 times the powers of ten within the values."""
    low, high = min(values), max(values)
    some = (m * 10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for m in (1, 2, 5))
    return [x for x in some if low <= x <= high]


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


if __name__ == "__main__":
    main()
