"""A worker that stops after any row goes on as if it had not; an edit of the settings costs only what it touches."""

from functools import cache

import numpy as np
import pytest

from headwater.online import SnapshotError, decode, encode
from headwater.streaming.candidate import Candidate
from headwater.streaming.checkpoint import PARTS, VERSION, freeze, hashes, thaw
from headwater.streaming.monitor import AlignConfig
from headwater.streaming.pipeline import Pipeline

from .shop import (
    NAMES,
    PARTITION,
    START,
    actions,
    arrivals,
    as_bytes,
    changes,
    config,
    monitor,
    played,
    rankings,
    row_of,
    rows,
    triggers,
)

STORIES = {  # settings, recording
    "recovers": ({"on_kpi": True}, {}),
    "stays": ({"on_kpi": True}, {"until": 170, "n": 170}),
    "no KPI": ({"kpi": (), "edges": ()}, {}),
    "no user notices": ({"on_kpi": True, "kpi": (("front|cpu", "up"),)}, {}),
}


@cache
def uninterrupted(story):
    """The words, what each of them brought about, and all parts of the checkpoint after each of them."""
    settings, recording = STORIES[story]
    words, one = arrivals(rows(**recording)), monitor(**settings)
    events, stored, whole = [], [], {}
    for word in words:
        events.append(one.push([word]))
        whole |= one.snapshots()
        stored.append(dict(whole))
    return words, [*events, one.flush()], stored, one.snapshots()


def resumed(story, row, changed=None, align=None):
    """A monitor that takes up the checkpoint after the word of `row`; what it says has to learn again."""
    new = monitor(**STORIES[story][0] | (changed or {}), **({"align": align} if align else {}))
    again = new.restore(uninterrupted(story)[2][row])
    new.assign([PARTITION])
    return new, again


def test_the_stories_hold_what_they_are_told_for():
    told = {story: [event for events in uninterrupted(story)[1] for event in events] for story in STORIES}
    assert {story: actions(events) for story, events in told.items()} == {
        "recovers": ["opened", "converged", "resolved"],
        "stays": ["opened", "converged", "shifted"],
        "no KPI": ["opened", "converged", "resolved"],
        "no user notices": [],
    }
    opened = next(event for event in changes(told["recovers"]) if event.action == "opened")
    assert row_of(triggers(told["recovers"])[0]) + 2 <= row_of(opened)  # a candidate stood for some rows
    assert triggers(told["no user notices"])


@pytest.mark.parametrize("story", STORIES)
def test_going_on_after_any_row_is_as_if_nothing_had_happened(story):
    words, events, stored, end = uninterrupted(story)
    for row in [*range(0, 84, 12), *range(84, len(words))]:
        new, again = resumed(story, row)
        assert again == []
        later = new.push(words[row + 1 :]) + new.flush()
        expected = [event for part in events[row + 1 :] for event in part]
        assert [as_bytes(event) for event in later] == [as_bytes(event) for event in expected], f"after row {row}"
        assert (stored[-1] | end) == new.snapshots(), f"after row {row}"


@pytest.mark.parametrize("story", ["recovers", "stays"])
def test_a_worker_that_stops_after_every_row_is_the_same_worker(story):
    words, events, stored, _ = uninterrupted(story)
    for row, word in enumerate(words[1:], 1):
        new, _ = resumed(story, row - 1)
        assert [as_bytes(e) for e in new.push([word])] == [as_bytes(e) for e in events[row]], f"row {row}"
        assert new.snapshots() == stored[row], f"row {row}"


@pytest.mark.parametrize("lost", ["quiet", "back", "convergence.hits", "adapted", "recent", "window"])
def test_a_forgotten_field_would_be_noticed(lost, monkeypatch):
    """The sabotaged twin of the two tests above: one field of a snapshot is taken back wrongly."""
    owner = "candidate" if lost == "back" else "case"

    def forgetful(data, *, kind, version):
        fields = decode(data, kind=kind, version=version)
        name = lost if owner == "candidate" else f"INC-1.{lost}"
        if kind == owner and name in fields:
            fields[name] = fields[name][:-1] if lost in ("recent", "window") else 0
        return fields

    words, events, stored, _ = uninterrupted("recovers")
    monkeypatch.setattr("headwater.streaming.checkpoint.decode", forgetful)
    for row in range(90, 130):
        new, _ = resumed("recovers", row)
        later = [as_bytes(event) for event in new.push(words[row + 1 : row + 2])]
        if later != [as_bytes(event) for event in events[row + 1]] or new.snapshots() != stored[row + 1]:
            return
    raise AssertionError(f"{lost} can be lost without anybody noticing")


def test_only_parts_that_changed_are_stored_again():
    words, _, _, _ = uninterrupted("recovers")
    one = monitor(on_kpi=True)
    one.push(words[:80])
    parts = {part for _, part in one.snapshots()}
    assert parts == {"clocks", "align", *PARTS}
    assert one.snapshots() == {}
    one.push(words[80:81])
    assert {part for _, part in one.snapshots()} == {"clocks", "align", "self", "ring", "trigger", "graph"}


def test_equal_states_are_equal_bytes():
    one, two = monitor(), monitor()
    words = arrivals(rows())
    one.push(words)
    for word in words:
        two.push([word])
    assert one.snapshots() == two.snapshots()


# ── an edit of the settings ─────────────────────────────────────────────────────────────────────────────────────────

EDITS = {  # setting: (new value, the word of the sentence that says what learns again)
    "false_alarms_per_day": (2.0, "[detector]"),
    "refractory_rows": (5, "[detector]"),
    "entities": ((("*", "shop"),), "[detector]"),
    "base_rows": (50, "[detector]"),
    "mode": ("mssa", "[detector]"),
    "window": (6, "[detector]"),
    "lags": (2, "[causal]"),
    "penalty": (0.02, "[causal]"),
    "half_life": (10_000.0, "[causal]"),
    "candidates": (4, "[causal]"),
    "fusion": ("commutator", "[causal]"),
    "ranking": ("walk", None),
    "restart": (0.3, None),
    "kpi": ((("cart|latency_s", "up"),), None),
    "edges": ((), "[topology]"),
    "topology": ("hard", "[topology]"),
    "max_open": (2, None),
    "batch_rows": (2, None),
    "close_rows": (9, None),
    "max_rows": (80, None),
    "history_rows": (200, None),
    "lead_rows": (5, None),
    "hold_rows": (2, None),
    "on_kpi": (False, None),
}


def test_every_setting_has_its_edit():
    untouched = {"system", "step", "rank", "patience_rows"}  # step: below; the others are like those listed
    assert EDITS.keys() | untouched == set(config().__struct_fields__)


@pytest.mark.parametrize("setting", EDITS)
@pytest.mark.parametrize("row", [85, 92, 96])
def test_an_edit_costs_what_it_touches_and_an_open_incident_lives_on(setting, row):
    value, touched = EDITS[setting]
    new, again = resumed("recovers", row, {setting: value})
    assert [touched in sentence for sentence in again] == ([True] if touched else []), again
    words = uninterrupted("recovers")[0]
    events = new.push(words[row + 1 :]) + new.flush()
    ids = {change.incident.id for change in changes(events)}
    if row == 96:  # it was open: it is gone on with, and closed
        assert ids == {"INC-1"}
        assert actions(events)[-1] == "resolved"
        assert rankings(events)[0].batch == 1
    else:
        assert len(actions(events)) in (0, 3)


def test_a_longer_base_that_is_learned_again_in_mid_incident_leaves_the_graph_alone():
    new, _ = resumed("recovers", 96, {"base_rows": 70})
    assert actions(new.push(uninterrupted("recovers")[0][97:]) + new.flush())[-1] == "resolved"


def test_parts_that_are_touched_have_other_hashes():
    plain = hashes(config())
    assert set(plain) == set(PARTS)

    def changed(**edit):
        edited = hashes(config(**edit))
        return {part for part in PARTS if edited[part] != plain[part]}

    assert changed(window=6) == {"trigger"}
    assert changed(lags=2) == changed(edges=()) == {"graph"}
    assert changed(kpi=()) == {"candidate"}
    assert changed(history_rows=200) == set()
    assert changed(step=5.0) == set(PARTS) - {"self", "known"}


def test_a_new_step_starts_anew_but_keeps_columns_and_counts_and_ends_what_was_open():
    new, again = resumed("recovers", 96, align=AlignConfig(20.0))
    assert len(again) == 2
    assert "step" in again[0]
    assert [one.name for one in new.series()["shop"]] == sorted(NAMES)
    later = played(new, arrivals(rows(seed=4), start=START + 1000.0, step=20.0))
    left, *others = changes(later)
    assert (left.action, left.incident.id, left.by) == ("resolved", "INC-1", "headwater")
    assert left.incident.closed == left.time == START + 950.0
    assert left.n > 0  # after the events that the row has had before
    assert {change.incident.id for change in others} == {"INC-2"}


def test_another_lateness_gives_no_row_twice():
    new, again = resumed("recovers", 100, align=AlignConfig(10.0, lateness=50.0))
    assert ["[align]" in sentence for sentence in again] == [True]
    words = uninterrupted("recovers")[0]
    later = new.push(words[98:]) + new.flush()
    assert min(row_of(event) for event in later) == 100  # row 99 was the newest one before


def test_a_baseline_survives_a_stop_before_the_first_row():
    one, new = monitor(), monitor()
    one.learn(arrivals(rows()[:80]))
    one.learned()
    new.restore(one.snapshots())
    new.assign([PARTITION])
    words = arrivals(rows()[80:], start=START + 800)
    assert [as_bytes(e) for e in played(new, words)] == [as_bytes(e) for e in played(one, words)]


# ── what does not fit ───────────────────────────────────────────────────────────────────────────────────────────────


def pipeline_parts():
    one = Pipeline(config())
    return {part: (hashes(one.config)[part], data) for part, data in freeze(one).items()}


@pytest.mark.parametrize("part", PARTS)
def test_damaged_bytes_are_refused(part):
    parts = pipeline_parts()
    mark, data = parts[part]
    other, newer = encode({}, kind="other", version=VERSION), encode({}, kind=part, version=VERSION + 1)
    for bad in (data[: len(data) // 2], b"", other, newer):
        with pytest.raises(SnapshotError):
            thaw(Pipeline(config()), parts | {part: (mark, bad)})


def test_a_missing_part_learns_again():
    parts = pipeline_parts()
    parts.pop("graph")
    assert ["graph" in sentence for sentence in thaw(Pipeline(config()), parts).again] == [True]


def test_a_candidate_is_taken_back_whole():
    history = np.random.default_rng(1).normal(size=(60, 2))
    one = Candidate(
        back=3, history=history, restarts=np.zeros(60, bool), sign=np.array([1, 0]), left=4, ailing=2, held=1
    )
    data = encode(one.snapshot(), kind="candidate", version=VERSION)
    two = Candidate.from_snapshot(decode(data, kind="candidate", version=VERSION))
    window = np.full((4, 2), 9.0)
    assert one.suffers(window, 1) is two.suffers(window, 1) is True
    np.testing.assert_equal(one.snapshot(), two.snapshot())
