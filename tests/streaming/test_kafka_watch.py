"""Cursor, alarms and the search for the first offset that can be read."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from headwater.streaming.kafka.watch import Alarms, Cursor, first_readable


@given(st.integers(0, 50), st.integers(0, 300), st.integers(0, 300))
def test_the_search_loses_one_damaged_stretch_and_nothing_else(low: int, damaged: int, after: int) -> None:
    end, tried = low + damaged + after, list[int]()

    def readable(offset: int) -> bool:
        tried.append(offset)
        assert low <= offset < end, "the end is no record and must not be tried"
        return offset >= low + damaged

    if low < end:
        assert first_readable(readable, low, end) == low + damaged
        assert len(tried) <= 2 * (damaged.bit_length() + 1)
        assert all(one != other for one, other in itertools.pairwise(tried)), "twice in a row hangs a client"


def test_a_cursor_takes_gaps_but_nothing_twice_nothing_old_and_nothing_beyond_the_end() -> None:
    cursor = Cursor(10, 20, 0.0)
    offsets = [9, 10, 11, 11, 15, 14, 20, 19]
    assert [offset for offset in offsets if cursor.accept(offset, 20)] == [10, 11, 15, 19]
    assert (cursor.next, cursor.dropped) == (20, 4)


def test_idle_is_said_once_a_silence_and_behind_keeps_its_first_moment() -> None:
    cursor = Cursor(5, 5, 0.0)
    assert cursor.look(10.0, end=5, position=5)
    assert not cursor.look(11.0, end=5, position=5)
    assert not cursor.look(12.0, end=6, position=5)
    assert not cursor.look(14.0, end=6, position=5)
    assert cursor.behind == 12.0
    cursor.progress(15.0, 6)
    assert (cursor.behind, cursor.idle) == (None, False)


def test_a_marker_after_the_last_record_counts_as_read() -> None:
    cursor = Cursor(5, 5, 0.0)
    assert cursor.look(1.0, end=6, position=6)
    assert cursor.next == 6


def test_a_position_beyond_the_end_is_not_believed() -> None:
    cursor = Cursor(5, 5, 0.0)
    cursor.look(1.0, end=8, position=1005)
    assert cursor.next == 5


def test_an_alarm_is_news_once_unless_it_happened_again() -> None:
    alarms = Alarms()
    alarms.raise_("a", "one")
    alarms.raise_("a", "two")
    alarms.raise_("a", "three", again=True)
    alarms.tell("by the way")
    assert alarms.news() == ["one", "three", "by the way"]
    assert (alarms.news(), alarms.standing()) == ([], ["three"])
    alarms.clear("a")
    alarms.clear("never raised")
    assert alarms.standing() == []


def test_news_that_nobody_fetches_stay_bounded() -> None:
    alarms = Alarms()
    for n in range(1000):
        alarms.raise_("a", str(n), again=True)
    assert alarms.news() == [str(n) for n in range(900, 1000)]
