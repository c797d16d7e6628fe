"""Windows of rows whose true service is known: what every ranking method is given, the same rows for each."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headwater.causal.columns import Columns, describe
from headwater.streaming import build
from headwater.streaming.align import Aligner
from headwater.streaming.case import Case
from headwater.streaming.demo import NAME, setting
from headwater.streaming.pipeline import Pipeline
from headwater.streaming.records import Wide
from headwater.streaming.simulator import Recording, Truth, scenario

__all__ = [
    "AFTERMATH",
    "NEZHA",
    "Fault",
    "Recorded",
    "Window",
    "before",
    "nezha",
    "nezha_faults",
    "recorded",
    "simulated",
]

Floats = NDArray[np.float64]
NEZHA = "OB_2022-08-22"
QUIET = "08:10:00"  # from here on nothing was injected
ROWS_AFTER = 4  # rows of a window; a Nezha fault lasts for three
GAP = 90.0  # seconds between two rows that do not follow each other
AFTERMATH = 60.0  # seconds after a fault that are no quiet history either


class Window(NamedTuple):
    """Rows after a change, the quiet rows before it, and the service that was at fault."""

    columns: Columns
    history: Floats  # [n, d]
    restarts: NDArray[np.bool_]  # [n], rows before which time jumped
    window: Floats  # [W, d]
    truth: str
    visible: bool = True  # whether the fault shows in metrics at all, as its authors label it
    kpi: NDArray[np.int64] = np.zeros(0, np.int64)
    kpi_sign: NDArray[np.int64] = np.zeros(0, np.int64)
    late: int = 0  # rows of the window before a second, later start


class Recorded(NamedTuple):
    """A recording with the rows that are known to be quiet."""

    columns: Columns
    times: Floats  # [T], epoch seconds
    X: Floats  # [T, d]
    quiet: NDArray[np.bool_]  # [T]


class Fault(NamedTuple):
    """One labelled fault of a recording, in epoch seconds."""

    start: float
    end: float
    service: str
    visible: bool


def nezha_faults(data: Path) -> list[Fault]:
    """Read the labels of the OnlineBoutique recording, in the order of time."""
    table = pl.read_parquet(data / "nezha" / "incidents.parquet").filter(pl.col("stream") == NEZHA)
    table = table.with_columns(pl.col("fault_start", "fault_end").dt.epoch("ms") / 1000).sort("fault_start")
    return [Fault(*row) for row in table["fault_start", "fault_end", "root_cause_entity", "visible_in_metrics"].rows()]


def recorded(data: Path) -> Recorded:
    """Read the OnlineBoutique recording."""
    table = pl.read_parquet(data / "nezha" / "streams" / f"{NEZHA}.parquet")
    names = [name for name in table.columns if name != "t"]
    quiet = (table["t"].dt.strftime("%H:%M:%S") >= QUIET).to_numpy()
    times = table["t"].dt.epoch("ms").to_numpy() / 1000
    return Recorded(describe(names), times, table.select(names).to_numpy().astype(np.float64), quiet)


def nezha(data: Path, *, baseline: bool) -> Iterator[Window]:
    """Yield a window for each fault of the recording: the first `ROWS_AFTER` rows after its injection.

    History is the past with earlier faults cut out; with `baseline` the quiet part of the recording, which lies
    after the faults, comes before it, as ``replay --baseline`` has it.
    """
    what, faults = recorded(data), nezha_faults(data)
    for k, fault in enumerate(faults):
        kept = what.times <= fault.start
        for earlier in faults[:k]:
            kept &= ~((what.times > earlier.start) & (what.times <= earlier.end + AFTERMATH))
        past = np.flatnonzero(kept)
        if baseline:
            past = np.concatenate([np.flatnonzero(what.quiet), past])
        gaps = np.diff(what.times[past], prepend=what.times[past[0]])
        yield Window(
            columns=what.columns,
            history=what.X[past],
            restarts=(gaps < 0) | (gaps > GAP),
            window=what.X[what.times > fault.start][:ROWS_AFTER],
            truth=fault.service,
            visible=fault.visible,
        )


def before(what: Window) -> Window:
    """Return the control of a window: the newest rows of its history, in which its fault has not begun.

    Who ranks the true service first here has not found the fault, but what an older one has left behind.
    """
    cut = -len(what.window) if len(what.history) > len(what.window) else -1
    return what._replace(history=what.history[:cut], restarts=what.restarts[:cut], window=what.history[cut:])


def simulated(seed: int) -> Window | None:
    """Return the window of the incident that our pipeline opens on a simulated fault, as it ranks it at last.

    None if it opens none during the fault.
    """
    recording = scenario(seed)
    case = _case(recording, recording.truth) if recording.truth else None
    if case is None or recording.truth is None:
        return None
    return Window(
        columns=case.diagnosis.columns,
        history=case.past.history.astype(np.float64),
        restarts=case.past.restarts,
        window=case.window.astype(np.float64),
        truth=recording.truth.service,
        kpi=case.diagnosis.kpi,
        kpi_sign=case.diagnosis.kpi_sign,
        late=case.diagnosis.late,
    )


def _case(recording: Recording, truth: Truth) -> Case | None:
    """Play a recording until the ranking of the incident that overlaps its fault has converged or has all its rows."""
    settings = build.monitor(setting(recording))
    aligner, pipeline = Aligner(system=NAME, **settings.align._asdict()), Pipeline(settings.config)
    names = tuple(series.name for series in recording.series)
    for time, row in zip(recording.times.tolist(), recording.X, strict=True):
        aligner.push((NAME, 0), Wide(NAME, time, names, row), clock=-math.inf)
        while (frame := aligner.rows(time)) is not None:
            pipeline.step(frame)
        case = pipeline.work.case
        if case and case.incident.opened >= truth.start and (case.incident.rca == "converged" or not case.growing):
            return case
    return None
