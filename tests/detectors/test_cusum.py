"""The recurrences of the CUSUMs."""

import numpy as np
import pytest

from headwater.detectors.cusum import REPEAT, cusum, echo_limit, joint_energy, maxima
from tests.detectors.naive_trigger import cusum_heights


def test_height_is_the_largest_sum_that_ends_here() -> None:
    energies = np.random.default_rng(1).exponential(0.9, size=200)
    found = cusum(energies, 3.0, np.zeros(200, np.bool_))
    np.testing.assert_allclose(found, cusum_heights(energies, 3.0), atol=1e-12)


def test_one_row_says_no_more_than_its_clip() -> None:
    assert cusum(np.array([1e9, 0.0]), 6.0, np.zeros(2, np.bool_)).tolist() == [5.0, 4.0]


def test_a_missing_row_is_no_evidence() -> None:
    assert cusum(np.array([3.0, np.nan, 3.0]), 6.0, np.zeros(3, np.bool_)).tolist() == [2.0, 2.0, 4.0]


def test_a_repeat_lifts_less_and_sinks_as_much() -> None:
    path = cusum(np.array([3.0, 3.0, 0.5]), 6.0, np.array([False, True, True]))
    assert path.tolist() == [2.0, 2.0 + REPEAT * 2.0, 1.5 + REPEAT * 2.0]


@pytest.mark.parametrize(
    ("path", "tops"),
    [([], []), ([0.0, 0.0], []), ([1.0, 3.0, 2.0, 0.0, 0.0, 4.0], [3.0, 4.0]), ([2.0, 0.0, 1.0, 0.0], [2.0, 1.0])],
)
def test_maxima(path: list[float], tops: list[float]) -> None:
    assert maxima(np.array(path)).tolist() == tops


def test_joint_energies_are_clipped_sums_over_what_is_there() -> None:
    energies = np.array([[4.0, 1.0, np.nan], [1e9, 1.0, 2.0]])
    repeats = np.array([[False, False, False], [False, True, False]])
    sums = joint_energy(energies, repeats, np.array([2.0, 1.0, np.nan]), np.array([100.0, 20.0]))
    assert sums.tolist() == [[5.0, 3.0], [100.0 + REPEAT, 20.0 + REPEAT]]  # the third metric has no base


def test_the_echo_is_not_limited_in_whole_windows() -> None:
    unit, scale = np.array([4.0, 9.0]), np.array([1.0, 10.0])
    assert echo_limit(unit, scale, whole=False).tolist() == [4.0, 60.0]
    assert np.isinf(echo_limit(unit, scale, whole=True)).all()
