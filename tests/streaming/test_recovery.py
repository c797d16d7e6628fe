"""A worker that dies anywhere must end with the store of one that never died, and tell the world the same."""

import itertools

import numpy as np
import pytest
from sqlalchemy import event

from headwater.streaming.errors import StoreFull
from headwater.streaming.runner import run
from headwater.streaming.settings import load
from headwater.streaming.store.batch import Batch
from headwater.streaming.store.reader import contents
from headwater.streaming.store.writer import Store

from .fakes import CRASH, Counter, Crash, Log, Tape, clock, stream

SETTINGS = load(None, {"source": {"kind": "file"}, "store": {"commit_every": 1.0}})


def work(url, tape, sink, *, kind=Store, now=None):
    now = now or clock()
    with kind(url, clock=now) as store:
        return run(tape, Counter(), store, sink, settings=SETTINGS, clock=now, stop=lambda: False)


def until_done(url, tape, sink, **more):
    """Start the worker again and again; return how often it died."""
    for deaths in itertools.count():
        try:
            work(url, tape, sink, **more)
        except Crash:
            assert deaths < 200
            continue
        return deaths
    raise AssertionError


@pytest.fixture
def truth(tmp_path):
    """Contents and messages of a worker that nothing happened to."""
    log, url = Log(), f"sqlite:///{tmp_path / 'truth.db'}"
    work(url, Tape(stream()), log)
    assert len(log.rows) > 15
    return contents(url), {row.id: row for row in log.rows}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.db'}"


def told(log):
    """Messages by id; a repeat must be the same message."""
    rows = {row.id: row for row in log.rows}
    assert all(rows[row.id] == row for row in log.rows)
    return rows


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_results_do_not_depend_on_how_much_a_poll_brings(url, truth, size):
    log = Log()
    work(url, Tape(stream(), size=size), log)
    assert (contents(url), told(log)) == truth


@pytest.mark.parametrize("seed", range(6))
def test_crashes_while_it_reads_change_nothing(url, truth, seed):
    rng = np.random.default_rng(seed)
    words = stream()
    for place in sorted(rng.integers(0, len(words), 12), reverse=True):
        words.insert(int(place), CRASH)
    log = Log()
    assert until_done(url, Tape(words, size=int(rng.integers(1, 20))), log) == 12
    assert (contents(url), told(log)) == truth


def test_crashes_between_publication_and_its_mark_repeat_messages_under_their_ids(url, truth):
    log = Log(crash_at=range(1, 40, 2))
    assert until_done(url, Tape(stream()), log) > 5
    assert len(log.rows) > len(truth[1])
    assert (contents(url), told(log)) == truth


@pytest.mark.parametrize("every", [29, 37, 41])
def test_crashes_at_any_statement_change_nothing(url, truth, every):
    """Dies at every so manieth statement that its lives send to the database."""
    sent = itertools.count(1)

    class Mortal(Store):
        def _prepare(self):
            super()._prepare()
            event.listen(self._engine, "before_cursor_execute", self._maybe_die)

        @staticmethod
        def _maybe_die(*_):
            if next(sent) % every == 0:
                raise Crash

        def close(self):  # a process that died does not tidy up
            self._stack.close()

    log = Log()
    assert until_done(url, Tape(stream(), size=1), log, kind=Mortal) > 5
    assert (contents(url), told(log)) == truth


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(url, truth):
    class Small(Store):
        def _prepare(self):
            super()._prepare()
            with self._engine.connect() as connection:
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
                connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 3}")

    log, tape = Log(), Tape(stream(), size=1)
    with pytest.raises(StoreFull):
        work(url, tape, log, kind=Small)
    assert 0 < tape.at < len(tape.words)
    work(url, tape, log)
    assert (contents(url), told(log)) == truth


# ── sabotaged twins: each breaks one rule, and the checks above must see it ──────────────────────────────────


def test_offsets_committed_before_the_state_are_caught(url, truth):
    commits = itertools.count(1)

    class OffsetsFirst(Store):
        def commit(self, batch):
            super().commit(Batch(offsets=batch.offsets))
            if next(commits) % 5 == 0:
                raise Crash
            return super().commit(batch)

    log = Log()
    assert until_done(url, Tape(stream()), log, kind=OffsetsFirst) > 1
    assert contents(url) != truth[0]
    assert told(log) != truth[1]


def test_state_committed_before_the_offsets_is_caught(url, truth):
    commits = itertools.count(1)

    class StateFirst(Store):
        def commit(self, batch):
            super().commit(batch._replace(offsets={}))
            if next(commits) % 5 == 0:
                raise Crash
            return super().commit(Batch(offsets=batch.offsets))

    assert until_done(url, Tape(stream()), Log(), kind=StateFirst) > 1
    assert contents(url) != truth[0]


def test_messages_without_stable_ids_are_caught(url, truth):
    fresh = itertools.count()

    class Anonymous(Log):
        def send(self, rows):
            super().send([row._replace(id=str(next(fresh))) for row in rows])
            return [row.id for row in rows], []

    log = Anonymous(crash_at=range(1, 40, 2))
    assert until_done(url, Tape(stream()), log) > 5
    assert len(told(log)) > len(truth[1])  # nobody can tell the repeats


def test_messages_published_before_the_commit_are_caught(url, truth):
    """Read again after the crash in other portions, they would still be the same; but what was never kept was told."""
    log = Log()

    class Hasty(Store):
        def commit(self, batch):
            log.send(list(batch.outbox))
            if batch.outbox:
                raise Crash
            return super().commit(batch)

    with pytest.raises(Crash):
        work(url, Tape(stream()), log, kind=Hasty)
    kept = {row[0] for row in contents(url)["outbox"]}
    assert not told(log).keys() <= kept
