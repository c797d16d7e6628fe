"""What `headwater doctor` looks at: the installation, the settings, the store, the broker, and an input.

Each finding says what was seen, and what to do if it is not well.
"""

import platform
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from headwater import __version__

from . import build, inputs
from .cli.terminal import utc
from .columns import kpi_pattern
from .durations import spell
from .errors import HeadwaterError, StoreMissing
from .recordings.recording import Description
from .records import Arrival, DeadLetter
from .settings import Settings, find
from .source import Source
from .store.reader import Reader
from .store.writer import worker_running

__all__ = [
    "Finding",
    "broker",
    "failed",
    "graphs",
    "installation",
    "kpis",
    "learned",
    "lines",
    "recording",
    "store",
    "topic",
]

PACKAGES = (
    "kafka-python", "msgspec", "networkx", "numba", "numpy", "polars", "pydantic-settings",
    "river", "sqlalchemy", "statsmodels", "streamlit", "typer",
)  # fmt: skip
OLDEST_SQLITE = (3, 35)  # the first one with RETURNING
SHOWN = 12
LOOK_RECORDS, LOOK_SECONDS = 200, 6.0


class Finding(NamedTuple):
    """One thing that was looked at."""

    check: str
    ok: bool
    said: str
    fix: str = ""
    code: int = 0  # exit code if it is not well


def failed(check: str, error: HeadwaterError) -> Finding:
    """Turn an error into a finding."""
    return Finding(check, False, f"{error.what}: {error.why}".rstrip(": "), error.mend, error.exit_code)


def installation(config: Path | None) -> Iterator[Finding]:
    """Look at versions and at the settings file."""
    yield Finding("headwater", True, f"{__version__}, Python {platform.python_version()} in {sys.prefix}")
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            yield Finding("packages", False, f"{package} is not installed", "pip install headwater", 1)
    yield Finding("packages", True, ", ".join(f"{name} {number}" for name, number in found.items()))
    file = find(config)
    yield Finding("settings", True, f"read from {file}" if file else "no file; defaults and environment")
    new_enough = sqlite3.sqlite_version_info >= OLDEST_SQLITE
    fix = "" if new_enough else f"use a Python whose SQLite is at least {'.'.join(map(str, OLDEST_SQLITE))}"
    yield Finding("SQLite", new_enough, sqlite3.sqlite_version, fix, 0 if new_enough else 3)


def store(settings: Settings) -> list[Finding]:
    """Look at the store, and at what its worker says of the graphs that it has learned."""
    url = settings.store.url
    try:
        with closing(Reader(url)) as reader:
            systems, incidents = reader.systems(), reader.incidents(limit=1000)
            status = reader.status()
            running = "a worker is running" if worker_running(url) else "no worker is running"
    except StoreMissing:
        return [Finding("store", True, f"none at {url} yet; `run` makes it")]
    except HeadwaterError as error:
        return [failed("store", error)]
    said = f"{url}: systems {', '.join(systems) or '-'}; {len(incidents)} incidents; {running}"
    return [Finding("store", True, said), *graphs(status["learning"].value if "learning" in status else {})]


def learned(settings: Settings, source: Source, step: float) -> Iterator[Finding]:
    """Learn the base window from a recording as `replay` would, and say what the graph of it rests on."""
    monitor = build.monitor(settings, step=step)
    monitor.assign(source.partitions())
    ended = False
    while not ended and not any(one["rows"] >= one["of_rows"] for one in monitor.counters()["learning"].values()):
        poll = source.poll(0.0)
        monitor.push([arrival for arrival in poll.arrivals if not isinstance(arrival.word, DeadLetter)])
        ended = poll.ended
    yield from graphs(monitor.counters()["learning"])


def graphs(learning: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Say what the graph of each system rests on, from what it says of itself."""
    for system, told in learning.items():
        for remark in told.get("remarks", ()):
            said, _, mend = remark.partition("; mend: ")
            yield Finding("graph", not mend, f"{system}: {said}", mend)
        if told.get("topology"):
            yield Finding(
                "graph", True, f"{system}: {told['calls']} calls are known, used as a {told['topology']} prior"
            )


def broker(settings: Settings) -> tuple[list[Finding], dict[str, Any] | None]:
    """Look at the broker and its topic, and at the first records in it."""
    where = f"{settings.source.topic} at {settings.source.bootstrap_servers}"
    try:
        with closing(inputs.kafka_source(settings)) as source:
            count = len(source.partitions())
            seen = topic(settings, source)
    except HeadwaterError as error:
        return [failed("broker", error)], None
    found = [Finding("broker", True, f"{where}: {count} partitions, {seen['records']} records looked at")]
    if seen["records"] and not seen["metrics"]:
        found.append(Finding("topic", False, "no record can be used", "see docs/formats.md, or set [source] format", 2))
    return found + kpis(seen), seen


def kpis(seen: dict[str, Any]) -> list[Finding]:
    """Find the KPI patterns that match nothing of what `recording` or `topic` returned: those would gate nothing."""
    count = len(seen["metrics"])
    fix = "compare it with the metrics below; * and ? stand for any text, and up, down or both may follow"
    return [
        Finding("kpi", False, f"{pattern!r} matches none of the {count} metrics that were looked at", fix, 2)
        for pattern, names in seen["kpi"].items()
        if count and not names
    ]


def recording(settings: Settings, described: Description) -> dict[str, Any]:
    """Say what a file is taken for.

    Returns
    -------
    dict
        ``records, layout, time_column, step, from, to, systems, entities, metrics, kinds, kpi, missing, warnings``;
        times as text, `kpi` from pattern to the names that it matches, `missing` the share of empty cells.
    """
    return {
        "records": described.rows,
        "layout": described.layout,
        "time_column": described.time_column,
        "step": spell(settings.system.step or described.step),
        "from": utc(described.start),
        "to": utc(described.end),
        "systems": list(described.systems),
        "entities": list(described.entities),
        "metrics": list(described.metrics),
        "kinds": dict(described.kinds),
        "kpi": {pattern: matched(pattern, described.metrics) for pattern in settings.system.kpi},
        "missing": described.missing,
        "warnings": list(described.warnings),
    }


def topic(settings: Settings, source: Source) -> dict[str, Any]:
    """Read some records of a topic as the worker would, and say what they are taken for, as `recording` does."""
    arrivals, reasons, records = read(source)
    monitor = build.monitor(settings)
    monitor.assign(source.partitions())
    monitor.push(arrivals)
    monitor.flush()
    series = [one for columns in monitor.series().values() for one in columns]
    times = sorted({arrival.word.time for arrival in arrivals if not isinstance(arrival.word, DeadLetter)})
    gaps = [b - a for a, b in pairwise(times)]
    return {
        "records": records,
        "layout": settings.source.format,
        "time_column": None,
        "step": spell(settings.system.step or (median(gaps) if gaps else build.LIVE_STEP)),
        "from": utc(times[0] if times else None),
        "to": utc(times[-1] if times else None),
        "systems": sorted({one.system for one in series}),
        "entities": list(dict.fromkeys(one.entity for one in series)),
        "metrics": [one.name for one in series],
        "kinds": dict(Counter(one.kind for one in series)),
        "kpi": {pattern: matched(pattern, [one.name for one in series]) for pattern in settings.system.kpi},
        "missing": 0.0,
        "warnings": [f"{count} records cannot be used: {reason}" for reason, count in reasons.items()],
    }


def read(source: Source) -> tuple[list[Arrival], Counter[str], int]:
    """Poll until there are enough records, or for `LOOK_SECONDS`.

    Returns
    -------
    tuple
        What can be used, why the rest cannot be, and how many records were read.
    """
    found: list[Arrival] = []
    source.seek({})
    end = time.monotonic() + LOOK_SECONDS
    ended = False
    while not ended and len(found) < LOOK_RECORDS and time.monotonic() < end:
        poll = source.poll(0.5)
        found += poll.arrivals
        ended = poll.ended
    reasons = Counter(arrival.word.reason for arrival in found if isinstance(arrival.word, DeadLetter))
    usable = [arrival for arrival in found if not isinstance(arrival.word, DeadLetter)]
    return usable, reasons, len({arrival.position for arrival in found})


def matched(pattern: str, names: Sequence[str]) -> list[str]:
    """Return the names that a KPI pattern matches."""
    glob, _ = kpi_pattern(pattern)
    return [name for name in names if fnmatchcase(name, glob)]


def lines(seen: dict[str, Any]) -> Iterator[str]:
    """Write what `recording` or `topic` returned for a person."""
    column = f", time column {seen['time_column']!r}" if seen["time_column"] else ""
    yield f"{seen['layout']}{column}: {seen['records']} records from {seen['from']} to {seen['to']}"
    yield f"step: one row each {seen['step']}"
    for what in ("systems", "entities", "metrics"):
        yield f"{what}: {len(seen[what])}: {some(seen[what])}"
    yield f"kinds: {', '.join(f'{count} {kind}' for kind, count in seen['kinds'].items()) or '-'}"
    yield f"missing: {seen['missing']:.1%} of the cells"
    for pattern, names in seen["kpi"].items():
        yield f"kpi {pattern!r} matches {some(names)}"
    for warning in seen["warnings"]:
        yield f"note: {warning}"


def some(names: Sequence[str]) -> str:
    """Write a list, or its beginning if it is long."""
    return (", ".join(names[:SHOWN]) or "nothing") + (", ..." if len(names) > SHOWN else "")
