"""From settings to what a worker is connected to: its source, its sink, its baseline, and what its store keeps."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from .columns import Columns
from .errors import BrokerError, StoreError
from .formats import decoder
from .kafka.sink import KafkaSink, ensure_topics
from .kafka.source import KafkaSource
from .recordings.content import is_recording
from .recordings.replay import ReplaySource
from .records import Arrival
from .settings import Settings
from .store.retention import Retention

__all__ = ["baseline", "kafka_sink", "kafka_source", "refuse_recordings", "replay_source", "retention"]

logger = logging.getLogger("headwater.worker")


def columns(settings: Settings) -> Columns:
    """Return what reads the names of wide tables and records."""
    return Columns(settings.system.name, pattern=settings.columns.pattern, mapping=settings.columns.mapping)


def replay_source(settings: Settings, path: Path, span: str | None = None) -> ReplaySource:
    """Open a recording; `span` (``FROM..TO``) is the part of it that is a baseline.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    return ReplaySource(
        str(path),
        columns=columns(settings),
        step=settings.system.step,
        time=settings.columns.time,
        counters=settings.columns.counters,
        baseline=span,
    )


def baseline(settings: Settings) -> Iterator[Sequence[Arrival]]:
    """Yield the rows of the recording ``[baseline] path``, or of the span in it; none if there is no such file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if settings.baseline.path is None:
        return
    part = settings.baseline.span
    with closing(replay_source(settings, settings.baseline.path, part)) as source:
        if part is not None:
            yield from source.baseline()
            return
        ended = False
        while not ended:
            poll = source.poll(0.0)
            ended = poll.ended
            yield poll.arrivals


def kafka_source(settings: Settings) -> KafkaSource:
    """Connect to the topic of ``[source]``.

    Raises
    ------
    BrokerError
        If the broker cannot be used or the topic is missing.
    """
    reads = decoder(settings.source.format, columns=columns(settings), entity_labels=settings.columns.entity_labels)
    return KafkaSource(settings.source, reads)


def refuse_recordings(settings: Settings, topics: Iterable[str]) -> None:
    """Make sure that a store, whose offsets are of `topics`, was not filled by a replay.

    Raises
    ------
    StoreError
        If it was: incidents and baselines of the two would mix.
    """
    if found := next(filter(is_recording, topics), None):
        what = f"{settings.store.url} cannot be used to watch {settings.source.topic}"
        raise StoreError(what, f"it holds a recording: {found}", "watch with another store: --store sqlite:///new.db")


def kafka_sink(settings: Settings) -> KafkaSink:
    """Connect to the broker of ``[source]`` for publishing, and create the topics of ``[topics]`` if need be.

    A topic that cannot be created is no reason not to watch: its messages wait in the store.

    Raises
    ------
    BrokerError
        If the broker cannot be used.
    """
    sink = KafkaSink(settings.source)
    topics = (settings.topics.incidents, settings.topics.dead_letters)
    try:
        for topic in ensure_topics(settings.source, topics):
            logger.info("created the topic %s", topic)
    except BrokerError as error:
        logger.warning("%s (%s): what is for it waits in the store; %s", error.what, error.why, error.mend)
    return sink


def retention(settings: Settings) -> Retention:
    """Return what the store keeps."""
    return Retention(settings.retention.ticks, settings.retention.max_size)
