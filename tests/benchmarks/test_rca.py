"""``headwater bench rca`` gives a row for each method, with recordings and without."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headwater.benchmarks import rca
from headwater.benchmarks.rootcause import hosts
from headwater.benchmarks.rootcause.detected import detected
from headwater.benchmarks.rootcause.loso import GRID, left_out
from headwater.benchmarks.rootcause.ours import ABLATIONS, OURS
from headwater.causal.recipe import SHIPPED


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder like that of the recordings, with one host whose two segments are plain to see."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(1300, 5))
    for start in (900, 1100):
        X[start : start + 20, [1, 3]] += 12.0
    names = [f"h|m{j}" for j in range(5)]
    (tmp_path / "asd" / "streams").mkdir(parents=True)
    table = pl.DataFrame({"t": np.arange(1300), **{name: X[:, j] for j, name in enumerate(names)}})
    table.write_parquet(tmp_path / "asd" / "streams" / "h.parquet")
    pl.DataFrame(
        {
            "incident_id": ["h_0", "h_1"],
            "stream": ["h", "h"],
            "fault_start": [900, 1100],
            "fault_end": [919, 1119],
            "root_cause_entity": ["h", "h"],
            "root_cause_columns": [["h|m1", "h|m3"]] * 2,
            "fault_type": ["", ""],
            "test_start": [700, 700],
        }
    ).write_parquet(tmp_path / "asd" / "incidents.parquet")
    return tmp_path


def test_the_bench_prints_a_row_for_each_method_and_time(small: Path) -> None:
    found = list(rca.rows(quick=True, data=small, progress=lambda _: None, sets=("asd",), peers=("nsigma", "random")))
    assert all(list(row) == ["bench", "set", "method", "metric", "value", "unit"] for row in found)
    keyed = {(row["method"], row["metric"]): row["value"] for row in found}
    assert len(keyed) == len(found), "a row is there twice"
    methods = {method for method, _ in keyed}
    assert methods == {*OURS, *ABLATIONS, "headwater/final", "nsigma", "nsigma/two_sided", "random"}
    for time in ("injected", "late1", "detected"):
        assert keyed["headwater", f"hit100/{time}"] == 1.0
        assert keyed["random", f"hit100/{time}"] == pytest.approx(0.4, abs=0.1)
    assert keyed["headwater", "incidents/injected"] == 1, "quick: each eighth window"
    assert keyed["headwater", "first/detected"] <= 2
    assert keyed["headwater", "final/detected"] >= keyed["headwater", "first/detected"] + 10, "two batches must agree"
    assert keyed["headwater", "specificity/injected"] == 1.0


def test_a_segment_is_detected_by_an_alarm_inside_it_and_its_window_starts_before_the_onset(small: Path) -> None:
    faults = list(detected(small, "asd"))
    assert [fault.window is not None for fault in faults] == [True, True]
    X = hosts.recorded(small, "asd", "h").X
    for fault, start in zip(faults, (900, 1100), strict=True):
        assert fault.window is not None
        stop = start + fault.delay + 1
        np.testing.assert_array_equal(fault.window.window, X[stop - len(fault.window.window) : stop])
        assert stop - len(fault.window.window) < start
        np.testing.assert_array_equal(fault.later[0], X[stop])


def test_a_segment_without_an_alarm_is_missed(small: Path) -> None:
    path = small / "asd" / "incidents.parquet"
    labels = pl.read_parquet(path).with_columns(
        pl.Series("fault_start", [900, 1000]), pl.Series("fault_end", [919, 1010])
    )
    labels.write_parquet(path)
    assert [fault.window is not None for fault in detected(small, "asd")] == [True, False]


def test_a_system_is_left_out_with_what_was_chosen_on_the_others() -> None:
    worth = {
        ("a", "injected"): [0.9, 0.6, 0.5],
        ("a", "late1"): [0.7, 0.6, 0.5],
        ("b", "injected"): [0.5, 0.7, 0.1],
        ("c", "injected"): [0.8, 0.9, 0.1],
    }
    found = {(system, name): round(value, 3) for system, name, value in left_out(worth)}  # type: ignore[arg-type]
    assert found["a", "on_all"] == 0.6, "means .7, .733, .233: the second is chosen"
    assert found["a", "on_others"] == 0.6
    assert found["b", "on_all"] == 0.7
    assert found["b", "on_others"] == 0.5, "without b the first is best: .8 and .75"
    assert found["b", "lost"] == 0.2
    assert SHIPPED in GRID


def test_planted_faults_need_no_recordings() -> None:
    wanted = ("synthetic/no_edges", "synthetic/unmeasured_kpi", "synthetic/calls")
    found = list(rca.rows(quick=True, data=None, progress=lambda _: None, sets=wanted, peers=("nsigma",)))
    keyed = {(row["set"], row["method"], row["metric"]): row["value"] for row in found}
    assert len(keyed) == len(found), "a row is there twice"
    assert {name for name, _, _ in keyed} == set(wanted)
    for name in ("no_edges", "calls"):
        assert 0.0 <= keyed[f"synthetic/{name}", "headwater", "top1/injected"] <= 1.0
        assert (
            keyed[f"synthetic/{name}", "headwater", "gain_low/injected"]
            <= keyed[f"synthetic/{name}", "headwater", "gain_high/injected"]
        )
    assert ("synthetic/calls", "headwater", "as1/injected") in keyed
    assert ("synthetic/unmeasured_kpi", "headwater", "top1/injected") not in keyed, "nothing measured is at fault"
    assert ("synthetic/unmeasured_kpi", "headwater", "declined/injected") in keyed
