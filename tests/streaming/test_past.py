"""The ring cut at an onset: what is history, what is the window, and where time jumped."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headwater.online import Ring
from headwater.streaming.past import EARLY, cut, look_back


def ring(times, *, capacity=200, faults=()):
    """A ring whose one column is the number of the row."""
    new = Ring(capacity=capacity)
    for t, time in enumerate(times):
        new.push(float(time), np.array([float(t)]), quiet=t not in faults)
    return new


def cut_back(one, back, step, *, later=0, **how):
    return look_back(one, cut(one, back, step, later=later), **how)


def numbers(rows):
    return rows[:, 0].astype(int).tolist()


def test_the_window_starts_early_and_history_ends_before_it():
    past = cut_back(ring(range(100)), 4, 1.0)
    assert numbers(past.window) == list(range(95 - EARLY, 100))
    assert numbers(past.history) == list(range(95 - EARLY))
    assert not past.restarts.any()
    assert (len(past.anchor), past.late) == (0, 0)


def test_rows_of_older_incidents_are_left_out_and_the_cut_is_a_restart():
    past = cut_back(ring(range(100), faults=range(40, 50)), 4, 1.0)
    assert set(range(40, 50)).isdisjoint(numbers(past.history))
    assert np.flatnonzero(past.restarts).tolist() == [40]


def test_with_hardly_any_quiet_rows_the_others_must_do():
    past = cut_back(ring(range(100), faults=range(10, 100)), 4, 1.0)
    assert len(past.history) == 95 - EARLY


def test_a_jump_in_the_window_cuts_it_off():
    times = [*range(96), *range(1000, 1004)]
    past = cut_back(ring(times), 8, 1.0)
    assert numbers(past.window) == [96, 97, 98, 99]
    assert numbers(past.history) == list(range(96))
    assert numbers(past.anchor[None]) == [96]


def test_history_that_was_learned_from_later_times_has_jumped_too():
    past = cut_back(ring([*range(5000, 5090), *range(10)]), 3, 1.0)
    assert numbers(past.window) == list(range(94, 100))
    assert np.flatnonzero(past.restarts).tolist() == [90]
    far = cut_back(ring([*range(5000, 5090), *range(10)]), 40, 1.0)
    assert numbers(far.window) == list(range(90, 100))
    assert numbers(far.anchor[None]) == [90]


def test_a_second_start_counts_from_the_first_row_of_the_window():
    past = cut_back(ring(range(100)), 29, 1.0, later=10)
    assert numbers(past.window)[past.late] == 100 - 10
    assert cut_back(ring(range(100)), 8, 1.0, later=8).late == 0  # too near the first to tell apart
    assert cut_back(ring(range(100)), 8, 1.0, later=60).late == 0  # before it


def test_an_onset_that_the_ring_has_forgotten_leaves_something_to_compare_with():
    past = cut_back(ring(range(100), capacity=80), 500, 1.0)
    assert len(past.history) == 30
    assert numbers(past.window) == list(range(50, 100))
    assert len(cut_back(ring(range(10)), 9, 1.0).history) == 5


@given(
    st.lists(st.sampled_from([1, 1, 1, 1, 2, 50, -30]), min_size=2, max_size=120),
    st.sets(st.integers(0, 119)),
    st.integers(0, 150),
    st.integers(0, 60),
)
def test_the_cut_loses_no_row_and_repeats_none(steps, faults, back, later):
    one = ring(np.cumsum(steps), capacity=100, faults=faults)
    past = cut_back(one, back, 1.0, later=later)
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
    past = cut_back(one, 4, 1.0)
    before = past.window.copy(), past.history.copy()
    for t in range(100, 300):
        one.push(float(t), np.array([-1.0]), quiet=True)
    np.testing.assert_array_equal(past.window, before[0])
    np.testing.assert_array_equal(past.history, before[1])


def wide(n=100):
    """A ring of three columns: the number of the row, ten times that, and always 7 but for a gap at the end."""
    new = Ring(capacity=200)
    for t in range(n):
        new.push(float(t), np.array([t, 10.0 * t, 7.0 if t < n - 30 else np.nan]), quiet=t < n - 30)
    return new


def test_only_the_columns_that_are_wanted_are_copied():
    past = cut_back(wide(), 4, 1.0, columns=np.array([1]))
    assert past.window[:, 0].tolist() == [10.0 * t for t in range(95 - EARLY, 100)]
    assert past.history[:, 0].tolist() == [10.0 * t for t in range(70)]


def test_after_another_incident_the_level_is_that_just_before_the_window():
    first = 95 - EARLY
    past = cut_back(wide(), 4, 1.0, settled=5)
    assert past.anchor[:2].tolist() == [first - 3, 10.0 * (first - 3)]  # the median of the five rows before
    assert np.isnan(past.anchor[2]), "nothing was known of it"
    assert cut_back(wide(), 4, 1.0, settled=500).anchor[0] == first - 10.5, "a level is that of its last twenty rows"
    assert len(cut_back(wide(), 4, 1.0).anchor) == 0


def test_what_moves_for_another_reason_is_held_at_that_level():
    past = cut_back(wide(), 4, 1.0, settled=5, held=np.array([False, True, False]))
    assert numbers(past.window) == list(range(95 - EARLY, 100))
    assert set(past.window[:, 1].tolist()) == {float(past.anchor[1])}
