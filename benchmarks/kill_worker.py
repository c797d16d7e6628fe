"""``headwater run`` that dies from within, or breaks a rule, as the bench `kill` says.

::

    python -m headwater.benchmarks.kill_worker MOMENT COUNT TWIN run --config ...

The worker knows nothing of it: what it builds its sink and its store with is wrapped here, from outside, and then
the same command line runs.
"""

import itertools
import os
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from headwater.streaming import inputs
from headwater.streaming.cli import app as cli
from headwater.streaming.kafka.sink import KafkaSink
from headwater.streaming.outbox import OutboxRow
from headwater.streaming.settings import Settings
from headwater.streaming.store import writer as store
from headwater.streaming.store.batch import Batch

__all__ = ["MOMENTS", "TWINS", "main"]

MOMENTS = ("never", "before", "after", "between")
"""Of death: before or after the COUNT-th send; or between two halves of the COUNT-th commit (`offsets-first`)."""
TWINS = ("honest", "offsets-first", "random-ids")
"""The worker as it is, and two that each break one rule."""

Decided = tuple[list[str], list[str]]


def die() -> NoReturn:
    """``kill -9`` oneself: no handler runs, no buffer is written."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError  # no line is reached after that signal


class Mortal:
    """A sink that dies at its `count`-th send: before it, or after it, when nobody has noted it yet."""

    def __init__(self, sink: Any, moment: str, count: int) -> None:
        self._sink, self._moment, self._left = sink, moment, count

    def send(self, rows: Sequence[OutboxRow]) -> Decided:
        """Send, or die."""
        self._left -= 1
        if self._left == 0 and self._moment == "before":
            die()
        decided: Decided = self._sink.send(rows)
        if self._left <= 0 and self._moment == "after" and decided[0]:  # one that only timed out published nothing
            die()
        return decided

    def close(self) -> None:
        """Leave the broker."""
        self._sink.close()


class RandomIds:
    """A sink whose messages have a new id each time: the second rule, broken."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def send(self, rows: Sequence[OutboxRow]) -> Decided:
        """Send under random ids."""
        known = {uuid.uuid4().hex: row for row in rows}
        renamed = [
            row._replace(id=new, value=row.value.replace(row.id.encode(), new.encode())) for new, row in known.items()
        ]
        sent, failed = self._sink.send(renamed)
        return [known[new].id for new in sent], [known[new].id for new in failed]

    def close(self) -> None:
        """Leave the broker."""
        self._sink.close()


def offsets_first(count: int) -> type[store.Store]:
    """A store that commits the offsets in a transaction of their own, before the state: the first rule, broken."""
    commits = itertools.count(1)

    class OffsetsFirst(store.Store):
        """Dies between the two at its `count`-th commit of rows; 0: never."""

        def commit(self, batch: Batch) -> Any:
            """Commit twice."""
            super().commit(Batch(offsets=batch.offsets))
            if batch.events and next(commits) == count:
                die()
            return super().commit(batch)

    return OffsetsFirst


def wrapped(connect: Callable[[Settings], KafkaSink], moment: str, count: int, twin: str) -> Callable[[Settings], Any]:
    """Make the sink as the worker does, and wrap it."""

    def sink(settings: Settings) -> Mortal:
        whole: Any = connect(settings)
        return Mortal(RandomIds(whole) if twin == "random-ids" else whole, moment, count)

    return sink


def main() -> None:
    """Be the ``headwater`` command, but for three arguments more."""
    moment, count, twin = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if moment not in MOMENTS or twin not in TWINS:
        raise SystemExit(f"usage: MOMENT ({', '.join(MOMENTS)}) COUNT TWIN ({', '.join(TWINS)}) run ...")
    inputs.kafka_sink = wrapped(inputs.kafka_sink, moment, count, twin)  # type: ignore[assignment]
    if twin == "offsets-first":
        store.Store = offsets_first(count if moment == "between" else 0)  # type: ignore[misc]
    del sys.argv[1:4]
    cli.main()


if __name__ == "__main__":
    main()
