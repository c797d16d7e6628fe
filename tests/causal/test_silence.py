"""A metric that goes silent: against what was a gap before, and not where everything is missing."""

import numpy as np
import pytest

from headwater.causal.evidence import Surprise
from headwater.causal.silence import Silence

from .naive_evidence import silence


def rows(n, d=6, *, seed=0, holes=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[rng.random(X.shape) < holes] = np.nan
    return X


@pytest.mark.parametrize("seed", range(8))
def test_it_is_what_the_formula_says(seed):
    history, window = rows(80, seed=seed, holes=0.05 * seed), rows(12, seed=seed + 50, holes=0.05 * seed)
    window[seed:, seed % 6] = np.nan
    history[40:, 5] = np.nan
    times, blind = Silence.of(history).judge(window)
    assert not blind
    np.testing.assert_array_equal(times, silence(history, window))


def test_what_comes_back_was_a_gap():
    window = rows(12)
    window[2:9, 0] = np.nan
    assert Silence.of(rows(80)).judge(window)[0].tolist() == [0.0] * 6


def test_what_was_hardly_ever_reported_cannot_go_silent():
    history, window = rows(80), rows(12)
    history[:-29, 2] = np.nan
    window[:, 2] = np.nan
    assert not Silence.of(history).judge(window)[0].any()


def test_what_was_silent_before_is_no_news():
    history, window = rows(80), rows(12)
    history[60:, 2] = np.nan
    window[:, 2] = np.nan
    assert not Silence.of(history).judge(window)[0].any()


def test_where_most_of_it_is_missing_the_collection_failed():
    window = rows(12)
    window[4:, :3] = np.nan
    assert Silence.of(rows(80)).judge(window) == (pytest.approx([8.0, 8.0, 8.0, 0, 0, 0]), False)
    window[4:, 3] = np.nan
    assert Silence.of(rows(80)).judge(window) == (pytest.approx(np.zeros(6)), True)


def test_a_lone_metric_of_a_small_system_may_be_its_cause():
    window = rows(12, d=1)
    window[4:] = np.nan
    assert Silence.of(rows(80, d=1)).judge(window) == (pytest.approx([8.0]), False)


@pytest.mark.parametrize("seed", range(10))
def test_signal_loss_stands_first_however_loud_the_rest(seed):
    surprise = Surprise(types=np.zeros(6, np.int64))
    history, window = rows(300, seed=seed), rows(10, seed=seed + 50)
    window[2:, 1] += 60.0
    window[3:, 4] = np.nan
    evidence = surprise.score(surprise.fit(history), window)
    assert np.argsort(-evidence.abnormal)[:2].tolist() == [4, 1]
    assert evidence.ratio > 2
    assert evidence.abnormal[4] == evidence.silent[4]
    assert evidence.sustained[4] < 2
