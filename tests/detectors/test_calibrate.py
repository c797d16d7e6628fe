"""Thresholds from the base alone."""

import numpy as np
import pytest

from headwater.detectors.calibrate import Quiet, Tail, fit_tail, lone_rows, raised, silence, threshold
from headwater.detectors.calibrate import learn as learn_broken
from headwater.detectors.cusum import cusum, maxima
from headwater.online import Block

CONFIG = {"window": 10, "rank": None, "whole": False, "alarms": 1e-5}


def learn(rows: Block, **config: object) -> Quiet:
    return learn_broken(rows, np.zeros(rows.shape, np.bool_), **config)


def noise(T: int = 1200, d: int = 4, seed: int = 3) -> Block:
    return np.random.default_rng(seed).normal(size=(T, d))


def test_an_exponential_tail_is_found() -> None:
    tops = np.random.default_rng(8).exponential(2.0, size=4000)
    tail = fit_tail(tops, rows=100_000)
    assert tail.start == pytest.approx(np.quantile(tops, 0.8), rel=1e-3)
    assert tail.excess == pytest.approx(2.0, rel=0.15)
    assert tail.rate == 800 / 100_000


def test_false_alarms_come_as_often_as_stated() -> None:
    """The oracle is the stream itself: thresholds of 20,000 rows, counted in 2,000,000 others."""
    rng = np.random.default_rng(6)
    units = np.quantile(rng.chisquare(1, size=100_000), 0.9)
    base, stream = (rng.chisquare(1, size=n) / units for n in (20_000, 2_000_000))
    fresh = np.zeros(2_000_000, np.bool_)
    tail = fit_tail(maxima(cusum(base, 6.0, fresh[:20_000])), len(base))
    for wanted in (1e-3, 1e-4):
        found = np.count_nonzero(maxima(cusum(stream, 6.0, fresh)) > threshold(tail, wanted)) / len(stream)
        assert wanted / 4 < found < 1.5 * wanted


@pytest.mark.parametrize("tops", [np.empty(0), np.array([3.0]), np.array([2.0, 2.0, 2.0])])
def test_hardly_any_excursions_give_a_tail_all_the_same(tops: Block) -> None:
    tail = fit_tail(tops, rows=600)
    assert tail.excess > 0.0
    assert tail.rate > 0.0
    assert np.isfinite(threshold(tail, 1e-9))


def test_strength_at_the_threshold_is_the_false_alarm_rate() -> None:
    for tail in (Tail(1.0, 0.5, 0.01), raised(Tail(1.0, 0.5, 0.01), 1e-6, floor=40.0), lone_rows(6.0)):
        height = np.array([threshold(tail, 1e-6)])
        assert silence(np.array(tail)[:, None], height)[0] == pytest.approx(-np.log(1e-6))


def test_a_floor_raises_the_tail_and_never_lowers_it() -> None:
    tail = Tail(1.0, 0.5, 0.01)
    assert threshold(raised(tail, 1e-6, floor=40.0), 1e-6) == pytest.approx(40.0)
    assert raised(tail, 1e-6, floor=0.1) == tail
    assert threshold(raised(tail, 0.5, floor=40.0), 0.5) == 40.0


def test_rarer_false_alarms_need_higher_thresholds() -> None:
    often, seldom = (learn(noise(), **CONFIG | {"alarms": rate}) for rate in (1e-3, 1e-7))
    assert (seldom.base.bound > often.base.bound).all()
    assert seldom.base.joint[2] > often.base.joint[2]


def test_one_metric_more_makes_each_of_them_less_free() -> None:
    few, many = (learn(noise(d=d), **CONFIG) for d in (2, 40))
    assert np.median(many.base.bound) > np.median(few.base.bound)


def test_a_short_or_repeated_base_has_a_higher_floor() -> None:
    long, short = learn(noise(), **CONFIG), learn(noise(300), **CONFIG)
    held = learn(np.repeat(noise(40), 30, axis=0), **CONFIG)
    assert held.base.bound.min() > short.base.bound.min() + 10.0 > long.base.bound.min() + 11.0
    assert held.base.joint[2] > 600 / 40


def test_units_are_quiet_quantiles_of_held_out_energies() -> None:
    quiet = learn(noise(6000), **CONFIG | {"rank": 1})
    expected = 6.635 * (1 + 1 / 9)  # 99 % of chi^2 with 1 degree, times the error of a mean of 9
    np.testing.assert_allclose(quiet.base.unit, expected, rtol=0.15)
    np.testing.assert_allclose(quiet.base.scale, 1.0, rtol=0.1)


def test_constants_have_a_scale_and_empty_metrics_have_no_base() -> None:
    rows = noise(300, 4)
    rows[:, 1], rows[:, 2], rows[29:, 3] = 50.0, np.nan, np.nan
    quiet = learn(rows, **CONFIG)
    assert quiet.base.scale[1] == pytest.approx(0.05)
    assert np.isnan(quiet.base.unit).tolist() == [False, False, True, True]
    assert np.isnan(quiet.base.bound).tolist() == [False, False, True, True]
    assert np.isfinite(quiet.base.joint).all()
