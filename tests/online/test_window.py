"""The ring against a list of everything that was pushed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.online import Ring, SnapshotError, decode, encode


def filled(n, *, capacity=7, width=2):
    ring = Ring(capacity=capacity)
    for t in range(n):
        ring.push(float(t), np.full(width, t / 8), quiet=t % 3 != 0)
    return ring


@given(
    st.integers(1, 9),
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.integers(0, 3), st.booleans()),
            st.tuples(st.just("mark"), st.integers(0, 12), st.booleans()),
        ),
        max_size=40,
    ),
)
def test_the_ring_is_the_end_of_a_list(capacity, deeds):
    ring, rows, width = Ring(capacity=capacity), [], 0
    for t, (deed, number, quiet) in enumerate(deeds):
        if deed == "push":
            width = max(width, number)
            row = np.arange(width) + t / 4
            ring.push(float(t), row, quiet=quiet)
            rows.append([float(t), row, quiet])
        else:
            ring.mark(number, quiet=quiet)
            for row in rows[-capacity:][max(len(rows[-capacity:]) - number, 0) :]:
                row[2] = quiet
        kept = rows[-capacity:]
        assert len(ring) == len(kept)
        assert ring.width == width
        assert ring.times().tolist() == [time for time, _, _ in kept]
        assert ring.quiet().tolist() == [quiet for _, _, quiet in kept]
        expected = np.full((len(kept), width), np.nan, np.float32)
        for k, (_, row, _) in enumerate(kept):
            expected[k, : len(row)] = row
        np.testing.assert_array_equal(ring.values(), expected)


def test_windows_are_views_and_hold_float32():
    ring = filled(20)
    for window in (ring.values(), ring.times(), ring.quiet()):
        assert window.base is not None
    assert ring.values().dtype == np.float32


@pytest.mark.parametrize("size", [1, 3, 11, 40, 100])
def test_rows_in_one_go_are_rows_one_by_one(size):
    one, two = filled(100, capacity=32), Ring(capacity=32)
    for start in range(0, 100, size):
        t = np.arange(start, min(start + size, 100), dtype=float)
        two.extend(t, np.repeat(t[:, None] / 8, 2, axis=1), quiet=True)
    two.mark(32, quiet=True)
    one.mark(32, quiet=True)
    np.testing.assert_equal(one.snapshot(), two.snapshot())


def test_memory_is_an_eighth_more_than_the_rows_and_a_snapshot_holds_no_more_than_they():
    ring = filled(500, capacity=80)
    assert ring.values().base.nbytes == 90 * 2 * 4
    assert ring.snapshot()["values"].nbytes == 80 * 2 * 4


def test_the_callers_row_is_not_kept():
    ring, row = Ring(capacity=3), np.ones(2)
    ring.push(0.0, row, quiet=True)
    row[:] = 9
    assert ring.values().tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("n", [0, 3, 7, 20])
def test_a_snapshot_goes_on_as_the_ring_itself(n):
    one, two = filled(n), Ring(capacity=7)
    two.restore(decode(encode(one.snapshot(), kind="ring", version=1), kind="ring", version=1))
    for ring in (one, two):
        for t in range(n, n + 5):
            ring.push(float(t), np.full(3, 1.0), quiet=True)
        ring.mark(2, quiet=False)
    assert encode(one.snapshot(), kind="ring", version=1) == encode(two.snapshot(), kind="ring", version=1)


@pytest.mark.parametrize("capacity", [3, 7, 12])
@pytest.mark.parametrize("n", [2, 7, 11])
def test_a_ring_of_another_capacity_keeps_the_newest_rows_that_fit(capacity, n):
    one, two = filled(n), Ring(capacity=capacity)
    two.restore(one.snapshot())
    kept = min(capacity, len(one))
    assert len(two) == kept
    assert two.times().tolist() == one.times()[-kept:].tolist()
    assert two.quiet().tolist() == one.quiet()[-kept:].tolist()
    np.testing.assert_array_equal(two.values(), one.values()[-kept:])


def test_what_is_no_ring_is_refused_and_changes_nothing():
    ring = filled(5)
    before = ring.snapshot()
    good = filled(9).snapshot()
    odd = good | {"times": good["times"][:5]}
    for bad in ({}, good | {"more": 1}, {k: v for k, v in good.items() if k != "count"}, good | {"count": "9"}, odd):
        with pytest.raises(SnapshotError):
            ring.restore(bad)
        np.testing.assert_equal(ring.snapshot(), before)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="at least 1 row, not 0"):
        Ring(capacity=0)
    with pytest.raises(ValueError, match="1 columns after rows of 2"):
        filled(3).push(9.0, np.ones(1), quiet=True)
