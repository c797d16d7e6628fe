"""The window of the incident that our own pipeline opens on a fault of our simulator: a check, not a result."""

import math

import numpy as np

from headwater.streaming import build
from headwater.streaming.align import Aligner
from headwater.streaming.case import Case
from headwater.streaming.demo import NAME, setting
from headwater.streaming.pipeline import Pipeline
from headwater.streaming.records import Wide
from headwater.streaming.simulator import Recording, Truth, scenario

from .windows import Window

__all__ = ["simulated"]


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
        for case in pipeline.work.cases:
            if case.incident.opened >= truth.start and (case.incident.rca == "converged" or not case.growing):
                return case
    return None
