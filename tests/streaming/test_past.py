"""The ring cut at an onset: what is history, what is the window, and where time jumped."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headwater.online import Ring
from headwater.streaming.past import EARLY, look_back


def ring(times, *, capacity=200, faults=()):
    """A ring whose one column is the number of the row."""
    new = Ring(capacity=capacity)
    for t, time in enumerate(times):
        new.push(float(time), np.array([float(t)]), quiet=t not in faults)
    return new


def numbers(rows):
    return rows[:, 0].astype(int).tolist()


def test_the_window_starts_early_and_history_ends_before_it():
    past = look_back(ring(range(100)), 4, 1.0)
    assert numbers(past.window) == list(range(95 - EARLY, 100))
    assert numbers(past.history) == list(range(95 - EARLY))
    assert not past.restarts.any()
    assert (past.jumped, past.late) == (False, 0)


def test_rows_of_older_incidents_are_left_out_and_the_cut_is_a_restart():
    past = look_back(ring(range(100), faults=range(40, 50)), 4, 1.0)
    assert set(range(40, 50)).isdisjoint(numbers(past.history))
    assert np.flatnonzero(past.restarts).tolist() == [40]


def test_with_hardly_any_quiet_rows_the_others_must_do():
    past = look_back(ring(range(100), faults=range(10, 100)), 4, 1.0)
    assert len(past.history) == 95 - EARLY


def test_a_jump_in_the_window_cuts_it_off():
    times = [*range(96), *range(1000, 1004)]
    past = look_back(ring(times), 8, 1.0)
    assert numbers(past.window) == [96, 97, 98, 99]
    assert numbers(past.history) == list(range(96))
    assert past.jumped


def test_history_that_was_learned_from_later_times_has_jumped_too():
    past = look_back(ring([*range(5000, 5090), *range(10)]), 3, 1.0)
    assert numbers(past.window) == list(range(94, 100))
    assert np.flatnonzero(past.restarts).tolist() == [90]
    far = look_back(ring([*range(5000, 5090), *range(10)]), 40, 1.0)
    assert numbers(far.window) == list(range(90, 100))
    assert far.jumped


def test_a_second_start_counts_from_the_first_row_of_the_window():
    past = look_back(ring(range(100)), 29, 1.0, later=10)
    assert numbers(past.window)[past.late] == 100 - 10
    assert look_back(ring(range(100)), 8, 1.0, later=8).late == 0  # too near the first to tell apart
    assert look_back(ring(range(100)), 8, 1.0, later=60).late == 0  # before it


def test_an_onset_that_the_ring_has_forgotten_leaves_something_to_compare_with():
    past = look_back(ring(range(100), capacity=80), 500, 1.0)
    assert len(past.history) == 30
    assert numbers(past.window) == list(range(50, 100))
    assert len(look_back(ring(range(10)), 9, 1.0).history) == 5


@given(
    st.lists(st.sampled_from([1, 1, 1, 1, 2, 50, -30]), min_size=2, max_size=120),
    st.sets(st.integers(0, 119)),
    st.integers(0, 150),
    st.integers(0, 60),
)
def test_the_cut_loses_no_row_and_repeats_none(steps, faults, back, later):
    one = ring(np.cumsum(steps), capacity=100, faults=faults)
    past = look_back(one, back, 1.0, later=later)
    kept = numbers(one.values())
    window = numbers(past.window)
    assert window == kept[len(kept) - len(window) :]
    assert len(window) >= 1
    history = numbers(past.history)
    before = kept[: len(kept) - len(window)]
    quiet = [t for t in before if t not in faults]
    assert history == (quiet if len(quiet) >= 30 else before)
    assert past.late == 0 or len(window) - past.late == later
    times = np.cumsum(steps)
    assert all(0 < times[b] - times[a] <= 1.5 for a, b in itertools.pairwise(window))
    assert len(past.restarts) == len(history)


def test_the_window_is_a_copy_that_later_rows_do_not_change():
    one = ring(range(100), capacity=100)
    past = look_back(one, 4, 1.0)
    before = past.window.copy(), past.history.copy()
    for t in range(100, 300):
        one.push(float(t), np.array([-1.0]), quiet=True)
    np.testing.assert_array_equal(past.window, before[0])
    np.testing.assert_array_equal(past.history, before[1])
