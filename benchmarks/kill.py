"""Bench ``kill``: SIGKILL a worker again and again, and hold what it leaves against a run that nothing happened to.

Workers are processes, the broker is a real one. Some are killed from outside, at rows spread over the time in which
an incident is open; some die from within, before or after they publish what they have just committed. Two sabotaged
twins stand beside ours: a check that passes them too would say nothing.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from headwater.benchmarks.broker.broker import Broker, BrokerUnavailable
from headwater.streaming import demo
from headwater.streaming.errors import BrokerError
from headwater.streaming.store.reader import Reader, contents

from .kill_stage import Message, Published, Stage, look, set_up

__all__ = ["DESCRIPTION", "Blow", "Trial", "compare", "measure", "rows"]

DESCRIPTION = "SIGKILLs of a worker on a real broker: the store and the messages against an uninterrupted run"

Row = dict[str, Any]
Told = Callable[[str], None]


class Blow(NamedTuple):
    """One kill."""

    moment: str  # outside; before, after: a publication; between: two halves of a commit
    at: float = 0.0  # from outside: when, as a share of the time in which the incident is open


FULL = (
    Blow("outside", -0.2),
    Blow("before"),
    *(blow for n in range(5) for blow in (Blow("outside", 0.02 + 0.1 * n), Blow("before"), Blow("after"))),
    Blow("outside", 0.55),
    Blow("outside", 0.65),
    Blow("outside", 1.02),
)
QUICK = (Blow("outside", 0.1), Blow("before"), Blow("after"), Blow("outside", 0.6))
THIRD = 3  # commit of rows in a life: the first two are whole
TWINS = {"offsets-first": (Blow("between"),), "random-ids": (Blow("after"),)}


def rows(quick: bool, data: Path | None, progress: Told) -> Iterator[Row]:
    """Yield the rows of ours, then those of the sabotaged twins."""
    del data  # the simulator makes it
    try:
        with Broker() as broker:
            yield from measure(broker, quick, progress)
    except BrokerUnavailable as missing:
        raise BrokerError("this bench needs a Kafka broker", str(missing), "see docs/delivery.md") from None


def measure(broker: Broker, quick: bool, progress: Told) -> Iterator[Row]:
    """Run it on a broker that is there."""
    with tempfile.TemporaryDirectory(prefix="headwater-kill-") as folder:
        stage = set_up(broker, Path(folder))
        with closing(Published(stage.address, stage.outputs)) as published:
            truth = stage.folder / "uninterrupted.db"
            stage.finish(truth)
            told, span = list(published.more()), _open(truth)
            progress(f"uninterrupted: {len(told)} messages, an incident open for {span[1] - span[0]:.0f} rows")
            for twin, blows in {"honest": QUICK if quick else FULL, **TWINS}.items():
                trial = Trial(stage, stage.folder / f"{twin}.db", twin, span, published, progress)
                started = time.monotonic()
                found = {**trial.endure(blows), **_judge(truth, trial.store, told, trial.messages)}
                found["seconds"] = round(time.monotonic() - started)
                yield from _rows("headwater" if twin == "honest" else f"sabotaged/{twin}", found)


def _open(store: Path) -> tuple[float, float]:
    """From when to when the longest incident is open."""
    with closing(Reader(f"sqlite:///{store}")) as reader:
        end = float(reader.ticks(demo.NAME).times[-1])
        spans = [(incident.opened, incident.closed or end) for incident in reader.incidents()]
    if not spans:
        raise RuntimeError("the uninterrupted run found no incident, so none can be open when a worker is killed")
    return max(spans, key=lambda span: span[1] - span[0])


@dataclass
class Trial:
    """One store, and the workers that die over it."""

    stage: Stage
    store: Path
    twin: str
    span: tuple[float, float]  # row times between which the uninterrupted run had an incident open
    published: Published
    progress: Told
    messages: list[Message] = field(default_factory=list)

    def endure(self, blows: Sequence[Blow]) -> dict[str, int]:
        """Start a worker after each kill, and in the end one that may live; count what the kills met.

        Judged by what the store holds afterwards: an incident that is open, and messages that were committed and
        are in no topic.
        """
        rng = random.Random(20)
        opened = between = 0
        for number, blow in enumerate(blows, 1):
            self._strike(blow, rng)
            self.messages += self.published.more()
            seen = look(self.store)
            waiting = seen.waiting if seen else frozenset()
            in_incident = seen is not None and seen.open
            opened += in_incident
            between += bool(waiting) and blow.moment == "before" and waiting.isdisjoint(m.id for m in self.messages)
            where = "an incident is open" if in_incident else "all is quiet"
            self.progress(f"{self.twin}: kill {number:>2}, {blow.moment:<7}, {where}, {len(waiting)} messages wait")
        self.stage.finish(self.store, self.twin)
        self.messages += self.published.more()
        return {
            "kills": len(blows),
            "kills_in_open_incident": opened,
            "kills_between_commit_and_publish": between,
        }

    def _strike(self, blow: Blow, rng: random.Random) -> None:
        if blow.moment == "outside":
            worker = self.stage.start(self.store, twin=self.twin)
            own, row = worker.pid, self.span[0] + blow.at * (self.span[1] - self.span[0])
            self.stage.wait(worker, self.store, lambda seen: seen.pid == own and seen.newest >= row)
            time.sleep(rng.uniform(0.0, 0.02))  # anywhere in its loop: polling, working, within a transaction
            worker.kill()
        else:
            seen = look(self.store)
            left = seen is not None and bool(seen.waiting)  # by the one before: sent at the start, which proves nothing
            count = THIRD if blow.moment == "between" else 1 + left
            worker = self.stage.start(self.store, blow.moment, count, self.twin)
        self.stage.mourn(worker)


def _judge(truth: Path, store: Path, told: Sequence[Message], again: Sequence[Message]) -> dict[str, int]:
    ours, theirs = contents(f"sqlite:///{store}"), contents(f"sqlite:///{truth}")
    return {
        "store_equal": int(ours == theirs),
        "tables_that_differ": sum(ours[name] != theirs[name] for name in theirs),
        **compare(told, again),
    }


def compare(told: Sequence[Message], again: Sequence[Message]) -> dict[str, int]:
    """Hold messages against those of an uninterrupted run.

    Complete: each id is there, no other is, and all bytes are the same. Recognisable: whoever drops what has an id
    that was seen is left with as many messages as the uninterrupted run sent, and dropped none that differed.
    """
    wanted, got = ({(m.topic, m.id): m for m in messages} for messages in (told, again))
    return {
        "messages": len(wanted),
        "outputs_complete": int(wanted == got),
        "repeats": len(again) - len(got),
        "repeats_recognisable": int(len(set(again)) == len(got) == len(wanted)),
    }


def _rows(method: str, found: dict[str, Any]) -> Iterator[Row]:
    units = {"seconds": "s", "messages": "messages", "repeats": "messages", "tables_that_differ": "tables"}
    for name, value in found.items():
        unit = "kills" if name.startswith("kills") else units.get(name, "yes=1")
        yield {"bench": "kill", "set": "kafka", "method": method, "metric": name, "value": value, "unit": unit}
