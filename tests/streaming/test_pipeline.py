"""The heart of one system: what opens, what does not and why, commands, a level that becomes the normal."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from headwater.streaming.errors import BrokenInvariant, CommandRefused
from headwater.streaming.pipeline import Pipeline
from headwater.streaming.records import Changed, Command, Frame, Ranked, Series, Tick, Triggered

from .shop import NAMES, ONSET, START, STEP, actions, changes, config, rankings, row_of, rows, triggers

SERIES = tuple(Series("shop", *name.split("|")) for name in NAMES)


def frame(X, first=0):
    times = START + STEP * np.arange(first, first + len(X))
    return Frame("shop", times, X, np.zeros_like(X), SERIES)


def played(X, **changed):
    one = Pipeline(config(**changed))
    return one, one.step(frame(X))


def surge(n=150):
    """More work for everybody, and no user waits longer."""
    X = rows(n, until=ONSET)
    X[ONSET : ONSET + 25, [1, 3]] += 0.8
    return X


# ── what opens ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_surge_that_hurts_nobody_opens_nothing_and_says_why():
    _, events = played(surge(), on_kpi=True)
    assert triggers(events)
    assert changes(events) == rankings(events) == []
    assert {(t.incident, t.reason) for t in triggers(events)} == {("", "no KPI suffers so far")}
    _, careless = played(surge(), on_kpi=False)  # the twin without the gate
    assert actions(careless)[0] == "opened"


def test_a_kpi_that_gets_better_opens_nothing():
    X = rows(until=ONSET)
    X[ONSET:, [0, 1, 2, 3]] -= [0.8, 0.4, 0.15, 0.35]
    _, events = played(X, on_kpi=True)
    assert triggers(events)
    assert not changes(events)
    assert actions(played(X, on_kpi=True, kpi=(("front|latency_s", "down"),))[1])[0] == "opened"


def test_a_change_that_hurts_later_opens_then_with_the_onset_of_the_change():
    X = rows(until=ONSET)
    X[ONSET:115, [3, 5]] += 1.0
    X[ONSET + 4 : 115, 0] += 1.0
    _, events = played(X, on_kpi=True)
    opened = changes(events)[0]
    assert opened.action == "opened"
    assert row_of(opened) > row_of(triggers(events)[0])
    assert (opened.incident.onset - START) / STEP <= ONSET + 1


def test_a_change_that_hurts_long_after_is_another_change():
    X = rows(200, until=ONSET)
    X[ONSET:100, 5] += 0.6
    X[160:180, 0] += 0.4
    _, events = played(X, on_kpi=True)
    assert (changes(events)[0].incident.onset - START) / STEP >= 150


def test_without_a_kpi_it_starts_from_the_joint_anomaly_and_says_so():
    _, events = played(rows(), kpi=())
    assert actions(events) == ["opened", "converged", "resolved"]
    assert {change.incident.kpi for change in changes(events)} == {""}
    assert rankings(events)[-1].services[0].entity == "db"
    assert {e.incident.kpi for e in changes(played(rows())[1])} == {"front|latency_s"}


def test_of_several_kpis_each_may_open_it_and_the_path_leads_to_the_one_that_is_worst_off():
    for kpi, end in ((("front|cpu", "up"), "front|latency_s"), (("cart|latency_s", "up"), "cart|latency_s")):
        _, events = played(rows(), kpi=(("front|latency_s", "up"), kpi), on_kpi=True)
        last, ranked = changes(events)[-1].incident, rankings(events)[-1]
        assert set(last.kpi.split(", ")) == {"front|latency_s", kpi[0]}
        assert (last.path[0], last.path[-1]) == ("db|disk_util", end)
        assert [(hop.cause, hop.effect) for hop in ranked.hops] == list(pairwise(ranked.path))
        assert all(0 < hop.share <= 1 for hop in ranked.hops)
        walks = {metric.name: metric.walk for metric in ranked.metrics}
        assert walks[kpi[0]] > 0, "the walk starts at all of them"
    nobody = (("front|cpu", "up"), ("cart|cpu", "up"))
    assert not changes(played(rows(), kpi=nobody, on_kpi=True)[1])


def test_every_batch_tells_its_place():
    _, events = played(rows())
    batches = rankings(events)
    assert [batch.batch for batch in batches] == list(range(len(batches)))
    assert row_of(batches[0]) == row_of(changes(events)[0])  # a first ranking in the row that opens
    assert {b - a for a, b in zip(map(row_of, batches), map(row_of, batches[1:]), strict=False)} <= {1, 2, 3, 4}
    assert [batch.rca for batch in batches][:3] == ["provisional", "provisional", "converged"]
    last = changes(events)[-1].incident
    assert (last.batches, last.cause, last.service) == (len(batches), "db|disk_util", "db")
    assert last.path[0] == "db|disk_util"
    assert last.path[-1] == "front|latency_s"
    assert last.margin > 1
    assert last.ratio > 2
    assert last.answer == "named"
    assert 0.5 < last.confidence <= 1
    assert (last.services[0], last.suspects[0]) == ("db", "db|disk_util")
    assert last.changed


def test_events_of_a_row_are_numbered_from_0():
    _, events = played(rows())
    by_row: dict[int, list[int]] = {}
    for event in events:
        if not isinstance(event, Tick):
            by_row.setdefault(row_of(event), []).append(event.n)
    assert all(numbers == list(range(len(numbers))) for numbers in by_row.values())
    assert max(map(len, by_row.values())) >= 4


def test_a_tick_is_what_the_ring_keeps():
    one, events = played(rows(40))
    ticks = [event for event in events if isinstance(event, Tick)]
    assert [tick.learning for tick in ticks] == pytest.approx([(k + 1) / 60 for k in range(40)])
    np.testing.assert_array_equal([tick.values for tick in ticks], one.ring.values())
    assert one.learning == (40, 60)


# ── how it ends ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_level_that_stays_becomes_the_normal_and_alarms_stop():
    X = rows(320, until=320)
    one, events = played(X, max_rows=60)
    assert actions(events) == ["opened", "converged", "shifted"]
    shifted = changes(events)[-1]
    assert row_of(shifted) == row_of(changes(events)[0]) + 60
    assert [t for t in triggers(events) if row_of(t) > row_of(shifted)] == []
    later = one.step(frame(rows(40, seed=9, onset=0, until=20) + np.array([0.4, 0, 0.4, 0, 0.4, 0.6]), first=320))
    assert triggers(later), "the new level is watched"


def test_a_level_that_is_not_taken_as_the_base_goes_on_alarming(monkeypatch):
    """The sabotaged twin of the test above."""
    monkeypatch.setattr("headwater.detectors.trigger.TriggerPoint.rebase", lambda self, X: None)
    X = rows(320, until=320)
    X[230:, [0, 2, 4, 5]] -= [0.4, 0.4, 0.4, 0.6]
    quiet = [[t for t in triggers(played(X, max_rows=60)[1]) if row_of(t) >= 230]]
    monkeypatch.undo()
    quiet.append([t for t in triggers(played(X, max_rows=60)[1]) if row_of(t) >= 230])
    assert quiet[1], "the old level is news for a trigger that has taken the new one as its base"
    assert quiet[0] != quiet[1]


def test_after_a_shift_history_is_the_new_level():
    one, _ = played(rows(200, until=200), max_rows=60)
    quiet = one.ring.values()[one.ring.quiet()]
    assert len(quiet) >= 60
    assert quiet[:, 5].min() > 0.6


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def opened(**changed):
    one, events = played(rows()[:104], **changed)
    assert changes(events)[-1].incident.state == "open"
    return one


@pytest.mark.parametrize(
    ("kind", "state"), [("resolve", "resolved"), ("dismiss", "dismissed"), ("baseline", "shifted")]
)
@pytest.mark.parametrize("named", ["", "INC-1"])
def test_a_command_ends_the_incident(kind, state, named):
    one = opened()
    (event,) = one.command(Command(7, "shop", kind, named, by="ada", note="why"))
    assert (event.action, event.incident.state, event.by, event.note) == (state, state, "ada", "why")
    assert event.time == event.incident.closed == START + 103 * STEP
    assert event.incident.rca == "converged"
    with pytest.raises(CommandRefused, match="no incident is open now"):
        one.command(Command(8, "shop", "resolve", named))
    assert one.step(frame(rows()[104:], 104))[0].time == START + 104 * STEP


def test_an_acknowledged_incident_goes_on_and_is_not_acknowledged_again():
    one = opened()
    one.command(Command(7, "shop", "acknowledge"))
    with pytest.raises(CommandRefused, match="acknowledged cannot take 'acknowledge'"):
        one.command(Command(8, "shop", "acknowledge"))
    later = one.step(frame(rows()[104:], 104))
    assert {e.incident.state for e in changes(later)} == {"acknowledged", "resolved"}
    assert rankings(later)


@pytest.mark.parametrize("kind", ["acknowledge", "resolve", "dismiss", "baseline"])
def test_a_command_for_another_incident_is_refused_and_changes_nothing(kind):
    one, two = opened(), opened()
    with pytest.raises(CommandRefused, match="the open incident is INC-1"):
        one.command(Command(7, "shop", kind, "INC-9"))
    rest = frame(rows()[104:], 104)
    assert [msgspec.json.encode(e) for e in changes(one.step(rest))] == [
        msgspec.json.encode(e) for e in changes(two.step(rest))
    ]


def test_a_command_before_the_first_row_is_refused():
    with pytest.raises(CommandRefused):
        Pipeline(config()).command(Command(1, "shop", "resolve"))


@pytest.mark.parametrize("after", [3, 5, 50])
def test_a_baseline_soon_after_the_onset_is_no_crash(after):
    X = rows(170, until=170)
    one, _ = played(X[: ONSET + 6])
    one.step(frame(X[ONSET + 6 : ONSET + 6 + after], ONSET + 6))
    (event,) = one.command(Command(1, "shop", "baseline"))
    assert event.incident.state == "shifted"
    one.step(frame(X[ONSET + 6 + after :], ONSET + 6 + after))


# ── what is wrong ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_score_that_is_not_finite_stops_the_worker(monkeypatch):
    one, _ = played(rows()[:80])
    whole = one.trigger.step

    def broken(X):
        info = whole(X)
        return info._replace(joint=np.full(len(X), np.inf))

    monkeypatch.setattr(one.trigger, "step", broken)
    with pytest.raises(BrokenInvariant, match="not finite"):
        one.step(frame(rows()[80:81], 80))


def test_what_is_said_is_said_in_three_words():
    _, events = played(rows())
    assert {type(event) for event in events} == {Tick, Triggered, Ranked, Changed}
    assert {event.system for event in events} == {"shop"}


def test_each_entity_has_a_detector_and_the_trigger_says_whose():
    names = tuple(f"{entity}|m{j}" for entity in ("web", "db") for j in range(4))
    X = np.random.default_rng(5).normal(size=(130, 8))
    X[100:, 6] += np.random.default_rng(6).normal(size=30) * 30
    block = frame(X)
    series = tuple(Series("shop", *name.split("|")) for name in names)
    one = Pipeline(config(kpi=(), edges=(), max_rows=500))
    events = one.step(Frame("shop", block.times, X, block.age, series))
    assert one.trigger.entities == ("web", "db")
    assert {trigger.entity for trigger in triggers(events)} == {"db"}
    assert changes(events)[-1].incident.entity == "db"
    assert changes(events)[-1].incident.cause == "db|m2"
    shared = Pipeline(config(kpi=(), edges=(), entities=(("*", "all"),)))
    shared.step(Frame("shop", block.times, X, block.age, series))
    assert shared.trigger.entities == ("all",)
