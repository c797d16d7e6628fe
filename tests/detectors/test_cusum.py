"""The recurrences of the CUSUMs, their thresholds, and what they learn from quiet time."""

import numpy as np
import pytest

from headwater.detectors.calibrate import fit_tail
from headwater.detectors.cusum import (
    CROWD,
    FLOOR,
    LONE,
    REARM,
    REPEAT,
    TOLD,
    Channel,
    Cusum,
    bound,
    follow,
    heights,
    maxima,
    silence,
)
from headwater.online import Block
from tests.detectors.naive_trigger import cusum_heights

FRESH = np.zeros(200, np.bool_)
TAIL = np.array([3.0, 20.0, 40.0, 10_000.0])  # from 3 on, 20 excursions of 2 above it on average, in 10,000 rows


def one(rate_rows: float = 10_000.0) -> Cusum:
    """A CUSUM of one metric beside that of the crowd, at zero."""
    zero, count = np.zeros(2), np.zeros(2, np.int64)
    tail = np.repeat(TAIL[:, None], 2, axis=1)
    tail[3] = rate_rows
    ones, rows = np.ones(2), np.array([0.0, 1.0])
    return Cusum(zero, ones, zero.copy(), ones.copy(), count, count.copy(), tail, rows)


def fed(now: Cusum, values: list[float], *, calm: bool = True, channel: Channel = LONE) -> list[bool]:
    fires = []
    for value in values:
        now.rows[0] += 1.0
        fires.append(follow(1, value, False, 1e-4, channel, now, calm))
    return fires


def test_height_is_the_largest_sum_that_ends_here() -> None:
    energies = np.random.default_rng(1).exponential(0.9, size=200)
    np.testing.assert_allclose(heights(energies, 3.0, FRESH), cusum_heights(energies.tolist(), 3.0), atol=1e-12)


def test_one_row_says_no_more_than_its_clip() -> None:
    assert heights(np.array([1e9, 0.0]), 6.0, FRESH).tolist() == [5.0, 4.0]


def test_a_repeat_lifts_less_and_sinks_as_much() -> None:
    path = heights(np.array([3.0, 3.0, 0.5]), 6.0, np.array([False, True, True]))
    assert path.tolist() == [2.0, 2.0 + REPEAT * 2.0, 1.5 + REPEAT * 2.0]


@pytest.mark.parametrize(
    ("path", "tops"),
    [([], []), ([0.0, 0.0], []), ([1.0, 3.0, 2.0, 0.0, 0.0, 4.0], [3.0, 4.0]), ([2.0, 0.0, 1.0, 0.0], [2.0, 1.0])],
)
def test_maxima(path: list[float], tops: list[float]) -> None:
    assert maxima(np.array(path)).tolist() == tops


# Thresholds


def test_inside_what_was_seen_the_threshold_is_that_of_the_exponential_tail() -> None:
    exact = CROWD._replace(doubt=0.0)
    assert bound(TAIL, 0.0, 1.0, 1e-3, exact) == pytest.approx(3.0 + 2.0 * np.log(20 / 10_000 / 1e-3))
    assert bound(TAIL, 0.0, 1.0, 0.5, exact) == 3.0
    assert bound(np.array([0.5, 20.0, 40.0, 10_000.0]), 0.0, 1.0, 0.5, exact) == FLOOR


def test_beyond_what_was_seen_each_e_fold_costs_at_least_the_steepness() -> None:
    steep = CROWD._replace(steep=7.0)
    edge, beyond = (bound(TAIL, 0.0, 1.0, rate, steep) for rate in (1e-4, 1e-4 / np.e))
    assert beyond - edge == pytest.approx(7.0)


def test_repeated_rows_vouch_for_less_and_quiet_rows_since_for_more() -> None:
    rate = 1e-7
    once, held, later = (bound(TAIL, *seen, rate, LONE) for seen in ((0.0, 1.0), (0.0, 0.1), (90_000.0, 1.0)))
    assert held > once + 0.5 * LONE.steep * np.log(10.0)
    assert later < once


def test_doubt_about_a_mean_of_few_raises_the_threshold() -> None:
    few = np.array([3.0, 4.0, 8.0, 2000.0])
    assert bound(few, 0.0, 1.0, 1e-3, LONE) > bound(few, 0.0, 1.0, 1e-3, LONE._replace(doubt=0.0))


@pytest.mark.parametrize("rate", [1e-3, 1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("channel", [CROWD, LONE])
def test_silence_at_the_threshold_is_the_rate(rate: float, channel: Channel) -> None:
    height = bound(TAIL, 500.0, 0.8, rate, channel)
    assert silence(TAIL, 500.0, 0.8, height, channel) == pytest.approx(-np.log(rate))


def test_silence_never_falls_with_height() -> None:
    found = [silence(TAIL, 0.0, 1.0, height, LONE) for height in np.linspace(0.0, 80.0, 200)]
    assert (np.diff(found) >= 0.0).all()
    assert found[-1] > found[0] + 5.0


def test_false_alarms_come_as_often_as_stated() -> None:
    """The oracle is the stream itself: thresholds of 20,000 rows, counted in 2,000,000 others."""
    rng = np.random.default_rng(6)
    units = np.quantile(rng.chisquare(1, size=100_000), 0.9)
    base, stream = (rng.chisquare(1, size=n) / units for n in (20_000, 2_000_000))

    def path(values: Block) -> Block:
        return np.asarray(heights(values, 6.0, np.zeros(len(values), np.bool_)))

    tail, tops = fit_tail(path(base)), maxima(path(stream))
    for wanted in (1e-3, 1e-4):
        found = np.count_nonzero(tops > bound(tail, 0.0, 1.0, wanted, LONE)) / len(stream)
        assert wanted / 4 < found < 1.5 * wanted


# What quiet time teaches


def test_an_alarm_is_told_once_until_it_has_sunk() -> None:
    now = one()
    fires = fed(now, [6.0] * 30)
    assert sum(fires) == 1
    assert now.height[1] == REARM
    assert fed(now, [0.0] * 3) == [False] * 3
    assert now.height[1] == now.latched[1] == 0
    assert sum(fed(now, [6.0] * 30)) == 1


def test_an_excursion_goes_into_the_tail() -> None:
    now = one()
    fed(now, [6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])  # up to 5, which is 2 above the start
    assert now.tail[:, 1].tolist() == [3.0, 21.0, 42.0, 10_000.0]
    fed(now, [2.0, 0.0, 0.0])  # below the start
    assert now.tail[1, 1] == 21.0


def test_an_excursion_that_was_told_counts_as_an_ordinary_one() -> None:
    now = one()
    excess = 2.0 * (1.0 + LONE.doubt / np.sqrt(20.0))
    fed(now, [6.0] * 30 + [0.0] * 5)
    assert now.tail[1, 1] == 21.0
    assert now.tail[2, 1] == pytest.approx(40.0 + TOLD * excess)


def test_a_long_memory_forgets_half() -> None:
    now = one(rate_rows=210_000.0)
    fed(now, [2.0, 0.0, 0.0])
    assert now.tail[1, 1] == 10.0
    assert now.tail[3, 1] + now.rows[0] == pytest.approx(105_001, abs=2)


def test_a_unit_that_is_exceeded_too_often_rises_and_sinks_back() -> None:
    now = one()
    fed(now, [1.5, 0.0, 0.0] * 100)
    assert now.ease[1] == pytest.approx(1 / 1.5, rel=0.01)  # until it is exceeded no more
    fed(now, [0.0] * 40_000)
    assert now.ease[1] == 1.0


def test_no_unit_moves_while_it_is_not_calm() -> None:
    now = one()
    fed(now, [1.5, 0.0, 0.0] * 100, calm=False)
    assert now.ease[1] == 1.0
