import json
import os
import signal
import time

import msgspec
import numpy as np
import pytest

from headwater.streaming import build, runner
from headwater.streaming.errors import BrokenInvariant, BrokerError, StoreError
from headwater.streaming.records import Arrival, Changed, Position, Sample, Tick
from headwater.streaming.runner import run
from headwater.streaming.settings import load
from headwater.streaming.store.batch import Batch
from headwater.streaming.store.reader import Reader, contents
from headwater.streaming.store.writer import Store, queue_command

from .fakes import POISON, Counter, Crash, Log, Tape, clock, stream


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.db'}"


def settings(**sections):
    return load(None, sections)


FILE = {"source": {"kind": "file"}}


def go(url, tape, monitor=None, sink=None, *, stop=lambda: False, now=None, **more):
    now = now or clock()
    with Store(url, clock=now) as store:
        more = {"settings": settings(**FILE), **more}
        return run(tape, monitor or Counter(), store, sink, clock=now, stop=stop, **more)


def turns(number):
    """A request to stop that comes after so many questions."""
    left = iter(range(number))
    return lambda: next(left, None) is None


def test_a_finite_input_is_worked_off_flushed_and_committed(url):
    tape, monitor, log = Tape(stream()), Counter(), Log()
    summary = go(url, tape, monitor, log)
    assert summary == (True, 124, 120, 5, 4, 0, ("s0: could be better",))
    assert monitor.calls == ["assign [('metrics', 0)]", "flush"]
    assert tape.closed == 1
    reader = Reader(url)
    assert len(reader.ticks("s0").times) + len(reader.ticks("s1").times) == 120
    assert len(reader.incidents()) == 5
    assert len(reader.evidence("s0", "INC-1").times) == 2
    assert reader.series("s0")[0].name == "host|load"


def test_the_status_says_what_the_worker_is_about(url):
    go(url, Tape(stream()), sink=Log())
    status = {key: row.value for key, row in Reader(url).status().items()}
    assert status["worker"].pop("started") >= 1_000_000.0
    assert status["worker"] == {"pid": os.getpid(), "version": "0.1.0", "source": "file", "state": "stopped"}
    assert status["input"] == {
        "lag_records": 0, "stale_s": 0.0, "newest_row": 219.0, "records": 124, "rows": 120, "alarms": [],
    }  # fmt: skip
    assert status["counters"] == {
        "dead_letters": 4, "dead_letters_unpublished": 0, "tombstones": 0, "late_samples": 3, "refused_columns": 0,
        "refused_names": [], "refused_systems": {}, "outbox_waiting": 0,
    }  # fmt: skip
    assert status["learning"] == {"s0": {"rows": 4, "of_rows": 10, "step": 1.0}}


def test_what_could_be_better_is_logged_once_and_told_in_the_summary(url, caplog):
    assert go(url, Tape(stream())).notes == ("s0: could be better",)
    assert [record.message for record in caplog.records].count("s0: could be better") == 1


def test_totals_are_continued_over_restarts_and_summaries_are_not(url):
    go(url, Tape(stream(), endless=True), stop=turns(9))
    summary = go(url, Tape(stream()))
    counted = Reader(url).status()["input"].value
    assert (counted["records"], counted["rows"]) == (124, 120)
    assert 0 < summary.records < 124


def test_what_happens_to_incidents_and_what_cannot_be_read_is_published(url):
    log = Log()
    go(url, Tape(stream()), sink=log)
    incidents = [json.loads(row.value) for row in log.rows if row.topic == "headwater.incidents"]
    assert [m["action"] for m in incidents if m["incident"]["system"] == "s1"][:4] == [
        "opened", "ranked", "resolved", "opened",  # four rankings, one of which names the cause
    ]  # fmt: skip
    assert [row.id for row in log.rows if row.topic == "headwater.dead-letters"] == [
        "metrics-0-6", "metrics-0-44", "metrics-0-82", "metrics-0-120",
    ]  # fmt: skip


def test_with_no_sink_no_message_is_kept(url):
    assert go(url, Tape(stream())).dead_letters == 4
    with Store(url) as store:
        assert store.pending() == []


def test_news_is_committed_at_once_and_the_rest_every_few_seconds(url):
    commits, now = [], [0.0]
    quiet = [Sample("s0", "host", "load", float(n), 0.0) for n in range(20)]
    tape = Tape([*quiet[:15], Sample("s0", "host", "load", 15.0, 50.0), *quiet[16:]], size=1, endless=True)

    class Watched(Store):
        def commit(self, batch):
            commits.append((now[0], len(batch.events)))
            return super().commit(batch)

    def tick():
        now[0] += 1.0
        return now[0] > 19

    with Watched(url, clock=lambda: now[0]) as store:
        run(tape, Counter(), store, None, settings=settings(**FILE), clock=lambda: now[0], stop=tick)
    assert commits[:4] == [(5.0, 5), (10.0, 5), (15.0, 5), (16.0, 3)]


def test_a_fast_input_is_committed_before_it_fills_the_memory(url, monkeypatch):
    monkeypatch.setattr(runner, "_BUFFER", 50)
    sizes = []
    quiet = [Sample("s0", "host", "load", float(n), 0.0) for n in range(400)]
    go(url, Tape(quiet), now=lambda: 0.0, watch=lambda events: sizes.append(len(events)))
    assert max(sizes) < 57
    assert sum(sizes) == 400


def test_a_clock_that_is_set_back_does_not_stop_the_commits(url):
    times = iter([1000.0, 1000.0, 1000.0, *np.arange(0.0, 500.0, 0.25)])
    sizes = []
    quiet = [Sample("s0", "host", "load", float(n), 0.0) for n in range(200)]
    go(url, Tape(quiet, size=1), now=lambda: next(times), watch=lambda events: sizes.append(len(events)))
    assert max(sizes) < 40


def test_sigterm_leads_to_a_commit_within_seconds_and_the_next_run_goes_on(url):
    stopped = []
    before = signal.signal(signal.SIGTERM, lambda *_: stopped.append(time.monotonic()))

    class Terminated(Tape):
        def poll(self, timeout):
            if self.at >= 35:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().poll(timeout)

    try:
        summary = go(url, Terminated(stream(), endless=True), sink=Log(), stop=lambda: bool(stopped))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert time.monotonic() - stopped[0] < 5
    assert (summary.ended, summary.records) == (False, 42)
    assert Reader(url).status()["worker"].value["state"] == "stopped"
    assert go(url, Tape(stream())).records == 124 - 42


def test_commands_are_answered_between_polls_and_keep_their_place(url):
    tape = Tape(stream(), size=1, endless=True)
    Store(url).close()

    class Asked(Tape):
        def poll(self, timeout):
            if self.at == 13:  # the first incident is open
                queue_command(url, system="s1", kind="acknowledge", incident="INC-1", by="ann")
                queue_command(url, system="s0", kind="acknowledge", incident="INC-9", by="ann")
            return super().poll(timeout)

    go(url, Asked(tape.words, size=1), now=clock(1.0))
    refused, applied = Reader(url).commands()
    assert (applied.state, applied.answer, applied.row_time) == ("applied", "ok", 111.0)
    assert (refused.state, refused.answer, refused.row_time) == ("refused", "INC-9 is closed", 112.0)
    acknowledged = [e for e in Reader(url).events() if isinstance(e, Changed) and e.action == "acknowledged"]
    assert len(acknowledged) == 1


def test_a_command_is_applied_once(url):
    Store(url).close()
    queue_command(url, system="s0", kind="acknowledge", incident="INC-1")
    applied = []

    class Patient(Counter):
        def command(self, command):
            applied.append(command.id)
            return [], "done"

    go(url, Tape(stream(), size=1), Patient(), now=clock(1.0))
    assert applied == [1]


@pytest.mark.parametrize(
    ("kind", "behind", "late"), [("kafka", 400.0, True), ("kafka", 200.0, False), ("file", 400.0, False)]
)
def test_an_incident_found_in_a_backlog_of_a_live_source_is_late(url, kind, behind, late):
    now = clock(1e-6, start=111.0 + behind)
    go(url, Tape(stream(12), size=1), now=now, settings=settings(source={"kind": kind}))
    assert len(Reader(url).incidents()) == 1
    assert Reader(url).late() == ({("s1", "INC-1")} if late else set())


def test_a_score_that_cannot_be_true_stops_before_the_commit(url):
    class Broken(Counter):
        def push(self, arrivals):
            events = super().push(arrivals)
            bad = {
                e.time: msgspec.structs.replace(e, joint=np.nan)
                for e in events
                if isinstance(e, Tick) and e.time >= 130
            }
            return [bad.get(event.time, event) if isinstance(event, Tick) else event for event in events]

    tape = Tape(stream())
    with pytest.raises(BrokenInvariant, match=r"joint score of s0 at 130\.000 is nan") as broken:
        go(url, tape, Broken())
    assert broken.value.exit_code == 70
    assert tape.closed == 1
    assert max(Reader(url).ticks(s).times.max() for s in ("s0", "s1")) < 130
    assert go(url, Tape(stream())).ended


def test_a_broker_that_refuses_one_message_gets_the_others(url):
    log = Log(rejects=lambda row: row.id == "metrics-0-44")
    summary = go(url, Tape(stream()), sink=log)
    assert summary.waiting == 0
    with Store(url) as store:
        assert [row.id for row in store.pending()] == ["metrics-0-44"]  # kept, for the next start
    status = Reader(url).status()
    assert status["counters"].value["dead_letters_unpublished"] == 1
    assert "headwater.dead-letters were rejected" in status["input"].value["alarms"][0]


def test_many_refused_messages_do_not_hold_up_the_ones_behind_them(url):
    words = [POISON] * 1200 + stream()
    log = Log(rejects=lambda row: row.topic == "headwater.dead-letters")
    go(url, Tape(words, size=1400), sink=log)
    with Store(url) as store:
        assert {row.topic for row in store.pending()} == {"headwater.dead-letters"}
    assert len(log.rows) == 15


class Away(Log):
    """A broker that does not answer."""

    away = True

    def send(self, rows):
        if self.away:
            raise BrokerError("the broker is away")
        return super().send(rows)


def test_messages_wait_while_the_broker_is_away_and_go_out_at_the_next_start(url):
    sink = Away()
    summary = go(url, Tape(stream()), sink=sink)
    assert summary.waiting == 19
    assert Reader(url).status()["input"].value["alarms"] == ["the broker is away"]
    sink.away = False
    assert go(url, Tape(stream()), sink=sink).waiting == 0
    assert len({row.id for row in sink.rows}) == len(sink.rows) == 19


def test_with_too_many_messages_waiting_it_reads_no_further_and_lives(url, monkeypatch):
    monkeypatch.setattr(runner, "OUTBOX_LIMIT", 3)
    monkeypatch.setattr(runner, "_POLL", 0.0)
    sink, tape, now = Away(), Tape(stream()), clock(0.5)
    go(url, tape, sink=sink, stop=turns(200), now=now)
    stuck = tape.at
    assert stuck < 60
    assert any("reading stops" in alarm for alarm in Reader(url).status()["input"].value["alarms"])
    assert Reader(url).status()["worker"].updated > now() - 20  # the heart beats on
    sink.away = False
    assert go(url, Tape(stream()), sink=sink).ended


def test_a_flood_of_dead_letters_is_reported_and_does_not_stop_it(url):
    summary = go(url, Tape([POISON] * 100 + stream()))
    assert summary.ended
    (alarm,) = Reader(url).status()["input"].value["alarms"]
    assert "records could not be used within a minute, the last one: not JSON" in alarm


def test_a_baseline_is_learned_once(url):
    rows = [Arrival(Position("quiet.csv", 0, n), Sample("s0", "host", "load", float(n), 0.0)) for n in range(10)]
    monitor = Counter()
    go(url, Tape(stream(), endless=True), monitor, baseline=[rows[:4], rows[4:]], stop=turns(8))
    assert monitor.learned_rows == 10
    assert monitor.calls[:2] == ["learned", "assign [('metrics', 0)]"]
    again = Counter()
    go(url, Tape(stream()), again, baseline=[rows])
    assert again.learned_rows == 0


def test_a_stop_within_the_baseline_commits_nothing(url):
    monitor, tape = Counter(), Tape(stream())
    summary = go(url, tape, monitor, baseline=[[], [], []], stop=turns(1))
    assert (summary.ended, summary.records) == (False, 0)
    assert "learned" not in monitor.calls
    assert Reader(url).status() == {}
    assert tape.closed == 1


def test_what_has_to_learn_again_is_said(url):
    class Forgetful(Counter):
        def restore(self, snapshots):
            return ["s0 learns again: [detector] window changed"]

    assert go(url, Tape(stream()), Forgetful()).notes[0] == "s0 learns again: [detector] window changed"


@pytest.mark.parametrize("part", ["ring", "align"])
def test_damaged_snapshots_end_it_with_the_mend_and_change_nothing(url, part):
    go(url, Tape(stream(), endless=True), build.monitor(settings(**FILE), step=1.0), stop=turns(9))
    with Store(url) as store:
        mark, data = store.load().snapshots["s0", part]
        store.commit(Batch(snapshots={("s0", part): (mark, data[: len(data) // 2])}))
    before, tape = contents(url), Tape(stream())
    with pytest.raises(StoreError) as damaged:
        go(url, tape, build.monitor(settings(**FILE), step=1.0))
    error = damaged.value
    assert error.exit_code == 3
    assert url in error.what
    assert error.why.startswith(f"{part}: ")
    assert "keep a copy" in error.mend
    assert "--store" in error.mend
    assert contents(url) == before
    assert tape.closed == 1


def test_a_topic_that_grows_is_waited_for(url):
    class Growing(Tape):
        def partitions(self):
            return [("metrics", n) for n in range(1 if self.at < 50 else 2)]

    monitor = Counter()
    go(url, Growing(stream()), monitor)
    assert monitor.calls == ["assign [('metrics', 0)]", "assign [('metrics', 0), ('metrics', 1)]", "flush"]


def test_the_source_is_closed_whatever_happens(url):
    tape = Tape(["crash"])
    with pytest.raises(Crash):
        go(url, tape)
    assert tape.closed == 1


def test_a_stop_in_an_outage_waits_for_the_broker_no_more(url):
    asked = []

    class Gone(Away):
        def send(self, rows):
            asked.append(True)
            return super().send(rows)

    summary = go(url, Tape(stream(), endless=True), sink=Gone(), stop=lambda: bool(asked))
    assert len(asked) == 1
    assert summary.waiting > 0
