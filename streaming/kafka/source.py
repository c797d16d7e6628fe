"""Reading a Kafka topic: every partition by manual `assign`, offsets kept by our store, loss never silent.

kafka-python 3.0.12, as measured against Kafka 4.1.1 (docs/kafka.md says more):

* In an outage `poll` returns nothing and raises nothing. So silence is looked into: the broker is asked for the
  ends of the log, and an alarm says which of the two it is, an outage or a topic without new records.
* After an error in a batch the next `poll` never returns. So a client that raised is thrown away, and the next
  one finds the first offset behind the damage that can be read.
* A damaged length byte stops a partition without an error: the end moves away and nothing comes. Same mend.
* Offsets in a batch's head are not covered by its checksum. So they are checked: they never go back.
* No consumer group is used, so its silent stall after a rejoin cannot happen, nor can a rebalance.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError, UnsupportedCodecError

from headwater.streaming.errors import BadRecord, BrokerError, HeadwaterError
from headwater.streaming.formats import Decoder
from headwater.streaming.records import Arrival, Position
from headwater.streaming.sections import SourceSection
from headwater.streaming.source import Poll, dead_letter

from .connect import ANSWER_MS, asking, connect, find_partitions, first_offsets
from .mend import NOT_THE_DATA, diverged, out_of_range, pass_damage, spell
from .watch import Alarms, Cursor

__all__ = ["KafkaSource"]


class KafkaSource:
    """All partitions of one topic as a `Source`.

    Parameters
    ----------
    section
        The settings' ``[source]``: broker, login, topic, where to start, records a poll, when a partition is idle.
    decoder
        Reads a record's value. What it refuses with `BadRecord` arrives as a dead letter.
    clock
        Seconds, never going back.
    stale_after, stall_after, refresh_every
        Seconds: without any record until an alarm; behind and without a record until damage is suspected;
        between two looks for new partitions.
    **client
        Further options of kafka-python's consumer.

    Raises
    ------
    BrokerError
        If the broker cannot be used or the topic is missing.
    """

    def __init__(
        self,
        section: SourceSection,
        decoder: Decoder,
        *,
        clock: Callable[[], float] = time.monotonic,
        stale_after: float = 30.0,
        stall_after: float = 10.0,
        refresh_every: float = 30.0,
        **client: Any,
    ) -> None:
        self._section, self._decoder, self._clock = section, decoder, clock
        self._stale_after, self._stall_after, self._refresh_every = stale_after, stall_after, refresh_every
        self._options = {
            "auto_offset_reset": "none",  # anything else jumps over lost records silently
            "enable_auto_commit": False,
            "allow_auto_create_topics": False,
            "fetch_max_wait_ms": 200,
            "max_poll_records": section.max_poll_records,
            "metadata_max_age_ms": int(refresh_every * 1000),
            **client,
        }
        self.tombstones = 0
        self._alarms = Alarms()
        self._cursors: dict[TopicPartition, Cursor] = {}
        self._last_record: float | None = None
        self._error: Exception | None = None  # what the client raised; mended with a new client
        self._consumer: Any = connect(section, KafkaConsumer, **self._options)
        try:
            self._there = find_partitions(self._consumer, section)
        except BrokerError:
            self.close()
            raise
        self._started = self._look_next = clock()
        self._refresh_next = self._started + refresh_every

    def partitions(self) -> list[tuple[str, int]]:
        """Partitions that are read; grows when the topic does."""
        return [(place.topic, place.partition) for place in self._there]

    def offsets(self) -> dict[tuple[str, int], int]:
        """Next offset of each partition, after what `poll` returned last."""
        return {(place.topic, place.partition): cursor.next for place, cursor in self._cursors.items()}

    def lag(self) -> dict[str, Any]:
        """Return records behind (None before `seek`), seconds since the last record, alarms that stand."""
        return {
            "records": sum(max(0, c.end - c.next) for c in self._cursors.values()) if self._cursors else None,
            "stale_s": None if self._last_record is None else self._clock() - self._last_record,
            "alarms": self._alarms.standing(),
            "tombstones": self.tombstones,
        }

    def close(self) -> None:
        """Leave the broker; takes 2 s at most."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=2000)
            self._consumer = None

    def seek(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Go to the stored `offsets`.

        With none for this topic, every partition starts at ``[source] start``. With some, a partition that is
        not among them was added while no one read: all of it is new, so it is read from its beginning.

        Raises
        ------
        BrokerError
            If the broker does not tell the offsets in time.
        """
        wanted = {TopicPartition(*name): offset for name, offset in offsets.items() if name[0] == self._section.topic}
        self._tell("partitions are gone", set(wanted) - set(self._there))
        stored = {place: wanted[place] for place in self._there if place in wanted}
        fresh = [place for place in self._there if place not in stored]
        with asking(self._section):
            ends = self._consumer.end_offsets(self._there, timeout_ms=ANSWER_MS)
            starts = first_offsets(self._consumer, fresh, "earliest" if stored else self._section.start)
        now, at = self._clock(), {**starts, **stored}
        self._cursors = {place: Cursor(at[place], ends[place], now) for place in self._there}
        self._stand()

    def poll(self, timeout: float) -> Poll:
        """Return what came within `timeout` seconds; some seconds later if it finds a way past damage.

        Raises
        ------
        BrokerError
            If records are compressed with a codec that is not installed here.
        """
        if not self._cursors:
            self.seek({})
        arrivals = self._decode(self._read(timeout))
        now = self._clock()
        idle = self._look(now)
        if now >= self._refresh_next:
            self._refresh_next = now + self._refresh_every
            self._refresh()
        return Poll(arrivals, idle, False, self._alarms.news())

    def _stand(self) -> None:
        """Let the client stand where the cursors do."""
        self._consumer.assign(list(self._cursors))
        for place, cursor in self._cursors.items():
            self._consumer.seek(place, cursor.next)

    def _read(self, timeout: float) -> Mapping[TopicPartition, Sequence[Any]]:
        """Poll the client; what it raises ends in an alarm, and is mended at the next poll with a new client."""
        try:
            if self._consumer is None:
                self._recover(max(1.0, timeout))
            return dict(self._consumer.poll(timeout_ms=int(timeout * 1000)))
        except UnsupportedCodecError as error:
            mend = "pip install 'kafka-python[crc32c,lz4,snappy,zstd]'"
            raise BrokerError(f"{self._section.topic}: cannot decompress its records", str(error), mend) from None
        except (HeadwaterError, *NOT_THE_DATA) as error:
            reason = "; ".join(str(error).splitlines())
            self._alarms.raise_("refused", f"{self._section.topic} cannot be read: {reason}")
            time.sleep(min(1.0, timeout))  # nothing was waited for yet
        except Exception as error:  # a batch that cannot be read may raise anything, down to a codec's own errors
            self._error = error
        self.close()
        return {}

    def _recover(self, patience: float) -> None:
        options = {**self._options, "bootstrap_timeout_ms": int(patience * 1000)}
        self._consumer = connect(self._section, KafkaConsumer, **options)
        world = (self._consumer, self._cursors, self._alarms)
        match self._error:
            case OffsetOutOfRangeError(args=(places,)):
                out_of_range(*world, places)
            case LogTruncationError(divergent_offsets=places):
                diverged(*world, places)
            case Exception() as error:
                damage = f"{type(error).__name__}: {error}"
                if not pass_damage(*world, damage) and not isinstance(error, TimeoutError):
                    self._alarms.raise_("client", f"{self._section.topic}: the Kafka client was replaced: {damage}")
        self._error = None
        self._stand()

    def _decode(self, records: Mapping[TopicPartition, Sequence[Any]]) -> list[Arrival]:
        arrivals: list[Arrival] = []
        for place, batch in records.items():
            cursor = self._cursors[place]
            end, dropped = self._consumer.highwater(place) or batch[-1].offset + 1, cursor.dropped
            for record in batch:
                if cursor.accept(record.offset, end):
                    self._decode_one(Position(place.topic, place.partition, record.offset), record, arrivals)
            cursor.progress(self._clock(), end)
            self._alarms.clear(f"stuck {place}")
            if cursor.dropped > dropped:
                self._disorder(place, cursor, batch[-1].offset)
        if records:
            self._last_record = self._clock()
            for key in ("outage", "silence", "refused", "client"):
                self._alarms.clear(key)
        return arrivals

    def _decode_one(self, position: Position, record: Any, arrivals: list[Arrival]) -> None:
        if record.value is None:
            self.tombstones += 1
            return
        stamp = None if record.timestamp < 0 else record.timestamp / 1000
        try:
            arrivals.extend(Arrival(position, word) for word in self._decoder(record.value, position, stamp))
        except BadRecord as error:
            arrivals.append(Arrival(position, dead_letter(position, record.value, error.what)))

    def _disorder(self, place: TopicPartition, cursor: Cursor, last: int) -> None:
        text = f"{spell(place)}: {cursor.dropped} records with impossible offsets dropped; is its log damaged?"
        self._alarms.raise_(f"disorder {place}", text)
        if last < cursor.next - 1:  # the client follows the wrong offsets and would read the same records for ever
            self._consumer.seek(place, cursor.next)

    def _tell(self, what: str, places: Iterable[TopicPartition]) -> None:
        if numbers := ", ".join(str(place.partition) for place in sorted(places)):
            self._alarms.tell(f"{self._section.topic}: {what}: {numbers}")

    def _look(self, now: float) -> list[tuple[str, int]]:
        """Ask the broker about partitions that are silent; return those that are now known to be read to their end."""
        silent = {place: c for place, c in self._cursors.items() if now - c.moved >= self._section.idle_after}
        if not silent or self._consumer is None or now < self._look_next:
            return []
        self._look_next = now + self._section.idle_after / 2
        quiet = now - (self._started if self._last_record is None else self._last_record)
        try:
            ends = self._consumer.end_offsets(list(silent), timeout_ms=ANSWER_MS)
            positions = {place: self._consumer.position(place, timeout_ms=0) for place in silent}
        except (LogTruncationError, OffsetOutOfRangeError) as error:
            self._error = error
            self.close()
            return []
        except KafkaError:
            if quiet >= self._stale_after:
                servers = self._section.bootstrap_servers
                self._alarms.raise_("outage", f"{servers} does not answer; no record for {quiet:.0f} s")
            return []
        self._alarms.clear("outage")
        if quiet >= self._stale_after:
            self._alarms.raise_("silence", f"{self._section.topic}: no record for {quiet:.0f} s; the broker answers")
        idle = [place for place, c in silent.items() if c.look(now, ends[place], positions[place])]
        stuck = [c for c in silent.values() if c.behind is not None and now - c.behind >= self._stall_after]
        if stuck:
            self._error = TimeoutError(f"no record came for {self._stall_after:g} s")
            self.close()
        for cursor in stuck:
            cursor.behind = now
        return [(place.topic, place.partition) for place in idle]

    def _refresh(self) -> None:
        """Notice partitions that were added, and a topic that is gone or was made anew with fewer."""
        if self._consumer is None:
            return
        topic, known = self._section.topic, set(self._cursors)
        try:
            there = {TopicPartition(topic, number) for number in self._consumer.partitions_for_topic(topic)}
            starts = first_offsets(self._consumer, sorted(there - known), "earliest")
        except KafkaError:
            return  # an outage; the next look will tell
        if not there:
            self._alarms.raise_("topic", f"the topic {topic} is gone")
            return
        self._alarms.clear("topic")
        if there == known:
            return
        self._tell("new partitions, read from their start", there - known)
        self._tell("partitions are gone", known - there)
        kept = {place: cursor for place, cursor in self._cursors.items() if place in there}
        fresh = {place: Cursor(offset, offset, self._clock()) for place, offset in starts.items()}
        self._cursors = dict(sorted({**kept, **fresh}.items()))
        self._there = list(self._cursors)
        self._stand()
