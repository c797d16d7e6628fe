import os
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import event, select, update

from headwater.streaming.errors import StoreError, StoreFull, StoreLocked, StoreMissing, StoreNewer
from headwater.streaming.outbox import OutboxRow
from headwater.streaming.records import Changed, Series
from headwater.streaming.store import lock, schema
from headwater.streaming.store.batch import Answer, Batch
from headwater.streaming.store.database import path_of
from headwater.streaming.store.reader import Reader, contents
from headwater.streaming.store.retention import Retention
from headwater.streaming.store.writer import ATTEMPTS, Store, queue_command, worker_running

from .store_batches import batch, columns, incident, tick


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'it is.db'}"


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    with Reader(url)._reading() as connection:
        return {name: connection.execute(select(t)).all() for name, t in schema.metadata.tables.items()}


def test_what_is_committed_is_loaded(url):
    with Store(url) as store:
        assert store.load() == ({}, {}, {}, {}, {})
        store.commit(batch(7))
    with Store(url) as store:
        found = store.load()
    assert found.snapshots == {("shop", "trigger"): ("hash", b"learned 7")}
    assert found.offsets == {("metrics", 0): 7}
    assert found.incidents == {("shop", "INC-1"): incident(updated=7.0)}
    assert found.newest == {"shop": 7.0}
    assert found.status == {"worker": {"n": 7}}


def test_a_closed_incident_is_not_loaded(url):
    with Store(url) as store:
        store.commit(batch(7))
        store.commit(Batch([Changed("shop", 8.0, 0, "resolved", incident(state="resolved", closed=8.0))]))
        assert not store.load().incidents


def test_a_batch_is_written_whole_or_not_at_all(url):
    """Fails at each statement of a commit in turn; the sabotaged store of `test_recovery` shows that this can fail."""
    with Store(url) as store:
        store.commit(batch(1))
        queue_command(url, system="shop", kind="resolve")
        before, statements = everything(url), 0
        while True:
            fails_at, seen = statements, iter(range(100))

            def fail(*_, fails_at=fails_at, seen=seen):
                if next(seen) == fails_at:
                    raise RuntimeError("pulled the plug")

            event.listen(store._engine, "before_cursor_execute", fail)
            try:
                store.commit(batch(2))
                break
            except RuntimeError:
                statements += 1
            finally:
                event.remove(store._engine, "before_cursor_execute", fail)
            assert everything(url) == before
        after = everything(url)
    assert statements == 12  # BEGIN, nine tables, messages, answers
    assert {name for name in after if after[name] != before[name]} == schema.metadata.tables.keys() - {"meta"}


def test_a_repeated_message_is_not_published_again(url):
    with Store(url) as store:
        store.commit(batch(1))
        store.published(["shop/1"])
        store.commit(batch(1))
        assert store.pending() == []


def test_messages_are_pending_in_the_order_in_which_they_came_up(url):
    rows = [OutboxRow(f"{n % 7}-{n}", "incidents", "shop", b"%d" % n) for n in range(30)]
    with Store(url) as store:
        store.commit(Batch(outbox=rows[:20]))
        store.commit(Batch(outbox=rows[20:]))
        store.published([rows[0].id, rows[3].id])
        assert store.pending(limit=4) == [rows[1], rows[2], rows[4], rows[5]]
        assert store.unpublished() == (28, {})


def test_a_rejected_message_is_set_aside_kept_counted_and_tried_again_at_the_next_start(url):
    rows = [OutboxRow(str(n), topic, "k", b"") for n, topic in enumerate(["dead", "incidents"])]
    with Store(url) as store:
        store.commit(Batch(outbox=rows))
        for _ in range(ATTEMPTS):
            assert rows[0] in store.pending()
            store.failed(["0"])
        assert store.pending() == rows[1:]
        assert store.unpublished() == (1, {"dead": 1})
    with Store(url) as store:
        assert store.pending() == rows


def test_late_once_is_late_for_good(url):
    with Store(url) as store:
        store.commit(Batch(batch(1).events, late=frozenset({("shop", "INC-1")})))
        store.commit(batch(2))
    assert Reader(url).late() == {("shop", "INC-1")}


def test_commands_are_queued_while_a_worker_holds_the_lock(url):
    with Store(url) as store:
        number = queue_command(url, system="shop", kind="resolve", incident="INC-1", by="ann", clock=lambda: 77.0)
        (command,) = store.waiting_commands()
        assert (command.id, command.kind, command.by) == (number, "resolve", "ann")
        store.commit(Batch(answers=[Answer(number, "refused", "it is closed", 12.0)]))
        assert store.waiting_commands() == []
    (row,) = Reader(url).commands()
    assert (row.state, row.answer, row.row_time, row.queued) == ("refused", "it is closed", 12.0, 77.0)


def test_a_command_without_a_worker_waits(url):
    Store(url).close()
    queue_command(url, system="shop", kind="resolve")
    assert not worker_running(url)
    with Store(url) as store:
        assert len(store.waiting_commands()) == 1


def test_both_ends_of_an_edge_are_kept(url):
    with Store(url) as store:
        queue_command(url, system="shop", kind="forbid_edge", cause="db|io", effect="web|p99", by="ann")
        (command,) = store.waiting_commands()
    assert (command.kind, command.cause, command.effect) == ("forbid_edge", "db|io", "web|p99")
    (row,) = Reader(url).commands()
    assert (row.cause, row.effect) == ("db|io", "web|p99")


@pytest.mark.parametrize("first", ["worker", "command"])
def test_a_store_of_an_earlier_release_gets_the_columns_that_it_lacks(url, first):
    with Store(url) as store:
        queue_command(url, system="shop", kind="resolve", incident="INC-1")
        with store._engine.begin() as connection:
            for column in ("cause", "effect"):
                connection.exec_driver_sql(f'ALTER TABLE "command" DROP COLUMN {column}')
    if first == "command":
        queue_command(url, system="shop", kind="verdict", incident="INC-1", cause="db")
    with Store(url) as store:
        waiting = store.waiting_commands()
    assert [(c.incident, c.cause) for c in waiting] == [("INC-1", ""), ("INC-1", "db")][: 1 + (first == "command")]
    assert len(Reader(url).commands()) == len(waiting)


def test_a_command_gives_up_soon_when_the_store_is_busy(url):
    with Store(url), lock.writing(path_of(url), wait=0.0):
        began = time.monotonic()
        with pytest.raises(StoreLocked, match="try again"):
            queue_command(url, system="shop", kind="resolve", wait=0.1)
    assert time.monotonic() - began < 2.0


def test_a_command_needs_a_store(url):
    with pytest.raises(StoreMissing, match="headwater run"):
        queue_command(url, system="shop", kind="resolve")


def test_a_second_worker_is_refused_with_the_first_ones_process(url):
    with Store(url):
        assert worker_running(url)
        with pytest.raises(StoreLocked, match=rf"process {os.getpid()}\b[\s\S]*kill {os.getpid()}\b") as refused:
            Store(url)
        assert refused.value.exit_code == 3
    assert not worker_running(url)
    Store(url).close()


def test_a_failed_start_leaves_no_lock(url, tmp_path):
    (tmp_path / "it is.db").write_bytes(b"not a database, but long enough to be looked at" * 40)
    for _ in range(2):
        with pytest.raises(StoreError, match="not a database"):
            Store(url)
        assert not worker_running(url)


def test_a_store_of_a_newer_headwater_is_refused_by_writer_and_reader(url):
    with Store(url) as store, store._writing() as connection:
        newer = str(schema.SCHEMA_VERSION + 1)
        connection.execute(update(schema.meta).where(schema.meta.c.key == "schema_version").values(value=newer))
    for opening in (Store, Reader, lambda url: queue_command(url, system="shop", kind="resolve")):
        with pytest.raises(StoreNewer, match="version 2, this release reads up to 1"):
            opening(url)


def test_a_database_of_another_program_is_left_alone(url):
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE bookmarks (id)")
    engine.dispose()
    for opening in (Store, Reader):
        with pytest.raises(StoreError, match="bookmarks"):
            opening(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://ann:secret@host/db", "SQLite"),
        ("headwater.db", "not a URL"),
        ("sqlite:////no/such/folder/x.db", "No such"),
    ],
)
def test_an_address_that_cannot_be_used_is_explained(url, why):
    with pytest.raises(StoreError, match=why) as refused:
        Store(url)
    assert "secret" not in str(refused.value)


def test_a_full_disk_keeps_nothing_of_the_batch_and_says_so(url):
    with Store(url) as store:
        store.commit(batch(1))
        before = everything(url)
        with store._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 20}")
        with pytest.raises(StoreFull, match="free some space") as full:
            store.commit(batch(2)._replace(snapshots={("shop", "trigger"): ("hash", bytes(1_000_000))}))
        assert full.value.exit_code == 3
        assert everything(url) == before
        store.commit(batch(3))  # what fits is still taken
    assert Reader(url).status()["worker"].value == {"n": 3}


def test_an_error_ends_the_store_without_another_write(url):
    def fail():
        with Store(url, retention=Retention(ticks=10.0)) as store:
            store.commit(Batch([tick(float(t)) for t in range(100)], series={"shop": columns("shop")}))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(Reader(url).ticks("shop").times) == 100
    assert not worker_running(url)


def test_a_store_in_memory_needs_no_lock_and_is_read_through_its_writer():
    with Store("sqlite://") as store, Store("sqlite://"):
        store.commit(batch(1))
        reader = store.reader()
        assert reader.incident("INC-1").id == "INC-1"
        assert reader.ticks("shop").times.tolist() == [1.0]
        reader.close()
        store.commit(batch(2))
        assert store.reader().ticks("shop").times.tolist() == [1.0, 2.0]
    assert not worker_running("sqlite://")


def test_ticks_are_written_fast_enough_for_a_recording(url):
    """At least 20,000 rows per CPU second; four times that were measured."""
    rows = [tick(float(t), width=38) for t in range(20_000)]
    with Store(url) as store:
        began = time.process_time()
        for first in range(0, len(rows), 5000):
            store.commit(Batch(rows[first : first + 5000], offsets={("metrics", 0): first}))
        assert time.process_time() - began < 1.0


def test_readers_see_whole_commits_while_the_worker_writes(url):
    """Each commit gives both systems a tick: a reader must never see one without the other."""
    with Store(url) as store:
        store.commit(Batch(series={s: (Series(s, "db", "io"),) for s in ("shop", "mall")}))
        seen, torn, done = [], [], threading.Event()

        def read():
            reader = Reader(url)
            while not done.is_set():
                with reader.at_once() as view:
                    shop, mall = (len(view.ticks(system).times) for system in ("shop", "mall"))
                seen.append(shop)
                if shop != mall:
                    torn.append((shop, mall))

        thread = threading.Thread(target=read)
        thread.start()
        for time_ in range(300):
            store.commit(Batch([tick(float(time_), "shop", 1), tick(float(time_), "mall", 1)]))
        done.set()
        thread.join()
    assert not torn
    assert len(set(seen)) > 10  # it did read while there was writing


def test_equal_input_has_equal_contents_whenever_it_was_written(tmp_path):
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("a", "b")]
    for start, url in zip((0.0, 1e6), urls, strict=True):
        with Store(url, clock=lambda start=start: start) as store:
            for n in range(4):
                store.commit(batch(n))
    assert contents(urls[0]) == contents(urls[1])
    assert everything(urls[0]) != everything(urls[1])
    with Store(urls[1]) as store:
        store.commit(Batch(offsets={("metrics", 0): 99}))
    assert contents(urls[0]) != contents(urls[1])


def test_the_documentation_names_every_table_and_every_wall_clock_column():
    text = (Path(__file__).parents[2] / "docs" / "store.md").read_text()
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for name, table in schema.metadata.tables.items():
        assert name in rows
        for column in schema.WALL_CLOCK.get(name, ()):
            assert column in table.columns
            assert "wall clock" in rows[name], (name, column)
