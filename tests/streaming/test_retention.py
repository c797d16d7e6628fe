import pytest

from headwater.streaming.outbox import OutboxRow
from headwater.streaming.store import retention
from headwater.streaming.store.batch import Batch
from headwater.streaming.store.reader import Reader
from headwater.streaming.store.retention import SET_ASIDE, Pruned, Retention
from headwater.streaming.store.writer import Store

from .store_batches import batch, columns, tick


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'it is.db'}"


def test_ticks_go_by_age_in_row_time_and_incidents_stay(url):
    now = [0.0]
    with Store(url, clock=lambda: now[0], retention=Retention(ticks=100.0)) as store:
        store.commit(batch(1))
        ticks = [*(tick(float(t)) for t in range(300)), tick(5.0, "idle")]
        store.commit(Batch(ticks, series={"shop": columns("shop"), "idle": columns("idle")}))
        assert store.commit(Batch([tick(300.0)])) is None  # not every commit looks
        now[0] = 61.0
        assert store.commit(Batch([tick(301.0)])) == Pruned(old_ticks=201)
        reader = Reader(url)
        assert reader.ticks("shop").times.tolist() == [float(t) for t in range(201, 302)]
        assert reader.ticks("idle").times.tolist() == [5.0]  # its own newest row counts
        assert len(reader.events()) == 3
        assert reader.evidence("shop", "INC-1") is not None


def test_ticks_go_by_age_when_the_store_closes_so_that_what_is_left_does_not_depend_on_pace(url):
    with Store(url, retention=Retention(ticks=10.0)) as store:
        store.commit(Batch([tick(float(t)) for t in range(100)], series={"shop": columns("shop")}))
    assert Reader(url).ticks("shop").times.tolist() == [float(t) for t in range(89, 100)]


def test_the_oldest_ticks_go_when_the_file_is_too_large(url, tmp_path):
    size = 1_000_000
    with Store(url, retention=Retention(ticks=None, size=size)) as store:
        store.commit(batch(1))
        store.commit(Batch(outbox=[OutboxRow("big", "dead", "k", bytes(200_000)), OutboxRow("new", "dead", "k", b"")]))
        store.published(["big"])
        ticks = [tick(float(t), system, width=200) for t in range(1000) for system in ("shop", "mall")]
        store.commit(Batch(ticks, series={system: columns(system, 200) for system in ("shop", "mall")}))
        assert store.prune() == Pruned(messages=1)  # before any tick
        assert sum(store.prune().ticks for _ in range(10)) > 500
        assert store.prune() == Pruned()
        assert [row.id for row in store.pending()] == ["shop/1", "new"]
    assert size / 2 < (tmp_path / "it is.db").stat().st_size <= size
    for system in ("shop", "mall"):
        times = Reader(url).ticks(system).times
        assert times.tolist() == [float(t) for t in range(1000 - len(times), 1000)]
        assert 100 < len(times) < 500
    assert len(Reader(url).events()) == 3


def test_a_file_that_is_far_too_large_shrinks_a_step_with_each_commit(url, monkeypatch):
    monkeypatch.setattr(retention, "_PAGES", 50)
    monkeypatch.setattr(retention, "_MESSAGES", 2)
    now, size, vacuumed = [0.0], 300_000, []
    free = retention._vacuum
    monkeypatch.setattr(retention, "_vacuum", lambda connection: vacuumed.append(free(connection)) or vacuumed[-1])
    with Store(url, clock=lambda: now[0], retention=Retention(ticks=None, size=size)) as store:
        ticks = [tick(float(t), width=200) for t in range(1000)]
        sent = [OutboxRow(f"sent{n}", "incidents", "k", b"") for n in range(5)]
        store.commit(Batch(ticks, series={"shop": columns("shop", 200)}, outbox=sent))
        store.published([row.id for row in sent])
        now[0] = 61.0
        steps = [store.commit(Batch()) for _ in range(30)]  # no more than a moment later
        assert [step.messages for step in steps[:4]] == [2, 2, 1, 0]
        dropped = [step.ticks for step in steps if step is not None]
        assert dropped[:3] == [0, 0, 0]
        assert 0 < max(dropped) < 200
        assert 0 < max(vacuumed) <= 50
        assert steps[-1] is None, "done: the next look is in a minute"
        assert len(store.reader().ticks("shop").times) == 1000 - sum(dropped)
        assert 0 < sum(dropped) < 1000
    with Reader(url)._reading() as connection:
        assert connection.exec_driver_sql("PRAGMA page_count").scalar() * 4096 <= size


def test_free_pages_go_before_any_row_does(url, monkeypatch):
    with Store(url, retention=Retention(ticks=500.0, size=1_300_000)) as store:
        monkeypatch.setattr(retention, "_PAGES", 20)
        store.commit(Batch([tick(float(t), width=200) for t in range(1000)], series={"shop": columns("shop", 200)}))
        assert store.prune() == Pruned(old_ticks=499)
        assert [store.prune() for _ in range(30)] == [Pruned()] * 30
    with Reader(url)._reading() as connection:
        assert connection.exec_driver_sql("PRAGMA page_count").scalar() * 4096 <= 1_300_000


def test_a_size_that_incidents_alone_exceed_drops_all_ticks_and_nothing_else(url):
    with Store(url, retention=Retention(size=50_000)) as store:
        store.commit(Batch(batch(1).events, snapshots={("shop", "trigger"): ("hash", bytes(100_000))}))
        assert store.prune().ticks == 1
    assert len(Reader(url).events()) == 3


def test_messages_go_a_day_after_their_publication_and_set_aside_ones_have_a_cap(url):
    now = [0.0]
    aside = [OutboxRow(f"aside{n}", "dead", "k", b"") for n in range(SET_ASIDE + 5)]
    with Store(url, clock=lambda: now[0]) as store:
        store.commit(Batch(outbox=[OutboxRow("sent", "incidents", "k", b""), *aside]))
        store.published(["sent"])
        for first in range(0, len(aside), 1000):
            store.failed([row.id for row in aside[first : first + 1000]])
        now[0] = 86_000.0
        assert store.prune() == Pruned(messages=5)
        now[0] = 86_401.0
        assert store.prune() == Pruned(messages=1)
        assert store.pending(limit=1) == [aside[5]]
