"""Publishing to Kafka: the outbox's rows, each once unless the worker dies in between, none blocking another."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.codec import has_lz4, has_zstd
from kafka.errors import (
    InvalidRecordError,
    InvalidTopicError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from headwater.streaming.errors import BrokerError
from headwater.streaming.outbox import OutboxRow
from headwater.streaming.sections import SourceSection

from .connect import asking, client_options, connect
from .errors import missing_topics, overheard

__all__ = ["KafkaSink", "ensure_topics"]

_REJECTED = (
    InvalidRecordError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    TypeError,
    ValueError,
)  # sending the same row again would end the same way; TypeError and ValueError come from the client's own checks


class KafkaSink:
    """A `Sink` that waits for all replicas (``acks=all``) and whose own retries repeat nothing (idempotent).

    The row's id goes with each record as header ``id``: a worker that is killed between publishing and noting it
    publishes again under the same id.

    After a record was refused by the broker, kafka-python's idempotent producer fails every later one with the
    same error. So a producer that failed is thrown away, and the rows it failed are tried one by one.

    Parameters
    ----------
    section
        The settings' ``[source]``, whose broker and login serve both directions.
    patience
        Seconds that `send` waits for acknowledgements.
    clock
        Seconds, never going back.
    **client
        Further options of kafka-python's clients.

    Raises
    ------
    BrokerError
        If the broker cannot be used.
    """

    def __init__(
        self,
        section: SourceSection,
        *,
        patience: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
        **client: Any,
    ) -> None:
        self._section, self._patience, self._clock, self._client = section, patience, clock, client
        self._options = {
            "acks": "all",
            "enable_idempotence": True,
            "compression_type": "zstd" if has_zstd() else "lz4" if has_lz4() else "gzip",
            "linger_ms": 5,
            "allow_auto_create_topics": False,
            "max_block_ms": int(patience * 250),  # for a topic it does not know yet
            **client,
        }
        self._producer: Any = connect(section, KafkaProducer, **self._options)
        self._waiting: dict[str, Any] = {}  # id → future of a row that was handed over and is not decided yet

    def check(self, topics: Iterable[str]) -> None:
        """Raise a `BrokerError` that names those of `topics` which do not exist; nothing is created here."""
        wanted = set(topics)
        admin = connect(self._section, KafkaAdminClient, **self._client)
        with asking(self._section):
            known = _topics(admin)
        if wanted - known:
            raise missing_topics(wanted - known, known)

    def send(self, rows: Sequence[OutboxRow]) -> tuple[list[str], list[str]]:
        """Publish `rows` in order; return the ids that all replicas have, and the ids that were rejected.

        An id in neither list was not decided in time. It may be handed in again: the sink knows which rows it
        still holds, so in an outage nothing piles up and nothing is sent twice.
        """
        end = self._clock() + self._patience
        sent: list[str] = []
        failed: list[str] = []
        for row in self._publish(rows, end, sent, failed):
            if self._clock() < end:
                alone = self._publish([row], end, sent, failed)
                failed += [row.id for error in alone.values() if isinstance(error, _REJECTED)]
        return sent, failed

    def close(self) -> None:
        """Leave the broker; what is not acknowledged within 2 s is published by the next worker."""
        self._leave(2.0)

    def _publish(
        self, rows: Sequence[OutboxRow], end: float, sent: list[str], failed: list[str]
    ) -> dict[OutboxRow, Exception]:
        """Publish `rows`; return those that ended with an error of the broker, by their own fault or another's."""
        if self._producer is None and not self._renew():
            return {}
        unknown: set[str] = set()  # topics whose partitions the client could not learn
        for row in rows:
            if row.id not in self._waiting and row.topic not in unknown:
                self._hand_over(row, failed, unknown)
        gone = self._gone(unknown) if unknown else set()
        failed += [row.id for row in rows if row.topic in gone and row.id not in self._waiting]
        broken = {row: error for row in rows if (error := self._settle(row.id, end, sent))}
        if broken:
            self._leave(0.0)
        return broken

    def _leave(self, patience: float) -> None:
        producer, self._producer = self._producer, None
        self._waiting.clear()
        if producer is None:
            return
        try:
            producer.close(timeout=patience)
        except KafkaError:  # it gives up half-way if rows are still on their way, and does so again at exit, loudly
            producer._sender.force_close()
            producer._sender.join(1.0)
            producer.close(timeout=0)

    def _renew(self) -> bool:
        options = {**client_options(self._section), **self._options, "bootstrap_timeout_ms": 1000}
        try:
            with overheard():
                self._producer = KafkaProducer(**options)
        except KafkaError:
            return False  # an outage: the rows stay where they are
        return True

    def _hand_over(self, row: OutboxRow, failed: list[str], unknown: set[str]) -> None:
        headers = [("id", row.id.encode())]
        try:
            self._waiting[row.id] = self._producer.send(row.topic, row.value, row.key.encode(), headers)
        except KafkaTimeoutError:
            unknown.add(row.topic)
        except _REJECTED:
            failed.append(row.id)

    def _settle(self, identifier: str, end: float, sent: list[str]) -> Exception | None:
        """Wait until `end` for one row; return the error it ended with, if it did."""
        future = self._waiting.get(identifier)
        if future is None:
            return None
        try:
            future.get(timeout=max(0.0, end - self._clock()))
        except KafkaError as error:
            if not future.is_done:
                return None  # the client goes on trying
            del self._waiting[identifier]
            return error  # type: ignore[no-any-return]  # kafka-python has no types
        del self._waiting[identifier]
        sent.append(identifier)
        return None

    def _gone(self, topics: set[str]) -> set[str]:
        """Those of `topics` that the broker says it does not have; none if it does not answer."""
        options = {**client_options(self._section), **self._client, "bootstrap_timeout_ms": 1000}
        try:
            with overheard():
                return topics - _topics(KafkaAdminClient(**options))
        except KafkaError:
            return set()


def _topics(admin: Any) -> set[str]:
    with closing(admin):
        return set(admin.list_topics())


def ensure_topics(section: SourceSection, topics: Iterable[str], *, partitions: int = 1, **client: Any) -> list[str]:
    """Create those of `topics` that do not exist, and return their names.

    Raises
    ------
    BrokerError
        If the broker cannot be used, or refuses to create one of them; those before it are there then.
    """
    with asking(section), closing(connect(section, KafkaAdminClient, **client)) as admin:
        there = set(admin.list_topics())
        missing = [topic for topic in dict.fromkeys(topics) if topic not in there]
        return [topic for topic in missing if _create(admin, topic, partitions, section.username)]


def _create(admin: Any, topic: str, partitions: int, user: str | None) -> bool:
    """Create a topic; False if another worker was faster."""
    try:
        admin.create_topics({topic: {"num_partitions": partitions}}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return False
    except KafkaError as error:
        allow = f", or allow it to user {user!r}" if user else ""
        mend = f"create it (kafka-topics --create --topic {topic}){allow}, or correct the setting"
        raise BrokerError(f"cannot create the topic {topic!r}", str(error), mend) from None
    return True
