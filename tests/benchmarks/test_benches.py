"""Each bench runs in its quick form and keeps to the contract of rows; what they count is counted right."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headwater.benchmarks import pipeline, replay
from headwater.benchmarks.rootcause.windows import Fault
from headwater.streaming.cli import bench as cli_bench
from headwater.streaming.records import Incident

KEYS = ["bench", "set", "method", "metric", "value", "unit"]


def quiet(_: str) -> None:
    """Take what a bench tells."""


def table(bench: ModuleType, data: Path | None) -> dict[tuple[str, str, str], Any]:
    found = list(bench.rows(quick=True, data=data, progress=quiet))
    name = bench.__name__.rpartition(".")[2]
    assert all(list(row) == KEYS and row["bench"] == name for row in found)
    keyed = {(row["set"], row["method"], row["metric"]): row["value"] for row in found}
    assert len(keyed) == len(found), "a row is there twice"
    return keyed


def test_the_command_finds_them() -> None:
    assert {"pipeline", "replay"} <= set(cli_bench.benches())
    assert not {"stages", "rootcause", "peers"} & set(cli_bench.benches())


def test_pipeline_prints_costs_by_stage_and_the_peers_ranking() -> None:
    found = table(pipeline, None)
    for d in (40, 200, 1000):
        stages = {metric for group, method, metric in found if group == f"d={d}" and method == "headwater"}
        assert {"decode_time", "align_time", "trigger_time", "ring_time", "quiet_time", "step_time"} <= stages
        assert {"rows_per_second", "incident_batch", "snapshot_ring"} <= stages
        assert ("graph_time" in stages) == (d <= 500)
        assert found[f"d={d}", "numpy", "quiet_time"] > 0
        ratio = found[f"d={d}", "numpy", "quiet_time"] / found[f"d={d}", "headwater", "quiet_time"]
        assert found[f"d={d}", "headwater", "quiet_times_faster_than_numpy"] == pytest.approx(ratio, rel=0.02)
    assert found["d=40", "headwater", "quiet_times_faster_than_numpy"] > 2, "far below what the bench has to show"
    methods = {method for group, method, metric in found if group == "simulated"}
    assert methods == set(pipeline.METHODS) == {"headwater", "headwater/abnormal", "headwater/walk", "baro", "n-sigma"}
    assert found["simulated", "headwater", "windows"] == 1


def test_replay_without_data_plays_a_simulated_recording() -> None:
    found = table(replay, None)
    assert found["simulated", "headwater", "faults_visible"] == 1
    assert found["simulated", "headwater", "faults_visible_hit"] == 1
    assert found["simulated", "headwater", "rows"] == 1860
    assert {"headwater", "n-sigma"} == {method for _, method, metric in found if metric == "Avg@5"}


def test_replay_of_nezha_meets_its_bar(data: Path) -> None:
    found = table(replay, data)
    assert found["nezha", "headwater", "rows"] == 259
    assert found["nezha", "headwater", "faults_visible"] == 18
    assert found["nezha", "headwater", "faults_visible_hit"] >= 12
    assert found["nezha", "headwater", "incidents_without_fault"] <= 3
    assert found["nezha", "headwater", "faults_visible_opened"] <= found["nezha", "headwater", "faults_visible_hit"]
    assert 0 < found["nezha", "headwater", "share_of_rows_in_incidents"] < 1, "an open incident hits every fault"


@pytest.mark.parametrize(
    ("onset", "closed", "touched"),
    [(50.0, 99.0, False), (50.0, 100.0, True), (150.0, 160.0, True), (260.0, 300.0, True), (261.0, 300.0, False)],
)
def test_an_incident_touches_a_fault_up_to_a_minute_after_it(onset: float, closed: float, touched: bool) -> None:
    fault = Fault(100.0, 200.0, "a", visible=True)
    incident = Incident(
        "s", "INC-1", state="resolved", rca="converged", onset=onset, opened=onset, updated=onset, closed=closed
    )
    assert replay.touches(incident, fault) is touched
