"""From settings to the parts of a worker: the one place where seconds become rows."""

import math

from .columns import direction_of, kpi_pattern
from .errors import SettingsError
from .monitor import AlignConfig, Monitor
from .pipeline_config import PipelineConfig
from .settings import Settings

__all__ = ["monitor", "pipeline_config"]

PATIENCE = 60.0  # seconds that a change waits for a KPI to suffer
HOLD = 10.0  # seconds for which a KPI must suffer
LEAD = 10.0  # seconds by which a cause may precede what it does
LIVE_STEP, LIVE_LATENESS = 1.0, 5.0


def monitor(settings: Settings, *, step: float | None = None) -> Monitor:
    """Make a monitor; `step` (seconds) is what the data showed, and gives way to the settings.

    Raises
    ------
    SettingsError
        If the settings, each fine by itself, do not go together.
    """
    seconds = settings.system.step or step or LIVE_STEP
    lateness = settings.align.lateness
    if lateness is None:
        lateness = LIVE_LATENESS if settings.source.kind == "kafka" else 0.0
    align = AlignConfig(
        step=seconds,
        lateness=lateness,
        staleness=settings.align.staleness,
        max_columns=settings.align.max_columns,
        counters=settings.columns.counters,
        kpi=settings.system.kpi,
    )
    try:
        return Monitor(align, pipeline_config(settings, seconds), max_systems=settings.align.max_systems)
    except ValueError as error:
        mend = "see: headwater config show"
        raise SettingsError(f"these settings do not fit rows of {seconds:g} s", str(error), mend) from None


def pipeline_config(settings: Settings, step: float) -> PipelineConfig:
    """Settings of a pipeline whose rows are `step` seconds long."""

    def rows(seconds: float, least: int) -> int:
        return max(least, math.ceil(seconds / step))

    detector, causal, incidents = settings.detector, settings.causal, settings.incidents
    base = rows(detector.base, detector.base_rows)
    patterns = [kpi_pattern(text) for text in settings.system.kpi]
    calls = [tuple(end.strip() for end in edge.split(">", 1)) for edge in settings.topology.edges]
    return PipelineConfig(
        system=settings.system.name,
        step=step,
        kpi=tuple((pattern, direction or direction_of(pattern)) for pattern, direction in patterns),
        edges=tuple((caller, callee) for caller, callee in calls),
        topology=settings.topology.mode,
        base_rows=base,
        mode=detector.mode,
        window=detector.window,
        rank=detector.rank,
        false_alarms_per_day=detector.false_alarms_per_day,
        refractory_rows=rows(detector.refractory, 3),
        entities=tuple(detector.entities.items()),
        lags=causal.lags,
        candidates=causal.candidates,
        penalty=causal.penalty,
        half_life=causal.half_life,
        fusion=causal.fusion,
        ranking=causal.ranking,
        restart=causal.restart,
        batch_rows=rows(incidents.batch, 1),
        close_rows=rows(incidents.close_after, 3),
        max_rows=rows(incidents.max_incident, 10),
        max_open=incidents.max_open,
        history_rows=max(incidents.history, base),  # what is learned on the base window is taken from the history
        patience_rows=rows(PATIENCE, 3),
        hold_rows=rows(HOLD, 1),
        lead_rows=rows(LEAD, 3),
        on_kpi=incidents.open_on == "kpi" or (incidents.open_on == "auto" and bool(patterns)),
    )
