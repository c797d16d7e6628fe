"""A recording through a real topic: every number arrives, wide or long, whatever is polled at once."""

import json
import math
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import pytest
from kafka import KafkaProducer

from headwater.benchmarks.broker.broker import Broker
from headwater.benchmarks.broker.produce import produce
from headwater.streaming.columns import Columns
from headwater.streaming.formats import decoder
from headwater.streaming.kafka.source import KafkaSource
from headwater.streaming.records import Arrival, DeadLetter, Wide
from tests.streaming.kafka_reading import arrived, number, offsets, read, section, write

START = 1_700_000_000.0
NAMES = tuple(f"pod-{n}|{metric}" for n in range(4) for metric in ("cpu", "latency"))


def recording(rows: int = 120) -> list[Wide]:
    rng = np.random.default_rng(11)
    values = rng.lognormal(0.0, 3.0, (rows, len(NAMES)))
    values[rng.random(values.shape) < 0.1] = np.nan
    return [Wide("shop", START + 0.25 * n, NAMES, values[n]) for n in range(rows)]


def cells(words: list[object]) -> dict[str, list[tuple[float, float]]]:
    """Series → its times and values, in the order they came."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for word in words:
        assert not isinstance(word, DeadLetter)
        if isinstance(word, Wide):
            for name, value in zip(word.names, word.values.tolist(), strict=True):
                if not math.isnan(value):
                    found[name].append((word.time, value))
        else:
            found[f"{word.entity}|{word.metric}"].append((word.time, word.value))  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("at_once", [1, 7, 5000])
@pytest.mark.parametrize(("shape", "partitions"), [("wide", 1), ("long", 3)])
def test_every_number_arrives_to_the_bit_and_in_order(
    broker: Broker, shape: Literal["wide", "long"], partitions: int, at_once: int
) -> None:
    topic, rows = broker.create(shape, partitions), recording()
    count = produce(broker.plain, topic, rows, shape)
    decode = decoder("auto", columns=Columns("default"))
    with closing(KafkaSource(section(broker.plain, topic, max_poll_records=at_once), decode)) as source:
        got: list[Arrival] = read(source, arrived(count)).arrivals
        assert len(got) == count
        assert cells([arrival.word for arrival in got]) == cells(list(rows))
        assert sum(source.offsets().values()) == count
        assert len({arrival.position.partition for arrival in got}) == partitions


def test_poison_arrives_as_dead_letters_and_the_rest_as_usual(broker: Broker) -> None:
    poison = [b"{broken", b'{"time": "noon", "values": {}}', b"[" * 100_000, b"x" * 900_000, b"\xff\xfe", b"", b"null"]
    good = json.dumps({"time": START, "values": {"pod|cpu": 1.5}}).encode()
    topic = broker.create("poison")
    with KafkaProducer(bootstrap_servers=broker.plain) as producer:
        for value in poison:
            write(producer, topic, [value, good])
    with closing(KafkaSource(section(broker.plain, topic), decoder("auto", columns=Columns("shop")))) as source:
        got = read(source, arrived(2 * len(poison))).arrivals
    letters = [arrival.word for arrival in got if isinstance(arrival.word, DeadLetter)]
    assert [letter.length for letter in letters] == [len(value) for value in poison]
    assert all(letter.reason for letter in letters)
    assert (len(letters[3].head), offsets(got)) == (65_536, list(range(2 * len(poison))))


def test_a_start_in_time_begins_with_the_first_record_not_before_it(broker: Broker) -> None:
    topic = broker.create("times", 2)
    with KafkaProducer(bootstrap_servers=broker.plain) as producer:
        for n in range(10):
            producer.send(topic, b"%d" % n, partition=0, timestamp_ms=int((START + n) * 1000))
        producer.flush()
    start = datetime.fromtimestamp(START + 3.5, UTC).isoformat()
    with closing(KafkaSource(section(broker.plain, topic, start=start), number)) as source:
        source.seek({})
        assert source.offsets() == {(topic, 0): 4, (topic, 1): 0}
        assert offsets(read(source, arrived(6)).arrivals) == [4, 5, 6, 7, 8, 9]
