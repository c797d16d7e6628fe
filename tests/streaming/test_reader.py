import numpy as np
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError

from headwater.streaming.errors import HeadwaterError, StoreError, StoreMissing
from headwater.streaming.records import Changed, EvidenceWindow, Incident, Ranked, Series, Tick, Triggered
from headwater.streaming.store import schema
from headwater.streaming.store.batch import Batch
from headwater.streaming.store.reader import Reader
from headwater.streaming.store.writer import Store
from headwater.streaming.suspects import Edge, ServiceSuspect, Suspect

NAN = float("nan")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.db'}"


def incident(number: int, system: str = "shop", **fields) -> Incident:
    known = {"state": "open", "rca": "collecting", "onset": 1.0, "opened": float(number), "updated": 6.0}
    return Incident(system, f"INC-{number}", **{**known, **fields})


def write(url: str, *batches: Batch) -> Reader:
    with Store(url) as store:
        for batch in batches:
            store.commit(batch)
    return Reader(url)


def opened(*incidents: Incident) -> Batch:
    return Batch([Changed(i.system, i.opened, n, "opened", i) for n, i in enumerate(incidents)])


def test_there_must_be_a_store(url, tmp_path):
    with pytest.raises(StoreMissing, match="--store"):
        Reader(url)
    (tmp_path / "store.db").touch()
    with pytest.raises(StoreMissing, match="empty"):
        Reader(url)
    (tmp_path / "store.db").write_bytes(b"something else altogether" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Reader(url)


def test_a_reader_cannot_write(url):
    reader = write(url, opened(incident(1)))
    with reader._engine.begin() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(insert(schema.offset).values(topic="metrics", partition=0, next=1))


def test_older_ticks_are_padded_to_the_columns_known_now(url):
    columns = tuple(Series("shop", "db", name, "counter", "1/s", "up") for name in ("io", "locks", "reads"))
    old = Tick("shop", 1.0, np.array([1.5], np.float32), np.array([0.5], np.float32), NAN, 0.25)
    new = Tick("shop", 2.0, np.array([1, NAN, 3], np.float32), np.array([0, NAN, 2], np.float32), 2.0, 1.0)
    reader = write(url, Batch([old], series={"shop": columns[:1]}), Batch([new], series={"shop": columns}))
    ticks = reader.ticks("shop")
    assert reader.series("shop") == columns
    assert ticks.values.dtype == ticks.scores.dtype == np.float32
    np.testing.assert_array_equal(ticks.values, np.array([[1.5, NAN, NAN], [1, NAN, 3]], np.float32))
    np.testing.assert_array_equal(ticks.scores, np.array([[0.5, NAN, NAN], [0, NAN, 2]], np.float32))
    np.testing.assert_array_equal(ticks.joint, [NAN, 2.0])
    np.testing.assert_array_equal(ticks.learning, [0.25, 1.0])


def test_ticks_are_selected_by_system_and_by_time_with_both_ends(url):
    one = np.zeros(1, np.float32)
    ticks = [Tick(system, float(t), one, one, 0.0, 1.0) for system in ("shop", "mall") for t in (3, 1, 2)]
    reader = write(url, Batch(ticks, series={s: (Series(s, "db", "io"),) for s in ("shop", "mall")}))
    assert reader.systems() == ["mall", "shop"]
    assert reader.ticks("shop").times.tolist() == [1.0, 2.0, 3.0]
    assert reader.ticks("shop", since=2.0).times.tolist() == [2.0, 3.0]
    assert reader.ticks("shop", since=1.5, until=2.0).times.tolist() == [2.0]
    assert reader.ticks("shop", since=9.0).values.shape == (0, 1)
    assert reader.ticks("nowhere").values.shape == (0, 0)


def test_the_newest_row_is_that_of_the_system(url):
    one = np.zeros(1, np.float32)
    ticks = [Tick(system, time, one, one, 0.0, 1.0) for system, time in (("shop", 7.5), ("mall", 9.0), ("shop", 3.0))]
    reader = write(url, Batch(ticks, series={s: (Series(s, "db", "io"),) for s in ("shop", "mall")}))
    assert (reader.newest("shop"), reader.newest("mall"), reader.newest("nowhere")) == (7.5, 9.0, None)


def test_incidents_are_listed_newest_first(url):
    mall = incident(3, "mall", state="resolved", closed=9.0)
    reader = write(url, opened(incident(2), incident(10), mall, incident(1)))
    assert [i.id for i in reader.incidents()] == ["INC-10", "INC-3", "INC-2", "INC-1"]
    assert [i.id for i in reader.incidents(limit=2)] == ["INC-10", "INC-3"]
    assert reader.incidents(system="mall") == reader.incidents(state="resolved") == [mall]


def test_an_incident_is_its_newest_state(url):
    acknowledged = incident(1, state="acknowledged", updated=9.0)
    reader = write(url, opened(incident(1)), Batch([Changed("shop", 9.0, 0, "acknowledged", acknowledged)]))
    assert reader.incident("INC-1") == acknowledged


def test_an_unknown_incident_is_answered_with_near_ones(url):
    reader = write(url, opened(incident(17), incident(3)))
    with pytest.raises(HeadwaterError, match="did you mean 'INC-17'"):
        reader.incident("INC17")
    with pytest.raises(HeadwaterError, match="the newest is INC-17"):
        reader.incident("zebra")
    with pytest.raises(HeadwaterError, match="in mall"):
        reader.incident("INC-17", system="mall")


def test_an_id_in_two_systems_needs_the_system(url):
    reader = write(url, opened(incident(1, "mall"), incident(1, "shop")))
    with pytest.raises(HeadwaterError, match=r"mall, shop[\s\S]*--system"):
        reader.incident("INC-1")
    assert reader.incident("INC-1", "shop").system == "shop"


def ranked(batch: int, time: float, **fields) -> Ranked:
    known = {
        "metrics": (Suspect("db", "io", 1.0, 2.0, walk=NAN, value=NAN, usual=0.5), Suspect("web", "p99", 0.5, 1.0)),
        "services": (ServiceSuspect("db", 2.0, "io", flow=NAN),),
        "edges": (Edge("db|io", "web|p99", 0.25, 2, "dependent"),),
        "path": ("db|io", "web|p99"),
        "similarity": NAN, "graph_similarity": 0.75, "rca": "provisional", "confidence": 1.5,
    }  # fmt: skip
    return Ranked("shop", time, 2, "INC-1", batch, **{**known, **fields})


def test_words_come_back_as_they_went_in_with_nan_for_what_is_unknown(url):
    change = Changed("shop", 4.0, 1, "opened", incident(1, margin=NAN, path=("db|io",)), by="ann")
    trigger = Triggered("shop", 4.0, 0, 3.0, "metric", NAN, (("db|io", 0.75), ("web|p99", NAN)), "INC-1", "why")
    reader = write(url, Batch([trigger, change, ranked(1, 4.0)]))
    found = reader.events()
    assert repr(found) == repr([trigger, change, ranked(1, 4.0)])  # NaN is not equal to itself, but looks the same
    assert found[1].incident.closed is None  # null is no NaN where there may be nothing
    assert repr(reader.rankings("shop", "INC-1")) == repr([ranked(1, 4.0)])


def test_events_are_the_newest_in_the_order_in_which_they_happened(url):
    changes = [Changed("shop", float(t), 1, "opened", incident(t % 2 + 1)) for t in range(1, 6)]
    mall = Changed("mall", 3.0, 1, "opened", incident(1, "mall"))
    reader = write(url, Batch([*changes, mall, *(ranked(t, float(t)) for t in range(1, 6))]))

    def places(**which):
        return [(e.time, e.system, e.n) for e in reader.events(**which)]

    assert places() == sorted(places())
    assert len(places()) == 11
    assert places(limit=3) == [(4.0, "shop", 2), (5.0, "shop", 1), (5.0, "shop", 2)]
    assert places(since=4.0) == [(4.0, "shop", 1), (4.0, "shop", 2), (5.0, "shop", 1), (5.0, "shop", 2)]
    assert places(system="mall") == [(3.0, "mall", 1)]
    assert len(places(system="shop", incident="INC-2")) == 3
    assert places(kinds=("ranked",)) == [(float(t), "shop", 2) for t in range(1, 6)]
    assert places(kinds={"changed", "triggered"}, since=5.0) == [(5.0, "shop", 1)]
    assert places(kinds=("ranked",), limit=2) == [(4.0, "shop", 2), (5.0, "shop", 2)]
    assert places(kinds=()) == []
    assert [r.batch for r in reader.rankings("shop", "INC-1")] == [1, 2, 3, 4, 5]
    assert reader.rankings("shop", "INC-2") == []


def test_evidence_comes_back_whole(url):
    window = EvidenceWindow(
        "shop",
        "INC-1",
        ("db|io", "wéb|p99"),
        np.array([0.1, 1.1, 2.1]),
        np.array([[1, NAN], [3, 4], [5, 6]], np.float32),
    )
    reader = write(url, Batch(evidence=[window]))
    found = reader.evidence("shop", "INC-1")
    assert found[:3] == window[:3]
    np.testing.assert_array_equal(found.times, window.times)
    np.testing.assert_array_equal(found.values, window.values)
    assert reader.evidence("shop", "INC-2") is None


def test_at_once_shows_one_state_for_as_long_as_it_lasts(url):
    with Store(url) as store:
        store.commit(opened(incident(1)))
        reader = Reader(url)
        with reader.at_once() as view:
            assert len(view.incidents()) == 1
            store.commit(opened(incident(2)))
            assert len(view.incidents()) == 1
            assert len(reader.incidents()) == 2


def test_a_store_is_read_after_its_worker_has_gone_and_when_it_was_replaced(url, tmp_path):
    reader = write(url, opened(incident(1)))
    (tmp_path / "store.db").unlink()
    write(url, opened(incident(2)))
    assert [i.id for i in reader.incidents()] == ["INC-2"]
    reader.close()
