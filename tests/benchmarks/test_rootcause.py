"""Windows hold what they say, scorers count right, and our rankings can be had part by part."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headwater.benchmarks.rootcause import hosts, nezha, sets
from headwater.benchmarks.rootcause.judging import judge, missed, numbers, specificity
from headwater.benchmarks.rootcause.ours import ABLATIONS, OURS, Case, Ranking, largest
from headwater.benchmarks.rootcause.planted import Planting, pooled
from headwater.benchmarks.rootcause.scorers import (
    accuracy,
    best_place,
    calibration_error,
    hit_rate,
    place,
    top_one,
)
from headwater.benchmarks.rootcause.windows import Window, before, joined, kept
from headwater.causal.columns import describe

Floats = NDArray[np.float64]
NAMES = ("a|cpu", "a|latency_s", "b|cpu", "b|latency_s")


def made(seed: int, *, size: float = 12.0, **fields: object) -> Window:
    """A callee's cpu jumps, and the latencies of both services follow by less."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(304, 4))
    X[300:, 2] += size
    X[300:, [1, 3]] += size / 2
    window = Window(
        columns=describe(NAMES, [("a", "b")]),
        history=X[:300],
        restarts=np.zeros(300, np.bool_),
        window=X[300:],
        truth="b",
        metrics=np.array([2]),
    )
    return window._replace(**fields)


def test_ties_take_the_middle_rank() -> None:
    assert place(np.array([5.0, 3.0, 3.0, 1.0]), 1) == 2.5
    assert best_place(np.array([5.0, 3.0, 3.0, 1.0]), np.array([2, 3])) == 2.5
    assert best_place(np.array([5.0]), np.zeros(0, np.int64)) == float("inf")


def test_accuracy_counts_each_depth_and_an_infinite_rank_is_a_miss() -> None:
    assert accuracy([2.5, 1.0, float("inf")]) == {
        "as1": pytest.approx(1 / 3),
        "as3": pytest.approx(2 / 3),
        "as5": pytest.approx(2 / 3),
        "avg5": pytest.approx((1 / 3 + 1 / 3 + 3 * 2 / 3) / 5, abs=1e-6),
        "mrr": pytest.approx((1 / 2.5 + 1) / 3, abs=1e-6),
    }


@pytest.mark.parametrize("seed", range(5))
def test_hit_rate_and_top_one_are_means_over_the_orders_of_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, true = rng.integers(0, 3, 7).astype(float), np.sort(rng.permutation(7)[:3])
    orders = [np.lexsort((rng.random(7), -scores)) for _ in range(4000)]
    hits = np.mean([np.isin(order[:3], true).mean() for order in orders])
    first = np.mean([order[0] in true for order in orders])
    assert hit_rate(scores, true) == pytest.approx(hits, abs=0.02)
    assert top_one(scores, true) == pytest.approx(first, abs=0.03)


def test_a_calibrated_confidence_has_no_error_and_a_boastful_one_has() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.random(20_000)
    right = rng.random(20_000) < confidence
    assert calibration_error(confidence, right) < 0.02
    assert calibration_error(np.sqrt(confidence), right) > 0.1


def test_columns_of_shared_nodes_and_fronts_are_left_out() -> None:
    names = ["a|cpu", "b|NodeCpuUsageRate(%)", "edge:a>b|LatencyP50", "__front__|LatencyP99"]
    assert kept(names) == ["a|cpu", "edge:a>b|LatencyP50"]
    columns = describe(kept(names))
    assert dict(zip(columns.services, largest(columns, np.array([1.0, 3.0])).tolist(), strict=True)) == {
        "a": 1.0,
        "b": 3.0,
    }


def test_time_jumps_forwards_and_back_are_marked() -> None:
    assert joined(np.array([0.0, 60.0, 180.0, 60.0, 121.0]), 60.0).tolist() == [False, False, True, True, False]


def test_the_control_of_a_window_holds_no_row_of_its_fault() -> None:
    window = made(1)
    control = before(window)
    np.testing.assert_array_equal(np.vstack([control.history, control.window]), window.history)
    assert len(control.window) == 4
    assert len(control.restarts) == len(control.history)
    short = before(window._replace(history=window.history[:3], restarts=window.restarts[:3]))
    assert (len(short.history), len(short.window)) == (2, 1)


def test_every_method_of_ours_ranks_and_each_part_can_be_switched_off() -> None:
    case = Case(made(2))
    for name, method in {**OURS, **ABLATIONS}.items():
        ranking = method(case)
        assert ranking.services.shape == (2,), name
        assert ranking.metrics is not None
        assert ranking.metrics.shape == (4,), name
    assert case.window.columns.services[int(OURS["headwater"](case).services.argmax())] == "b"
    assert len(ABLATIONS) > 8


def test_ablations_that_share_what_is_fitted_equal_those_that_do_not() -> None:
    shared = Case(made(3))
    for name, method in ABLATIONS.items():
        np.testing.assert_array_equal(method(shared).metrics, method(Case(made(3))).metrics, err_msg=name)


def test_numbers_of_a_set_of_services() -> None:
    scores = np.array([1.0, 2.0])
    right = judge(made(1), Ranking(scores, np.array([0.0, 1.0, 9.0, 2.0]), "named", 0.9), services=True)
    wrong = judge(made(1), Ranking(-scores, np.array([9.0, 1.0, 0.0, 2.0]), "weak", 0.9), services=True)
    three = [right, wrong, missed(visible=True, labelled=True)]
    found = {name: value for name, value, _ in numbers(three, services=True)}
    assert found["as1"] == found["metric_as1"] == pytest.approx(1 / 3)
    assert found["as3"] == pytest.approx(2 / 3), "a fault that was not detected is a miss"
    assert (found["recall"], found["named"], found["incidents"]) == (pytest.approx(2 / 3), 0.5, 3.0)
    assert found["ece"] == pytest.approx(0.4), "sure of both, right in one"


def test_numbers_of_a_host_are_of_the_segments_detected() -> None:
    window = made(1, truth="", metrics=np.array([2, 3]))
    half = judge(window, Ranking(np.zeros(2), np.array([5.0, 0.0, 9.0, 1.0])), services=False)
    found = {name: value for name, value, _ in numbers([half, missed(visible=True, labelled=True)], services=False)}
    assert (found["hit100"], found["top1"], found["hit100_all"], found["recall"]) == (0.5, 1.0, 0.25, 0.5)
    assert "as1" not in found


def test_specificity_is_the_share_on_which_no_one_is_named() -> None:
    assert specificity(["named", "weak", "nothing", "outside"]) == 0.75


def test_windows_of_nezha_hold_no_row_of_an_older_fault_and_none_after_their_own(data: Path) -> None:
    what, faults = nezha.recorded(data, nezha.ONLINE_BOUTIQUE), nezha.faults(data, nezha.ONLINE_BOUTIQUE)
    assert sum(fault.visible for fault in faults) == 18
    place_of = {row.tobytes(): time for time, row in zip(what.times, what.X, strict=True)}
    for late in (0, 1):
        for k, window in enumerate(nezha.incidents(data, nezha.ONLINE_BOUTIQUE, late=late)):
            given = faults[k].start + late * 60.0
            times = np.array([place_of[row.tobytes()] for row in window.history])
            assert (times <= given).all()
            assert not any(((times > f.start) & (times <= f.end + 60)).any() for f in faults[:k])
            assert given < place_of[window.window[0].tobytes()] <= given + 62
            assert len(window.window) == 4


@pytest.mark.parametrize(
    ("name", "count", "shape"),
    [("nezha_tt_visible", 4, (4, 736)), ("petshop", 34, (3, 294)), ("smd", 91, (5, 38)), ("asd", 40, (5, 19))],
)
def test_sets_are_as_they_are_described(data: Path, name: str, count: int, shape: tuple[int, int]) -> None:
    found = list(sets.incidents(data, name))
    assert len(found) == count
    assert found[0].window.shape == shape
    late = next(iter(sets.incidents(data, name, "late1")))
    np.testing.assert_array_equal(found[0].window[1:], late.window[: len(found[0].window) - 1])


def test_healthy_windows_of_a_host_are_away_from_its_segments(data: Path) -> None:
    stream = hosts.streams(data, "asd")[0]
    X, faults = hosts.recorded(data, "asd", stream).X, hosts.faults(data, "asd", stream)
    for window in list(hosts.healthy(data, "asd"))[: hosts.HEALTHY]:
        first = int(window.name.rpartition(" ")[2])
        np.testing.assert_array_equal(window.window, X[first : first + hosts.ROWS])
        assert all(first + hosts.ROWS < f.start or first > f.end for f in faults)


def test_answers_and_calibration_are_pooled_over_cases_that_were_not_fitted() -> None:
    window = made(1)
    sure = judge(window, Ranking(np.array([0.0, 1.0]), np.array([0.0, 1.0, 9.0, 2.0]), "named", 0.9), services=True)
    shy = sure._replace(answer="nothing", rank=2.0, confidence=0.4)
    tested = Planting(None, "calls_fan_in", 5, ())
    fitted = Planting(None, "calls", 5, ())
    nothing = Planting(None, "unmeasured_kpi", 5, ())
    found = [
        (tested, {"headwater": [sure] * 5}),
        (fitted, {"headwater": [shy] * 15}),
        (nothing, {"headwater": [shy] * 5}),
    ]
    values = {row["metric"]: row["value"] for row in pooled(found)}
    assert values["ece/injected"] == pytest.approx(0.1)
    assert values["incidents/injected"] == 5
    assert values["declined_measured/injected"] == 0.75
    assert values["declined_unmeasured/injected"] == 1.0
