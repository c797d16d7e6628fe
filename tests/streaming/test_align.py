"""The aligner against its definition, and the law that polling changes nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.online import SnapshotError, decode, encode
from headwater.streaming import align
from headwater.streaming.align import Aligner, Clocks
from headwater.streaming.records import Sample, Wide
from tests.streaming.naive_align import Given, naive_rows

NAMES = ("a|cpu", "b|sent", "b|total", "a|mem", "c|cpu")
KINDS = ("gauge", "delta", "counter", "gauge", "gauge")
PARTITIONS = [("metrics", n) for n in range(3)]


def sample(name, time, value, kind=None):
    return Sample("shop", *name.split("|"), time, value, kind)


def drain(call, argument):
    frames = []
    while (frame := call(argument)) is not None:
        frames.append(frame)
    return frames


def rows_of(frames):
    """Rows as bytes, each with the columns that it had."""
    return [
        (float(time), frame.X[i].tobytes(), frame.age[i].tobytes(), frame.series)
        for frame in frames
        for i, time in enumerate(frame.times)
    ]


def play(words, *, lateness=0.0, judge=None, clocks=Clocks, polls=None, **settings):
    """Rows of ``(partition number, word)`` in this order; `polls` says after which words rows are taken."""
    clocks, aligner = clocks(), new(lateness, **{"max_columns": 9} | settings)
    clocks.assign(PARTITIONS)
    frames = []
    for i, (number, word) in enumerate(words):
        seen = clocks.newest()
        before = clocks.advance(PARTITIONS[number], word.time)
        aligner.push(PARTITIONS[number], word, seen if judge == "all" else before)
        if polls is None or polls[i % len(polls)]:
            frames += drain(aligner.rows, clocks.watermark(lateness))
    frames += drain(aligner.flush, clocks.newest())
    return rows_of(frames), aligner


times = st.integers(0, 60).map(lambda quarter: quarter / 4)
values = st.one_of(st.integers(-5, 50).map(float), st.sampled_from([math.nan, math.inf, 0.1]))


@st.composite
def longs(draw):
    column = draw(st.integers(0, len(NAMES) - 1))
    return sample(NAMES[column], draw(times), draw(values), KINDS[column])


@st.composite
def wides(draw):
    names = draw(st.sampled_from([NAMES[:1], NAMES[3:], (NAMES[4], NAMES[0])]))
    return Wide("shop", draw(times), names, np.array([draw(values) for _ in names]))


partitions = st.tuples(*[st.lists(st.one_of(longs(), wides()), max_size=25)] * 3)


@settings(max_examples=200, deadline=None)
@given(words=partitions, lateness=st.sampled_from([0.0, 1.5, 30.0]), seed=st.integers(0, 2**32), data=st.data())
def test_any_interleaving_and_any_chunking_give_the_same_rows(words, lateness, seed, data):
    straight = [(n, word) for n, partition in enumerate(words) for word in partition]
    order = np.random.default_rng(seed).permutation([n for n, _ in straight]).tolist()
    queues = [iter(partition) for partition in words]
    mixed = [(n, next(queues[n])) for n in order]
    polls = data.draw(st.lists(st.booleans(), min_size=1, max_size=7))
    expected, first = play(straight, lateness=lateness, max_columns=4)
    found, second = play(mixed, lateness=lateness, max_columns=4, polls=polls)
    assert found == expected
    assert (second.late, second.refused, second.series) == (first.late, first.refused, first.series)


class Hasty(Clocks):
    """The sabotaged twin of the watermark: the fastest partition's."""

    def watermark(self, lateness):
        return self.newest() - lateness


@pytest.mark.parametrize("sabotage", [{"judge": "all"}, {"clocks": Hasty}])
def test_the_law_of_interleaving_catches_what_looks_at_other_partitions(sabotage):
    fast = [(0, sample("a|cpu", 4.0, 1.0)), (0, sample("a|cpu", 10.0, 1.0))]
    slow = [(1, sample("b|cpu", 5.0, 2.0)), (2, sample("b|cpu", 5.0, 2.0))]
    words, turned = fast + slow, slow + fast
    assert play(words)[0] == play(turned)[0]
    assert play(words, **sabotage)[0] != play(turned, **sabotage)[0]


@settings(max_examples=200, deadline=None)
@given(
    words=st.lists(longs(), max_size=40),
    step=st.sampled_from([1.0, 2.0, 0.5]),
    staleness=st.sampled_from([1.0, 2.0, 2.5]),
)
def test_rows_equal_the_definition(words, step, staleness):
    words.sort(key=lambda word: word.time)
    given_ = [Given(w.time, 0, i, f"{w.entity}|{w.metric}", w.kind or "gauge", w.value) for i, w in enumerate(words)]
    names, expected = naive_rows(given_, step=step, staleness=staleness)
    clocks = Clocks()
    aligner = Aligner(system="shop", step=step, lateness=0.0, staleness=staleness)
    frames = []
    for word in words:
        aligner.push(("file", 0), word, clocks.advance(("file", 0), word.time))
        frames += drain(aligner.rows, clocks.watermark(0.0))
    last = max((w.time for w in words if math.isfinite(w.value)), default=-math.inf)
    frames += drain(aligner.flush, last)
    assert aligner.late == 0
    assert [series.name for series in aligner.series] == names
    found = {float(t): row for frame in frames for t, row in zip(frame.times, frame.X, strict=True)}
    found = {t: row for t, row in found.items() if t <= math.ceil(last / step) * step}
    assert list(found) == list(expected)
    for time, row in found.items():
        np.testing.assert_allclose(row, expected[time][: len(row)], rtol=1e-12)
        assert np.isnan(expected[time][len(row) :]).all()


@settings(max_examples=100, deadline=None)
@given(words=partitions, cut=st.integers(0, 75), lateness=st.sampled_from([0.0, 2.0]))
def test_a_restart_changes_nothing(words, cut, lateness):
    mixed = [(n, word) for n, partition in enumerate(words) for word in partition]
    rng = np.random.default_rng(len(mixed))
    queues = [iter(partition) for partition in words]
    mixed = [(n, next(queues[n])) for n in rng.permutation([n for n, _ in mixed]).tolist()]
    expected, whole = play(mixed, lateness=lateness, max_columns=4)
    clocks, aligner, frames = Clocks(), new(lateness), []
    clocks.assign(PARTITIONS)
    for i, (number, word) in enumerate(mixed):
        if i == cut:
            stored, hands = (encode(part.snapshot(), kind="x", version=1) for part in (aligner, clocks))
            clocks, aligner = Clocks(), new(lateness)
            clocks.restore(decode(hands, kind="x", version=1))
            clocks.assign(PARTITIONS)
            aligner.restore(decode(stored, kind="x", version=1))
            assert encode(aligner.snapshot(), kind="x", version=1) == stored
        aligner.push(PARTITIONS[number], word, clocks.advance(PARTITIONS[number], word.time))
        frames += drain(aligner.rows, clocks.watermark(lateness))
    frames += drain(aligner.flush, clocks.newest())
    assert rows_of(frames) == expected
    assert (aligner.late, aligner.refused) == (whole.late, whole.refused)


def new(lateness=0.0, **settings):
    return Aligner(**{"system": "shop", "step": 1.0, "lateness": lateness, "max_columns": 4} | settings)


def test_a_snapshot_that_does_not_fit_changes_nothing():
    aligner = new()
    aligner.push(PARTITIONS[0], sample("a|cpu", 1.0, 5.0), -math.inf)
    before = aligner.snapshot()
    with pytest.raises(SnapshotError, match="waiting"):
        aligner.restore({name: value for name, value in before.items() if name != "waiting"})
    assert encode(aligner.snapshot(), kind="x", version=1) == encode(before, kind="x", version=1)


def test_a_value_counts_for_its_staleness_and_shows_its_age():
    words = [(0, sample("a|cpu", 10.25, 7.0)), (0, sample("b|cpu", 20.0, 1.0))]
    rows, _ = play(words, step=1.0, staleness=2.5)
    cpu = {time: np.frombuffer(X)[0] for time, X, _, _ in rows}
    age = {time: np.frombuffer(ages)[0] for time, _, ages, _ in rows}
    assert [time for time, value in cpu.items() if value == 7.0] == [11.0, 12.0]
    assert age[11.0] == 0.75
    assert age[12.0] == 1.75
    assert math.isnan(cpu[13.0])
    assert math.isnan(age[13.0])


def test_of_equal_times_the_later_partition_then_the_later_offset_wins():
    words = [(2, sample("a|cpu", 5.0, 3.0)), (0, sample("a|cpu", 5.0, 1.0)), (0, sample("a|cpu", 5.0, 2.0))]
    assert np.frombuffer(play(words)[0][0][1])[0] == 3.0
    assert np.frombuffer(play(words[1:])[0][0][1])[0] == 2.0


def test_a_gap_of_a_year_makes_few_rows():
    year = 365 * 86400.0
    words = [(0, sample("a|cpu", t, 1.0)) for t in (0.0, 1.0, year)]
    rows, _ = play(words, staleness=2.5)
    assert [time for time, *_ in rows] == [0, 1, 2, 3, 4, 5, 6, 7, year]
    assert [math.isnan(np.frombuffer(X)[0]) for _, X, _, _ in rows] == [False] * 4 + [True] * 4 + [False]


def test_silence_is_seen_while_other_systems_go_on():
    clocks, aligner = Clocks(), new()
    aligner.push(PARTITIONS[0], sample("a|cpu", 3.0, 1.0), clocks.advance(PARTITIONS[0], 3.0))
    clocks.advance(PARTITIONS[0], 1e6)  # a word of another system
    frames = drain(aligner.rows, clocks.watermark(0.0))
    assert np.concatenate([frame.times for frame in frames]).tolist() == [3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("every", [0.25, 1.0, 2.0])
def test_a_constant_rate_comes_out_constant(phase, every):
    scrapes = np.arange(phase, 40, every)
    rows, _ = play([(0, sample("a|sent", t, 100 + 3 * t)) for t in scrapes], counters=("*|sent",), step=2.0)
    rates = np.array([np.frombuffer(X)[0] for _, X, _, _ in rows])
    known = rates[np.isfinite(rates)]
    np.testing.assert_allclose(known, 3.0)
    assert len(known) >= len(rates) - 3


def test_a_reset_and_an_outage_of_a_counter_are_missing():
    scrapes = [(t, float(t)) for t in range(10)] + [(t, float(t - 10)) for t in range(10, 20)]
    scrapes += [(t, float(t - 10)) for t in range(30, 35)]
    rows, aligner = play([(0, sample("a|n", float(t), v, "counter")) for t, v in scrapes])
    rate = {time: np.frombuffer(X)[0] for time, X, _, _ in rows}
    assert [time for time, value in rate.items() if math.isnan(value)] == [0, 10, 22, 23, 24, 25, 30]
    assert {value for value in rate.values() if not math.isnan(value)} == {1.0}
    assert aligner.series[0].kind == "counter"


def test_deltas_are_summed_and_missing_where_there_is_none():
    words = [(0, sample("a|n", t, v, "delta")) for t, v in [(0.5, 1.0), (1.0, 2.0), (2.5, 4.0)]]
    rows, _ = play(words)
    assert [np.frombuffer(X)[0].item() for _, X, _, _ in rows][::2] == [3.0, 4.0]
    assert math.isnan(np.frombuffer(rows[1][1])[0])


def test_a_late_sample_is_refused_and_counted():
    words = [(0, sample("a|cpu", t, t)) for t in (10.0, 5.0, 6.5, 7.5, 8.0)]
    rows, aligner = play(words, lateness=2.0)
    assert aligner.late == 2  # 5.0 and 6.5: their rows lie before that of 10 - 2
    assert [(time, np.frombuffer(X)[0].item()) for time, X, _, _ in rows] == [(8, 8.0), (9, 8.0), (10, 10.0)]


def test_samples_of_one_time_are_not_late_for_each_other():
    _, aligner = play([(0, sample(name, 5.0, 1.0)) for name in NAMES[:4]], lateness=0.0)
    assert aligner.late == 0
    assert len(aligner.series) == 4


def test_every_partition_is_waited_for_until_it_is_idle():
    clocks, aligner = Clocks(), new()
    clocks.assign(PARTITIONS)
    for number, time in [(0, 10.0), (1, 20.0)]:
        aligner.push(PARTITIONS[number], sample("a|cpu", time, time), clocks.advance(PARTITIONS[number], time))
    assert aligner.rows(clocks.watermark(0.0)) is None
    clocks.idle([PARTITIONS[2]])
    assert clocks.watermark(0.0) == 10.0
    clocks.idle(PARTITIONS)
    assert clocks.watermark(5.0) == 15.0
    clocks.advance(PARTITIONS[2], 12.0)  # it speaks again and is waited for
    assert clocks.watermark(0.0) == 12.0
    clocks.assign(PARTITIONS[:2])
    assert clocks.newest() == 20.0


def test_columns_come_at_the_right_in_the_order_of_their_first_rows_and_all_rows_of_a_frame_have_the_same():
    aligner = new()
    for time, name in [(1.0, "b|x"), (1.0, "a|x"), (3.0, "a|a")]:
        aligner.push(PARTITIONS[0], sample(name, time, 1.0), -math.inf)
    frames = drain(aligner.flush, 4.0)
    assert [(frame.times.tolist(), [s.name for s in frame.series]) for frame in frames] == [
        ([1.0, 2.0], ["a|x", "b|x"]),
        ([3.0, 4.0], ["a|x", "b|x", "a|a"]),
    ]


def test_columns_above_the_cap_are_refused_and_named():
    words = [(0, Wide("shop", 1.0, NAMES, np.arange(5.0))), (0, Wide("shop", 2.0, NAMES, np.full(5, 9.0)))]
    rows, aligner = play(words, max_columns=3)
    assert [series.name for series in aligner.series] == ["a|cpu", "a|mem", "b|sent"]
    assert aligner.refused == ("b|total", "c|cpu")
    assert np.frombuffer(rows[1][1]).tolist() == [9.0, 9.0, 9.0]


def test_a_wide_row_with_counters_deltas_and_holes_equals_its_cells():
    names, rng = NAMES, np.random.default_rng(3)
    table = rng.integers(0, 50, (40, 5)).cumsum(axis=0).astype(float)
    table[rng.random(table.shape) < 0.2] = np.nan
    wide = [(0, Wide("shop", float(t), names, row)) for t, row in enumerate(table)]
    cells = [(0, sample(n, float(t), v)) for t, row in enumerate(table) for n, v in zip(names, row, strict=True)]
    assert play(wide, counters=("b|*",))[0] == play(cells, counters=("b|*",))[0]


def test_frames_are_bounded(monkeypatch):
    monkeypatch.setattr(align, "MAX_ROWS", 3)
    aligner = new()
    for t in range(8):
        aligner.push(PARTITIONS[0], sample("a|cpu", float(t), 1.0), -math.inf)
    assert [len(frame.times) for frame in drain(aligner.flush, 7.0)] == [3, 3, 2]


def test_what_waits_for_a_slow_partition_is_bounded(monkeypatch):
    monkeypatch.setattr(align, "MAX_WAITING", 10)
    aligner = new()
    for t in range(20):
        aligner.push(PARTITIONS[0], sample("a|cpu", float(t), 1.0), -math.inf)
    frames = drain(aligner.rows, -math.inf)
    assert np.concatenate([frame.times for frame in frames]).tolist() == list(map(float, range(10)))
    aligner.push(PARTITIONS[1], sample("b|cpu", 4.0, 1.0), -math.inf)
    assert aligner.late == 1


def test_times_that_float_arithmetic_moves_off_the_grid_stay_on_it():
    rows, _ = play([(0, sample("a|cpu", 1.7e9 + k * 0.1, float(k))) for k in range(300)], step=0.1)
    assert [np.frombuffer(X)[0] for _, X, _, _ in rows] == list(range(300))


def test_the_bad_direction_and_the_kind_are_in_the_series():
    rows, aligner = play([(0, sample("a|cpu", 1.0, 1.0)), (0, sample("a|wait", 1.0, 1.0))], kpi=("a|cpu down",))
    assert rows
    assert [(s.name, s.kind, s.direction) for s in aligner.series] == [
        ("a|cpu", "gauge", "down"),
        ("a|wait", "gauge", "up"),
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"step": 0.0}, "step is 0.0 s"),
        ({"step": math.nan}, "step is nan s"),
        ({"lateness": -1.0}, "lateness is -1.0 s"),
        ({"staleness": 0.5}, "staleness is 0.5 intervals"),
        ({"max_columns": 0}, "max_columns is 0"),
    ],
)
def test_a_setting_out_of_range_is_an_error_with_its_value(wrong, said):
    with pytest.raises(ValueError, match=said):
        new(**wrong)


NAMES_OF_FOUR = ("a|cpu", "b|cpu", "c|cpu", "d|cpu")


def play_wide(words):
    aligner = Aligner(system="shop", step=1.0, lateness=0.0)
    for word in words:
        aligner.push(("metrics", 0), word, clock=-math.inf)
    frames = []
    while (frame := aligner.flush(words[-1].time)) is not None:
        frames.append(frame.X)
    return np.vstack(frames), [len(X) for X in frames]


def test_a_frame_of_very_many_columns_has_few_rows(monkeypatch):
    words = [Wide("shop", float(t), NAMES_OF_FOUR, np.arange(4.0) + t) for t in range(40)]
    whole, _ = play_wide(words)
    monkeypatch.setattr("headwater.streaming.align.MAX_CELLS", 20)
    pieces, lengths = play_wide(words)
    assert max(lengths) == 5
    np.testing.assert_array_equal(pieces, whole)
