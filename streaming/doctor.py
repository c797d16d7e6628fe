"""What `headwater doctor` looks at: the installation, the settings, the store, the broker, and an input.

Each finding says what was seen, and what to do if it is not well.
"""

import platform
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from headwater import __version__

from . import build
from .columns import kpi_pattern
from .durations import spell
from .errors import HeadwaterError, StoreMissing
from .reader import Reader
from .records import DeadLetter, Sample, Series, Wide
from .settings import Settings, find
from .source import Source
from .store import worker_running
from .terminal import utc

__all__ = ["Finding", "broker", "failed", "installation", "lines", "store", "understood"]

PACKAGES = (
    "kafka-python", "msgspec", "networkx", "numba", "numpy", "polars", "pydantic-settings",
    "river", "sqlalchemy", "statsmodels", "streamlit", "typer",
)  # fmt: skip
OLDEST_SQLITE = (3, 35)  # the first one with RETURNING
SHOWN = 12
LOOK_ROWS, LOOK_SECONDS = 20_000, 6.0
LOOK_RECORDS = 10


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
    yield Finding("SQLite", new_enough, sqlite3.sqlite_version, fix, 3)


def store(settings: Settings) -> Finding:
    """Look at the store."""
    url = settings.store.url
    try:
        with closing(Reader(url)) as reader:
            systems, incidents = reader.systems(), reader.incidents(limit=1000)
            running = "a worker is running" if worker_running(url) else "no worker is running"
    except StoreMissing:
        return Finding("store", True, f"none at {url} yet; `run` makes it")
    except HeadwaterError as error:
        return failed("store", error)
    return Finding("store", True, f"{url}: systems {', '.join(systems) or '-'}; {len(incidents)} incidents; {running}")


def broker(settings: Settings) -> tuple[list[Finding], dict[str, Any] | None]:
    """Look at the broker and its topic, and at the first records in it."""
    where = f"{settings.source.topic} at {settings.source.bootstrap_servers}"
    try:
        with closing(build.kafka_source(settings)) as source:
            count = len(source.partitions())
            seen = understood(settings, source, LOOK_RECORDS)
    except HeadwaterError as error:
        return [failed("broker", error)], None
    return [Finding("broker", True, f"{where}: {count} partitions, {seen['records']} records read")], seen


def understood(settings: Settings, source: Source, limit: int = LOOK_ROWS) -> dict[str, Any]:
    """Read some of an input as the worker would, and say what it is taken for.

    Parameters
    ----------
    settings
        The worker's.
    source
        Read from where the settings say.
    limit
        Look at no more records than about this.

    Returns
    -------
    dict
        ``records, rows, system, time_column, step, from, to, entities, metrics, series, kinds, kpi, counters,
        unusable``; times as text, `kpi` from pattern to the names that it matches, `unusable` from reason to count.
    """
    times, reasons, seen, arrivals = read(source, limit)
    showed = getattr(source, "step", None)
    monitor = build.monitor(settings, step=showed)
    monitor.assign(source.partitions())
    monitor.push(arrivals)
    monitor.flush()
    series = [one for columns in monitor.series().values() for one in columns]
    step = settings.system.step or showed or gap(times)
    return {
        "records": seen,
        "rows": len(times),
        "systems": sorted({one.system for one in series}),
        "time_column": getattr(source, "time_column", None),
        "step": spell(step) if step else None,
        "from": utc(min(times)) if times else None,
        "to": utc(max(times)) if times else None,
        "entities": dict(Counter(one.entity for one in series)),
        "metrics": dict(Counter(one.metric for one in series)),
        "kinds": dict(Counter(one.kind for one in series)),
        "series": len(series),
        "kpi": {pattern: matched(pattern, series) for pattern in settings.system.kpi},
        "late_samples": monitor.counters()["late_samples"],
        "unusable": dict(reasons),
    }


def read(
    source: Source, limit: int, clock: Callable[[], float] = time.monotonic
) -> tuple[list[float], Counter[str], int, list[Any]]:
    """Poll until there is enough, the input ends, or nothing comes."""
    times: set[float] = set()
    reasons: Counter[str] = Counter()
    positions: set[Any] = set()
    arrivals: list[Any] = []
    source.seek({})
    end = clock() + LOOK_SECONDS
    while len(positions) < limit and clock() < end:
        poll = source.poll(0.5)
        for arrival in poll.arrivals:
            positions.add(arrival.position)
            if isinstance(arrival.word, DeadLetter):
                reasons[arrival.word.reason] += 1
            elif isinstance(arrival.word, Sample | Wide):
                arrivals.append(arrival)
                times.add(arrival.word.time)
        if poll.ended:
            break
    return sorted(times), reasons, len(positions), arrivals


def gap(times: Sequence[float]) -> float | None:
    """Return the typical distance between two times."""
    return median(b - a for a, b in pairwise(times)) if len(times) > 1 else None


def matched(pattern: str, series: Sequence[Series]) -> list[str]:
    """Return the names that a KPI pattern matches."""
    glob, _ = kpi_pattern(pattern)
    return [one.name for one in series if fnmatchcase(one.name, glob)]


def lines(seen: dict[str, Any]) -> Iterator[str]:
    """Write what `understood` returned for a person."""
    column = f"; time column {seen['time_column']!r}" if seen["time_column"] else ""
    yield f"{seen['records']} records{column}, {seen['from']} to {seen['to']}, one row each {seen['step']}"
    yield f"systems: {', '.join(seen['systems']) or '-'}"
    for what in ("entities", "metrics", "kinds"):
        counts = seen[what]
        some = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:SHOWN])
        yield f"{len(counts)} {what}: {some}" + (", ..." if len(counts) > SHOWN else "")
    for pattern, names in seen["kpi"].items():
        yield f"kpi {pattern!r} matches {', '.join(names[:SHOWN]) or 'nothing'}"
    for reason, count in seen["unusable"].items():
        yield f"{count} records cannot be used: {reason}"
