"""PetShop (Hardt et al., 2023): a service system with its call graph, nodes at fault, five rows of 300 s an incident.

Low traffic (26 incidents) and temporal traffic (8). The onset is not known: an incident is two rows before its alarm
and three after it. A window is these three, one late the last two; history is the stream of normal traffic, recorded
months away, so levels are the medians of that stream.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headwater.causal.columns import Columns, describe

from .windows import Window

__all__ = ["ROWS", "healthy", "incidents"]

Floats = NDArray[np.float64]
SCENARIOS = {"low_traffic": "low_traffic_incidents", "temporal_traffic1": "temporal_traffic1_incidents"}
NORMAL = "low_traffic_normal"  # the temporal one is not in the pack
FIRST = 2  # row of an incident after its alarm
ROWS = 3
HEALTHY = 160  # healthy windows, half of them asked about latency and half about availability
KPIS = ("PetSite|latency|Average", "PetSite|availability|Average")


@lru_cache(maxsize=4)
def _read(data: Path, scenario: str) -> tuple[Columns, Floats, pl.DataFrame]:
    """Read columns, normal rows and the stream of incidents of a scenario, all in the same columns."""
    folder = data / "petshop" / "streams"
    normal, stream = (pl.read_parquet(folder / f"{name}.parquet") for name in (NORMAL, SCENARIOS[scenario]))
    names = sorted({name for table in (normal, stream) for name in table.columns if "|" in name})
    calls = pl.read_parquet(data / "petshop" / "graph.parquet").filter(pl.col("scenario") == scenario)
    absent = [pl.lit(None, pl.Float32).alias(name) for name in names]
    normal, stream = (
        table.with_columns(column for column in absent if column.meta.output_name() not in table.columns)
        for table in (normal, stream)
    )
    columns = describe(names, calls["source", "target"].rows())
    return columns, normal.select(names).to_numpy().astype(np.float64), stream


def incidents(data: Path, *, late: int = 0) -> Iterator[Window]:
    """Yield the window of each incident, its time given `late` rows late."""
    labels = pl.read_parquet(data / "petshop" / "incidents.parquet")
    for row in labels.iter_rows(named=True):
        columns, normal, stream = _read(data, row["stream"].removesuffix("_incidents"))
        own = stream.filter(pl.col("incident_id") == row["incident_id"]).sort("t")
        yield _window(
            columns, normal, own.select(columns.names).to_numpy().astype(np.float64)[FIRST + late :], row["kpi"]
        )._replace(truth=row["root_cause_entity"], name=row["incident_id"], kind=row["fault_type"])


def healthy(data: Path) -> Iterator[Window]:
    """Yield windows spread over the normal stream; history is the rest of it."""
    columns, normal, _ = _read(data, "low_traffic")
    for k, start in enumerate(np.linspace(0, len(normal) - ROWS, HEALTHY).astype(int).tolist()):
        near = np.abs(np.arange(len(normal)) - start - ROWS // 2) <= 2 * ROWS
        rest = np.flatnonzero(~near)
        cut = np.diff(rest, prepend=rest[:1]) > 1
        window = normal[start : start + ROWS]
        yield _window(columns, normal[rest], window, KPIS[k % 2])._replace(restarts=cut, name=f"healthy {start}")


def _window(columns: Columns, history: Floats, window: Floats, kpi: str) -> Window:
    """Return a window that follows a history of another time."""
    known = np.isfinite(history).any(axis=0)
    anchor = np.full(history.shape[1], np.nan)
    anchor[known] = np.nanmedian(history[:, known], axis=0)
    j = columns.names.index(kpi)
    return Window(
        columns=columns,
        history=history,
        restarts=np.zeros(len(history), np.bool_),
        window=window,
        kpi=np.array([j]),
        kpi_sign=columns.bad[[j]],
        anchor=anchor,
    )
