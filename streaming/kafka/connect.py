"""Reaching the broker as the settings say, and the first questions to it; one clear error if either fails."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError, RetriableError

from headwater.streaming.durations import moment
from headwater.streaming.errors import BrokerError
from headwater.streaming.sections import SourceSection

from .errors import check_files, diagnose, missing_topics, overheard

__all__ = ["ANSWER_MS", "asking", "client_options", "connect", "find_partitions", "first_offsets"]

ANSWER_MS = 2000
"""How long the broker may take to tell the ends of the log."""

# In an outage the client logs several lines a second. Where nobody asked for logs, our alarms say it once.
logging.getLogger("kafka").addHandler(logging.NullHandler())


def client_options(section: SourceSection) -> dict[str, Any]:
    """Options that every client of kafka-python takes, as `section` says."""
    return {
        "bootstrap_servers": section.bootstrap_servers.split(","),
        "security_protocol": section.security_protocol,
        "sasl_mechanism": section.sasl_mechanism,
        "sasl_plain_username": section.username,
        "sasl_plain_password": section.secret(),
        "ssl_cafile": str(section.ca_file) if section.ca_file else None,
        "bootstrap_timeout_ms": int(section.bootstrap_timeout * 1000),
        "reconnect_backoff_max_ms": 1000,  # the default of 30 s adds as much to every outage
    }


def connect(section: SourceSection, client: Callable[..., Any], **options: Any) -> Any:
    """Construct a `client` of kafka-python for the broker of `section`.

    Raises
    ------
    BrokerError
        At most 5 s after ``bootstrap_timeout``: not reachable, wrong certificate, wrong kind of port, login refused.
    SettingsError
        If the password file or the CA file cannot be used.
    """
    check_files(section)
    known = client_options(section)
    with overheard() as said:
        try:
            return client(**{**known, **options})
        except (KafkaError, OSError, ValueError):
            raise diagnose(section, said) from None


@contextmanager
def asking(section: SourceSection) -> Iterator[None]:
    """Turn what the client raises at the first questions after `connect` into a `BrokerError`."""
    try:
        with overheard():
            yield
    except RetriableError as error:
        what = f"the Kafka broker at {section.bootstrap_servers} answered once, and then no more"
        mend = "check that this machine reaches the addresses the broker gives out (its advertised.listeners)"
        raise BrokerError(what, str(error), mend) from None
    except KafkaError as error:
        mend = f"allow it to user {section.username!r}" if section.username else "look at the broker's settings"
        raise BrokerError(f"the Kafka broker at {section.bootstrap_servers} refuses this", str(error), mend) from None


def find_partitions(consumer: Any, section: SourceSection) -> list[TopicPartition]:
    """Return the partitions of the topic of `section`; a `BrokerError` that names near topics if there is none."""
    with asking(section):
        there = consumer.partitions_for_topic(section.topic)
        known = [] if there else consumer.topics()
    if not there:
        raise missing_topics([section.topic], known)
    return [TopicPartition(section.topic, number) for number in sorted(there)]


def first_offsets(consumer: Any, places: Sequence[TopicPartition], start: str) -> dict[TopicPartition, int]:
    """Offsets to begin at: ``earliest``, ``latest``, or the first record not before a time, else the end."""
    if not places:
        return {}
    if start == "earliest":
        return dict(consumer.beginning_offsets(places, timeout_ms=ANSWER_MS))
    ends: dict[TopicPartition, int] = consumer.end_offsets(places, timeout_ms=ANSWER_MS)
    if start == "latest":
        return ends
    found = consumer.offsets_for_times(dict.fromkeys(places, int(moment(start) * 1000)), timeout_ms=ANSWER_MS)
    return {place: found[place].offset if found.get(place) else ends[place] for place in places}
