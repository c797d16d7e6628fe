"""The loop of a worker: read, work, commit, publish; and again from the last commit after whatever happens.

One transaction holds the state, the offsets it stands for, and the messages that follow from it. Killed
before the commit, the worker reads the same records again and comes to the same results; killed after it,
it publishes again under the same ids.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from headwater.online import SnapshotError

from .collect import Collector
from .errors import BrokerError, CommandRefused, StoreError
from .heartbeat import Heartbeat
from .outbox import Notices, Sink
from .records import Arrival, Changed, DeadLetter, Event, Series
from .settings import Settings
from .source import Source
from .store.batch import Answer, Batch
from .store.writer import Checkpoint, Store

if TYPE_CHECKING:  # the learners take seconds to import, and the loop needs their shape only
    from .monitor import Monitor

__all__ = ["OUTBOX_LIMIT", "Summary", "run"]

OUTBOX_LIMIT = 10_000
"""With more messages waiting the worker reads no further until some are published."""
_POLL = 0.5  # seconds; also how long a request to stop may go unnoticed
_COMMANDS_EVERY = 0.5
_PUBLISH_FOR = 2.0
_BUFFER, _CELLS = 5_000, 4_000_000  # events, and cells of rows, held between two commits: bounds memory
_LONG, _SHARE = 0.25, 0.05  # a commit that takes longer takes at most this share of the time
_LATE, _LATE_ROWS = 300.0, 10

logger = logging.getLogger("headwater.worker")


class Summary(NamedTuple):
    """What one run did."""

    ended: bool  # a finite input was read to its end; False: it was asked to stop
    records: int
    rows: int
    incidents: int  # opened
    dead_letters: int
    waiting: int  # messages not published yet
    notes: tuple[str, ...]  # what has to learn again, and why; what could be better about what was learned


class _Worker:
    """One run: the parts it joins, and the steps of the loop."""

    def __init__(
        self,
        source: Source,
        monitor: "Monitor",
        store: Store,
        sink: Sink | None,
        settings: Settings,
        clock: Callable[[], float],
        stop: Callable[[], bool],
        watch: Callable[[Sequence[Event]], None],
    ) -> None:
        self._source, self._monitor, self._store, self._sink = source, monitor, store, sink
        self._settings, self._clock, self._stop, self._watch = settings, clock, stop, watch
        self._from: Checkpoint = store.load()
        self._beat = Heartbeat(settings, started=clock(), before=self._from.status, newest=self._from.newest)
        self._totals = (self._beat.records, self._beat.rows, self._beat.dead_letters)
        topics = settings.topics
        notices = Notices(topics.incidents, self._from.incidents)
        self._new = Collector(notices, dead_letters=topics.dead_letters, publishes=sink is not None, late=self._behind)
        self._partitions: list[tuple[str, int]] = []
        self._series: dict[str, tuple[Series, ...]] = {}
        self._committed = self._looked = clock()
        self._took = 0.0  # seconds of the last commit
        self._waiting, self._aside = store.unpublished()
        self._away = False  # the broker: the last send decided nothing
        self._incidents = 0
        self._notes: list[str] = []
        self.ended = False

    def start(self, baseline: Iterable[Sequence[Arrival]] | None) -> bool:
        """Take up the last commit; without one, learn from the baseline. False: asked to stop on the way."""
        self._notes = self._restore()
        for note in self._notes:
            logger.warning(note)
        if baseline is not None and not self._from.snapshots:
            for arrivals in baseline:
                self._monitor.learn(arrivals)
                if self._stop():
                    return False
            self._monitor.learned()
        self._assign()
        self._source.seek(self._from.offsets)
        self._publish(_PUBLISH_FOR)
        return True

    def _restore(self) -> list[str]:
        try:
            return self._monitor.restore(self._from.snapshots)
        except SnapshotError as error:
            what = f"cannot go on from {self._store.url}: what was learned cannot be read"
            mend = "keep a copy of that store, and start with a new one: --store sqlite:///new.db"
            raise StoreError(what, str(error), mend) from error

    def turn(self) -> None:
        """Read and work on what there is, answer commands, commit if it is time."""
        if self._waiting > OUTBOX_LIMIT:
            self._alarm(f"more than {OUTBOX_LIMIT} messages wait to be published: reading stops until they are")
            time.sleep(_POLL)
        else:
            self._read()
        self._answer_commands()
        waited, every = self._clock() - self._committed, self._settings.store.commit_every
        every = max(every, self._took / _SHARE) if self._took > _LONG else every
        full = len(self._new.events) >= _BUFFER or self._new.cells >= _CELLS
        if self._new.urgent or full or not 0 <= waited < every:
            self._commit("running", _PUBLISH_FOR)

    def finish(self) -> None:
        """Work off what a finite input still holds back, commit, publish."""
        if self.ended:
            self._take(self._monitor.flush())
        self._commit("stopped", math.inf if self.ended else 0.0)
        self._store.commit(Batch(status=self._status("stopped")))  # how much is published is known only now

    def summary(self) -> Summary:
        """Count what this run did."""
        now = (self._beat.records, self._beat.rows, self._beat.dead_letters)
        records, rows, letters = (total - before for total, before in zip(now, self._totals, strict=True))
        return Summary(self.ended, records, rows, self._incidents, letters, self._waiting, tuple(self._notes))

    def _alarm(self, text: str) -> None:
        if self._beat.alarm(text, self._clock()):
            logger.warning(text)

    def _assign(self) -> None:
        if (partitions := self._source.partitions()) != self._partitions:  # a topic may grow
            self._partitions = partitions
            self._monitor.assign(partitions)

    def _read(self) -> None:
        poll = self._source.poll(_POLL)
        for text in poll.alarms:
            self._alarm(text)
        self._assign()
        self._beat.records += len({arrival.position for arrival in poll.arrivals})
        letters = [arrival.word for arrival in poll.arrivals if isinstance(arrival.word, DeadLetter)]
        for letter in letters[:3]:
            logger.warning("record %s-%d-%d could not be used: %s", *letter.position, letter.reason)
        self._beat.letters(letters, self._clock())
        self._new.letters(letters)
        self._take(self._monitor.push([a for a in poll.arrivals if not isinstance(a.word, DeadLetter)]))
        if poll.idle:
            self._take(self._monitor.idle(poll.idle))
        self.ended = poll.ended

    def _take(self, events: list[Event]) -> None:
        self._new.take(events)
        self._beat.rows_of(events)
        self._incidents += sum(isinstance(event, Changed) and event.action == "opened" for event in events)

    def _remark(self) -> None:
        """Say once what could be better about what has been learned."""
        for text in self._monitor.remarks():
            if text not in self._notes:
                self._notes.append(text)
                logger.warning(text)

    def _behind(self, row_time: float) -> bool:
        """Tell whether a row belongs to a backlog; only a live source can be behind."""
        step = self._settings.system.step or 1.0
        return self._settings.source.kind == "kafka" and self._clock() - row_time > max(_LATE, _LATE_ROWS * step)

    def _answer_commands(self) -> None:
        now = self._clock()
        if 0 <= now - self._looked < _COMMANDS_EVERY:
            return
        self._looked = now
        for command in self._store.waiting_commands():
            place = self._beat.newest.get(command.system)
            try:
                events, answer = self._monitor.command(command)
            except CommandRefused as refusal:
                self._new.answer(Answer(command.id, "refused", str(refusal), place))
            else:
                self._take(events)
                self._new.answer(Answer(command.id, "applied", answer, place))

    def _status(self, state: str) -> dict[str, dict[str, Any]]:
        letters = self._aside.get(self._settings.topics.dead_letters, 0)
        lag, counters, now = self._source.lag(), self._monitor.counters(), self._clock()
        return self._beat.status(state, lag=lag, counters=counters, waiting=self._waiting, letters=letters, now=now)

    def _commit(self, state: str, patience: float) -> None:
        began = time.monotonic()
        self._remark()
        series = {system: s for system, s in self._monitor.series().items() if self._series.get(system) != s}
        batch = self._new.batch(
            series=series,
            evidence=self._monitor.evidence(),
            snapshots=self._monitor.snapshots(),
            offsets=self._source.offsets(),
            status=self._status(state),
        )
        if pruned := self._store.commit(batch):
            logger.info("the store %s", pruned)
        self._series.update(series)
        self._committed, self._took = self._clock(), time.monotonic() - began
        self._publish(patience)
        self._watch(batch.events)

    def _publish(self, patience: float) -> None:
        """Publish what waits, for `patience` seconds and one send more; what is left waits for the next commit."""
        if self._sink is None or (self._away and self._stop()):
            return
        end = time.monotonic() + patience
        while waiting := self._store.pending():
            self._away = True  # until something is decided
            try:
                sent, rejected = self._sink.send(waiting)
            except BrokerError as error:
                self._alarm(error.what)
                break
            self._store.published(sent)
            self._store.failed(rejected)
            self._away = not (sent or rejected)
            if self._away or time.monotonic() >= end or self._stop():
                break
        self._waiting, self._aside = self._store.unpublished()
        for topic in self._aside:
            self._alarm(f"messages for {topic} were rejected; they stay in the store and are tried at the next start")


def run(
    source: Source,
    monitor: "Monitor",
    store: Store,
    sink: Sink | None,
    *,
    settings: Settings,
    stop: Callable[[], bool],
    clock: Callable[[], float] = time.time,
    watch: Callable[[Sequence[Event]], None] = lambda _: None,
    baseline: Iterable[Sequence[Arrival]] | None = None,
) -> Summary:
    """Work from the store's last commit on, until the input ends or `stop` says so.

    Parameters
    ----------
    source, monitor, store
        The input, the learners, and where both keep their progress. At the end the source is closed; the store is not.
    sink
        Where messages are published; None: nowhere, and none are kept.
    settings
        The worker's settings.
    stop
        Asked between two polls, at least twice a second; after a True there is one more commit.
    clock
        Wall clock in seconds: when to commit, and the columns that say when something was written.
    watch
        Called with the events of each commit, after it.
    baseline
        Quiet time to learn from first, unless the store holds learned state already.

    Raises
    ------
    StoreError, BrokerError
        As the store and the source do, or if what was learned cannot be read. What was not committed is worked on
        again by the next run.
    BrokenInvariant
        If the learners give what cannot be true; nothing of it is kept.
    """
    try:
        worker = _Worker(source, monitor, store, sink, settings, clock, stop, watch)
        if worker.start(baseline):  # a baseline learned by half must not be committed
            while not (worker.ended or stop()):
                worker.turn()
            worker.finish()
        return worker.summary()
    finally:
        source.close()
