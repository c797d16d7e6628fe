"""Several incidents at once: what opens a second one, commands for each, and a worker that stops in between.

The alarms are scripted: which metric departs when is told here, and not left to a detector.
"""

from typing import ClassVar

import msgspec
import numpy as np
import pytest

from headwater.detectors.entities import EntityInfo
from headwater.online import decode
from headwater.streaming.case import Case
from headwater.streaming.checkpoint import freeze, hashes, thaw
from headwater.streaming.errors import CommandRefused
from headwater.streaming.pipeline import Pipeline
from headwater.streaming.records import Changed, Command, Frame, Series, Triggered

from .shop import NAMES, START, STEP, actions, as_bytes, changes, config, rankings, row_of, rows, triggers

SERIES = tuple(Series("shop", *name.split("|")) for name in NAMES)
LATENCY, FRONT_CPU, CART_CPU, DISK = (
    NAMES.index(n) for n in ("front|latency_s", "front|cpu", "cart|cpu", "db|disk_util")
)
FIRST, SECOND, END = 90, 125, 180
ALARMS = {92: (DISK, 2), SECOND + 2: (FRONT_CPU, 2)}  # row: the column that crosses its threshold, rows since the onset


class Scripted:
    """A trigger whose alarms are written beforehand; it counts rows, and that is its state."""

    alarms = ALARMS
    touches: ClassVar[dict[int, int]] = {}  # row of an alarm: a column that departs a little in it
    entities = ("front", "cart", "db")

    def __init__(self, **_):
        self.rows = 0

    def adopt(self, entities):
        assert list(dict.fromkeys(entities)) == list(self.entities)

    def step(self, X):
        T, d = X.shape
        at = np.arange(self.rows, self.rows + T)
        self.rows += T
        none = np.full((T, d), np.nan)
        info = EntityInfo(
            learning=np.minimum(1.0, (at + 1) / 60),
            joint=np.zeros(T),
            scores=np.zeros((T, d)),
            alarm=np.zeros(T, np.int8),
            onset=np.zeros(T, np.int64),
            strength=np.full(T, np.nan),
            contributions=none,
            score=np.zeros(T),
            entity=np.full(T, -1),
            fused=np.zeros(T, np.int64),
        )
        for t in range(T):
            over = [column for row, (column, _) in self.alarms.items() if row <= at[t]]
            info.scores[t, over] = 2.0
            if at[t] in self.alarms:
                column, back = self.alarms[at[t]]
                info.alarm[t], info.onset[t], info.strength[t], info.contributions[t] = 2, back, 9.0, 0.0
                info.contributions[t, column] = 5.0
                if at[t] in self.touches:
                    info.contributions[t, self.touches[at[t]]] = 1.0
                info.entity[t] = self.entities.index(SERIES[column].entity)
        return info

    def fit(self, X):
        self.rows = len(X)

    def rebase(self, X):
        pass

    def snapshot(self):
        return {"rows": self.rows}

    def restore(self, snapshot):
        self.rows = int(snapshot["rows"])


@pytest.fixture(autouse=True)
def _script(monkeypatch):
    monkeypatch.setattr("headwater.streaming.alarms.EntityTriggers", Scripted)


def recording(*, until=END, worse=0.0):
    """The database's disk fills; later the front burns its CPU, and its users may wait longer still."""
    X = rows(230, until=until)
    X[SECOND:END, FRONT_CPU] += 1.0
    X[SECOND + 1 : END, LATENCY] += worse
    return X


def frame(X, first=0):
    times = START + STEP * np.arange(first, first + len(X))
    return Frame("shop", times, X, np.zeros_like(X), SERIES)


def played(X, **changed):
    one = Pipeline(config(**{"max_rows": 500} | changed))
    return one, one.step(frame(X))


def of(events, incident):
    return [event for event in events if isinstance(event, Changed) and event.incident.id == incident]


def test_a_new_onset_on_other_metrics_opens_a_linked_incident_with_a_ranking_of_its_own():
    one, events = played(recording(), kpi=())
    first, second = of(events, "INC-1"), of(events, "INC-2")
    assert actions(first) == ["opened", "converged", "resolved"]
    assert actions(second) == ["opened", "converged", "resolved"]
    assert (first[-1].incident.linked, second[-1].incident.linked) == ("", "INC-1")
    assert (first[-1].incident.cause, second[-1].incident.cause) == ("db|disk_util", "front|cpu")
    assert [(t.entity, t.incident) for t in triggers(events)] == [("db", "INC-1"), ("front", "INC-2")]
    assert second[0].incident.onset == START + SECOND * STEP
    assert not set(first[-1].incident.changed) & set(second[-1].incident.changed)
    assert {ranked.incident for ranked in rankings(events)} == {"INC-1", "INC-2"}
    assert {name: window.incident for name, window in one.evidence.items()} == {"INC-1": "INC-1", "INC-2": "INC-2"}


def test_the_window_of_the_first_ends_where_the_second_begins():
    _, events = played(recording(), kpi=())
    last = {name: max(row_of(r) for r in rankings(events) if r.incident == name) for name in ("INC-1", "INC-2")}
    assert last["INC-1"] <= SECOND + 2 < last["INC-2"]


def test_a_new_onset_on_the_same_metrics_extends_the_open_one(monkeypatch):
    monkeypatch.setattr(Scripted, "alarms", {92: (DISK, 2), 127: (LATENCY, 2), 140: (DISK, 1)})
    _, events = played(recording(), kpi=())
    assert {change.incident.id for change in changes(events)} == {"INC-1"}
    assert [t.incident for t in triggers(events)] == ["INC-1"] * 3  # the disk is over its threshold all the while
    assert changes(events)[-1].incident.triggers == 3


def test_a_burst_while_the_first_cause_is_back_is_how_the_system_recovers(monkeypatch):
    X = recording()
    X[SECOND:, FRONT_CPU] = rows(230, until=END)[SECOND:, FRONT_CPU]
    X[END + 8 :, FRONT_CPU] += 1.0  # the disk is well again, and the front works off what has waited
    monkeypatch.setattr(Scripted, "alarms", {92: (DISK, 2), END + 10: (FRONT_CPU, 2)})
    found = {event.incident.id for event in played(X, kpi=(), close_rows=40)[1] if isinstance(event, Changed)}
    assert found == {"INC-1"}
    monkeypatch.setattr(Case, "recovering", False)
    found = {event.incident.id for event in played(X, kpi=(), close_rows=40)[1] if isinstance(event, Changed)}
    assert found == {"INC-1", "INC-2"}


def test_an_alarm_that_touches_what_has_changed_belongs_to_it(monkeypatch):
    monkeypatch.setattr(Scripted, "touches", {SECOND + 2: DISK})
    one, _ = played(recording(), kpi=())
    assert one.work.closed["INC-1"].triggers == 2
    assert "INC-2" not in one.work.closed


def test_where_kpis_decide_a_second_one_must_make_them_worse_than_they_are():
    _, harmless = played(recording(), on_kpi=True)
    assert {change.incident.id for change in changes(harmless)} == {"INC-1"}
    assert [(t.incident, t.reason) for t in triggers(harmless)][-1] == ("", "no KPI suffers so far")
    _, harmful = played(recording(worse=0.5), on_kpi=True)
    opened = of(harmful, "INC-2")[0]
    assert (opened.action, opened.incident.linked) == ("opened", "INC-1")
    assert of(harmful, "INC-2")[-1].incident.cause == "front|cpu"


def test_a_cap_on_open_incidents_extends_the_newest_instead():
    _, events = played(recording(), kpi=(), max_open=1)
    assert {change.incident.id for change in changes(events)} == {"INC-1"}
    assert [t.incident for t in triggers(events)] == ["INC-1", "INC-1"]


def both_open(**changed):
    one, events = played(recording()[: SECOND + 6], kpi=(), **changed)
    assert [case.incident.id for case in one.work.cases] == ["INC-1", "INC-2"]
    return one, events


@pytest.mark.parametrize(("named", "left"), [("INC-1", "INC-2"), ("INC-2", "INC-1")])
def test_commands_are_for_the_incident_that_they_name(named, left):
    one, _ = both_open()
    (event,) = one.command(Command(1, "shop", "dismiss", named, by="ada"))
    assert (event.incident.id, event.incident.state) == (named, "dismissed")
    assert [case.incident.id for case in one.work.cases] == [left]
    later = one.step(frame(recording()[SECOND + 6 :], SECOND + 6))
    assert {change.incident.id for change in changes(later)} == {left}
    assert actions(later)[-1] == "resolved"
    assert one.ring.quiet()[-1], "all is quiet again"


def test_with_two_open_a_command_must_name_one():
    one, _ = both_open()
    with pytest.raises(CommandRefused, match="which incident is meant") as refused:
        one.command(Command(1, "shop", "resolve"))
    assert "INC-1, INC-2" in str(refused.value)
    with pytest.raises(CommandRefused, match="the open incidents are INC-1, INC-2"):
        one.command(Command(1, "shop", "resolve", "INC-9"))


def test_a_level_that_stays_while_another_is_open_becomes_the_normal_when_that_is_over(monkeypatch):
    bases = []
    monkeypatch.setattr(Scripted, "rebase", lambda self, X: bases.append(len(X)))
    one, _ = both_open()
    one.command(Command(1, "shop", "baseline", "INC-1"))
    assert bases == [], "INC-2 is open: none of these rows may be a base"
    quiet = one.work.cases[0].quiet
    one.command(Command(2, "shop", "resolve", "INC-2"))
    assert bases == [max(quiet, 1)]


@pytest.mark.parametrize("changed", [{"kpi": ()}, {"on_kpi": True}])
def test_a_worker_that_stops_after_any_row_goes_on_alike(changed):
    X = recording(worse=0.5)
    one = Pipeline(config(max_rows=500, **changed))
    for row in range(88):
        one.step(frame(X[row : row + 1], row))
    two = one
    for row in range(88, 200):
        parts = freeze(two)
        two = Pipeline(config(max_rows=500, **changed))
        marks = hashes(two.config)
        assert thaw(two, {part: (marks[part], data) for part, data in parts.items()}).again == []
        here, there = one.step(frame(X[row : row + 1], row)), two.step(frame(X[row : row + 1], row))
        assert [as_bytes(e) for e in here] == [as_bytes(e) for e in there], f"row {row}"
        assert freeze(one) == freeze(two), f"row {row}"
    assert one.work.incidents == 2


@pytest.mark.parametrize("lost", ["INC-2.held", "INC-2.anchor", "INC-2.columns"])
def test_a_forgotten_field_would_be_noticed(lost, monkeypatch):
    """The sabotaged twin of the test above: one field is taken back wrongly."""

    def forgetful(data, *, kind, version):
        fields = decode(data, kind=kind, version=version)
        return {k: np.zeros_like(v) if k == lost else v for k, v in fields.items()}

    X = recording()
    X[150:, DISK] += 2.0  # what INC-2 must not see
    one, _ = played(X[: SECOND + 6], kpi=())
    parts = freeze(one)
    monkeypatch.setattr("headwater.streaming.checkpoint.decode", forgetful)
    two = Pipeline(one.config)
    marks = hashes(two.config)
    thaw(two, {part: (marks[part], data) for part, data in parts.items()})
    rest = frame(X[SECOND + 6 :], SECOND + 6)
    assert [as_bytes(e) for e in one.step(rest)] != [as_bytes(e) for e in two.step(rest)]


def test_what_people_said_is_taken_back_too():
    one, _ = both_open()
    said = [
        Command(1, "shop", "confirm_edge", cause="cart|cpu", effect="front|cpu"),
        Command(2, "shop", "forbid_edge", cause="db|disk_util", effect="front|latency_s"),
        Command(3, "shop", "verdict", "INC-2", cause="front"),
        Command(4, "shop", "dismiss", "INC-1"),
        Command(5, "shop", "verdict", "INC-1", cause="db|disk_util"),
    ]
    events = [event for command in said for event in one.command(command)]
    assert [(e.action, e.incident.id, e.incident.verdict) for e in events] == [
        ("verdict", "INC-2", "front"),
        ("dismissed", "INC-1", ""),
        ("verdict", "INC-1", "db|disk_util"),
    ]
    two = Pipeline(one.config)
    marks = hashes(two.config)
    thaw(two, {part: (marks[part], data) for part, data in freeze(one).items()})
    rest = frame(recording()[SECOND + 6 :], SECOND + 6)
    here, there = one.step(rest), two.step(rest)
    assert [as_bytes(e) for e in here] == [as_bytes(e) for e in there]
    assert freeze(one) == freeze(two)
    ranked = [r for r in rankings(here) if r.incident == "INC-2"][-1]
    assert "cart|cpu" in {e.cause for e in ranked.edges if e.effect == "front|cpu"}
    assert of(here, "INC-2")[-1].incident.verdict == "front"
    (late,) = two.command(Command(6, "shop", "verdict", "INC-1", cause="db"))
    assert (late.incident.verdict, late.incident.place, late.incident.state) == ("db", 1, "dismissed")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (Command(1, "shop", "confirm_edge", cause="db|disk_utl", effect="front|cpu"), "did you mean 'db|disk_util'"),
        (Command(1, "shop", "forbid_edge", cause="db|disk_util", effect="front"), "no metric 'front'"),
        (Command(1, "shop", "forbid_edge", cause="front|cpu", effect="front|cpu"), "both ends"),
        (Command(1, "shop", "verdict", "INC-1", cause="dbb"), "did you mean 'db'"),
        (Command(1, "shop", "verdict", "INC-1"), "no entity or metric ''"),
        (Command(1, "shop", "verdict", "INC-7", cause="db"), "INC-7 is none of the newest incidents"),
        (Command(1, "shop", "verdict", cause="db"), "no incident is none of the newest"),
    ],
)
def test_what_names_nothing_is_refused_and_changes_nothing(command, said):
    one, _ = both_open()
    before = freeze(one)
    with pytest.raises(CommandRefused) as refused:
        one.command(command)
    assert said in str(refused.value)
    assert freeze(one) == before


def test_a_refusal_before_the_first_row_is_no_crash():
    with pytest.raises(CommandRefused, match="no metric"):
        Pipeline(config()).command(Command(1, "shop", "confirm_edge", cause="a|b", effect="c|d"))


def test_events_are_words_that_can_be_written():
    _, events = played(recording(), kpi=())
    for event in events:
        if isinstance(event, Triggered | Changed):
            assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event
