"""States to bytes and back: equal states equal bytes, and nothing but a fitting snapshot comes in."""

import io
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from headwater.online import SnapshotError, decode, encode, restore, take


@dataclass
class State:
    values: NDArray[np.float64]
    count: int
    level: float
    name: str
    open: bool


def state(**changes):
    fields = {"values": np.arange(6.0).reshape(2, 3), "count": 3, "level": 0.5, "name": "a|b", "open": True}
    return State(**fields | changes)


SCALARS = st.one_of(
    st.integers(-(2**60), 2**60),
    st.floats(),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])),
    st.booleans(),
)
DTYPES = st.sampled_from([np.float64, np.float32, np.int64, np.bool_, np.int8])
ARRAYS = arrays.arrays(DTYPES, arrays.array_shapes(min_dims=1, max_dims=3, min_side=0))


@given(st.dictionaries(st.from_regex(r"[a-z][a-z_.]{0,12}", fullmatch=True), st.one_of(SCALARS, ARRAYS), max_size=6))
def test_what_goes_in_comes_out(snapshot):
    data = encode(snapshot, kind="thing", version=3)
    found = decode(data, kind="thing", version=3)
    np.testing.assert_equal(found, snapshot)
    for name, value in snapshot.items():
        assert type(found[name]) is type(value)
        assert getattr(found[name], "dtype", None) == getattr(value, "dtype", None)
    assert encode(found, kind="thing", version=3) == data


def test_a_state_goes_through():
    one = state()
    two = restore(State, decode(encode(take(one), kind="s", version=1), kind="s", version=1))
    np.testing.assert_equal(two.__dict__, one.__dict__)


def test_a_snapshot_is_a_copy_on_both_ways():
    one = state()
    snapshot = take(one)
    one.values[:] = 9
    assert snapshot["values"][0, 1] == 1.0
    two = restore(State, snapshot)
    two.values[:] = 7
    assert snapshot["values"][0, 1] == 1.0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"values": 1.0}, "State.values: expected"),
        ({"count": 1.5}, "State.count: expected"),
        ({"count": "3"}, "State.count"),
        ({"level": "x"}, "State.level"),
        ({"name": 3}, "State.name"),
        ({"open": 1}, "State.open"),
        ({"values": None}, "State.values"),
        ({"extra": 1}, "unknown fields extra"),
    ],
)
def test_what_does_not_fit_is_named(change, named):
    with pytest.raises(SnapshotError, match=named):
        restore(State, take(state()) | change)


def test_what_is_missing_is_named():
    with pytest.raises(SnapshotError, match="lacks count, name"):
        restore(State, {k: v for k, v in take(state()).items() if k not in ("name", "count")})


def test_numbers_of_numpy_are_numbers():
    assert type(restore(State, take(state()) | {"count": np.int64(4)}).count) is int


def test_other_kinds_and_newer_versions_are_refused_and_older_ones_read():
    data = encode(take(state()), kind="s", version=2)
    with pytest.raises(SnapshotError, match="expected a snapshot of t, found one of s"):
        decode(data, kind="t", version=2)
    with pytest.raises(SnapshotError, match="has version 2, this release reads up to 1"):
        decode(data, kind="s", version=1)
    assert decode(data, kind="s", version=5)["count"] == 3


@given(st.data())
def test_damaged_bytes_are_a_snapshot_error_or_harmless(data):
    good = encode(take(state()), kind="s", version=1)
    damage = data.draw(st.sampled_from(["cut", "flip", "noise"]))
    if damage == "cut":
        bad = good[: data.draw(st.integers(0, len(good) - 1))]
    elif damage == "flip":
        at = data.draw(st.integers(0, len(good) - 1))
        bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    else:
        bad = data.draw(st.binary(max_size=60))
    try:
        found = decode(bad, kind="s", version=1)
    except SnapshotError:
        return
    assert damage == "flip"  # in a part of the archive that carries nothing, or a name
    assert isinstance(found, dict)


def test_bytes_of_a_lone_array_or_an_object_are_no_snapshot():
    lone, objects = io.BytesIO(), io.BytesIO()
    np.save(lone, np.arange(3))
    np.savez(objects, __kind__="s", __version__=1, evil=np.array([{"a": 1}], dtype=object))
    for buffer in (lone, objects):
        with pytest.raises(SnapshotError):
            decode(buffer.getvalue(), kind="s", version=1)
