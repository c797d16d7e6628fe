"""The whole without I/O: the same events however the input comes, columns in any order, systems under a cap."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.streaming.errors import CommandRefused
from headwater.streaming.monitor import AlignConfig, Monitor
from headwater.streaming.pipeline import Pipeline
from headwater.streaming.records import Arrival, Command, DeadLetter, Position, Tick, Wide, identity

from .shop import (
    ALIGN,
    NAMES,
    ONSET,
    PARTITION,
    START,
    actions,
    arrivals,
    as_bytes,
    by_system,
    changes,
    config,
    monitor,
    played,
    rankings,
    row_of,
    rows,
    triggers,
)

# ── polling does not matter ─────────────────────────────────────────────────────────────────────────────────────────

TWO = (("metrics", 0), ("metrics", 1))


def two_partitions():
    """Two systems; the one that recovers has its columns in two partitions, the one that stays is in the first."""
    X, Y = rows(170), rows(170, seed=4, until=170)
    first = [w for pair in zip(arrivals(X[:, :3], NAMES[:3]), arrivals(Y, system="stays"), strict=True) for w in pair]
    second = arrivals(X[:, 3:], NAMES[3:], partition=TWO[1])
    return first, second


def interleaved(first, second, seed):
    """Some merge of two partitions; each keeps its own order."""
    owners = [0] * len(first) + [1] * len(second)
    random.Random(seed).shuffle(owners)
    queues = iter(first), iter(second)
    return [next(queues[owner]) for owner in owners]


def chunked(one, words, sizes):
    events, at, turn = [], 0, 0
    while at < len(words):
        size = sizes[turn % len(sizes)]
        events += one.push(words[at : at + size])
        at, turn = at + size, turn + 1
    return events + one.flush()


@pytest.fixture(scope="module")
def at_once():
    first, second = two_partitions()
    return by_system(played(monitor(partitions=TWO, on_kpi=True), first + second))


def test_the_recording_opens_ranks_converges_closes_and_shifts():
    first, second = two_partitions()
    events = played(monitor(partitions=TWO, on_kpi=True), first + second)
    for system, end in (("shop", "resolved"), ("stays", "shifted")):
        assert actions(e for e in events if e.system == system) == ["opened", "converged", end]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=6), st.integers(0, 10**6))
def test_any_chunks_of_any_interleaving_bring_about_the_same(at_once, sizes, seed):
    words = interleaved(*two_partitions(), seed)
    assert by_system(chunked(monitor(partitions=TWO, on_kpi=True), words, sizes)) == at_once


@pytest.mark.parametrize("size", [1, 7])
def test_row_by_row_is_the_same(at_once, size):
    words = [w for pair in zip(*two_partitions(), strict=False) for w in pair]
    words += two_partitions()[0][len(two_partitions()[1]) :]
    assert by_system(chunked(monitor(partitions=TWO, on_kpi=True), words, [size])) == at_once


def test_a_case_that_looked_ahead_would_be_noticed(at_once, monkeypatch):
    """The sabotaged twin: each block is judged by its last row, so more is known the later a poll returns."""
    whole = Pipeline._advance

    def ahead(self, times, X):
        X = X.copy()
        X[:, 3] = X[-1, 3]
        yield from whole(self, times, X)

    monkeypatch.setattr(Pipeline, "_advance", ahead)
    words = interleaved(*two_partitions(), 1)
    found = [by_system(chunked(monitor(partitions=TWO, on_kpi=True), words, [size])) for size in (5, 400)]
    assert found[0] != found[1]


def test_what_comes_later_changes_nothing_that_was_said():
    X = rows()
    other = X.copy()
    other[120:] = other[120:] * 3 + 1
    before = [[as_bytes(e) for e in played(monitor(on_kpi=True), arrivals(Z)) if row_of(e) < 120] for Z in (X, other)]
    assert before[0] == before[1]


def test_a_marked_fault_stays_out_of_what_is_quiet(monkeypatch):
    """Rows of an incident are not history for the next; the sabotaged twin marks them as quiet."""
    X = np.vstack([rows(130), rows(60, seed=8, onset=30, until=50)])
    usual = {s.name: s.usual for s in rankings(played(monitor(history_rows=300), arrivals(X)))[-1].metrics}
    assert usual["db|disk_util"] == pytest.approx(0.3, abs=0.1)
    one = monitor(history_rows=300)
    played(one, arrivals(X[:120]))
    ring = one._pipelines["shop"].ring
    times, quiet = ring.times(), ring.quiet()
    fault = (times >= START + 10 * ONSET) & (times < START + 1100)
    assert fault.sum() == 20
    assert not quiet[fault].any()
    assert quiet[times < START + 10 * (ONSET - 5)].all()
    monkeypatch.setattr("headwater.online.Ring.mark", lambda self, rows, *, quiet: None)
    careless = monitor(history_rows=300)
    played(careless, arrivals(X[:120]))
    assert careless._pipelines["shop"].ring.quiet()[fault].any()


def test_every_event_has_an_id_of_its_own():
    one = monitor(on_kpi=True)
    events = one.push(arrivals(rows()))[:0]
    one = monitor(on_kpi=True)
    for number, word in enumerate(arrivals(rows())):
        events += one.push([word])
        if number == 100:
            for kind in ("acknowledge", "resolve"):
                events += one.command(Command(number, "shop", kind))[0]
    ids = [identity(event) for event in events if not isinstance(event, Tick)]
    assert len(ids) > 5
    assert len(set(ids)) == len(ids)
    assert len({(e.system, e.time) for e in events if isinstance(e, Tick)}) == 149


# ── columns ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_baseline_with_its_columns_in_another_order_is_the_same_baseline():
    X, order = rows(), [4, 1, 5, 0, 3, 2]
    told = []
    for columns in (range(6), order):
        one = monitor(on_kpi=True)
        one.learn(arrivals(X[:80], NAMES))
        one.learned()
        names = [NAMES[j] for j in columns]
        told.append([as_bytes(e) for e in played(one, arrivals(X[80:, list(columns)], names, start=START + 800))])
    assert told[0] == told[1]
    assert any(b"opened" in event for event in told[0])


def test_a_column_that_comes_first_in_the_stream_goes_behind_those_of_the_baseline():
    X = rows()
    one = monitor()
    one.learn(arrivals(X[:80, 1:], NAMES[1:]))
    one.learned()
    events = one.push(arrivals(X[80:], start=START + 800))
    names = [series.name for series in one.series()["shop"]]
    assert names == [*sorted(NAMES[1:]), NAMES[0]]
    tick = next(event for event in events if isinstance(event, Tick))
    np.testing.assert_array_equal(tick.values, X[80, [NAMES.index(name) for name in names]].astype(np.float32))


def test_two_baselines_may_differ_in_their_columns():
    X = rows()
    one = monitor()
    one.learn(arrivals(X[:70], NAMES))
    one.learned()
    one.learn(arrivals(X[:70, 3:], NAMES[3:], start=START + 5000))
    one.learned()
    ring = one._pipelines["shop"].ring.values()
    j = sorted(NAMES).index("db|disk_util")
    np.testing.assert_array_equal(ring[-70:, j], X[:70, 5].astype(np.float32))


def test_a_short_baseline_only_begins_to_learn():
    one = monitor()
    one.learn(arrivals(rows()[:20]))
    one.learned()
    events = played(one, arrivals(rows()[20:], start=START + 200))
    assert actions(events)[0] == "opened"


def test_metrics_that_appear_during_an_incident_belong_to_the_next():
    X = np.column_stack([rows(220, until=112), np.random.default_rng(5).normal(size=220)])
    X[200:, [0, 2, 4, 5]] += 2.0
    words = arrivals(X[:96, :6]) + arrivals(X[96:], (*NAMES, "late|gc_pause"), start=START + 960)
    events = played(monitor(history_rows=400), words)
    assert actions(events)[:3] == ["opened", "converged", "resolved"]
    first = {s.name for e in rankings(events) if e.incident == "INC-1" for s in e.metrics}
    second = {s.name for e in rankings(events) if e.incident == "INC-2" for s in e.metrics}
    assert first == set(NAMES)
    assert second == {*NAMES, "late|gc_pause"}


def test_columns_that_appear_during_an_incident_survive_a_restart_in_it():
    X = np.column_stack([rows(), np.random.default_rng(5).normal(size=150)])
    words = arrivals(X[:96, :6]) + arrivals(X[96:], (*NAMES, "late|gc_pause"), start=START + 960)
    one, two = monitor(on_kpi=True), monitor(on_kpi=True)
    one.push(words[:100])
    two.restore(one.snapshots())
    two.assign([PARTITION])
    expected = [as_bytes(event) for event in played(one, words[100:])]
    assert [as_bytes(event) for event in played(two, words[100:])] == expected
    assert any(b"resolved" in event for event in expected)


def test_silence_and_holes_are_no_values():
    X = rows()
    X[np.random.default_rng(2).random(X.shape) < 0.2] = np.nan
    X[60:75] = np.nan  # nobody speaks
    X[95:, 1] = np.nan  # a metric vanishes for good
    X[:, 3] = np.where(np.arange(150) < 100, np.nan, X[:, 3])  # one appears late
    one = monitor()
    events = played(one, arrivals(X))
    assert actions(events)[:2] == ["opened", "converged"]
    assert changes(events)[-1].incident.cause == "db|disk_util"
    last = [event for event in events if isinstance(event, Tick)][-1]
    names = [series.name for series in one.series()["shop"]]
    assert names[-1] == "cart|cpu"
    assert np.isnan(last.values[names.index("front|cpu")])
    assert np.isfinite(last.values).sum() >= 3


def test_more_columns_than_a_graph_can_hold():
    rng = np.random.default_rng(6)
    noise = rng.normal(size=(150, 505))
    X = np.column_stack([rows(), noise])
    names = (*NAMES, *(f"host{j}|cpu" for j in range(505)))
    one = monitor(on_kpi=True, candidates=3)
    events = one.push(arrivals(X, names)[:110])
    assert actions(events)[:2] == ["opened", "converged"]
    assert rankings(events)[-1].services[0].entity == "db"
    assert len(one._pipelines["shop"].work.cases[0].columns) < 511
    two = monitor(on_kpi=True, candidates=3)
    two.restore(one.snapshots())
    two.assign([PARTITION])
    rest = arrivals(X, names)[110:]
    later = played(one, rest)
    assert [as_bytes(e) for e in played(two, rest)] == [as_bytes(e) for e in later]
    assert "resolved" in actions(later)


# ── many systems, late samples, dead letters ────────────────────────────────────────────────────────────────────────


def test_systems_above_the_cap_are_counted_and_named():
    X = rows(20)
    words = [w for k in range(4) for w in arrivals(X, system=f"s{k}")]
    one = monitor(max_systems=2)
    events = played(one, words)
    assert {event.system for event in events} == set(one.series()) == {"s0", "s1"}
    assert one.counters()["refused_systems"] == {"s2": 20, "s3": 20}


def test_names_of_refused_systems_do_not_grow_without_end():
    one = monitor(max_systems=1)
    one.push([Arrival(Position("metrics", 0, k), Wide(f"s{k}", START, ("a|b",), np.ones(1))) for k in range(500)])
    refused = one.counters()["refused_systems"]
    assert len(refused) == 21
    assert sum(refused.values()) == 499
    assert refused[""] == 479


def test_a_refused_system_still_moves_the_clock_of_its_partition():
    one = monitor(max_systems=1)
    one.push(arrivals(rows(20)))
    later = one.push([Arrival(Position(*PARTITION, 99), Wide("other", START + 5000.0, ("a|b",), np.ones(1)))])
    assert 19 in {row_of(event) for event in later}


def test_a_restored_system_is_not_refused():
    one, two = monitor(max_systems=1), monitor(max_systems=1)
    one.push(arrivals(rows(20)))
    stored = {key: part for key, part in one.snapshots().items() if key[1] != "align"}
    two.restore(stored)
    two.push(arrivals(rows(30)[20:], start=START + 200))
    assert two.counters()["refused_systems"] == {}


def test_counters_tell_how_far_it_is():
    one = monitor(AlignConfig(10.0, max_columns=4))
    words = arrivals(rows(31))
    poison = DeadLetter(Position(*PARTITION, 9), "no", 1, "", b"")
    one.push([*words, words[3], Arrival(poison.position, poison)])
    counters = one.counters()
    assert {name: counters["learning"]["shop"][name] for name in ("rows", "of_rows", "step")} == {
        "rows": 30,
        "of_rows": 60,
        "step": 10.0,
    }
    del counters["learning"]
    assert counters == {
        "rows": 30,
        "late_samples": 6,
        "refused_columns": 2,
        "refused_names": sorted(NAMES)[4:],
        "refused_systems": {},
    }


def test_a_partition_that_is_silent_holds_up_until_it_is_idle():
    one = monitor(partitions=TWO)
    assert one.push(arrivals(rows(20))) == []
    assert len(one.idle([TWO[1]])) == 19
    assert len(one.flush()) == 1


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_command_is_answered_with_the_incident_it_met():
    one = monitor()
    one.push(arrivals(rows())[:100])
    events, answer = one.command(Command(1, "shop", "acknowledge", by="ada", note="mine"))
    (event,) = changes(events)
    assert (event.action, event.by, event.note, event.incident.state) == ("acknowledged", "ada", "mine", "acknowledged")
    assert answer == f"acknowledge: INC-1 at row {START + 980:.3f}"


def test_a_verdict_and_an_edge_are_answered_with_what_they_name():
    one = monitor()
    one.push(arrivals(rows())[:100])
    _, answer = one.command(Command(1, "shop", "verdict", "INC-1", cause="db"))
    assert answer == f"verdict: INC-1, db, which was place 1 at row {START + 980:.3f}"
    events, answer = one.command(Command(2, "shop", "forbid_edge", cause="db|disk_util", effect="front|cpu"))
    assert events == []
    assert answer == f"forbid_edge: db|disk_util → front|cpu at row {START + 980:.3f}"


def test_a_command_to_nobody_is_refused():
    with pytest.raises(CommandRefused, match="none so far"):
        monitor().command(Command(1, "shop", "resolve"))
    one = monitor()
    one.push(arrivals(rows(5)))
    with pytest.raises(CommandRefused, match="systems: shop"):
        one.command(Command(1, "shpo", "resolve"))
    before = one.snapshots()
    with pytest.raises(CommandRefused, match="no incident is open"):
        one.command(Command(1, "shop", "resolve"))
    assert before
    assert one.snapshots() == {}  # a refusal changes nothing


def test_wrong_settings_fail_at_construction():
    with pytest.raises(ValueError, match="max_systems is 0"):
        monitor(max_systems=0)
    with pytest.raises(ValueError, match="base must be at least 30 rows"):
        monitor(base_rows=20)
    with pytest.raises(ValueError, match="staleness is 0"):
        Monitor(ALIGN._replace(staleness=0), config())


# ── the evidence that is kept ───────────────────────────────────────────────────────────────────────────────────────


def test_the_rows_round_the_onset_are_handed_out_once():
    X = rows(170, until=170)
    one = monitor()
    events = one.push(arrivals(X))
    windows = one.evidence()
    assert one.evidence() == []
    assert {window.incident for window in windows} == {"INC-1"}
    last = windows[-1]
    assert last.names == tuple(sorted(NAMES))
    at = ((last.times - START) / 10).round().astype(int)
    np.testing.assert_array_equal(last.values, X[at][:, [NAMES.index(name) for name in last.names]].astype(np.float32))
    assert at[0] < ONSET - 20
    assert at[-1] > row_of(next(e for e in changes(events) if e.action == "converged"))


def test_a_trigger_names_who_contributed_and_what_became_of_it():
    events = played(monitor(), arrivals(rows()))
    first = triggers(events)[0]
    assert (first.incident, first.reason) == ("INC-1", "")
    assert ONSET - 2 <= (first.onset - START) / 10 <= ONSET + 1
    assert sum(share for _, share in first.metrics) <= 1 + 1e-9
    assert first.metrics[0][0] in ("db|latency_s", "db|disk_util")
