"""Hits, false alarms, change points and chance are counted as they are said to be, against slow twins and by hand."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from headwater.benchmarks.detection.scoring import REARM, Counts, Labels, chance, count, events, f1, match, nab, total

from .naive_scoring import adjusted_f1, naive_count, naive_events

Rows = NDArray[np.int64]
DAY = Labels(rows=1440, segments=((100, 109), (500, 540), (560, 569)), grace=30)  # rows are minutes


def at(*rows: int) -> Rows:
    return np.array(rows, np.int64)


@pytest.mark.parametrize(
    ("alarms", "hits", "false"),
    [
        (at(97), 1, 0),  # three rows early
        (at(96), 0, 1),  # four
        (at(109), 1, 0),
        (at(110), 0, 0),  # after it, in the grace: neither
        (at(139), 0, 0),
        (at(140), 0, 1),
        (at(101, 104), 1, 0),  # two in a segment are one hit, and none is false
        (at(545), 0, 0),
        (at(557), 1, 0),  # early for the third, in the grace of the second
        (at(10, 102, 300, 520, 1000), 2, 3),
        (at(), 0, 0),
    ],
)
def test_what_an_alarm_is_worth(alarms: Rows, hits: int, false: int) -> None:
    counts = count(alarms, DAY)
    assert (counts.events, counts.hits, counts.false) == (3, hits, false)


@pytest.mark.parametrize(("grace", "false"), [(30, 0), (12, 1)])
def test_the_grace_is_half_an_hour_of_minutes_or_an_hour_of_five(grace: int, false: int) -> None:
    assert count(at(125), DAY._replace(grace=grace)).false == false


def test_delays_are_of_the_first_alarm_and_never_negative() -> None:
    assert count(at(98, 105, 510, 511), DAY).delays == (0, 10)


def test_a_hit_may_be_asked_for_within_so_many_rows() -> None:
    assert count(at(529), DAY, early=0, within=30).hits == 1
    assert count(at(530), DAY, early=0, within=30).hits == 0
    assert count(at(99), DAY, early=0, within=30).hits == 0


@pytest.mark.parametrize("seed", range(20))
def test_counts_equal_the_naive_twin(seed: int) -> None:
    draw = np.random.default_rng(seed)
    edges = np.sort(draw.choice(400, 10, replace=False))
    labels = Labels(400, tuple(map(tuple, edges.reshape(5, 2).tolist())), int(draw.integers(0, 40)))
    over = draw.random(400) < 0.08
    alarms = events(over)
    assert alarms.tolist() == naive_events(over.tolist(), REARM)
    assert count(alarms, labels) == naive_count(alarms.tolist(), labels, early=3)


def test_point_adjustment_would_be_caught() -> None:
    """One alarm in a long segment and twenty false ones: adjusted it looks fine, and it is not."""
    labels = Labels(10_000, ((1000, 3999), (8000, 8005), (9000, 9005)), 30)
    alarms = [3500, *range(4100, 6100, 100)]
    assert adjusted_f1(alarms, labels) > 0.95
    counts = count(np.array(alarms), labels)
    assert f1(counts) == pytest.approx(2 / (1 + 20 + 3))
    assert abs(adjusted_f1(alarms, labels) - f1(naive_count(alarms, labels, early=3))) > 0.8


def test_streams_are_added_before_any_ratio() -> None:
    parts = [Counts(2, 2, 0, 100, (1, 2)), Counts(2, 0, 6, 50, ())]
    assert total(parts) == Counts(4, 2, 6, 150, (1, 2))
    assert f1(total(parts)) == pytest.approx(4 / 12)


def test_chance_is_what_random_alarms_make_in_the_mean() -> None:
    draw = np.random.default_rng(3)
    runs = [count(np.sort(draw.integers(0, DAY.rows, 12)), DAY) for _ in range(4000)]
    hits, false = chance(12, DAY)
    assert hits == pytest.approx(np.mean([run.hits for run in runs]), abs=0.03)
    assert false == pytest.approx(np.mean([run.false for run in runs]), abs=0.1)


def test_one_alarm_is_for_one_change_point() -> None:
    changes = (100, 140, 300)
    assert match(at(150), changes, 60, 400) == Counts(3, 1, 0, 400, (50,))
    assert match(at(150, 151), changes, 60, 400) == Counts(3, 2, 0, 400, (50, 11))
    assert match(at(99, 361), changes, 60, 400) == Counts(3, 0, 2, 400, ())
    assert match(at(310, 311), changes, 60, 400).false == 1


STANDARD = (1.0, -0.11, -1.0)


def test_nab_earns_the_most_at_once_and_loses_for_what_it_misses() -> None:
    assert nab(at(100), [100], 60, STANDARD) == pytest.approx(1.0)
    assert nab(at(160), [100], 60, STANDARD) == pytest.approx(-0.11)
    assert nab(at(130), [100], 60, STANDARD) == pytest.approx((1.0 - 0.11) / 2)
    assert nab(at(), [100], 60, STANDARD) == -1.0
    assert nab(at(50, 161), [100], 60, STANDARD) == pytest.approx(-1.22)
    assert nab(at(100, 120), [100], 60, STANDARD) == pytest.approx(1.0), "the second alarm in a window costs nothing"
    quarter = 0.5 * 1.11 * (1 + math.tanh(math.pi / 4) / math.tanh(math.pi / 2)) - 0.11
    assert nab(at(115), [100], 60, STANDARD) == pytest.approx(quarter)


def test_the_window_after_an_overlapped_one_is_cut() -> None:
    assert nab(at(150), [100, 140], 60, STANDARD) == pytest.approx(nab(at(150), [100], 60, STANDARD) - 1.0)
    assert nab(at(100, 161), [100, 140], 60, STANDARD) == pytest.approx(2.0)
