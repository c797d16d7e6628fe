"""Damage, cuts and outages on a real broker: what is lost is told, and nothing else is lost."""

import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaProducer

from headwater.benchmarks.broker.broker import Broker
from headwater.streaming.kafka.source import KafkaSource
from tests.broker.segment import BASE_OFFSET, FIRST_RECORD, LENGTH, MAGIC, Batch, batches, overwrite
from tests.streaming.kafka_reading import arrived, number, offsets, place, read, section, write

EACH_BATCH_INDEXED = {"index.interval.bytes": "1"}


@pytest.fixture(autouse=True)
def _own_broker(broker: Broker) -> None:
    if not broker.owned:
        pytest.skip("damages the broker: unset HEADWATER_TEST_BROKER")


@pytest.fixture
def producer(broker: Broker) -> Iterator[KafkaProducer]:
    with KafkaProducer(bootstrap_servers=broker.plain, linger_ms=200, reconnect_backoff_max_ms=500) as open_one:
        yield open_one


@pytest.fixture
def source(broker: Broker) -> Iterator[Callable[..., KafkaSource]]:
    made: list[KafkaSource] = []

    def make(topic: str, stale_after: float = 60.0, **settings: Any) -> KafkaSource:
        watch = {"stale_after": stale_after, "stall_after": 1.0, "refresh_every": 0.5}
        made.append(KafkaSource(section(broker.plain, topic, **settings), number, **watch))
        return made[-1]

    yield make
    for one in made:
        one.close()


def filled(broker: Broker, producer: KafkaProducer, count: int = 10) -> tuple[str, list[Batch]]:
    """A topic with `count` batches of ten records, and where they stand in its log."""
    topic = broker.create("damaged", config=EACH_BATCH_INDEXED)
    for n in range(count):
        write(producer, topic, [b"%d" % value for value in range(10 * n, 10 * n + 10)])
    there = batches(broker.segment(topic))
    assert [batch.base_offset for batch in there] == list(range(0, 10 * count, 10))
    return topic, there


@pytest.mark.parametrize("at_once", [1, 5000])
def test_a_damaged_batch_is_skipped_alone_and_counted(broker: Broker, producer: Any, source: Any, at_once: int) -> None:
    topic, there = filled(broker, producer)
    overwrite(broker.segment(topic), there[3].position + FIRST_RECORD + 9, b"\xff")
    got = read(source(topic, max_poll_records=at_once), arrived(90))
    assert offsets(got.arrivals) == [*range(30), *range(40, 100)]
    (alarm,) = got.alarms
    assert alarm.startswith(f"{topic}/0: 10 offsets from 30 on cannot be read and were skipped (CorruptRecordError")


def test_damage_at_the_end_of_the_log_costs_nothing_that_comes_later(
    broker: Broker, producer: Any, source: Any
) -> None:
    topic, there = filled(broker, producer, 2)
    overwrite(broker.segment(topic), there[1].position + FIRST_RECORD + 9, b"\xff")
    reader = source(topic)
    got = read(reader, lambda so_far: any("cannot be read" in alarm for alarm in so_far.alarms))
    assert offsets(got.arrivals) == list(range(10))
    assert reader.offsets() == {(topic, 0): 20}
    write(producer, topic, [b"20"])
    assert offsets(read(reader, arrived(1)).arrivals) == [20]


HANGS = """
import sys
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import CorruptRecordError
address, topic = sys.argv[1:]
consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="none", enable_auto_commit=False)
consumer.assign([TopicPartition(topic, 0)])
consumer.seek(TopicPartition(topic, 0), 0)
try:
    while True:
        consumer.poll(timeout_ms=100)
except CorruptRecordError:
    print("raised", flush=True)
consumer.poll(timeout_ms=100)
print("returned", flush=True)
"""


def test_the_client_alone_hangs_after_a_damaged_batch(broker: Broker, producer: Any) -> None:
    """If this fails, kafka-python was mended, and `KafkaSource` need not throw its client away after an error."""
    topic, there = filled(broker, producer, 2)
    overwrite(broker.segment(topic), there[0].position + FIRST_RECORD + 9, b"\xff")
    with pytest.raises(subprocess.TimeoutExpired) as hung:
        subprocess.run(
            [sys.executable, "-c", HANGS, broker.plain, topic], check=False, timeout=5, stdout=subprocess.PIPE
        )
    assert hung.value.stdout == b"raised\n"


@pytest.mark.parametrize(
    ("field", "raw"), [(MAGIC, b"\x01"), (LENGTH, struct.pack(">i", 2_000_000))], ids=["magic", "length"]
)
def test_a_head_that_is_wrong_costs_what_the_index_cannot_reach(
    broker: Broker, producer: Any, source: Any, field: int, raw: bytes
) -> None:
    """The broker cannot walk over such a head. Its index names the last offset of each batch, so it finds 49 again.

    A wrong magic byte raises; with a wrong length the client stalls silently.
    """
    topic, there = filled(broker, producer)
    overwrite(broker.segment(topic), there[3].position + field, raw)
    got = read(source(topic), lambda so_far: offsets(so_far.arrivals)[-1:] == [99], seconds=40)
    seen = offsets(got.arrivals)
    first = seen[30]
    assert seen == [*range(30), *range(first, 100)]
    assert 40 <= first <= 49
    (alarm,) = got.alarms
    assert alarm.startswith(f"{topic}/0: {first - 30} offsets from 30 on cannot be read and were skipped")


@pytest.mark.parametrize("wrong", [7, 1_000_000])
@pytest.mark.parametrize("at_once", [1, 5000])
def test_an_offset_that_is_wrong_is_never_believed(
    broker: Broker, producer: Any, source: Any, wrong: int, at_once: int
) -> None:
    topic, there = filled(broker, producer)
    overwrite(broker.segment(topic), there[3].position + BASE_OFFSET, struct.pack(">q", wrong))
    reader = source(topic, max_poll_records=at_once)
    got = read(reader, lambda so_far: offsets(so_far.arrivals)[-1:] == [99])
    seen = offsets(got.arrivals)
    assert seen == sorted(set(seen))
    assert set(range(100)) - set(seen) == set(range(30, 40))
    assert all(arrival.word.value == arrival.position.offset for arrival in got.arrivals)
    assert all("impossible offsets" in alarm for alarm in got.alarms)
    assert reader.offsets() == {(topic, 0): 100}


def test_records_deleted_while_a_reader_is_behind_are_an_alarm(broker: Broker, producer: Any, source: Any) -> None:
    topic, _ = filled(broker, producer)
    reader = source(topic)
    reader.seek({(topic, 0): 10})
    broker.admin.delete_records({place(topic): 40})
    got = read(reader, arrived(60))
    assert offsets(got.arrivals) == list(range(40, 100))
    assert got.alarms == [f"{topic}/0: 30 records were deleted before they were read, from offset 10 on"]


def test_a_topic_made_anew_is_read_again_with_an_alarm(broker: Broker, producer: Any, source: Any) -> None:
    topic, _ = filled(broker, producer)
    reader = source(topic)
    read(reader, arrived(100))
    broker.delete(topic)
    read(reader, lambda so_far: f"the topic {topic} is gone" in so_far.alarms)
    time.sleep(0.5)
    broker.create_as(topic)
    write(producer, topic, [b"0", b"1", b"2"])
    read(reader, lambda so_far: any("cut" in alarm for alarm in so_far.alarms), seconds=30)
    write(producer, topic, [b"3", b"4"])
    read(reader, lambda so_far: offsets(so_far.arrivals)[-1:] == [4], seconds=30)
    assert reader.offsets() == {(topic, 0): 5}
    assert any("cut" in alarm for alarm in reader.lag()["alarms"])


def test_partitions_that_are_added_are_told_and_read_from_their_start(
    broker: Broker, producer: Any, source: Any
) -> None:
    topic, _ = filled(broker, producer, 1)
    reader = source(topic, start="latest")
    reader.seek({})
    broker.admin.create_partitions({topic: 3})
    for _ in range(100):
        if len(producer.partitions_for(topic)) == 3:
            break
        producer._metadata.request_update()
        time.sleep(0.1)
    write(producer, topic, [b"0", b"1"], partition=2)
    got = read(reader, arrived(2))
    assert offsets(got.arrivals, 2) == [0, 1]
    assert f"{topic}: new partitions, read from their start: 1, 2" in got.alarms
    assert reader.partitions() == [(topic, 0), (topic, 1), (topic, 2)]


def test_a_broker_killed_in_the_middle_costs_nothing_and_repeats_nothing(
    broker: Broker, producer: Any, source: Any
) -> None:
    topic = broker.create("killed")
    write(producer, topic, [b"%d" % n for n in range(2000)])
    reader = source(topic, stale_after=1.0, max_poll_records=100)
    before = read(reader, arrived(700))
    broker.kill()
    outage = read(reader, lambda so_far: any("does not answer; no record for" in alarm for alarm in so_far.alarms))
    broker.start()
    write(producer, topic, [b"%d" % n for n in range(2000, 2050)])
    count = 2050 - len(before.arrivals + outage.arrivals)
    after = read(reader, arrived(count), seconds=40)
    assert offsets(before.arrivals + outage.arrivals + after.arrivals) == list(range(2050))
    assert not [alarm for alarm in reader.lag()["alarms"] if "does not answer" in alarm]


def test_markers_of_transactions_do_not_keep_a_partition_from_being_idle(broker: Broker, source: Any) -> None:
    topic = broker.create("transactions")
    with KafkaProducer(bootstrap_servers=broker.plain, transactional_id=topic) as writer:
        writer.init_transactions()
        for value in (b"0", b"2"):
            writer.begin_transaction()
            writer.send(topic, value)
            writer.commit_transaction()
        reader = source(topic)
        got = read(reader, lambda so_far: so_far.idle)
    assert offsets(got.arrivals) == [0, 2]
    assert (reader.offsets(), reader.lag()["records"]) == ({(topic, 0): 4}, 0)
