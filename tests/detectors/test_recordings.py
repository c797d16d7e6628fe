"""TriggerPoint on public recordings. The numbers are floors under what docs/trigger.md says was measured."""

from datetime import time
from pathlib import Path

import numpy as np
import polars as pl

from headwater.detectors import TriggerPoint

MINUTE = 60


def test_faults_of_an_online_shop_fall_into_alarms(data: Path) -> None:
    stream = pl.read_parquet(data / "nezha/streams/OB_2022-08-22.parquet")
    faults = pl.read_parquet(data / "nezha/incidents.parquet").filter(stream="OB_2022-08-22", visible_in_metrics=True)
    minutes = stream["t"].dt.epoch("s").to_numpy() // MINUTE
    X = stream.drop("t").to_numpy().astype(np.float64)
    quiet = (stream["t"].dt.time() >= time(8, 10)).to_numpy()
    trigger = TriggerPoint(base=240, interval=MINUTE)
    trigger.fit(X[quiet])
    alarms = minutes[~quiet][trigger.step(X[~quiet]).alarm > 0]
    injected = faults["fault_start"].dt.epoch("s").to_numpy() // MINUTE
    found = sum(bool(np.any((alarms >= start) & (alarms <= start + 5))) for start in injected)
    assert len(injected) == 18
    assert found >= 8
    half = TriggerPoint(base=240, interval=MINUTE)
    rows = X[quiet]
    half.fit(rows[: len(rows) // 2])
    assert np.count_nonzero(half.step(rows[len(rows) // 2 :]).alarm) <= 3


def test_false_alarms_of_a_server_are_about_as_many_as_stated(data: Path) -> None:
    X = pl.read_parquet(data / "smd/streams/machine-2-1.parquet").drop("t").to_numpy().astype(np.float64)
    faults = pl.read_parquet(data / "smd/incidents.parquet").filter(stream="machine-2-1")
    ranges = faults.select("fault_start", "fault_end").rows()
    alarms = np.flatnonzero(TriggerPoint(base=3000, interval=MINUTE).step(X).alarm)
    touches = np.array([any(start - 3 <= t <= end + 30 for start, end in ranges) for t in alarms])
    days = (len(X) - 3000) * MINUTE / 86400
    assert np.count_nonzero(~touches) / days < 2.0
    assert sum(bool(np.any((alarms >= start - 3) & (alarms <= end))) for start, end in ranges) >= len(ranges) / 5
