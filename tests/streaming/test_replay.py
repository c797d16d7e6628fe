"""Recordings: what is understood of a file, and that the road by which a recording comes does not matter."""

import io
import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from headwater.streaming.align import Aligner, Clocks
from headwater.streaming.columns import Columns
from headwater.streaming.errors import InputError
from headwater.streaming.formats import decoder
from headwater.streaming.recordings.replay import BLOCK, ReplaySource
from headwater.streaming.recordings.window import inside
from headwater.streaming.records import Position, Sample, Wide

START = datetime(2026, 3, 1, 7, 59, 30, tzinfo=UTC)


def source(path, **settings):
    return ReplaySource(str(path), **{"columns": Columns("shop")} | settings)


def words(replay):
    found, ended = [], False
    while not ended:
        poll = replay.poll(0.0)
        found += [arrival.word for arrival in poll.arrivals]
        ended = poll.ended
    return found


def wide(rows=50, seed=4, step=60.0):
    """A recording with holes, an outage of a metric, a constant and times beside the grid."""
    rng = np.random.default_rng(seed)
    offsets = np.arange(rows) * step + rng.integers(0, 900, rows) / 1000
    offsets[30:] += 20 * step
    X = rng.normal(size=(rows, 4)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[10:20, 1] = np.nan
    X[:, 3] = 7
    times = [START + timedelta(milliseconds=round(1000 * offset)) for offset in offsets]
    names = ["cart|cpu", "cart|latency|p99", "db|sent", "db|cpu"]
    return pl.DataFrame(
        {"t": times} | {name: X[:, j] for j, name in enumerate(names)},
        schema_overrides={"t": pl.Datetime("ms")} | dict.fromkeys(names, pl.Float32),
    )


def indexed(rows=20):
    return pl.DataFrame({"t": range(rows), "cart|cpu": np.arange(rows) * 1.5})


def aligned(arrivals, *, partitions, step, lateness=0.0, counters=("db|sent",)):
    """Rows of ``(partition, word)`` as bytes."""
    clocks = Clocks()
    clocks.assign(partitions)
    aligner = Aligner(system="shop", step=step, lateness=lateness, counters=counters)
    frames = []
    for partition, word in arrivals:
        aligner.push(partition, word, clocks.advance(partition, word.time))
        while (frame := aligner.rows(clocks.watermark(lateness))) is not None:
            frames.append(frame)
    while (frame := aligner.flush(clocks.newest())) is not None:
        frames.append(frame)
    rows = [
        (f.times[i].item(), f.X[i].tobytes(), f.age[i].tobytes(), f.series) for f in frames for i in range(len(f.X))
    ]
    return rows, aligner.late


def replayed(path, **settings):
    replay = source(path, **settings)
    return aligned(
        [(replay.partitions()[0], word) for word in words(replay)], partitions=replay.partitions(), step=60.0
    )


def records(frame):
    """Time as RFC 3339 and values of each row, None where nothing was measured."""
    for time, *values in frame.iter_rows():
        numbers = {n: None if v is None or math.isnan(v) else v for n, v in zip(frame.columns[1:], values, strict=True)}
        yield time.isoformat() + "Z", numbers


def as_wide_json(frame):
    for time, values in records(frame):
        yield 0, {"time": time, "values": values}


def as_long_json(frame, *, nulls):
    """Every series in a partition of its own choice."""
    for time, values in records(frame):
        for name, value in values.items():
            entity, metric = name.split("|", 1)
            if nulls or value is not None:
                yield len(name) % 3, {"entity": entity, "metric": metric, "timestamp": time, "value": value}


def received(messages, partitions=3, order=None):
    """Rows of JSON messages, partition by partition in turns that `order` draws."""
    decode = decoder("auto", columns=Columns("shop"))
    queues = [[] for _ in range(partitions)]
    for number, message in messages:
        place = Position("metrics", number, len(queues[number]))
        queues[number] += [(("metrics", number), word) for word in decode(json.dumps(message).encode(), place, None)]
    turns = np.repeat(np.arange(partitions), [len(queue) for queue in queues])
    np.random.default_rng(order).shuffle(turns)
    feed = [iter(queue) for queue in queues]
    known = [("metrics", number) for number in range(partitions) if queues[number]]
    return aligned([next(feed[number]) for number in turns], partitions=known, step=60.0, lateness=5.0)


def test_a_recording_gives_the_same_rows_as_file_wide_json_and_long_json(tmp_path):
    frame = wide()
    frame.write_parquet(tmp_path / "day.parquet")
    expected, late = replayed(tmp_path / "day.parquet")
    assert late == 0
    assert len(expected) > 55
    assert received(as_wide_json(frame), partitions=1) == (expected, 0)
    for order in range(3):
        assert received(as_long_json(frame, nulls=True), order=order) == (expected, 0)
        assert received(as_long_json(frame, nulls=False), order=order) == (expected, 0)


def test_the_kind_of_file_does_not_matter(tmp_path, monkeypatch):
    frame = wide().with_columns(pl.all().exclude("t").cast(pl.Float64).fill_nan(None))
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_csv(tmp_path / "a.csv")
    texts = [{"t": time} | values for time, values in records(frame)]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in texts))
    (tmp_path / "nested.jsonl").write_text("\n".join(json.dumps(message) for _, message in as_wide_json(frame)))
    samples = [message for _, message in as_long_json(frame, nulls=True)]
    (tmp_path / "long.jsonl").write_text("\n".join(json.dumps(sample) for sample in samples))
    (tmp_path / "list.json").write_text(json.dumps(samples))
    expected = replayed(tmp_path / "a.parquet")
    for name in ("a.csv", "a.jsonl", "nested.jsonl", "long.jsonl", "list.json"):
        assert replayed(tmp_path / name) == expected, name
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((tmp_path / name).read_bytes())))
        assert replayed("-") == expected, name


def test_rows_come_as_wide_words_in_blocks_that_share_their_names(tmp_path):
    rows = BLOCK + 10
    pl.DataFrame({"t": range(rows), "a|b": np.arange(rows, dtype=np.float32)}).write_parquet(tmp_path / "x.parquet")
    replay = source(tmp_path / "x.parquet", step=60.0)
    first, second = replay.poll(0.0), replay.poll(0.0)
    assert (len(first.arrivals), first.ended) == (BLOCK, False)
    assert (len(second.arrivals), second.ended) == (10, True)
    word, other = first.arrivals[3].word, second.arrivals[3].word
    ((topic, number),) = replay.partitions()
    assert topic.startswith("x.parquet@")
    assert first.arrivals[3].position == Position(topic, number, 3)
    assert (word.system, word.time, word.values.dtype) == ("shop", 180.0, np.float64)
    assert word.names is other.names
    assert replay.poll(0.0).arrivals == []


def test_a_stored_row_number_resumes(tmp_path):
    wide(60).write_parquet(tmp_path / "x.parquet")
    whole = words(source(tmp_path / "x.parquet"))
    replay = source(tmp_path / "x.parquet")
    (place,) = replay.partitions()
    replay.seek({place: 23})
    assert replay.offsets() == {place: 23}
    assert replay.lag()["records"] == 37
    assert [word.time for word in words(replay)] == [word.time for word in whole[23:]]
    assert replay.offsets() == {place: 60}
    replay.seek({})
    assert replay.offsets() == {place: 0}


def test_the_baseline_is_handed_out_apart_and_resuming_leaves_it_out(tmp_path):
    wide().write_parquet(tmp_path / "x.parquet")
    replay = source(tmp_path / "x.parquet", baseline="08:04..08:08")
    quiet = [arrival.position.offset for block in replay.baseline() for arrival in block]
    assert quiet == [5, 6, 7, 8, 9]
    played = [arrival.position.offset for arrival in replay.poll(0.0).arrivals]
    assert played == [n for n in range(50) if n not in quiet]
    (place,) = replay.partitions()
    replay.seek({place: 7})
    assert replay.offsets() == {place: 10}


def rows_of(path, values):
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["t,a|b", *(f"{1.7e9 + k:.0f},{value}" for k, value in enumerate(values)), ""]))
    return path


def topic_of(path):
    ((topic, _),) = source(path).partitions()
    return topic


def test_a_recording_that_grew_goes_on_and_one_of_the_same_name_does_not(tmp_path):
    known = topic_of(rows_of(tmp_path / "x.csv", range(6)))
    replay = source(rows_of(tmp_path / "x.csv", range(9)))
    assert replay.partitions() != [(known, 0)]
    replay.claim([known])
    assert replay.partitions() == [(known, 0)]
    replay.seek({(known, 0): 6})
    assert [word.values[0] for word in words(replay)] == [6.0, 7.0, 8.0]
    for name, values in [("d2/x.csv", [0, 1, 2, 3, 4, 7]), ("d3/x.csv", range(3)), ("y.csv", range(6))]:
        other = source(rows_of(tmp_path / name, values))
        with pytest.raises(InputError, match=f"does not belong in this store\n.*{known}\n.*--store"):
            other.claim([known])


def test_a_recording_that_differs_late_is_another_one(tmp_path):
    values = list(range(20_000))
    known = topic_of(rows_of(tmp_path / "x.csv", values))
    assert topic_of(rows_of(tmp_path / "moved" / "x.csv", values)) == known
    assert topic_of(rows_of(tmp_path / "x.csv", [*values[:-1], 7])) != known


@pytest.mark.parametrize("topic", ["metrics", "x.csv", "x.csv@12", "x.csv@0-0000000000000000"])
def test_a_recording_does_not_go_on_from_a_topic(tmp_path, topic):
    replay = source(rows_of(tmp_path / "x.csv", range(3)))
    with pytest.raises(InputError, match="other measurements"):
        replay.claim([topic])


def test_stdin_goes_on_only_if_it_is_the_same(monkeypatch):
    def piped(rows):
        text = b"t,a|b\n" + b"".join(b"%d,1\n" % (1_700_000_000 + k) for k in range(rows))
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        return source("-")

    ((known, _),) = piped(4).partitions()
    piped(4).claim([known])
    with pytest.raises(InputError, match="stdin does not belong"):
        piped(5).claim([known])


def test_row_numbers_choose_a_baseline_where_there_are_no_times(tmp_path):
    indexed().write_csv(tmp_path / "x.csv")
    replay = source(tmp_path / "x.csv", step=60.0, baseline="0..4")
    assert [len(block) for block in replay.baseline()] == [5]
    with pytest.raises(InputError, match=r"holds no row of x.csv\nit runs from 0 to 19"):
        source(tmp_path / "x.csv", step=60.0, baseline="30..40")
    with pytest.raises(InputError, match="leaves nothing to play"):
        source(tmp_path / "x.csv", step=60.0, baseline="0..19")


DAYS = np.array([datetime(2026, 3, day, hour, tzinfo=UTC).timestamp() for day in (1, 2) for hour in (0, 6, 12, 23)])


@pytest.mark.parametrize(
    ("span", "chosen"),
    [
        ("06:00..12:00", [1, 2, 5, 6]),
        ("06:00..11:59", [1, 5]),
        ("23:00..06:00", [0, 1, 3, 4, 5, 7]),
        ("..06:00:00", [0, 1, 4, 5]),
        ("2026-03-01..2026-03-01", [0, 1, 2, 3]),
        ("2026-03-01T12:00..2026-03-02T05:59:59Z", [2, 3, 4]),
        ("2026-03-02..", [4, 5, 6, 7]),
        (f"{DAYS[1]:.0f}..{DAYS[2]:.0f}", [1, 2]),
    ],
)
def test_spans(span, chosen):
    assert np.flatnonzero(inside(span, DAYS)).tolist() == chosen


@pytest.mark.parametrize(
    ("span", "said"),
    [("08:00", "is no part"), ("..", "is no part"), ("noon..08:00", "mixes|no end"), ("06:00..2026-03-01", "mixes")],
)
def test_a_span_that_cannot_be_read_says_how_to_write_it(span, said):
    with pytest.raises(InputError, match=said):
        inside(span, DAYS)


def test_unsorted_times_are_sorted_and_equal_ones_keep_their_order(tmp_path):
    times = [1.7e9 + t for t in (120, 60, 60, 0)]
    pl.DataFrame({"time": times, "a|b": [4.0, 2.0, 3.0, 1.0]}).write_csv(tmp_path / "x.csv")
    replay = source(tmp_path / "x.csv")
    assert [word.values[0] for word in words(replay)] == [1.0, 2.0, 3.0, 4.0]
    assert "have been sorted" in replay.describe().warnings[0]


@pytest.mark.parametrize("name", ["t", "Time", "timestamp", "ts", "date", "datetime", "@timestamp", "scraped"])
def test_the_time_column_is_found_by_name_or_type(tmp_path, name):
    pl.DataFrame({"a|b": [1.0, 2.0], name: [START, START + timedelta(seconds=15)]}).write_parquet(
        tmp_path / "x.parquet"
    )
    assert source(tmp_path / "x.parquet").describe().time_column == name


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000, 1_000_000_000])
def test_epoch_numbers_are_read_by_their_size(tmp_path, scale):
    stamps = [int((1_700_000_000 + 15 * k) * scale) for k in range(4)]
    pl.DataFrame({"ts": stamps, "a|b": [1.0, 2.0, 3.0, 4.0]}).write_csv(tmp_path / "x.csv")
    description = source(tmp_path / "x.csv").describe()
    assert (description.start, description.end, description.step) == (1.7e9, 1.7e9 + 45, 15.0)


def test_what_was_understood_of_a_recording(tmp_path):
    rows = 40
    pl.DataFrame(
        {
            "t": [START + timedelta(seconds=15 * k) if k != 3 else None for k in range(rows)],
            "cart|requests": np.arange(rows),
            "cart|total": np.arange(rows),
            "cart|up": [k % 2 == 0 for k in range(rows)],
            "temperature": [None if k < 10 else 1.0 for k in range(rows)],
            "host": ["x7"] * rows,
            "nothing": [None] * rows,
        }
    ).write_parquet(tmp_path / "x.parquet")
    description = source(tmp_path / "x.parquet", counters=("*|total",)).describe()
    assert (description.layout, description.rows, description.step) == ("wide", 39, 15.0)
    assert description.start == START.timestamp()
    assert description.metrics == ("cart|requests", "cart|total", "cart|up", "shop|temperature")
    assert description.entities == ("cart", "shop")
    assert description.kinds == {"gauge": 3, "counter": 1}
    assert description.missing == pytest.approx(9 / (4 * 39))
    assert description.left_out == {"host": "holds String, not numbers", "nothing": "is empty"}
    warnings = "\n".join(description.warnings)
    assert "1 rows without a time" in warnings
    assert "perhaps a counter: cart|requests; name it" in warnings


def test_a_long_table_says_system_kind_and_unit(tmp_path):
    lines = ["time,system,entity,metric,value,kind,unit"]
    lines += [f"{1.7e9 + 15 * k:.0f},{s},cart,sent,{k},counter,B" for k in range(5) for s in ("till", "")]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    replay = source(tmp_path / "x.csv")
    assert words(replay)[:2] == [
        Sample("till", "cart", "sent", 1.7e9, 0.0, "counter", "B"),
        Sample("shop", "cart", "sent", 1.7e9, 0.0, "counter", "B"),
    ]
    description = replay.describe()
    assert (description.layout, description.systems, description.step) == ("long", ("till", "shop"), 15.0)
    assert description.kinds == {"counter": 1}


def test_a_system_column_names_the_system_of_a_wide_row(tmp_path):
    (tmp_path / "x.csv").write_text("t,system,a|b\n1700000000,till,1\n1700000060,,2\n")
    assert [(w.system, w.names) for w in words(source(tmp_path / "x.csv"))] == [("till", ("a|b",)), ("shop", ("a|b",))]


@pytest.mark.parametrize(
    ("name", "content", "settings", "said"),
    [
        ("x.csv", "t,a|b\n0,1\n1,2\n", {}, r"counts rows \(0, 1, ...\)\n.*\nsay it: --step 60s"),
        ("x.csv", "t,a|b\n1700000000,1\n", {}, r"no two rows .*\n.*\nsay it: --step"),
        ("x.csv", "t,a|b\n1700000000,1\n", {"time": "tme"}, r"no column 'tme'\n.*"),
        ("x.csv", "when,a|b\nx,1\n", {}, r"no time column that can be found\n.*\nname it: --time"),
        ("x.csv", "t,a|b\nnoon,1\n", {}, "column 't' of x.csv holds no times\n'noon' is no time"),
        ("x.csv", "t,a|b\n1700000000,x\n", {}, "no column that holds numbers\n'a|b' holds String"),
        ("x.csv", "t,a|b,c\n1,1,2\n", {"step": 1.0, "columns": Columns("s", mapping={"c": "a|b"})}, "both read as"),
        ("x.csv", "t,metric,value\n1700000000,cpu,high\n", {}, "'value' of x.csv holds no numbers"),
        ("x.csv", "t,metric,value,kind\n1700000000,cpu,1,odd\n", {}, "'kind' of x.csv holds 'odd'\nwrite one of"),
        ("x.csv", "t,a|b\n", {}, "has no rows"),
        ("x.csv", "", {}, "cannot be read"),
        ("x.parquet", "no parquet", {}, "x.parquet cannot be read"),
        ("x.jsonl", '{"t": 1}\n{oops', {}, "x.jsonl cannot be read"),
        ("x.xlsx", "", {}, "of a type that is not known"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_the_mend(tmp_path, name, content, settings, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        source(tmp_path / name, **settings)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        source(tmp_path / "x.csv")


def test_a_step_far_from_the_data_is_a_warning(tmp_path):
    wide().write_parquet(tmp_path / "x.parquet")
    replay = source(tmp_path / "x.parquet", step=1.0)
    assert replay.step == 1.0
    assert replay.describe().warnings == ("the step is set to 1s, but the samples of a series are 1m apart",)
    assert isinstance(words(replay)[0], Wide)


def test_a_recording_of_very_many_columns_is_handed_over_in_smaller_blocks(tmp_path, monkeypatch):
    path = tmp_path / "wide.parquet"
    wide().write_parquet(path)
    whole = words(source(path))
    monkeypatch.setattr("headwater.streaming.recordings.replay.CELLS", 40)
    small = source(path)
    first = small.poll(0.0)
    assert len(first.arrivals) == 10
    found = [arrival.word for arrival in first.arrivals] + words(small)
    assert [(word.time, word.names) for word in found] == [(word.time, word.names) for word in whole]
