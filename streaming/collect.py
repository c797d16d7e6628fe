"""What has come up since the last commit, ready to become one batch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import BrokenInvariant
from .outbox import Notices, OutboxRow, dead_letter_row
from .records import Changed, DeadLetter, Event, Tick, Triggered
from .store.batch import Answer, Batch

__all__ = ["Collector"]


class Collector:
    """Gathers events, messages and answers between two commits.

    Parameters
    ----------
    notices
        Decides which changes of incidents are told.
    dead_letters
        Topic for records that could not be used.
    publishes
        Whether there is a sink; without one no message is kept.
    late
        Tells from a row's time whether it is part of a backlog.
    """

    def __init__(self, notices: Notices, *, dead_letters: str, publishes: bool, late: Callable[[float], bool]) -> None:
        self._notices, self._topic, self._publishes, self._is_late = notices, dead_letters, publishes, late
        self._clear()

    def _clear(self) -> None:
        self.events: list[Event] = []
        self.cells = 0  # of the rows among them
        self._messages: list[OutboxRow] = []
        self._answers: list[Answer] = []
        self._late: set[tuple[str, str]] = set()
        self.urgent = False  # something to tell, or to answer: commit at once

    def take(self, events: Sequence[Event]) -> None:
        """Keep `events` for the next batch.

        Raises
        ------
        BrokenInvariant
            If one of them cannot be true: the worker stops, and nothing since the last commit is kept.
        """
        for event in events:
            if isinstance(event, Tick):
                self.cells += event.values.size
            if isinstance(event, Tick) and event.learning >= 1 and not np.isfinite(event.joint):
                what = f"the joint score of {event.system} at {event.time:.3f} is {event.joint}"
                raise BrokenInvariant(what, "a defect of headwater; nothing since the last commit is kept")
            if isinstance(event, Changed) and event.action == "opened" and self._is_late(event.time):
                self._late.add((event.system, event.incident.id))
        notices = self._notices.rows(events)
        self.urgent |= bool(notices) or any(isinstance(event, Triggered) for event in events)
        self._messages += notices if self._publishes else []
        self.events += events

    def letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep records that could not be used."""
        if self._publishes:
            self._messages += [dead_letter_row(letter, self._topic) for letter in letters]

    def answer(self, answer: Answer) -> None:
        """Keep what became of a command."""
        self._answers.append(answer)
        self.urgent = True

    def batch(self, **rest: Any) -> Batch:
        """Hand over what was gathered, with the `rest` of the batch's fields, and begin anew."""
        batch = Batch(self.events, frozenset(self._late), outbox=self._messages, answers=self._answers, **rest)
        self._clear()
        return batch
