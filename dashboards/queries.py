"""Store → small polars tables, read-only. What a page shows is decided here and in the views, never in a page.

Times become UTC datetimes in milliseconds. A series is thinned to at most `POINTS` rows and keeps the lowest
and the highest value of every bucket, so a spike of one second is still there in a day.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headwater.streaming.records import Incident, Triggered
from headwater.streaming.store.reader import Reader
from headwater.streaming.wording import firmness

__all__ = [
    "POINTS",
    "TIME",
    "Window",
    "deviation",
    "end",
    "incident_table",
    "last_trigger",
    "newest",
    "overlapping",
    "standing",
    "store_url",
    "table",
    "thin",
    "triggers",
    "window",
]

POINTS = 500
DAY = 86_400.0
TIME = pl.Datetime("ms", "UTC")
DEFAULT_STORE = "sqlite:///headwater.db"


class Window(NamedTuple):
    """A system's rows between two times: ``time`` and one column a series; `scores` has ``joint`` before them."""

    values: pl.DataFrame
    scores: pl.DataFrame
    learning: float  # share of the base window that was filled at the last row, 1 = watching


def store_url(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """The store named after ``--``, else by ``HEADWATER_STORE``, else the default of ``headwater run``.

    >>> store_url(["sqlite:///a.db"], {"HEADWATER_STORE": "sqlite:///b.db"}), store_url([], {})
    ('sqlite:///a.db', 'sqlite:///headwater.db')
    """
    named = next((argument for argument in arguments if "://" in argument), None)
    return named or environ.get("HEADWATER_STORE") or DEFAULT_STORE


def _times(seconds: NDArray[np.float64] | Sequence[float]) -> pl.Series:
    return pl.Series("time", np.round(np.asarray(seconds, dtype=np.float64) * 1e3).astype(np.int64)).cast(TIME)


def table(times: NDArray[np.float64], X: NDArray[np.float32] | None = None, names: Sequence[str] = ()) -> pl.DataFrame:
    """``time`` and one column a name, from epoch seconds ``[T]`` and values ``[T, len(names)]``; NaN becomes null."""
    if X is None:
        return pl.DataFrame([_times(times)])
    columns = [pl.Series(name, X[:, slot].astype(np.float64)).fill_nan(None) for slot, name in enumerate(names)]
    return pl.DataFrame([_times(times), *columns])


def newest(reader: Reader, now: float) -> float:
    """Time of the newest row of the input; `now` if there is none yet.

    A replayed file ends when its recording ends, not today, so pages count their ranges back from here.
    """
    row = reader.status().get("input")
    stated = row.value.get("newest_row") if row is not None else None
    return now if stated is None else float(stated)


def window(reader: Reader, system: str, since: float, until: float) -> Window:
    """All rows of `system` in ``[since, until]``, every series a column in the order of its slot."""
    ticks = reader.ticks(system, since, until)
    names = [s.name for s in reader.series(system)][: ticks.values.shape[1]]
    scores = table(ticks.times, ticks.scores, names)
    joint = pl.Series("joint", ticks.joint.astype(np.float64)).fill_nan(None)
    return Window(
        values=table(ticks.times, ticks.values, names),
        scores=scores.insert_column(1, joint),
        learning=float(ticks.learning[-1]) if ticks.times.size else 0.0,
    )


def thin(table: pl.DataFrame, points: int = POINTS) -> pl.DataFrame:
    """At most `points` rows: per bucket of time two, the extremes of every column in the order they came.

    >>> spike = pl.DataFrame({"time": _times(np.arange(9000.0)), "x": [0.0] * 4000 + [7.0] + [0.0] * 4999})
    >>> small = thin(spike)
    >>> small.height <= 500, small["x"].max()
    (True, 7.0)
    """
    if table.height <= points:
        return table
    buckets = points // 2
    start, end = table["time"].cast(pl.Int64).min(), table["time"].cast(pl.Int64).max()
    elapsed = pl.col("time").cast(pl.Int64) - start
    bucket = (elapsed * buckets // (end - start + 1)).alias("bucket")  # type: ignore[operator]
    names = [name for name in table.columns if name != "time"]
    low, high = {n: pl.col(n).min() for n in names}, {n: pl.col(n).max() for n in names}
    rising = {n: pl.col(n).arg_min() <= pl.col(n).arg_max() for n in names}
    groups = table.group_by(bucket, maintain_order=True)
    former = groups.agg(
        pl.col("time").first(), *(pl.when(rising[n]).then(low[n]).otherwise(high[n]).alias(n) for n in names)
    )
    latter = groups.agg(
        pl.col("time").last(), *(pl.when(rising[n]).then(high[n]).otherwise(low[n]).alias(n) for n in names)
    )
    return pl.concat([former, latter]).sort("bucket", "time", maintain_order=True).drop("bucket")


def deviation(values: pl.DataFrame, quiet_until: float | None = None) -> pl.DataFrame:
    """Each series as its distance from its usual value, in spreads, so that metrics of any unit share one axis.

    Usual is the median and spread the width from the 10th to the 90th percentile over 2.56 (a Gaussian's
    standard deviation), over the rows before `quiet_until`, or over all if fewer than 30 are quiet. A series
    that is constant there is measured by its standard deviation over all rows, and one that never moves is 0.
    """
    quiet = values
    if quiet_until is not None:
        quiet = values.filter(pl.col("time").cast(pl.Int64) < int(quiet_until * 1e3))
        quiet = quiet if quiet.height >= 30 else values
    names = [name for name in values.columns if name != "time"]
    if not names or values.is_empty():
        return values
    middle = quiet.select(pl.col(names).median()).row(0)
    low, high = (quiet.select(pl.col(names).quantile(q, "linear")).row(0) for q in (0.1, 0.9))
    whole = values.select(pl.col(names).std()).row(0)
    columns = []
    for name, m, a, b, s in zip(names, middle, low, high, whole, strict=True):
        spread = (b - a) / 2.56 if m is not None and b > a else (s or 1.0)
        columns.append((pl.col(name) - (m or 0.0)) / spread)
    return values.with_columns(columns)


def standing(scores: pl.DataFrame) -> pl.DataFrame:
    """How near each metric is to its threshold: ``metric, now, peak`` (1 = alarm), nearest first."""
    names = [name for name in scores.columns if name != "time"]
    empty = pl.DataFrame(schema={"metric": pl.String, "now": pl.Float64, "peak": pl.Float64})
    if scores.is_empty() or not names:
        return empty
    rows = {
        "metric": names,
        "now": scores.select(pl.col(names).last()).row(0),
        "peak": scores.select(pl.col(names).max()).row(0),
    }
    return pl.DataFrame(rows, schema=empty.schema).sort("now", "peak", descending=True, nulls_last=True)


def triggers(reader: Reader, system: str, since: float, until: float) -> list[Triggered]:
    """The detector's decisions with ``since <= time <= until``, oldest first."""
    events = reader.events(system, since=since, kinds=("triggered",))
    found = [e for e in events if isinstance(e, Triggered) and e.time <= until]
    return sorted(found, key=lambda e: (e.time, e.n))


def last_trigger(reader: Reader, system: str, until: float) -> Triggered | None:
    """The newest trigger of the day before `until`, or none."""
    return max(triggers(reader, system, until - DAY, until), key=lambda e: (e.time, e.n), default=None)


def overlapping(incidents: Sequence[Incident], since: float, until: float) -> list[Incident]:
    """Those that were open at some time in ``[since, until]``."""
    return [i for i in incidents if i.onset <= until and (i.closed is None or i.closed >= since)]


def end(incident: Incident, newest: float | None) -> float:
    """When it was closed; of one that is open, the `newest` row of its system, as it still lasts."""
    return incident.closed if incident.closed is not None else max(incident.updated, newest or incident.updated)


def incident_table(
    incidents: Sequence[Incident], late: set[tuple[str, str]], newest: float | None = None
) -> pl.DataFrame:
    """The list of incidents of a system as a table, in the order given; open ones last until its `newest` row."""
    return pl.DataFrame(
        {
            "incident": [i.id for i in incidents],
            "system": [i.system for i in incidents],
            "state": [i.state for i in incidents],
            "cause state": [i.rca for i in incidents],
            "service": [i.service for i in incidents],
            "cause": [i.cause for i in incidents],
            "how sure": [firmness(i.answer) if i.cause else "" for i in incidents],
            "onset": _times([i.onset for i in incidents]),
            "minutes": [(end(i, newest) - i.onset) / 60 for i in incidents],
            "found late": [(i.system, i.id) in late for i in incidents],
        }
    )
