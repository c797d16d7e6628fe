"""The sink: acknowledged or rejected or undecided, each row for itself, and nothing twice."""

import os
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import MessageSizeTooLargeError

from headwater.benchmarks.broker.broker import Broker
from headwater.streaming.errors import BrokerError
from headwater.streaming.kafka.sink import KafkaSink, ensure_topics
from headwater.streaming.outbox import OutboxRow
from tests.mock_kafka import NOT_LEADER, PRODUCE, MockCluster
from tests.streaming.kafka_reading import place, section


def row(n: int, topic: str, value: bytes = b"{}") -> OutboxRow:
    return OutboxRow(f"shop/{n}", topic, "shop", value)


def published(address: str, topic: str, **client: object) -> list[tuple[str, bytes]]:
    """Ids and values in the topic's one partition."""
    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, **client)
    with closing(consumer):
        (end,) = consumer.end_offsets([place(topic)]).values()
        consumer.assign([place(topic)])
        consumer.seek(place(topic), 0)
        found: list[tuple[str, bytes]] = []
        while consumer.position(place(topic)) < end:
            records = consumer.poll(timeout_ms=200).get(place(topic), [])
            found += [(dict(record.headers)["id"].decode(), record.value) for record in records]
        return found


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as running:
        running.create("out")
        yield running


@pytest.fixture
def sink(cluster: MockCluster) -> Iterator[KafkaSink]:
    client = {**cluster.client, "reconnect_backoff_max_ms": 200}
    with closing(KafkaSink(section(cluster.address), patience=1.0, **client)) as open_one:
        yield open_one


def test_rows_are_published_in_order_with_their_id_and_key(sink: KafkaSink, cluster: MockCluster) -> None:
    rows = [row(n, "out", b"%d" % n) for n in range(50)]
    assert sink.send(rows) == ([one.id for one in rows], [])
    assert published(cluster.address, "out", **cluster.client) == [(one.id, one.value) for one in rows]


def test_requests_that_are_refused_for_a_while_are_repeated(sink: KafkaSink, cluster: MockCluster) -> None:
    cluster.refuse(PRODUCE, NOT_LEADER, NOT_LEADER)
    assert sink.send([row(1, "out")]) == (["shop/1"], [])


def test_an_outage_decides_nothing_and_nothing_is_sent_twice(sink: KafkaSink, cluster: MockCluster) -> None:
    assert sink.send([row(0, "out")]) == (["shop/0"], [])
    cluster.go_away()
    rows = [row(n, "out") for n in range(1, 4)]
    for _ in range(2):
        started = time.monotonic()
        assert sink.send(rows) == ([], [])
        assert time.monotonic() - started < 2
    cluster.come_back()
    sent: set[str] = set()
    while len(sent) < 3:
        sent |= set(sink.send([one for one in rows if one.id not in sent])[0])
    ids = [identifier for identifier, _ in published(cluster.address, "out", **cluster.client)]
    assert ids == ["shop/0", "shop/1", "shop/2", "shop/3"]


def test_leaving_in_an_outage_is_quick_and_quiet(cluster: MockCluster, capfd: pytest.CaptureFixture[str]) -> None:
    sink = KafkaSink(section(cluster.address), patience=1.0, **cluster.client)
    assert sink.send([row(0, "out")]) == (["shop/0"], [])
    cluster.go_away()
    assert sink.send([row(1, "out")]) == ([], [])
    started = time.monotonic()
    sink.close()
    assert time.monotonic() - started < 4
    assert capfd.readouterr().err == ""


def test_a_row_that_is_too_large_for_the_client_fails_alone(sink: KafkaSink) -> None:
    rows = [row(0, "out"), row(1, "out", os.urandom(2_000_000)), row(2, "out")]
    assert sink.send(rows) == (["shop/0", "shop/2"], ["shop/1"])


def test_a_row_that_the_broker_refuses_fails_alone(broker: Broker) -> None:
    topic = broker.create("small", config={"max.message.bytes": "10000"})
    with closing(KafkaSink(section(broker.plain))) as sink:
        rows = [row(0, topic), row(1, topic, os.urandom(20_000)), row(2, topic), row(3, topic)]
        sent, failed = sink.send(rows)
        assert (sorted(sent), failed) == (["shop/0", "shop/2", "shop/3"], ["shop/1"])
        assert sink.send([row(4, topic)]) == (["shop/4"], [])
    assert sorted(identifier for identifier, _ in published(broker.plain, topic)) == [
        "shop/0", "shop/2", "shop/3", "shop/4",
    ]  # fmt: skip


def test_the_client_alone_fails_every_row_after_a_refused_one(broker: Broker) -> None:
    """If this fails, kafka-python was mended, and `KafkaSink` need not throw its producer away after an error."""
    topic = broker.create("small", config={"max.message.bytes": "10000"})
    with KafkaProducer(bootstrap_servers=broker.plain) as producer:
        with pytest.raises(MessageSizeTooLargeError):
            producer.send(topic, os.urandom(20_000)).get(timeout=10)
        with pytest.raises(MessageSizeTooLargeError):
            producer.send(topic, b"small").get(timeout=10)


def test_rows_for_a_topic_that_is_gone_are_rejected_and_block_nobody(broker: Broker) -> None:
    topic = broker.create("there")
    with closing(KafkaSink(section(broker.plain))) as sink:
        started = time.monotonic()
        assert sink.send([row(0, "gone"), row(1, topic), row(2, "gone")]) == (["shop/1"], ["shop/0", "shop/2"])
        assert time.monotonic() - started < 5


def test_check_names_missing_topics_and_ensure_creates_them(broker: Broker) -> None:
    there = broker.create("there")
    settings, wanted = section(broker.plain), [there, f"{there}-dead"]
    with closing(KafkaSink(settings)) as sink:
        with pytest.raises(BrokerError, match=f"the topic '{there}-dead' does not exist"):
            sink.check(wanted)
        assert ensure_topics(settings, wanted, partitions=2) == [f"{there}-dead"]
        sink.check(wanted)
        assert ensure_topics(settings, wanted) == []


def test_a_topic_that_the_broker_does_not_create_is_named_with_why_and_mend(
    broker: Broker, cluster: MockCluster
) -> None:
    for address, topic, client, why in (
        (broker.plain, "not/a/name", {}, "InvalidTopic"),
        (cluster.address, "new", cluster.client, "IncompatibleBrokerVersion"),  # the mock's 2.3 wants all spelt out
    ):
        with pytest.raises(BrokerError) as refused:
            ensure_topics(section(address), [topic], **client)
        assert refused.value.what == f"cannot create the topic {topic!r}"
        assert why in refused.value.why
        assert f"kafka-topics --create --topic {topic}" in refused.value.mend
    login = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "username": "ann"}
    with pytest.raises(BrokerError) as refused:
        ensure_topics(section(cluster.address, **login), ["new"], **cluster.client, security_protocol="PLAINTEXT")
    assert "allow it to user 'ann'" in refused.value.mend


def test_a_topic_that_another_worker_made_is_no_error(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = broker.create("there")
    monkeypatch.setattr(KafkaAdminClient, "list_topics", lambda self: [])
    assert ensure_topics(section(broker.plain), [topic, f"{topic}-new", topic]) == [f"{topic}-new"]
