"""What a column's name says: its entity and metric, whether it is a growing total, and which way is bad."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import get_args

from .records import Direction, Kind

__all__ = ["Columns", "direction_of", "is_counter", "kpi_pattern", "misspelt", "prometheus_kind", "split"]

_UP = ("latency", "duration", "error", "fail", "queue", "wait", "unavailable")
_DOWN = ("success", "available", "throughput")
_NEARLY = 0.7  # "upp", "UP", "dwon" and "bot" are nearer to a direction, "window" and "group" are not
_TOTALS = ("_total", "_count", "_sum", "_bucket")


def split(name: str) -> tuple[str, str]:
    """Entity and metric of ``entity|metric``; the first bar separates.

    Examples
    --------
    >>> split("checkout|latency|p99")
    ('checkout', 'latency|p99')
    """
    entity, _, metric = name.partition("|")
    return entity, metric


def is_counter(name: str, patterns: Iterable[str]) -> bool:
    """Say whether `name` (``entity|metric``) matches one of the shell patterns for growing totals."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def prometheus_kind(metric: str) -> Kind:
    """Kind of a Prometheus metric, which the wire does not tell: by its suffix.

    Examples
    --------
    >>> prometheus_kind("http_requests_total"), prometheus_kind("node_load1")
    ('counter', 'gauge')
    """
    return "counter" if metric.endswith(_TOTALS) else "gauge"


def kpi_pattern(text: str) -> tuple[str, Direction | None]:
    """Split a KPI setting into its shell pattern and the bad direction, if it names one.

    Examples
    --------
    >>> kpi_pattern("gateway|rate down"), kpi_pattern("gateway|p99*")
    (('gateway|rate', 'down'), ('gateway|p99*', None))
    """
    for direction in get_args(Direction):
        if (pattern := text.removesuffix(f" {direction}")) != text:
            return pattern.rstrip(), direction
    return text, None


def misspelt(text: str) -> Direction | None:
    """Return the direction that the last word of a KPI setting is nearly, if it is none; names may hold spaces.

    Examples
    --------
    >>> misspelt("cart|cpu upp"), misspelt("cart|cpu up"), misspelt("cart|free space"), misspelt("cart|upp")
    ('up', None, None, None)
    """
    pattern, direction = kpi_pattern(text)
    rest, _, word = pattern.rpartition(" ")
    if direction is not None or not rest.strip():
        return None
    close = get_close_matches(word.lower(), get_args(Direction), n=1, cutoff=_NEARLY)
    return next((known for known in get_args(Direction) if known in close), None)


def direction_of(name: str, kpi: Iterable[str] = ()) -> Direction:
    """Which way is bad for ``entity|metric``: as a matching `kpi` setting says, else as the metric's words say.

    Examples
    --------
    >>> direction_of("db|wait_ms"), direction_of("db|success rate"), direction_of("db|cpu")
    ('up', 'down', 'both')
    >>> direction_of("db|replicas_available"), direction_of("db|replicas_unavailable")
    ('down', 'up')
    >>> direction_of("db|cpu", kpi=["db|* up"])
    'up'
    """
    for text in kpi:
        pattern, direction = kpi_pattern(text)
        if direction is not None and fnmatchcase(name, pattern):
            return direction
    metric = split(name)[1].lower()
    if any(word in metric for word in _UP):
        return "up"
    return "down" if any(word in metric for word in _DOWN) else "both"


class Columns:
    """Reads ``entity|metric`` out of the columns of a file or the fields of a record.

    Parameters
    ----------
    system
        Entity of a column that names none.
    pattern
        How a column is built from its two parts; each stands for as few (entity) or as many (metric)
        characters as fit.
    mapping
        Column → ``entity|metric``, for columns that follow no pattern; it comes first.

    Raises
    ------
    ValueError
        If the pattern lacks a part, or a target of the mapping has no bar.

    Examples
    --------
    >>> columns = Columns("shop", pattern="{entity}_{metric}", mapping={"lat": "gateway|latency"})
    >>> columns.name("cart_cpu"), columns.name("lat"), columns.name("temperature")
    ('cart|cpu', 'gateway|latency', 'shop|temperature')
    """

    def __init__(
        self, system: str, *, pattern: str = "{entity}|{metric}", mapping: Mapping[str, str] | None = None
    ) -> None:
        if pattern.count("{entity}") != 1 or pattern.count("{metric}") != 1:
            raise ValueError(f"the column pattern {pattern!r} must hold {{entity}} and {{metric}}, once each")
        for column, target in (mapping or {}).items():
            if not all(split(target)):
                raise ValueError(f"column {column!r} is mapped to {target!r}; write 'entity|metric'")
        text = re.escape(pattern).replace(r"\{entity\}", "(?P<entity>.+?)").replace(r"\{metric\}", "(?P<metric>.+)")
        self.system = system
        self.mapping = dict(mapping or {})
        self._pattern = re.compile(text, re.DOTALL)

    def name(self, column: str) -> str:
        """Name of a column as ``entity|metric``."""
        if (target := self.mapping.get(column)) is not None:
            return target
        if (found := self._pattern.fullmatch(column)) is not None:
            return f"{found['entity']}|{found['metric']}"
        return f"{self.system}|{column}"

    def reads(self, column: str) -> bool:
        """Say whether a column is certainly meant as a measurement: it is mapped, or has a bar."""
        return column in self.mapping or "|" in column
