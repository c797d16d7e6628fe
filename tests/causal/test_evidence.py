"""How abnormal is each metric: against a slow twin, and against what the statistic is for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.causal.evidence import _LENGTHS, Surprise, median
from headwater.causal.recipe import SHIPPED

from .naive_evidence import abnormality

TYPES = np.array([0, 0, 0, 1, 1, 2])


def quiet(seed, n=160, d=6, holes=0.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_t(4, size=(n, d)) * [1, 2, 0.5, 10, 20, 0.1][:d] + 50
    for t in range(1, n):
        X[t, 3:] += 0.6 * (X[t - 1, 3:] - 50)
    X[rng.random(X.shape) < holes] = np.nan
    return X


def scored(history, window, types=TYPES, restarts=None, recipe=SHIPPED):
    surprise = Surprise(types=types, recipe=recipe)
    return surprise.score(surprise.fit(history, restarts), window)


CASES = {
    "plain": {},
    "holes": {"holes": 0.15},
    "one row": {"rows": 1},
    "longer than any quiet window": {"rows": 47},
    "restarts": {"restarts": (40, 41, 90)},
    "restart at the first row": {"restarts": (0, 100)},
    "constant columns": {"constant": (1, 5)},
    "a column that was never seen": {"gone": (2,)},
    "a column that vanishes in the window": {"silent": (0,)},
    "hardly any history": {"n": 12},
    "history of one window": {"n": 9, "rows": 8},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_it_is_what_the_formulas_say(case, seed):
    told = {"rows": 9, "n": 160, "holes": 0.0, "restarts": (), "constant": (), "gone": (), "silent": ()} | CASES[case]
    X = quiet(seed, told["n"] + told["rows"], holes=told["holes"])
    X[:, list(told["constant"])] = 7.0
    X[: told["n"], list(told["gone"])] = np.nan
    history, window = X[: told["n"]], X[told["n"] :].copy()
    window[:, 0] += 12
    window[:2, 4] -= 300
    window[:, list(told["silent"])] = np.nan
    restarts = np.isin(np.arange(told["n"]), told["restarts"])
    evidence = scored(history, window, restarts=restarts)
    expected, ratio = abnormality(history, window, TYPES, restarts, _LENGTHS)
    np.testing.assert_allclose(evidence.abnormal, expected, rtol=1e-9)
    assert evidence.ratio == pytest.approx(ratio, rel=1e-9)


def test_a_lasting_and_a_short_change_are_both_found():
    history = quiet(3)
    lasting, short = quiet(4, 12), quiet(4, 12)
    lasting[:, 1] += 14
    short[:2, 1] += 40
    calm = scored(history, quiet(4, 12)).abnormal[1]
    for window in (lasting, short):
        evidence = scored(history, window)
        assert evidence.abnormal.argmax() == 1
        assert evidence.abnormal[1] > 2 > calm
        assert evidence.ratio > 1.5


def test_what_comes_late_counts_less():
    history = quiet(3)
    found = []
    for at in (0, 10, 30):
        window = quiet(4, 40)
        window[at : at + 3, 1] += 40
        found.append(scored(history, window).abnormal[1])
    assert found[0] > found[1] > found[2]


def test_one_is_the_one_in_a_hundred_event_of_quiet_time():
    surprise = Surprise(types=np.zeros(6, np.int64))
    X = np.random.default_rng(8).normal(size=(2000, 6))
    model = surprise.fit(X[:600])
    starts = range(600, 1960, 8)
    found = [surprise.score(surprise.advance(model, X[600:s]), X[s : s + 8]).abnormal for s in starts]
    share = (np.array(found) > 1).mean()
    assert 0.001 < share < 0.05  # two statistics are each calibrated at .01


def test_metrics_of_one_type_lend_each_other_their_scale():
    history, window = quiet(3, 40), quiet(4, 6)
    history[:, 0] = 50.0  # has not moved so far, as its type does
    window[:, 0] = 51.0
    together, alone = scored(history, window), scored(history, window, types=np.array([9, 0, 0, 1, 1, 2]))
    assert together.abnormal[0] < alone.abnormal[0]


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_units_do_not_matter(factor):
    history, window = quiet(3), quiet(4, 8)
    window[:, 2] += 4
    plain = scored(history, window)
    unit = np.array([factor, factor, factor, 1, 1, 1])
    np.testing.assert_allclose(scored(history * unit, window * unit).abnormal, plain.abnormal, rtol=1e-6)


def test_the_deviation_has_the_metrics_unit_and_sign():
    history, window = quiet(3), quiet(4, 9)
    window[:, 0] += 30
    window[:, 1] -= 30
    deviation = scored(history, window).deviation
    assert deviation[0] == pytest.approx(30, abs=4)
    assert deviation[1] == pytest.approx(-30, abs=4)


PARTS = {
    "sustained": ("sustained", 0.0, 2),
    "sharp": ("sharp", 0.0, 2),
    "lasting": ("lasting", 0.0, 40),
    "tail": ("tail", 0.0, 8),
    "clip": ("clip", 0.0, 8),
    "kin": ("kin", 0.0, 8),
    "young": ("young", 0.0, 8),
    "early": ("early", 0.0, 30),
}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_can_be_switched_off_and_changes_something(part):
    name, off, rows_ = PARTS[part]
    history, window = quiet(3, 120), quiet(4, rows_)
    window[0, 0] += 30
    window[:, 3] += 25
    window[rows_ // 2 :, 4] += 90
    with_it = scored(history, window).abnormal
    without = scored(history, window, recipe=replace(SHIPPED, **{name: off})).abnormal
    assert np.isfinite(without).all()
    assert not np.allclose(with_it, without)


def test_in_a_short_history_levels_and_forecasts_say_little():
    """Of sixteen rows the last two happen to be high: a level that follows them calls the usual unusual."""
    rng = np.random.default_rng(0)
    history, window = rng.normal(size=(16, 3)), rng.normal(size=(4, 3))
    history[-4:, 0] += 5
    window[:, 1] += 4
    found, sure = scored(history, window, types=np.zeros(3, np.int64)), replace(SHIPPED, young=0.0)
    followed = scored(history, window, types=np.zeros(3, np.int64), recipe=sure)
    assert found.abnormal[1] / found.abnormal[0] > followed.abnormal[1] / followed.abnormal[0]


def test_a_level_that_moved_while_nobody_looked_is_the_level():
    """Each night is cut out; one of them has moved a metric for good, as a restart does its memory."""
    history, window = quiet(3, 300), quiet(4, 20)
    history[288:, 0] += 60
    window[:, 0] += 60
    restarts = np.isin(np.arange(300), (100, 288))
    assert scored(history, window, restarts=restarts).abnormal[0] < 2
    surprise = Surprise(types=TYPES)
    knows, does_not = surprise.fit(history, restarts).slow[0], surprise.fit(history).slow[0]
    assert knows == pytest.approx(110, abs=2)
    assert does_not < 100


def test_a_window_longer_than_what_history_can_speak_of_is_looked_at_in_part():
    history, window = quiet(3, 90), quiet(4, 200)
    window[40:] += 1e3
    np.testing.assert_array_equal(scored(history, window).abnormal, scored(history, window[:30]).abnormal)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(0, 60), st.floats(0, 1))
def test_no_input_gives_anything_but_finite_numbers(seed, rows, n, holes):
    rng = np.random.default_rng(seed)
    X = rng.choice([0.0, 1.0, -1e12, 1e-12, np.nan, 3.5], size=(n + rows, 4), p=[0.4, 0.3, 0.05, 0.05, 0.1, 0.1])
    X[rng.random(X.shape) < holes] = np.nan
    restarts = rng.random(n) < 0.1
    evidence = scored(X[:n], X[n:], types=np.array([0, 0, 1, 2]), restarts=restarts)
    assert np.isfinite(evidence.abnormal).all()
    assert (evidence.abnormal >= 0).all()
    assert np.isfinite(evidence.deviation).all()
    assert np.isfinite(evidence.ratio)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 1000))
def test_the_order_of_the_columns_does_not_matter(order, seed):
    history, window = quiet(seed), quiet(seed + 1, 7)
    order = list(order)
    a = scored(history, window)
    b = scored(history[:, order], window[:, order], types=TYPES[order])
    np.testing.assert_allclose(b.abnormal, a.abnormal[order], rtol=1e-9)


def test_advancing_is_a_later_start():
    """The level and the context of a forecast move on; what is usual stays what history says."""
    surprise = Surprise(types=TYPES)
    history, rows = quiet(3), quiet(5, 12)
    rows[:, 0] += 8
    model = surprise.fit(history)
    later = surprise.advance(model, rows)
    assert later.level[0] > model.level[0] + 2
    np.testing.assert_array_equal(later.tail, rows[-3:])
    np.testing.assert_array_equal(later.scale, model.scale)
    np.testing.assert_array_equal(later.slow, model.slow)  # what may be the fault does not move it
    step_by_step = surprise.advance(surprise.advance(model, rows[:5]), rows[5:])
    np.testing.assert_allclose(step_by_step.level, later.level)
    one = surprise.advance(model, rows[:1])
    np.testing.assert_array_equal(one.tail, np.vstack([history[-2:], rows[:1]]))


def test_scoring_changes_nothing():
    surprise = Surprise(types=TYPES)
    history, window = quiet(3), quiet(4, 6)
    copies = history.copy(), window.copy()
    model = surprise.fit(history)
    first = surprise.score(model, window)
    for a, b in zip(first, surprise.score(model, window), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(history, copies[0])
    np.testing.assert_array_equal(window, copies[1])


def test_a_median_is_that_of_the_finite_rows():
    X = np.array([[1.0, np.nan, np.inf], [2.0, np.nan, 4.0], [9.0, np.nan, 6.0]])
    assert median(X).tolist() == [2.0, 0.0, 5.0]
    assert median(np.empty((0, 2))).tolist() == [0.0, 0.0]
