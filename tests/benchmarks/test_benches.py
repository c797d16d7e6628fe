"""Each bench runs in its quick form and keeps to the contract of rows; what they count is counted right."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from headwater.benchmarks import pipeline, rankers, replay, windows
from headwater.causal.columns import describe
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
    assert not {"stages", "windows", "rankers", "peers"} & set(cli_bench.benches())


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
    assert methods == set(rankers.METHODS) == {"headwater", "headwater/abnormal", "headwater/walk", "baro", "n-sigma"}
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


@pytest.mark.parametrize(("method", "published"), [(rankers.baro, 0.783), (rankers.n_sigma, 0.725)])
def test_peers_reach_what_was_measured_for_them(
    data: Path, method: Callable[[windows.Window], Any], published: float
) -> None:
    """A peer that does worse here than elsewhere on the same rows would be our mistake, and flatter us."""
    ranks = [
        rankers.place(method(window), window.columns.services.index(window.truth))
        for window in windows.nezha(data, baseline=False)
    ]
    assert len(ranks) == 24
    assert rankers.accuracy(ranks)["Avg@5"] == pytest.approx(published, abs=0.001)


def test_windows_hold_no_row_of_an_older_fault_and_none_after_their_own(data: Path) -> None:
    what, faults = windows.recorded(data), windows.nezha_faults(data)
    assert sum(fault.visible for fault in faults) == 18
    place = {row.tobytes(): time for time, row in zip(what.times, what.X, strict=True)}
    for k, window in enumerate(windows.nezha(data, baseline=False)):
        times = np.array([place[row.tobytes()] for row in window.history])
        assert (times <= faults[k].start).all()
        assert not any(((times > f.start) & (times <= f.end + 60)).any() for f in faults[:k])
        first = place[window.window[0].tobytes()]
        assert faults[k].start < first <= faults[k].start + 62
        assert len(window.window) == 4


def test_the_control_of_a_window_holds_no_row_of_its_fault(data: Path) -> None:
    for window in windows.nezha(data, baseline=False):
        control = windows.before(window)
        assert (
            len(control.history) + len(control.window)
            == len(window.history)
            == len(control.restarts) + len(control.window)
        )
        np.testing.assert_array_equal(np.vstack([control.history, control.window]), window.history)
        assert len(control.window) >= 1


def test_ties_take_the_middle_rank() -> None:
    assert rankers.place(np.array([5.0, 3.0, 3.0, 1.0]), 1) == 2.5
    assert rankers.accuracy([2.5, 1.0, 7.0]) == {
        "AS@1": pytest.approx(1 / 3),
        "AS@3": pytest.approx(2 / 3),
        "Avg@5": pytest.approx((1 / 3 + 1 / 3 + 3 * 2 / 3) / 5),
    }


def test_a_service_is_judged_by_its_own_metrics_alone() -> None:
    columns = describe(["a|cpu", "b|cpu", "b|NodeCpuUsageRate(%)", "edge:a>b|LatencyP50", "__front__|LatencyP99"])
    scores = rankers.largest(columns, np.array([1.0, 2.0, 90.0, 3.0, 99.0]))
    assert dict(zip(columns.services, scores.tolist(), strict=True)) == {"a": 1.0, "b": 3.0}


@pytest.mark.parametrize(
    ("onset", "closed", "touched"),
    [(50.0, 99.0, False), (50.0, 100.0, True), (150.0, 160.0, True), (260.0, 300.0, True), (261.0, 300.0, False)],
)
def test_an_incident_touches_a_fault_up_to_a_minute_after_it(onset: float, closed: float, touched: bool) -> None:
    fault = windows.Fault(100.0, 200.0, "a", visible=True)
    incident = Incident(
        "s", "INC-1", state="resolved", rca="converged", onset=onset, opened=onset, updated=onset, closed=closed
    )
    assert replay.touches(incident, fault) is touched
