"""What the worker says about itself with every commit: the rows of the status table. docs/store.md lists them."""

import os
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from headwater import __version__

from .records import DeadLetter, Event, Tick
from .settings import Settings

__all__ = ["DEAD_LETTERS_PER_MINUTE", "Heartbeat"]

DEAD_LETTERS_PER_MINUTE = 60
"""More than so many are reported as an alarm; the worker goes on."""
_ALARMS, _ALARM_SHOWN = 20, 300.0


class Heartbeat:
    """Counts what passed, over restarts, and remembers the alarms of the last minutes.

    Parameters
    ----------
    settings
        They name the source.
    started
        When the worker started (wall clock).
    before
        The status rows of the last commit, whose totals are continued.
    newest
        System → time of its newest row in the store.
    """

    def __init__(
        self, settings: Settings, *, started: float, before: Mapping[str, dict[str, Any]], newest: Mapping[str, float]
    ) -> None:
        source = settings.source
        where = f"{source.bootstrap_servers}/{source.topic}" if source.kind == "kafka" else source.kind
        self._worker = {"pid": os.getpid(), "started": started, "version": __version__, "source": where}
        self.newest = dict(newest)
        self.records: int = before.get("input", {}).get("records", 0)
        self.rows: int = before.get("input", {}).get("rows", 0)
        self.dead_letters: int = before.get("counters", {}).get("dead_letters", 0)
        self._tombstones: int = before.get("counters", {}).get("tombstones", 0)  # the source counts on from here
        self._alarms: deque[tuple[float, str]] = deque(maxlen=_ALARMS)
        self._minutes: deque[tuple[int, int]] = deque(maxlen=2)  # (minute, dead letters in it)
        self._reason = ""

    def rows_of(self, events: Sequence[Event]) -> None:
        """Count the rows among `events`."""
        for event in events:
            if isinstance(event, Tick):
                self.rows += 1
                self.newest[event.system] = max(event.time, self.newest.get(event.system, event.time))

    def letters(self, letters: Sequence[DeadLetter], now: float) -> None:
        """Count records that could not be used."""
        if letters:
            minute, count = int(now // 60), len(letters)
            if self._minutes and self._minutes[-1][0] == minute:
                count += self._minutes.pop()[1]
            self._minutes.append((minute, count))
            self._reason = letters[-1].reason
            self.dead_letters += len(letters)

    def alarm(self, text: str, now: float) -> bool:
        """Remember an alarm for some minutes; tell whether it is a new one."""
        known = next((alarm for alarm in self._alarms if alarm[1] == text), None)
        if known:
            self._alarms.remove(known)
        self._alarms.append((now, text))
        return known is None

    def _current(self, now: float) -> list[str]:
        alarms = [text for time, text in self._alarms if now - time < _ALARM_SHOWN]
        recent = [count for minute, count in self._minutes if now // 60 - minute <= 1]
        if max(recent, default=0) > DEAD_LETTERS_PER_MINUTE:
            alarms.append(f"{max(recent)} records could not be used within a minute, the last one: {self._reason}")
        return alarms

    def status(
        self, state: str, *, lag: Mapping[str, Any], counters: Mapping[str, Any], waiting: int, letters: int, now: float
    ) -> dict[str, dict[str, Any]]:
        """Status rows: `lag` is the source's, `counters` the monitor's; `waiting` messages are not published yet.

        `letters` is how many dead letters were rejected and set aside.
        """
        return {
            "worker": {**self._worker, "state": state},
            "input": {
                "lag_records": lag["records"],
                "stale_s": lag["stale_s"],
                "newest_row": max(self.newest.values(), default=None),
                "records": self.records,
                "rows": self.rows,
                "alarms": list(dict.fromkeys([*lag["alarms"], *self._current(now)])),
            },
            "counters": {
                "dead_letters": self.dead_letters,
                "dead_letters_unpublished": letters,
                "tombstones": self._tombstones + lag.get("tombstones", 0),
                "late_samples": counters.get("late_samples", 0),
                "refused_columns": counters.get("refused_columns", 0),
                "refused_names": list(counters.get("refused_names", ())),
                "refused_systems": dict(counters.get("refused_systems", {})),
                "outbox_waiting": waiting,
            },
            "learning": dict(counters.get("learning", {})),
        }
