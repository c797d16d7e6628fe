"""Playing a recording into a topic, as wide or as long JSON."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec
from kafka import KafkaProducer

from headwater.streaming.records import Wide

__all__ = ["produce"]

Message = tuple[str, dict[str, Any]]  # key, fields


def produce(bootstrap: str, topic: str, rows: Iterable[Wide | bytes], shape: Literal["wide", "long"] = "wide") -> int:
    """Write `rows` to `topic` in their order, wait until all are acknowledged, and return how many messages it took.

    ``wide``: a message a row, under the system as key. ``long``: a message for each value that is there, under
    the series' name as key, so that a series stays in one partition, in order. Numbers survive to the bit.
    Bytes among the rows are written as they are, under a key of their own.
    """
    messages = _wide if shape == "wide" else _long
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=20, batch_size=65_536)
    count = 0
    try:
        for row in rows:
            if isinstance(row, bytes):
                producer.send(topic, row, b"%d" % count)
                count += 1
                continue
            for key, fields in messages(row):
                producer.send(topic, msgspec.json.encode(fields), key.encode(), timestamp_ms=int(row.time * 1000))
                count += 1
        producer.flush()
    finally:
        producer.close()
    return count


def _wide(row: Wide) -> Iterator[Message]:
    values = [None if math.isnan(value) else value for value in row.values.tolist()]
    named = dict(zip(row.names, values, strict=True))
    yield row.system, {"system": row.system, "time": row.time, "values": named}


def _long(row: Wide) -> Iterator[Message]:
    for name, value in zip(row.names, row.values.tolist(), strict=True):
        entity, metric = name.split("|", 1)
        if not math.isnan(value):
            fields = {"system": row.system, "entity": entity, "metric": metric, "time": row.time, "value": value}
            yield name, fields
