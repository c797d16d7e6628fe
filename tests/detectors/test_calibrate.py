"""What a base teaches, from it alone."""

import numpy as np
import pytest

from headwater.detectors.calibrate import LEAST, SPAN, UNKNOWN, fit_tail, learn
from headwater.online import Block


def noise(T: int = 1200, d: int = 4, seed: int = 3) -> Block:
    return np.random.default_rng(seed).normal(size=(T, d))


def path_of(tops: Block) -> Block:
    """A CUSUM that goes up to each of `tops` and back to zero."""
    return np.stack([tops, np.zeros_like(tops)], axis=1).ravel()


def test_an_exponential_tail_is_found() -> None:
    tops = np.random.default_rng(8).exponential(2.0, size=4000)
    start, count, excess, rows = fit_tail(path_of(tops))
    assert start == pytest.approx(np.quantile(tops, 0.8))
    assert (count, rows) == (800, 8000)
    assert excess / count == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize("tops", [np.empty(0), np.array([3.0]), np.array([2.0, 2.0, 2.0])])
def test_hardly_any_excursions_give_a_tail_all_the_same(tops: Block) -> None:
    tail = fit_tail(path_of(tops))
    assert (tail[1:] > 0.0).all()
    assert np.isfinite(tail).all()


def test_units_are_quiet_quantiles_of_innovations() -> None:
    quiet = learn(noise(8000))
    for k, rate in enumerate((0.3, 0.1, 0.03)):
        variance = 1.0 + rate / (2.0 - rate)  # of a sample of white noise less a running mean of the others
        np.testing.assert_allclose(quiet.span.jumps[k], 1.0 / variance, rtol=0.1)
        np.testing.assert_allclose(quiet.span.units[k], 1.0 / (2.576**2 * variance), rtol=0.15)
    np.testing.assert_allclose(quiet.span.scale, 1.0, rtol=0.1)


def test_both_sums_are_weighted_by_their_quantiles() -> None:
    rows = noise(8000)
    quiet = learn(rows)
    share = quiet.span.gains * np.array([[1.0 / SPAN], [1.0 / (1.0 - SPAN)]])
    np.testing.assert_allclose(share, 1.0 / 13.28, rtol=0.25)  # 99 % of chi^2 with 4 degrees
    wild = rows.copy()
    wild[:, 0] *= 1000.0  # spans say the same in any unit
    np.testing.assert_allclose(learn(wild).span.gains, quiet.span.gains, rtol=1e-6)


def test_the_shorter_the_base_the_less_a_lone_metric_may_say() -> None:
    short, long = learn(noise(600)), learn(noise(8000))
    assert (long.span.caps[0] > 5.0 * short.span.caps[0]).all()
    held = learn(np.repeat(noise(600), 10, axis=0))
    assert (long.span.caps[0] > 5.0 * held.span.caps[0]).all()
    assert held.fresh == pytest.approx(0.1, abs=0.001)


def test_constants_have_a_scale_and_metrics_of_few_samples_have_none() -> None:
    rows = noise(300)
    rows[:, 1], rows[:, 2], rows[LEAST - 1 :, 3] = 50.0, np.nan, np.nan
    quiet = learn(rows)
    assert quiet.span.scale[1] == pytest.approx(0.05)
    assert np.isnan(quiet.span.scale).tolist() == [False, False, True, True]
    assert (quiet.span.units[:, 2:] == 0.0).all()
    assert np.isfinite(quiet.tail).all()
    assert np.isfinite(quiet.span.gains).all()


def test_a_metric_that_rests_for_long_is_never_frozen() -> None:
    rows = noise()
    rows[100:250, 1] = 4.0
    rows[100:110, 2] = 4.0
    assert learn(rows).longest.tolist() == [0, UNKNOWN, 9, 0]


def test_metrics_do_not_depend_on_how_many_are_learned_together() -> None:
    rows = noise(400, 300)
    whole, one = learn(rows), learn(rows[:, 280:281])
    np.testing.assert_array_equal(whole.span.units[:, 280], one.span.units[:, 0])
    np.testing.assert_array_equal(whole.tail[:, 281], one.tail[:, 1])
