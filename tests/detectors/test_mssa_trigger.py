"""mSSA-CPD against its slow twin, and what happens before, at and after its alarms."""

from typing import Any

import numpy as np
import pytest

from headwater.benchmarks.detection.mssa_series import generated
from headwater.benchmarks.peers.mssa_released import mssa_released
from headwater.detectors import mssa
from headwater.detectors.mssa_trigger import MssaTrigger
from headwater.detectors.trigger_info import TriggerInfo
from headwater.online import Block

SETTING: dict[str, Any] = {"base": 240, "window": 12, "rank": 0.5, "theta": 1.0, "folds": 100}


def alarms(info: TriggerInfo) -> list[int]:
    return np.flatnonzero(info.alarm).tolist()


def waves(T: int, d: int, period: float, seed: int = 3, noise: float = 0.2) -> Block:
    draw = np.random.default_rng(seed)
    return np.sin(2 * np.pi * np.arange(T)[:, None] / period + np.arange(d)) + noise * draw.normal(size=(T, d))


def changing(T: int = 2000, at: int = 1200, d: int = 3) -> Block:
    return np.vstack([waves(at, d, 12.0), waves(T - at, d, 8.0, seed=4)])


@pytest.mark.parametrize("statistic", ["released", "frobenius"])
def test_alarms_are_those_of_the_slow_twin(statistic: str) -> None:
    some = 0
    for seed in range(20):
        rows = generated(seed)
        info = MssaTrigger(standardize=False, statistic=statistic, **SETTING).step(rows)
        run = mssa_released(rows, statistic=statistic, **SETTING)
        assert alarms(info) == run.alarms.tolist()
        np.testing.assert_array_equal(np.isnan(info.joint), np.isnan(run.height))
        np.testing.assert_allclose(info.joint, run.height, atol=1e-6)
        some += len(run.alarms)
    assert some >= 30


def test_the_twin_catches_a_window_that_is_a_row_late() -> None:
    rows = generated(0)
    late = MssaTrigger(standardize=False, **SETTING).step(np.vstack([rows[:1], rows[:-1]]))
    assert alarms(late) != mssa_released(rows, **SETTING).alarms.tolist() != []


def test_the_base_scales() -> None:
    rows = changing()
    mean, sd = rows[:600].mean(axis=0), rows[:600].std(axis=0)
    by_hand = MssaTrigger(base=600, after="latch", standardize=False).step((rows - mean) / sd)
    itself = MssaTrigger(base=600, after="latch").step(rows * [1.0, 1e6, 1e-6] + [0.0, -5e5, 3.0])
    assert alarms(itself) == alarms(by_hand)
    np.testing.assert_allclose(itself.joint, by_hand.joint, atol=1e-4)


def test_learns_then_sees_the_change_then_learns_again() -> None:
    info = MssaTrigger(base=600).step(changing())
    assert np.isnan(info.joint[:599]).all()  # 25 windows of 24 rows
    assert info.learning[[0, 299, 599, 1999]].tolist() == [1 / 600, 0.5, 1.0, 1.0]
    (at,) = alarms(info)
    assert 1200 <= at < 1224
    assert 1190 <= at - info.onset[at] <= at
    assert np.isnan(info.joint[at + 1 : at + 600]).all()
    assert np.isfinite(info.joint[at + 600 :]).all()
    assert (info.joint[at + 600 :] < 1.0).all()
    assert np.isnan(info.scores).all()


def test_latched_it_alarms_again_only_after_rest() -> None:
    rows = np.vstack([waves(1200, 3, 12.0), waves(60, 3, 8.0), waves(600, 3, 12.0, seed=9), waves(60, 3, 8.0)])
    trigger = MssaTrigger(base=600, after="latch")
    info = trigger.step(rows)
    first, second = alarms(info)
    assert 1200 <= first < 1230
    assert 1860 <= second < 1890
    assert np.isfinite(info.joint[600:]).all()
    assert info.joint.max(initial=0.0, where=np.isfinite(info.joint)) < 3.0  # it does not run away meanwhile
    assert info.joint[1800] == 0.0
    assert trigger.snapshot()["learned"] == 1


def test_contributions_are_the_distances_of_the_metrics() -> None:
    rows = waves(1500, 4, 12.0)
    rows[1200:, 2] = waves(300, 4, 8.0)[:, 2]
    trigger = MssaTrigger(base=600, after="latch", standardize=False)
    info = trigger.step(rows)
    at = alarms(info)[0]
    complement = np.asarray(trigger.snapshot()["complement"])
    expected = np.linalg.norm(complement.T @ rows[at - 23 : at + 1], axis=0)
    np.testing.assert_allclose(info.contributions[at], expected)
    assert info.contributions[at].argmax() == 2
    assert np.isnan(info.contributions[at - 1]).all()
    assert info.strength[at] == info.score[at]


def test_score_grows_with_the_height_and_is_there_when_calm() -> None:
    info = MssaTrigger(base=600).step(changing())
    at = alarms(info)[0]
    quiet = info.score[600:1190]
    assert np.isfinite(quiet).all()
    assert (info.score[at] > quiet).all()
    assert np.isnan(info.score[:599]).all()


def test_score_says_how_rare_heights_are_to_an_order_of_magnitude() -> None:
    info = MssaTrigger(base=600, window=12, rank=2, theta=1e9).step(waves(40_000, 4, 12.0, noise=1.0))
    height = info.score[np.nanargmax(info.score)] - 1.0
    often = int((np.diff((info.score >= height).astype(int)) == 1).sum())
    expected = 39_400 * np.exp(-height)
    assert expected / 30 < often < expected * 30


def test_frobenius_recursion_is_the_projection_of_each_window() -> None:
    rows = waves(900, 3, 12.0)
    trigger = MssaTrigger(base=600, statistic="frobenius", theta=1e-6, after="latch", standardize=False)
    trigger.fit(rows[:600])
    signal, now = trigger._state.views()
    for t in range(600, 700):
        mssa.enter(rows[t], signal, now, False)
        direct = np.linalg.norm(signal.complement.T @ rows[t - 23 : t + 1]) ** 2
        assert mssa.statistic(signal, now, False) == pytest.approx(direct)


def test_nothing_accumulates_after_a_wild_sample() -> None:
    rows = waves(900, 3, 12.0)
    wild = rows.copy()
    wild[620, 1] = 1e15
    heights = []
    for X in (rows, wild):
        trigger = MssaTrigger(base=600, statistic="frobenius", theta=1e9, after="latch")
        trigger.fit(X[:600])
        trigger.step(X[600:700])
        signal, now = trigger._state.views()
        heights.append(mssa.statistic(signal, now, False))
    assert heights[0] == heights[1]


def test_a_missing_sample_counts_as_the_mean() -> None:
    rows = changing()
    mean = rows[:600].mean(axis=0)
    gaps, filled = rows.copy(), rows.copy()
    gaps[700:710, 1], filled[700:710, 1] = np.nan, mean[1]
    one, other = (MssaTrigger(base=600, statistic="frobenius").step(X) for X in (gaps, filled))
    np.testing.assert_allclose(one.joint, other.joint, atol=1e-12)


def test_constants_are_quiet_and_a_new_metric_waits_for_the_next_base() -> None:
    rows = np.full((2000, 2), 0.1)
    assert alarms(MssaTrigger(base=600).step(rows)) == []
    rows[1500:] = 0.3
    assert 1500 <= alarms(MssaTrigger(base=600).step(rows))[0] < 1524
    late = np.hstack([waves(2000, 2, 12.0), np.full((2000, 1), np.nan)])
    late[1000:, 2] = 1e3
    trigger = MssaTrigger(base=600)
    assert alarms(trigger.step(late)) == []
    trigger.rebase(late[1200:])
    assert np.asarray(trigger.snapshot()["scale"])[2] == 1.0


def test_fit_is_stepping_through_the_base() -> None:
    rows = changing()
    stepped, fitted = MssaTrigger(base=600), MssaTrigger(base=600)
    stepped.step(rows[:600])
    fitted.fit(rows[:600])
    for field in ("limits", "window", "products", "complement"):
        np.testing.assert_array_equal(np.asarray(stepped.snapshot()[field]), np.asarray(fitted.snapshot()[field]))
    np.testing.assert_array_equal(stepped.step(rows[600:]).joint, fitted.step(rows[600:]).joint)


def test_a_short_base_begins_and_a_short_rebase_keeps() -> None:
    rows = changing()
    trigger = MssaTrigger(base=600)
    trigger.fit(rows[:100])
    assert trigger.step(rows[100:101]).learning[0] == 101 / 600
    trigger.fit(rows[:600])
    before = np.asarray(trigger.snapshot()["limits"])
    trigger.step(rows[1190:1204])
    trigger.rebase(rows[1200:1300])
    assert np.array_equal(before, np.asarray(trigger.snapshot()["limits"]))
    assert np.asarray(trigger.snapshot()["height"])[0] == 0.0


def test_river() -> None:
    trigger = MssaTrigger(base=60)
    for a, b in waves(80, 2, 12.0).tolist():
        trigger.learn_one({"a": a, "b": b})
    assert trigger.score_one({"a": 0.0, "b": 0.0}) < 1.0 < trigger.score_one({"b": 90.0, "a": 90.0})
    trigger.learn_one({"c": 1.0})
    assert np.asarray(trigger.snapshot()["names"]).tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"base": 20, "window": 12}, "two windows"),
        ({"base": 0}, "two windows"),
        ({"window": 1}, "two windows"),
        ({"rank": 0.0}, "rank"),
        ({"rank": 1.5}, "rank"),
        ({"rank": 24}, "rank"),
        ({"theta": 0.0}, "theta"),
        ({"folds": 0}, "folds"),
        ({"statistic": "sum"}, "'sum'"),
        ({"after": "never"}, "'never'"),
    ],
)
def test_bad_settings_are_named(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MssaTrigger(**setting)


def test_fewer_metrics_than_before_are_refused() -> None:
    trigger = MssaTrigger()
    trigger.step(np.zeros((5, 3)))
    with pytest.raises(ValueError, match="only ever added"):
        trigger.step(np.zeros((5, 2)))
