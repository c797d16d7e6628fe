"""The peers are what they claim to be: the numpy twin equals ours, BARO and N-Sigma equal their definitions."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import RobustScaler, StandardScaler

from headwater.benchmarks.peers.baro import baro_order
from headwater.benchmarks.peers.nsigma import nsigma
from headwater.benchmarks.peers.numpy_twin import Moments, QuietStep, Watch
from headwater.causal.moments import LaggedMoments
from headwater.detectors import TriggerPoint
from headwater.detectors.trigger import JOINT_SHARE
from headwater.streaming.pipeline import Pipeline
from headwater.streaming.pipeline_config import PipelineConfig
from headwater.streaming.records import Frame, Series, Tick

D = 12
SERIES = tuple(Series("s", f"e{j}", "m") for j in range(D))
Floats = NDArray[np.float64]


def rows(seed: int, *, missing: float = 0.0) -> Floats:
    rng = np.random.default_rng(seed)
    X = 0.3 * np.cumsum(0.1 * rng.normal(size=(1100, D)), axis=0) + rng.normal(size=(1100, D))
    X[:, 3] = np.round(X[:, 3])  # repeats
    X[rng.random(X.shape) < missing] = np.nan
    return X


RATES = (JOINT_SHARE / 86400, (1.0 - JOINT_SHARE) / 86400 / D)


def learned(X: Floats) -> TriggerPoint:
    trigger = TriggerPoint()
    trigger.fit(X[:600])
    return trigger


@pytest.mark.parametrize("missing", [0.0, 0.02])
def test_the_twin_gives_the_same_ticks_as_the_pipeline(missing: float) -> None:
    X = rows(1, missing=missing)
    pipeline = Pipeline(PipelineConfig(system="s", on_kpi=True))
    pipeline.learn(Frame("s", np.arange(600.0), X[:600], np.zeros((600, D)), SERIES))
    pipeline.learned()
    base = learned(X.astype(np.float32).astype(np.float64))  # the ring keeps float32
    twin = QuietStep("s", base.snapshot(), RATES, relearn=7200, history=1800)
    ours = [
        event
        for event in pipeline.step(Frame("s", np.arange(600.0, 1100.0), X[600:], np.zeros((500, D)), SERIES))
        if isinstance(event, Tick)
    ]
    theirs = [twin.step(float(t), X[t]) for t in range(600, 1100)]
    assert len(ours) == len(theirs) == 500
    for a, b in zip(ours, theirs, strict=True):
        assert a.time == b.time
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_allclose(a.scores, b.scores, rtol=1e-6, atol=1e-9)
        assert a.joint == pytest.approx(b.joint, rel=1e-9, abs=1e-12)


def test_the_twin_follows_alarms_too() -> None:
    X = rows(2)
    X[700:740:2, 4] += 12.0
    X[820:900] *= 3.0
    X[1000:, 5:8] = X[999, 5:8]
    trigger = learned(X)
    twin = Watch(trigger.snapshot(), RATES, 7200)
    info = trigger.step(X[600:1100])
    assert set(info.alarm.tolist()) == {0, 1, 2, 3}, "all channels must have alarmed, else this tests nothing"
    for t in range(500):
        scores, joint = twin.step(X[600 + t])
        np.testing.assert_allclose(scores, info.scores[t], rtol=1e-9, atol=1e-12)
        assert joint == pytest.approx(info.joint[t], rel=1e-9, abs=1e-12)
    state = trigger.snapshot()
    for name in ("level", "tail", "ease", "bound", "longest", "run", "since", "latched"):
        np.testing.assert_allclose(getattr(twin, name), state[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_twins_moments_are_ours(missing: float) -> None:
    X = rows(3, missing=missing)[:320]
    ours, twin = LaggedMoments(), Moments(D)
    ours.step(X)
    for row in X:
        twin.step(row)
    np.testing.assert_allclose(twin.gamma, ours.snapshot()["gamma"], rtol=1e-9, atol=1e-9)


def test_baro_orders_by_the_largest_rise_over_the_interquartile_range() -> None:
    X = rows(4)
    X[600:604, 7] += 20.0
    X[600:604, 2] -= 50.0  # downwards: BARO's DataFrame path does not look there
    history, window = X[:600], X[600:604]
    order = baro_order([f"c{j}" for j in range(D)], history, window)
    rises = RobustScaler().fit(history).transform(window).max(axis=0)
    moved = np.flatnonzero(np.ptp(window, axis=0) > 0)
    assert order == moved[np.argsort(-rises[moved], kind="stable")].tolist()
    assert order[0] == 7
    assert order.index(2) > 5


def test_baro_leaves_out_what_stands_still_in_the_window() -> None:
    X = rows(5)
    X[600:604, 1] = 40.0
    assert 1 not in baro_order([f"c{j}" for j in range(D)], X[:600], X[600:604])


def test_nsigma_is_the_largest_z_of_the_standard_scaler() -> None:
    X = rows(6)
    X[:, 5] = 2.5
    X[601, 5] = 3.5
    scores = nsigma(X[:600], X[600:604])
    np.testing.assert_allclose(scores, StandardScaler().fit(X[:600]).transform(X[600:604]).max(axis=0), rtol=1e-9)
    assert scores[5] == 1.0


def test_nsigma_of_nothing_is_no_evidence() -> None:
    X = rows(7)
    X[600:604, 0] = np.nan
    X[:600, 1] = np.nan
    scores = nsigma(X[:600], X[600:604])
    assert scores[0] == scores[1] == 0.0
    assert np.isfinite(scores).all()
