"""Stand-ins for what a worker joins: a source with crash marks in band, a countable monitor, a sink with a log."""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from headwater.streaming.errors import CommandRefused
from headwater.streaming.outbox import OutboxRow
from headwater.streaming.records import (
    Arrival,
    Changed,
    Command,
    DeadLetter,
    Event,
    EvidenceWindow,
    Incident,
    Position,
    Ranked,
    Sample,
    Series,
    Tick,
    Triggered,
)
from headwater.streaming.source import Poll, dead_letter
from headwater.streaming.suspects import Suspect

CRASH = "crash"
POISON = "poison"


class Crash(Exception):  # noqa: N818
    """The process dies here."""


def clock(step: float = 0.01, start: float = 1_000_000.0) -> Callable[[], float]:
    """A clock that moves by `step` with every look at it."""
    looks = itertools.count()
    return lambda: start + step * next(looks)


def stream(rows: int = 120, systems: int = 2, seed: int = 7) -> list[Sample | str]:
    """Samples of some systems in turn, with a few jumps and a few poison records."""
    rng = np.random.default_rng(seed)
    words: list[Sample | str] = []
    for n in range(rows):
        value = float(rng.normal()) + (20.0 if n % 23 == 11 else 0.0)
        words.append(Sample(f"s{n % systems}", "host", "load", 100.0 + n, value))
        if n % 37 == 5:
            words.append(POISON)
    return words


class Tape:
    """A finite source over two partitions. At a `CRASH` it raises `Crash`, once; the mark has no offset."""

    def __init__(self, words: list[Sample | str], *, size: int = 7, endless: bool = False) -> None:
        self.words, self.size, self.endless = words, size, endless
        self.closed = 0
        self.alarms: list[str] = []
        self.at = 0

    def partitions(self) -> list[tuple[str, int]]:
        return [("metrics", 0)]

    def seek(self, offsets: Mapping[tuple[str, int], int]) -> None:
        self.at = offsets.get(("metrics", 0), 0)

    def poll(self, timeout: float) -> Poll:
        arrivals: list[Arrival] = []
        while len(arrivals) < self.size and self.at < len(self.words):
            word = self.words[self.at]
            if word == CRASH:
                if not arrivals:
                    self.words.remove(CRASH)
                    raise Crash
                break
            position = Position("metrics", 0, self.at)
            read = dead_letter(position, b"\xff{", "not JSON") if word == POISON else word
            arrivals.append(Arrival(position, read))
            self.at += 1
        return Poll(arrivals, [], self.at == len(self.words) and not self.endless, self.alarms)

    def offsets(self) -> dict[tuple[str, int], int]:
        return {("metrics", 0): self.at}

    def lag(self) -> dict[str, Any]:
        return {"records": len(self.words) - self.at, "stale_s": 0.0, "alarms": []}

    def close(self) -> None:
        self.closed += 1


class Counter:
    """A monitor that can be followed by hand: a jump opens an incident, which closes four rows later."""

    def __init__(self) -> None:
        self.state: dict[str, dict[str, Any]] = {}
        self.changed: set[str] = set()
        self.windows: list[EvidenceWindow] = []
        self.learned_rows = 0
        self.calls: list[str] = []

    def assign(self, partitions: Iterable[tuple[str, int]]) -> None:
        self.calls.append(f"assign {list(partitions)}")

    def push(self, arrivals: Sequence[Arrival]) -> list[Event]:
        assert not any(isinstance(arrival.word, DeadLetter) for arrival in arrivals)
        return [event for arrival in arrivals for event in self._row(arrival.word)]

    def _row(self, sample: Any) -> Iterable[Event]:
        system, time = sample.system, sample.time
        s = self.state.setdefault(system, {"count": 0, "mean": 0.0, "number": 0, "opened": 0.0, "batch": 0})
        self.changed.add(system)
        error = sample.value - s["mean"]
        s["count"] += 1
        s["mean"] += error / s["count"]
        row = np.array([sample.value], np.float32)
        yield Tick(system, time, row, np.abs(row), abs(error), 1.0)
        if s["opened"]:
            s["batch"] += 1
            yield Ranked(
                system, time, 0, f"INC-{s['number']}", s["batch"],
                (Suspect("host", "load", s["mean"], 1.0, value=np.nan),), (), (), (), 1.0, 1.0, "provisional", 2.0,
            )  # fmt: skip
            done = s["batch"] == 4
            yield Changed(system, time, 1, "resolved" if done else "ranked", self.incident(system, time, done))
            s["opened"] = 0.0 if done else s["opened"]
        elif abs(error) > 10:
            s.update(opened=time, batch=0, number=s["number"] + 1)
            window = np.array([[s["mean"]], [np.nan]], np.float32)
            self.windows.append(
                EvidenceWindow(system, f"INC-{s['number']}", ("host|load",), np.array([time - 1, time]), window)
            )
            yield Triggered(system, time, 0, time, "joint", 9.0, (("host|load", 1.0),), f"INC-{s['number']}")
            yield Changed(system, time, 1, "opened", self.incident(system, time, False))

    def incident(self, system: str, time: float, done: bool) -> Incident:
        s = self.state[system]
        return Incident(
            system, f"INC-{s['number']}", "resolved" if done else "open", "provisional", s["opened"], s["opened"], time,
            time if done else None, cause="host|load" if s["batch"] > 1 else "", batches=s["batch"],
        )  # fmt: skip

    def idle(self, partitions: Iterable[tuple[str, int]]) -> list[Event]:
        return []

    def flush(self) -> list[Event]:
        self.calls.append("flush")
        return []

    def learn(self, arrivals: Sequence[Arrival]) -> None:
        self.learned_rows += len(arrivals)

    def learned(self) -> None:
        self.calls.append("learned")

    def command(self, command: Command) -> tuple[list[Event], str]:
        s = self.state.get(command.system)
        if not s or not s["opened"]:
            raise CommandRefused(f"{command.incident} is closed")
        self.changed.add(command.system)
        return [
            Changed(command.system, s["opened"], 9, "acknowledged", self.incident(command.system, 0.0, False))
        ], "ok"

    def evidence(self) -> list[EvidenceWindow]:
        windows, self.windows = self.windows, []
        return windows

    def snapshots(self) -> dict[tuple[str, str], tuple[str, bytes]]:
        changed, self.changed = self.changed, set()
        return {(system, "counter"): ("hash", json.dumps(self.state[system]).encode()) for system in sorted(changed)}

    def restore(self, snapshots: Mapping[tuple[str, str], tuple[str, bytes]]) -> list[str]:
        self.state = {system: json.loads(data) for (system, _), (_, data) in snapshots.items()}
        return []

    def series(self) -> dict[str, tuple[Series, ...]]:
        return {system: (Series(system, "host", "load"),) for system in self.state}

    def counters(self) -> dict[str, Any]:
        learning = {"s0": {"rows": 4, "of_rows": 10, "step": 1.0}}
        return {"late_samples": 3, "refused_columns": 0, "refused_names": [], "learning": learning}

    def remarks(self) -> list[str]:
        return ["s0: could be better"] if self.state else []


class Log:
    """A sink that keeps what it got. `crash_at` counts sends: the log has it, but nobody learns that it has."""

    def __init__(self, *, crash_at: Iterable[int] = (), rejects: Callable[[OutboxRow], bool] = lambda _: False) -> None:
        self.rows: list[OutboxRow] = []
        self.crash_at, self.rejects = set(crash_at), rejects
        self.sends = 0

    def send(self, rows: list[OutboxRow]) -> tuple[list[str], list[str]]:
        self.sends += 1
        rejected = [row.id for row in rows if self.rejects(row)]
        taken = [row for row in rows if row.id not in rejected]
        self.rows += taken
        if self.sends in self.crash_at:
            raise Crash
        return [row.id for row in taken], rejected
