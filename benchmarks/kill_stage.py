"""What the bench `kill` plays on: a topic with a fault in it, workers as processes, and what they leave behind.

The end of the topic is made well-defined by two settings. ``idle_after`` is an hour: whether a partition counts as
silent depends on when a worker lived, so here none ever does, and the last rows stay open in the aligner, the same
ones in every run. And a worker ends by SIGTERM when the offsets in its store are those of the end of the topic.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import polars as pl
from kafka import KafkaConsumer, TopicPartition

from headwater.benchmarks.broker.broker import Broker
from headwater.benchmarks.broker.produce import produce
from headwater.streaming import demo, simulator
from headwater.streaming.records import Wide

__all__ = ["Look", "Message", "Published", "Stage", "look", "set_up"]

SEED, FAULT, SECONDS = 7, "slow_disk", 1200
WATCHED = ("gateway", "router", "replica-1", "session", "cache", "database")  # of its entities
QUIET = 600  # rows that are the baseline, in a file; the rest goes through the topic
PARTITIONS = 3
POISON_EVERY = 8  # rows
POISON = (
    b'{"system": "demo", "entity": "gateway"',
    b'{"system": "demo", "entity": "gateway", "metric": "qps", "time": "noon", "value": 1}',
    b'{"system": "demo", "entity": "gateway", "metric": "qps", "time": NaN, "value": 1}',
    b'{"system": "demo", "entity": "gateway", "metric": "qps", "time": 253402300799, "value": 1}',
    b"\xff\xfe" * 50_000,
)
Process: TypeAlias = "subprocess.Popen[bytes]"
PATIENCE = 120.0  # seconds that a worker may take to come to where it is wanted
STOPS_WITHIN = 10.0


class Message(NamedTuple):
    """One record of an output topic."""

    topic: str
    id: str
    key: bytes
    value: bytes


class Look(NamedTuple):
    """What a store holds at one moment, read-only and in one transaction."""

    pid: int  # of the worker that committed last
    newest: float  # time of the newest row, −inf before the first
    offsets: dict[int, int]  # partition → next offset
    open: bool  # an incident
    waiting: frozenset[str]  # ids of messages that nobody has noted as published


def look(path: Path) -> Look | None:
    """Look into a store; None if there is nothing in it yet."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as store:
            store.execute("BEGIN")
            status = {key: json.loads(value) for key, value in store.execute("SELECT key, value FROM status")}
            offsets = dict(store.execute("SELECT partition, next FROM offset"))
            (unclosed,) = store.execute("SELECT count(*) FROM incident WHERE closed IS NULL").fetchone()
            waiting = frozenset(id for (id,) in store.execute("SELECT id FROM outbox WHERE published IS NULL"))  # noqa: A001
    except sqlite3.OperationalError:
        return None
    if "worker" not in status:
        return None
    newest = status["input"]["newest_row"]
    return Look(status["worker"]["pid"], -float("inf") if newest is None else newest, offsets, unclosed > 0, waiting)


class Published:
    """What comes to the output topics, from now on."""

    def __init__(self, address: str, topics: tuple[str, ...]) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, auto_offset_reset="none")
        self._places = [TopicPartition(topic, 0) for topic in topics]
        self._consumer.assign(self._places)
        self._consumer.seek_to_end(*self._places)
        self._next = {place: self._consumer.position(place) for place in self._places}

    def more(self) -> Iterator[Message]:
        """What has come since the last call."""
        ends = self._consumer.end_offsets(self._places)
        while self._next != ends:
            for place, records in self._consumer.poll(timeout_ms=500).items():
                self._next[place] = records[-1].offset + 1
                for record in records:
                    yield Message(place.topic, dict(record.headers)["id"].decode(), record.key, record.value)

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close(autocommit=False)


@dataclass(frozen=True)
class Stage:
    """A topic to read, topics to publish to, and the settings of all workers."""

    address: str
    folder: Path
    config: Path
    ends: dict[int, int]  # partition → the offset behind its last record
    outputs: tuple[str, ...]

    def start(
        self, store: Path, moment: str = "never", count: int = 0, twin: str = "honest"
    ) -> subprocess.Popen[bytes]:
        """Start a worker; only one that shall die from within, or cheat, is not the plain ``headwater run``."""
        plain = (moment, twin) == ("never", "honest")
        module = ["headwater"] if plain else ["headwater.benchmarks.kill_worker", moment, str(count), twin]
        command = [sys.executable, "-m", *module, "run", "--config", str(self.config), "--store", str(store)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HEADWATER_")}
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    @property
    def log(self) -> Path:
        """What the workers said."""
        return self.folder / "workers.log"

    def wait(self, worker: Process, store: Path, until: Callable[[Look], bool]) -> None:
        """Wait until the store is as wanted.

        Raises
        ------
        RuntimeError
            If the worker ends before, or takes too long.
        """
        end = time.monotonic() + PATIENCE
        while (seen := look(store)) is None or not until(seen):
            if worker.poll() is not None or time.monotonic() > end:
                worker.kill()
                code, said = worker.wait(), self.log.read_text()[-2000:]
                raise RuntimeError(f"the worker did not come to where it was wanted ({code}): {seen}\n{said}")
            time.sleep(0.01)

    def mourn(self, worker: Process) -> None:
        """Wait until a worker is dead.

        Raises
        ------
        RuntimeError
            If it ended by itself, or lives on.
        """
        try:
            code = worker.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
            raise RuntimeError("the worker outlived the moment at which it was to die") from None
        if code != -signal.SIGKILL:
            raise RuntimeError(f"the worker ended by itself with {code}:\n{self.log.read_text()[-2000:]}")

    def finish(self, store: Path, twin: str = "honest") -> None:
        """Let a worker read the topic to its end, and stop it as a user does.

        Raises
        ------
        RuntimeError
            If it does not stop in time, or not with exit code 0.
        """
        worker = self.start(store, twin=twin)
        own = worker.pid  # the one before may have come to the end and left nothing to do
        self.wait(worker, store, lambda seen: seen.pid == own and seen.offsets == self.ends and not seen.waiting)
        worker.send_signal(signal.SIGTERM)
        try:
            code = worker.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            worker.kill()
            code = worker.wait()
        if code:
            raise RuntimeError(f"the worker was asked to stop and ended with {code}:\n{self.log.read_text()[-2000:]}")


def set_up(broker: Broker, folder: Path) -> Stage:
    """Simulate a fault; write the quiet time before it to a file and the rest, with poison in it, to a topic."""
    recording = simulator.simulate(SEED, fault=FAULT, seconds=SECONDS)
    chosen = [j for j, series in enumerate(recording.series) if series.entity in WATCHED]
    names, X = tuple(recording.series[j].name for j in chosen), recording.X[:, chosen]
    quiet = pl.DataFrame(X[:QUIET], schema=list(names), nan_to_null=True)
    times = pl.Series("time", recording.times[:QUIET])
    quiet.insert_column(0, times).write_parquet(folder / "quiet.parquet")
    topic = broker.create("metrics", PARTITIONS)
    outputs = (broker.create("incidents"), broker.create("dead-letters"))

    def rows() -> Iterator[Wide | bytes]:
        for n in range(QUIET, len(recording.times)):
            yield Wide(demo.NAME, float(recording.times[n]), names, X[n])
            if n % POISON_EVERY == 0:
                yield POISON[n // POISON_EVERY % len(POISON)]

    produce(broker.plain, topic, rows(), "long")
    with closing(KafkaConsumer(bootstrap_servers=broker.plain)) as consumer:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        ends = {place.partition: end for place, end in consumer.end_offsets(places).items()}
    config = folder / "headwater.toml"
    config.write_text(_toml(recording, broker.plain, topic, outputs))
    return Stage(broker.plain, folder, config, ends, outputs)


def _toml(recording: simulator.Recording, address: str, topic: str, outputs: tuple[str, ...]) -> str:
    known = demo.setting(recording)  # small polls, each committed: a worker must not run far while it is aimed at
    sections: dict[str, dict[str, Any]] = {
        "system": {"name": known.system.name, "kpi": known.system.kpi, "step": known.system.step},
        "source": {"bootstrap_servers": address, "topic": topic, "max_poll_records": 100, "idle_after": "1h"},
        "columns": {"counters": known.columns.counters},
        "topology": {"edges": known.topology.edges},
        "incidents": {"close_after": "2m"},
        "baseline": {"path": "quiet.parquet"},
        "store": {"commit_every": 0.01},
        "topics": {"incidents": outputs[0], "dead_letters": outputs[1]},
    }
    lines = []
    for name, keys in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"
