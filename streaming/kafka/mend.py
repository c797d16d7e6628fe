"""Getting a consumer past what stops it: lost offsets, a cut log, batches that cannot be read.

Each function asks a new `consumer`, moves cursors, and says in an alarm what was lost. Each may raise the
client's `KafkaError` if the broker does not answer; the same call mends it later.
"""

from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition
from kafka.errors import (
    AuthorizationError,
    LogTruncationError,
    OffsetOutOfRangeError,
    RetriableError,
    SaslAuthenticationFailedError,
    UnsupportedCodecError,
)

from .connect import ANSWER_MS
from .watch import Alarms, Cursor, first_readable

__all__ = ["NOT_THE_DATA", "Cursors", "diverged", "out_of_range", "pass_damage", "spell"]

Cursors = Mapping[TopicPartition, Cursor]

NOT_THE_DATA = (AuthorizationError, RetriableError, SaslAuthenticationFailedError, UnsupportedCodecError)
"""Errors of the client that say nothing about the records."""

_TRIAL_MS = 1000  # how long a record that can be read may take to come; a fetch waits for 200 ms at most


def spell(place: TopicPartition) -> str:
    """``topic/partition``, as alarms name it."""
    return f"{place.topic}/{place.partition}"


def out_of_range(consumer: Any, cursors: Cursors, alarms: Alarms, places: Mapping[TopicPartition, int]) -> None:
    """Go on at the log's beginning where the next offset is not in the log any more, or not yet.

    Another offset than the next one is where a damaged batch led the client; nothing is lost then.
    """
    firsts = consumer.beginning_offsets(list(places), timeout_ms=ANSWER_MS)
    ends = consumer.end_offsets(list(places), timeout_ms=ANSWER_MS)
    for place, offset in places.items():
        cursor, first, end = cursors[place], firsts[place], ends[place]
        if offset == cursor.next and not first <= offset <= end:
            lost = f"{first - offset} records were deleted before they were read, from offset {offset} on"
            anew = f"the log ends at {end}, before the next offset {offset}; it was cut or made anew and is read again"
            alarms.raise_(f"lost {place}", f"{spell(place)}: {lost if offset < first else anew}", again=True)
            cursor.jump(first)


def diverged(consumer: Any, cursors: Cursors, alarms: Alarms, places: Mapping[TopicPartition, Any]) -> None:
    """Go on where the log was cut and grew again (another leader, or the topic was made anew)."""
    firsts = consumer.beginning_offsets(list(places), timeout_ms=ANSWER_MS)
    for place, there in places.items():
        cursor, at = cursors[place], firsts[place] if there is None else there.offset
        text = f"the log was cut at {at}, before the next offset {cursor.next}; it is read on from there"
        alarms.raise_(f"lost {place}", f"{spell(place)}: {text}", again=True)
        cursor.jump(at)


def pass_damage(consumer: Any, cursors: Cursors, alarms: Alarms, damage: str) -> bool:
    """Move each partition that cannot be read where it stands to its first offset that can; return whether any moved.

    `consumer` must be a new one, and is left with no assignment that can be relied on.
    """
    moved = False
    ends = consumer.end_offsets(list(cursors), timeout_ms=ANSWER_MS)
    for place, cursor in cursors.items():
        low, end = cursor.next, ends[place]
        if low >= end:
            continue
        trials = _Trials(consumer, place, low)
        found = first_readable(trials, low, end)
        if found == end and trials.silent:  # silence alone proves no damage: the broker may just be slow
            text = f"{spell(place)}: no record comes from offset {low} on, although the log ends at {end}"
            alarms.raise_(f"stuck {place}", text)
        elif found > low:
            lost = trials.came.get(found, found) - low
            text = f"{spell(place)}: {lost} offsets from {low} on cannot be read and were skipped ({damage})"
            alarms.raise_(f"damage {place}", text, again=True)
            cursor.jump(found)
            moved = True
    return moved


class _Trials:
    """Sends a client to offsets of one partition, to see whether a record comes.

    It must not be sent to the same offset twice in a row: after an error there its poll would never return.
    """

    def __init__(self, consumer: Any, place: TopicPartition, low: int) -> None:
        consumer.assign([place])
        self._consumer, self._place, self._low = consumer, place, low
        self.came: dict[int, int] = {}  # where the client was sent → offset of the record that came
        self.silent = False  # once, nothing came and nothing was raised

    def __call__(self, offset: int) -> bool:
        self._consumer.seek(self._place, offset)
        patience = 3 * _TRIAL_MS if offset == self._low else _TRIAL_MS
        try:
            records = self._consumer.poll(timeout_ms=patience, max_records=1)
        except (OffsetOutOfRangeError, LogTruncationError, *NOT_THE_DATA):
            raise
        except Exception:  # whatever a damaged batch makes of the parser or of a codec
            return False
        if records:
            self.came[offset] = records[self._place][0].offset
            return True
        if self._consumer.position(self._place, timeout_ms=0) > offset:  # the marker of a transaction
            return True
        self.silent = True
        return False
