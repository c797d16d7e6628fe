"""What the Kafka tests share: a plain decoder, a clock in the test's hand, and reading until something holds."""

import time
from collections.abc import Callable
from typing import Any

from kafka import KafkaProducer, TopicPartition

from headwater.streaming.errors import BadRecord
from headwater.streaming.kafka.source import KafkaSource
from headwater.streaming.records import Arrival, Position, Sample, Wide
from headwater.streaming.sections import SourceSection
from headwater.streaming.source import Poll


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def section(address: str, topic: str = "metrics", **more: Any) -> SourceSection:
    return SourceSection(
        bootstrap_servers=address, topic=topic, **{"bootstrap_timeout": 5.0, "idle_after": 0.3, **more}
    )


def number(raw: bytes, position: Position, stamp: float | None) -> list[Sample | Wide]:
    """A record is a number; the sample's time is the record's offset."""
    try:
        return [Sample("shop", "host", "load", float(position.offset), float(raw))]
    except ValueError:
        raise BadRecord("not a number") from None


def read(source: KafkaSource, until: Callable[[Poll], Any], seconds: float = 20.0) -> Poll:
    """Poll until `until` holds for all that came so far; fail after `seconds`."""
    so_far, end = Poll([], [], False, []), time.monotonic() + seconds
    while not until(so_far):
        assert time.monotonic() < end, f"gave up: {len(so_far.arrivals)} arrivals, idle {so_far.idle}, {so_far.alarms}"
        poll = source.poll(0.1)
        so_far = Poll(so_far.arrivals + poll.arrivals, so_far.idle + poll.idle, False, so_far.alarms + poll.alarms)
    return so_far


def arrived(count: int) -> Callable[[Poll], bool]:
    return lambda so_far: len(so_far.arrivals) >= count


def offsets(arrivals: list[Arrival], partition: int = 0) -> list[int]:
    return [arrival.position.offset for arrival in arrivals if arrival.position.partition == partition]


def write(producer: KafkaProducer, topic: str, values: list[bytes | None], partition: int = 0) -> None:
    """Send `values` as one batch and wait."""
    sent = [producer.send(topic, value, b"key", partition=partition) for value in values]
    producer.flush()
    for future in sent:
        future.get(timeout=10)


def place(topic: str, partition: int = 0) -> TopicPartition:
    return TopicPartition(topic, partition)
