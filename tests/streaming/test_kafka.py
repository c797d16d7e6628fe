"""The source on librdkafka's mock cluster: order, offsets, silence, outages, refusals, lost records."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaProducer

from headwater.streaming.errors import BrokerError
from headwater.streaming.kafka.source import KafkaSource
from headwater.streaming.records import DeadLetter, Sample
from tests.mock_kafka import FETCH, NOT_LEADER, MockCluster
from tests.streaming.kafka_reading import Clock, arrived, number, offsets, read, section, write

TOPIC = "metrics"


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as running:
        running.create(TOPIC, 2)
        yield running


@pytest.fixture
def producer(cluster: MockCluster) -> Iterator[KafkaProducer]:
    with KafkaProducer(bootstrap_servers=cluster.address, reconnect_backoff_max_ms=200, **cluster.client) as open_one:
        yield open_one


def numbers(start: int, stop: int) -> list[bytes | None]:
    return [b"%d" % n for n in range(start, stop)]


@pytest.fixture
def source(cluster: MockCluster, producer: KafkaProducer) -> Iterator[Any]:
    """Makes sources over the cluster, whose first partition holds 0...9, and closes them."""
    write(producer, TOPIC, numbers(0, 10))
    made: list[KafkaSource] = []

    def make(clock: Any = time.monotonic, **settings: Any) -> KafkaSource:
        options = {**cluster.client, "reconnect_backoff_max_ms": 200, **settings.pop("client", {})}
        watch = {key: settings.pop(key) for key in ("stale_after", "stall_after", "refresh_every") if key in settings}
        made.append(KafkaSource(section(cluster.address, **settings), number, clock=clock, **watch, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("at_once", [1, 7, 5000])
def test_what_arrives_does_not_depend_on_how_much_is_polled_at_once(source: Any, producer: Any, at_once: int) -> None:
    write(producer, TOPIC, numbers(100, 125), partition=1)
    reader = source(max_poll_records=at_once)
    got = read(reader, arrived(35)).arrivals
    assert reader.partitions() == [(TOPIC, 0), (TOPIC, 1)]
    assert (offsets(got, 0), offsets(got, 1)) == (list(range(10)), list(range(25)))
    assert [a.word.value for a in got if a.position.partition == 1] == list(range(100, 125))  # type: ignore[union-attr]
    assert reader.offsets() == {(TOPIC, 0): 10, (TOPIC, 1): 25}


def test_offsets_are_those_after_what_was_handed_out_not_after_what_was_fetched(source: Any) -> None:
    reader = source(max_poll_records=3)
    got = read(reader, arrived(1)).arrivals
    assert 1 <= len(got) <= 3
    assert (reader.offsets()[TOPIC, 0], reader.lag()["records"]) == (len(got), 10 - len(got))


def test_stored_offsets_win_over_the_start_in_the_settings(source: Any) -> None:
    reader = source(start="latest")
    reader.seek({(TOPIC, 0): 7, (TOPIC, 1): 0, ("another", 0): 3})
    assert offsets(read(reader, arrived(3)).arrivals) == [7, 8, 9]


def test_a_partition_that_appeared_while_nobody_read_is_read_from_its_start(source: Any, producer: Any) -> None:
    write(producer, TOPIC, numbers(0, 2), partition=1)
    reader = source(start="latest")
    reader.seek({(TOPIC, 0): 10})
    assert offsets(read(reader, arrived(2)).arrivals, 1) == [0, 1]


def test_latest_leaves_out_what_is_there(source: Any, producer: Any) -> None:
    reader = source(start="latest")
    reader.seek({})
    write(producer, TOPIC, numbers(10, 12))
    assert offsets(read(reader, arrived(2)).arrivals) == [10, 11]


def test_a_bad_record_is_a_dead_letter_and_a_tombstone_is_counted(source: Any, producer: Any) -> None:
    write(producer, TOPIC, [b"bad", None, b"11"])
    reader = source()
    got = read(reader, arrived(12))
    letter, last = got.arrivals[-2:]
    assert isinstance(letter.word, DeadLetter)
    assert isinstance(last.word, Sample)
    assert (letter.word.reason, letter.word.head, letter.word.position) == ("not a number", b"bad", letter.position)
    assert reader.lag()["tombstones"] == 1
    assert reader.offsets()[TOPIC, 0] == 13


def test_a_silent_partition_is_idle_once_and_again_after_its_next_record(source: Any, producer: Any) -> None:
    clock = Clock()
    reader = source(clock, idle_after=5.0)
    read(reader, arrived(10))
    clock.now = 4.0
    assert reader.poll(0.05).idle == []
    clock.now = 6.0
    assert reader.poll(0.05).idle == [(TOPIC, 0), (TOPIC, 1)]
    clock.now = 20.0
    assert reader.poll(0.05).idle == []
    write(producer, TOPIC, numbers(10, 11))
    assert read(reader, arrived(1)).idle == []
    clock.now = 40.0
    assert reader.poll(0.05).idle == [(TOPIC, 0)]


def test_an_outage_is_silence_with_an_alarm_and_nobody_is_idle_meanwhile(
    source: Any, producer: Any, cluster: MockCluster
) -> None:
    clock = Clock()
    reader = source(clock, idle_after=5.0, stale_after=30.0)
    read(reader, arrived(10))
    cluster.go_away()
    clock.now = 20.0
    assert reader.poll(0.1) == ([], [], False, [])
    clock.now = 31.0
    (alarm,) = reader.poll(0.1).alarms
    assert cluster.address in alarm
    assert "does not answer; no record for 31 s" in alarm
    clock.now = 40.0
    assert reader.poll(0.1).alarms == []
    assert reader.lag() == {"records": 0, "stale_s": 40.0, "alarms": [alarm.replace("31", "40")], "tombstones": 0}
    cluster.come_back()
    write(producer, TOPIC, numbers(10, 12))
    assert offsets(read(reader, arrived(2)).arrivals) == [10, 11]
    assert reader.lag()["alarms"] == []


def test_a_topic_without_new_records_is_told_from_an_outage(source: Any) -> None:
    clock = Clock()
    reader = source(clock, stale_after=30.0)
    read(reader, arrived(10))
    clock.now = 35.0
    assert reader.poll(0.05).alarms == [f"{TOPIC}: no record for 35 s; the broker answers"]


def test_refused_fetches_and_slow_answers_lose_nothing(source: Any, producer: Any, cluster: MockCluster) -> None:
    reader = source()
    cluster.refuse(FETCH, *[NOT_LEADER] * 3)
    cluster.answer_after(150)
    write(producer, TOPIC, numbers(10, 30))
    assert offsets(read(reader, arrived(30)).arrivals) == list(range(30))


def test_a_broker_that_gives_no_records_for_a_while_is_not_taken_for_damage(source: Any, cluster: MockCluster) -> None:
    cluster.refuse(FETCH, *[NOT_LEADER] * 10_000)
    reader = source(idle_after=0.2, stall_after=0.5)
    alarm = f"{TOPIC}/0: no record comes from offset 0 on, although the log ends at 10"
    stuck = read(reader, lambda so_far: alarm in so_far.alarms, seconds=40)
    assert (stuck.arrivals, reader.offsets()[TOPIC, 0]) == ([], 0)
    cluster.relent(FETCH)
    assert offsets(read(reader, arrived(10), seconds=40).arrivals) == list(range(10))
    assert reader.lag()["alarms"] == []


def lost(reader: KafkaSource) -> list[str]:
    """Alarms of a reader that comes back to offset 2, after records before 6 were deleted; it must go on at 6."""
    reader.seek({(TOPIC, 0): 2, (TOPIC, 1): 0})
    got = read(reader, arrived(4))
    assert offsets(got.arrivals) == [6, 7, 8, 9]
    return got.alarms


def test_records_deleted_before_they_were_read_are_an_alarm_with_their_number(
    source: Any, cluster: MockCluster
) -> None:
    cluster.forget(TOPIC, 6)
    reader = source()
    alarm = f"{TOPIC}/0: 4 records were deleted before they were read, from offset 2 on"
    assert lost(reader) == [alarm]
    assert reader.lag()["alarms"] == [alarm]


def test_a_client_that_resets_offsets_by_itself_would_lose_them_silently(source: Any, cluster: MockCluster) -> None:
    cluster.forget(TOPIC, 6)
    assert lost(source(client={"auto_offset_reset": "earliest"})) == []


def test_a_stored_offset_beyond_the_end_starts_again_with_an_alarm(source: Any) -> None:
    reader = source()
    reader.seek({(TOPIC, 0): 500, (TOPIC, 1): 0})
    got = read(reader, arrived(10))
    assert offsets(got.arrivals) == list(range(10))
    assert got.alarms == [
        f"{TOPIC}/0: the log ends at 10, before the next offset 500; it was cut or made anew and is read again"
    ]


def test_a_missing_topic_is_named_with_the_nearest_one(source: Any) -> None:
    with pytest.raises(BrokerError, match="the topic 'metric' does not exist") as caught:
        source(topic="metric")
    assert "did you mean 'metrics'?" in caught.value.mend
