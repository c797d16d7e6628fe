"""Decoders: what each format means, and the reason that every poison record is given."""

import json
import math
import time
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.streaming.columns import Columns
from headwater.streaming.errors import BadRecord
from headwater.streaming.formats import decoder
from headwater.streaming.records import Position, Sample, Wide
from headwater.streaming.source import HEAD_BYTES, dead_letter

HERE = Position("metrics", 0, 7)
NOW = 1_700_000_000.0
COLUMNS = Columns("shop")


def read(record, name="auto", broker=None, columns=COLUMNS):
    raw = record if isinstance(record, bytes) else json.dumps(record).encode()
    return decoder(name, columns=columns)(raw, HERE, broker)


def long(**fields):
    return {"entity": "cart", "metric": "cpu", "time": NOW, "value": 1.5} | fields


def prometheus(**fields):
    labels = {"__name__": "http_total", "instance": "a:9100", "job": "web", "code": "500"}
    return {"name": "http_total", "value": "12.5", "timestamp": "2023-11-14T22:13:20Z", "labels": labels} | fields


@pytest.mark.parametrize("name", ["auto", "long"])
def test_a_long_record_is_a_sample_with_all_it_says(name):
    assert read(long(system="till", kind="counter", unit="ms", color="red"), name) == [
        Sample("till", "cart", "cpu", NOW, 1.5, "counter", "ms")
    ]
    assert read(long(), name)[0].system == "shop"


@pytest.mark.parametrize("name", ["auto", "long"])
def test_a_list_and_a_batch_are_many_samples(name):
    two = [long(), long(metric="mem", value=2)]
    assert read(two, name) == read({"samples": two}, name)
    assert [sample.metric for sample in read(two, name)] == ["cpu", "mem"]


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [
        (1700000000, NOW),
        (1700000000123, 1700000000.123),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T23:13:20.25+01:00", NOW + 0.25),
        ("2023-11-14T22:13:20", NOW),
        ("1700000000.5", NOW + 0.5),
        ("1712010112345", 1712010112.345),
    ],
)
def test_times_are_seconds_milliseconds_or_rfc3339(given_, seconds):
    assert read(long(time=given_))[0].time == seconds
    flat = {"timestamp": given_, "cart|cpu": 1}
    assert read(flat)[0].time == seconds


@pytest.mark.parametrize("name", ["auto", "wide"])
def test_wide_records_nested_and_flat_are_the_same(name):
    values = {"cart|cpu": 1, "cart|mem": None, "temperature": 0.1}
    nested = read({"system": "till", "time": NOW, "values": values}, name)[0]
    flat = read({"system": "till", "time": NOW, "host": "x7", "tags": {"a": 1}} | values, name)[0]
    for word in (nested, flat):
        assert isinstance(word, Wide)
        assert (word.system, word.time, word.names) == ("till", NOW, ("cart|cpu", "cart|mem", "shop|temperature"))
        np.testing.assert_array_equal(word.values, [1.0, math.nan, 0.1])


def test_the_same_columns_are_the_same_tuple_of_names():
    decode = decoder("auto", columns=COLUMNS)
    raw = json.dumps({"time": NOW, "cart|cpu": 1, "cart|mem": 2}).encode()
    assert decode(raw, HERE, None)[0].names is decode(raw, HERE, None)[0].names


def test_wide_columns_follow_pattern_and_mapping():
    columns = Columns("shop", pattern="{entity}.{metric}", mapping={"lat": "gateway|latency"})
    assert read({"time": NOW, "cart.cpu.user": 1, "lat": 2}, columns=columns)[0].names == (
        "cart|cpu.user",
        "gateway|latency",
    )


@pytest.mark.parametrize("name", ["auto", "prometheus"])
def test_a_prometheus_record_is_a_sample_of_its_entity(name):
    metric = 'http_total{code="500",job="web"}'
    assert read(prometheus(), name) == [Sample("shop", "a:9100", metric, NOW, 12.5, "counter")]


def test_prometheus_entities_kinds_and_values():
    labels = {"instance": "a:9100", "pod": "cart-7", "service": ""}
    word = read(prometheus(name="load1", labels=labels, value="NaN"))[0]
    assert (word.entity, word.metric, word.kind) == ("cart-7", 'load1{instance="a:9100",service=""}', "gauge")
    assert math.isnan(word.value)
    assert math.isnan(read(prometheus(value="+Inf"))[0].value)
    by_job = decoder("prometheus", columns=COLUMNS, entity_labels=("job",))
    assert by_job(json.dumps(prometheus()).encode(), HERE, None)[0].entity == "web"
    assert read(prometheus(labels={}))[0].entity == "shop"


def test_null_and_bare_nan_values_are_missing_values():
    assert math.isnan(read(long(value=None))[0].value)
    assert math.isnan(read(long(value=math.nan))[0].value)
    assert np.isnan(read({"time": NOW, "values": {"a|b": math.nan, "a|c": -math.inf}})[0].values).all()


def test_nan_inside_a_text_stays_a_text():
    raw = b'{"entity": "NaN \\" Infinity", "metric": "cpu", "time": 1700000000, "value": NaN}'
    assert read(raw)[0].entity == 'NaN " Infinity'


DEEP = b'{"x":' + b"[" * 100_000
POISON = [
    (b"", "empty record"),
    (b"{", "not JSON: .*truncated"),
    (b"x" * 900_000, "not JSON: .*invalid character"),
    (b"null", "wrong type: Expected `object`"),
    (b"3", "wrong type: Expected `object`"),
    (DEEP, "nested too deep"),
    (b'{"entity": "\xff", "metric": "m", "time": 1700000000, "value": 1}', "not UTF-8"),
    (long(value="high"), r"wrong type: .*got `str` - at `\$.value`"),
    (long(value=True), r"wrong type: .*got `bool` - at `\$.value`"),
    (long(entity=7), r"wrong type: .*got `int` - at `\$.entity`"),
    (long(kind="histogram" * 1000), r"wrong type: Invalid enum value 'histogram"),
    (b'{"entity": "a", "metric": "m", "time": 1700000000, "value": 1e999}', "wrong type: Number out of range"),
    (long(time=math.nan), "time is null or NaN"),
    (long(time="NaN"), "time is NaN"),
    (long(time=None), "time is null or NaN"),
    (long(time="noon"), "time 'noon' is no time"),
    (long(time=253402300799), "lies outside 1980 to 2100"),
    (long(time="9999-12-31T23:59:59Z"), "lies outside 1980 to 2100"),
    (long(time=0), "lies outside 1980 to 2100"),
    (long(time="1" * 900_000), "time is 1111"),
    ({"entity": "cart", "metric": "cpu", "value": 1}, "missing field: time"),
    ({"entity": "cart", "time": NOW}, "missing field: metric, value"),
    (long(entity=""), "entity is empty"),
    (long(entity="a|b"), "entity 'a|b' holds a bar"),
    (long(metric="m" * 2000), "metric has 2000 characters"),
    (long(metric="a\nb"), "metric cannot be printed"),
    (long(system="\u0000"), "system cannot be printed"),
    ([long(), long(value="high")], r"got `str` - at `\$\[1\].value`"),
    ({"time": NOW, "values": {"a|b": 1, "a|c": "high"}}, 'field "a|c" is "high", not a number'),
    ({"time": NOW, "a|b": 1, "a|c": "high"}, 'field "a|c" is "high", not a number'),
    ({"time": NOW, "a|b": 1, "a|c": True}, 'field "a|c" is true, not a number'),
    ({"time": NOW, "values": []}, r"wrong type: .*got `array` - at `\$.values`"),
    ({"values": {"a|b": 1}}, "missing field: time"),
    ({"a|b": 1}, "missing field: time"),
    ({"time": NOW, "host": "x"}, "missing field: values"),
    ({"time": NOW, "a|b\n": 1}, "field cannot be printed"),
    (prometheus(value="high"), "value 'high' is no number"),
    (prometheus(value=[1]), r"wrong type: .*at `\$.value`"),
    ({"name": "up", "labels": {}, "value": "1"}, "missing field: timestamp"),
    ({"name": "up", "labels": {}, "timestamp": "2023-11-14T22:13:20Z"}, "missing required field `value`"),
]


@pytest.mark.parametrize(("record", "reason"), POISON, ids=[reason for _, reason in POISON])
def test_a_poison_record_is_refused_with_a_plain_reason(record, reason):
    with pytest.raises(BadRecord, match=reason) as caught:
        read(record)
    assert len(caught.value.what) < 400


def test_a_time_far_ahead_of_the_record_is_refused():
    assert read(long(time=NOW + 3600), broker=NOW)
    with pytest.raises(BadRecord, match="lies 3601 s after the record"):
        read(long(time=NOW + 3601), broker=NOW)


def test_two_fields_of_one_name_are_refused():
    columns = Columns("shop", mapping={"cpu": "cart|cpu"})
    with pytest.raises(BadRecord, match=r"two fields are both named 'cart\|cpu'"):
        read({"time": NOW, "cpu": 1, "cart|cpu": 2}, columns=columns)


def test_hostile_texts_cost_no_more_than_their_length():
    started = time.process_time()
    for raw in (b'{"a": "' + b'\\"' * 400_000 + b"NaN", b'"' * 800_001 + b"NaN", b"NaN" * 300_000):
        with pytest.raises(BadRecord):
            read(raw)
    assert time.process_time() - started < 2.0


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["entity", "metric", "time", "timestamp", "value", "values", "samples", "labels", "name", "system", "kind", "a|b"]
)


@settings(max_examples=300, deadline=None)
@given(record=st.dictionaries(fields, json_values, max_size=6) | json_values, raw=st.binary(max_size=30))
def test_whatever_comes_is_samples_or_a_bad_record(record, raw):
    for name in ("auto", "long", "wide", "prometheus"):
        for data in (json.dumps(record).encode(), raw):
            words = []
            with suppress(BadRecord):
                words = read(data, name)
            assert all(315532800 <= word.time <= 4102444800 for word in words)


def test_an_unknown_format_is_an_error_with_the_known_ones():
    with pytest.raises(ValueError, match="no format 'avro'; write one of auto, long, wide, prometheus"):
        decoder("avro", columns=COLUMNS)


@pytest.mark.parametrize(("pattern", "mapping"), [("{metric}", {}), ("{entity}|{metric}", {"cpu": "cart"})])
def test_columns_that_cannot_be_read_are_an_error_at_construction(pattern, mapping):
    with pytest.raises(ValueError, match=r"must hold|write 'entity"):
        Columns("shop", pattern=pattern, mapping=mapping)


def test_a_dead_letter_keeps_the_head_the_length_and_the_digest():
    letter = dead_letter(HERE, b"ab" * HEAD_BYTES, "not JSON")
    assert (letter.position, letter.reason, letter.length) == (HERE, "not JSON", 2 * HEAD_BYTES)
    assert letter.head == b"ab" * (HEAD_BYTES // 2)
