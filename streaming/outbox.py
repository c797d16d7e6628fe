"""What is told to the world: events and dead letters as rows for topics. Pure; docs/incidents-schema.json describes it.

Rows go into the same transaction as the state that gave rise to them and are published afterwards. A worker
killed in between publishes some of them again, under the same id: consumers drop what they have seen.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from .records import Changed, DeadLetter, Event, Incident, identity

__all__ = ["MESSAGE_VERSION", "Notices", "OutboxRow", "Sink", "dead_letter_row"]

MESSAGE_VERSION = 1
"""Version of both kinds of message. Fields are only ever added to a version."""


class OutboxRow(NamedTuple):
    """One message: `id` is the same whenever the same input is worked on again."""

    id: str
    topic: str
    key: str
    value: bytes


class Sink(Protocol):
    """Where messages go."""

    def send(self, rows: list[OutboxRow]) -> tuple[list[str], list[str]]:
        """Publish `rows` in their order and wait, for about 3 s, until they are acknowledged.

        Returns the ids that were acknowledged, and the ids that were rejected (too large, no such topic, not
        allowed). An id in neither list was not decided, as in an outage, and is sent again later.
        """
        ...


def _message(topic: str, key: str, fields: dict[str, Any]) -> OutboxRow:
    value = msgspec.json.encode({"schema": MESSAGE_VERSION, **fields})
    return OutboxRow(fields["id"], topic, key, value)


def dead_letter_row(letter: DeadLetter, topic: str) -> OutboxRow:
    """Message for a record that could not be used; its id is the record's place, ``topic-partition-offset``."""
    at = letter.position
    identifier = f"{at.topic}-{at.partition}-{at.offset}"
    fields = {"id": identifier, **at._asdict(), **msgspec.structs.asdict(letter)}
    del fields["position"]
    return _message(topic, identifier, fields)  # msgspec writes the bytes of `head` as base64


class Notices:
    """Messages for what happens to incidents.

    Every `Changed` is one, except that a ranking (``action="ranked"``) which changes neither the named cause
    nor how settled it is says nothing new: it stays in the store. Whether it does is judged against the
    incident's last state, so a worker that starts again must be given the states that were committed.

    Parameters
    ----------
    topic
        The topic the messages are for.
    last
        (system, id) → the incident as the last commit left it.

    Examples
    --------
    >>> from headwater.streaming.records import Changed, Incident
    >>> incident = Incident("shop", "INC-1", "open", "collecting", onset=50.0, opened=60.0, updated=60.0)
    >>> notices = Notices("headwater.incidents")
    >>> [row.id for row in notices.rows([Changed("shop", 60.0, 0, "opened", incident)])]
    ['shop/60.000/0']
    >>> notices.rows([Changed("shop", 65.0, 0, "ranked", incident)])
    []
    """

    def __init__(self, topic: str, last: Mapping[tuple[str, str], Incident] | None = None) -> None:
        self._topic = topic
        self._last = dict(last or {})

    def rows(self, events: Iterable[Event]) -> list[OutboxRow]:
        """Messages for `events`, in their order."""
        changes = [event for event in events if isinstance(event, Changed)]
        return [self._row(change) for change in changes if self._says_something(change)]

    def _says_something(self, change: Changed) -> bool:
        now, key = change.incident, (change.system, change.incident.id)
        before = self._last.pop(key, None)
        if now.closed is None:  # closed ones are forgotten, so that memory stays bounded
            self._last[key] = now
        if change.action != "ranked" or before is None:
            return True
        return (now.rca, now.cause, now.service) != (before.rca, before.cause, before.service)

    def _row(self, change: Changed) -> OutboxRow:
        fields = {
            "id": identity(change),
            "time": change.time,
            "action": change.action,
            "by": change.by,
            "note": change.note,
            "incident": change.incident,
        }
        return _message(self._topic, change.system, fields)
