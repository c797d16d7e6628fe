"""What the tests of real workers share: a small shop in a topic, `headwater run` as a process, and what it leaves."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from headwater.benchmarks.broker.broker import Broker
from headwater.benchmarks.kill_stage import Look, look
from headwater.streaming.store.reader import Reader
from tests.streaming import shop

START, STEP = 1_700_000_000.0, 10.0
PATIENCE = 60.0  # seconds for what takes five on an idle machine
SECTIONS: dict[str, dict[str, Any]] = {
    "system": {"name": "shop", "kpi": ["front|latency_s up"], "step": STEP},
    "detector": {"base": "10m", "base_rows": 60},
    "incidents": {"batch": "40s", "close_after": "80s", "history": 130},
    "store": {"commit_every": "0.2s"},
}


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


def row(n: int, values: Sequence[float], system: str = "shop") -> bytes:
    """Row `n` of a system as a wide record."""
    named = dict(zip(shop.NAMES, values, strict=True))
    return json.dumps({"system": system, "time": START + STEP * n, "values": named}).encode()


def send(broker: Broker, topic: str, records: Sequence[bytes | None], stamped: float | None = None) -> None:
    """Write records to partition 0 and wait; their timestamps are now, or a step apart from `stamped` on."""
    with closing(KafkaProducer(bootstrap_servers=broker.plain, acks="all")) as producer:
        for n, record in enumerate(records):
            stamp = None if stamped is None else int((stamped + STEP * n) * 1000)
            producer.send(topic, record, b"key", partition=0, timestamp_ms=stamp)
        producer.flush()


def end_of(broker: Broker, topic: str) -> int:
    """Offset behind the last record of partition 0."""
    place = TopicPartition(topic, 0)
    with closing(KafkaConsumer(bootstrap_servers=broker.plain)) as consumer:
        return int(consumer.end_offsets([place])[place])


@dataclass(frozen=True)
class Stage:
    """A topic to read and two to publish to, and a folder with the settings and the store of the workers."""

    broker: Broker
    folder: Path
    topic: str
    incidents: str
    dead_letters: str
    store: Path

    def reader(self) -> Reader:
        """Open the store read-only."""
        return Reader(f"sqlite:///{self.store}")

    def configure(self, **sections: dict[str, Any]) -> None:
        """Write ``headwater.toml``; `sections` are laid over what all these tests share."""
        own: dict[str, dict[str, Any]] = {
            "source": {"bootstrap_servers": self.broker.plain, "topic": self.topic},
            "topics": {"incidents": self.incidents, "dead_letters": self.dead_letters},
        }
        lines = []
        for name in {**SECTIONS, **own, **sections}:
            keys = SECTIONS.get(name, {}) | own.get(name, {}) | sections.get(name, {})
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
        (self.folder / "headwater.toml").write_text("\n".join(lines))

    def headwater(self, *arguments: str, **variables: str) -> Ended:
        """Run a command to its end."""
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "headwater", *arguments],
            cwd=self.folder, env=self._environment(variables), capture_output=True, text=True, timeout=PATIENCE,
            check=False,
        )  # fmt: skip
        return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    @contextmanager
    def worker(self, *arguments: str, **variables: str) -> Iterator["Worker"]:
        """Start ``headwater run``; if it lives on after the block, it is killed."""
        log = self.folder / "worker.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "headwater", "run", *arguments],
                cwd=self.folder, env=self._environment(variables), stdout=said, stderr=said,
            )  # fmt: skip
        try:
            yield Worker(self, process, log)
        finally:
            process.kill()
            process.wait()

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HEADWATER_")}
        return {**clean, "HOME": str(self.folder), "HEADWATER_STORE": str(self.store), **variables}


@dataclass(frozen=True)
class Worker:
    """A running ``headwater run``."""

    stage: Stage
    process: "subprocess.Popen[bytes]"
    log: Path

    def wait(self, until: Callable[[Look], bool] = lambda _: True) -> Look:
        """Wait until this worker has committed, and the store is as wanted."""
        end = time.monotonic() + PATIENCE
        while (seen := look(self.stage.store)) is None or seen.pid != self.process.pid or not until(seen):
            assert self.process.poll() is None, f"ended by itself:\n{self.log.read_text()}"
            assert time.monotonic() < end, f"gave up at {seen}:\n{self.log.read_text()}"
            time.sleep(0.02)
        return seen

    def caught_up(self) -> Look:
        """Wait until everything is read and published. The last row stays open for late samples."""
        end = end_of(self.stage.broker, self.stage.topic)
        return self.wait(lambda seen: seen.offsets.get(0) == end and not seen.waiting)

    def listens(self) -> None:
        """Wait until it handles SIGTERM."""
        end, status = time.monotonic() + PATIENCE, Path(f"/proc/{self.process.pid}/status")
        while not int(status.read_text().split("SigCgt:")[1].split()[0], 16) >> (SIGTERM - 1) & 1:
            assert time.monotonic() < end
            time.sleep(0.02)

    def left(self) -> Look:
        """What it left in the store."""
        seen = look(self.stage.store)
        assert seen is not None
        return seen

    def stop(self, number: Signals = SIGTERM) -> Ended:
        """Send a signal; how it ended, and in how many seconds."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        return Ended(code, "", self.log.read_text(), time.monotonic() - started)


def set_up(broker: Broker, folder: Path, **sections: dict[str, Any]) -> Stage:
    """Create the topics and write the settings."""
    names = [broker.create(name) for name in ("metrics", "incidents", "dead-letters")]
    stage = Stage(broker, folder, *names, folder / "headwater.db")
    stage.configure(**sections)
    return stage
