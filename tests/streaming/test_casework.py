"""Incidents of one system, one at a time: opening, ranking, closing, and what the graph learns of each."""

import numpy as np
import pytest

from headwater.online import Ring
from headwater.streaming.casework import SPREAD, Casework, Onset
from headwater.streaming.errors import CommandRefused
from headwater.streaming.graphs import GRAPH_COLUMNS
from headwater.streaming.records import Changed, Ranked, Series

from .shop import NAMES, config, rows


def casework(names=NAMES, **changed):
    one = Casework(config(**changed))
    one.adopt(tuple(Series("shop", *name.split("|")) for name in names))
    return one


def ring(X):
    new = Ring(capacity=500)
    for t, row in enumerate(X):
        new.push(10.0 * t, row, quiet=True)
    return new


def opened(X=None, **changed):
    X = rows()[:94] if X is None else X
    one = casework(**changed)
    one.graphs.learn(X)
    events = list(one.open(ring(X), Onset(3, alarmed=(5,)), 930.0))
    return one, events


def test_opening_says_so_and_ranks_at_once():
    one, events = opened()
    assert [type(event) for event in events] == [Changed, Ranked, Changed]
    assert [event.action for event in events if isinstance(event, Changed)] == ["opened", "ranked"]
    assert (events[0].incident.rca, events[2].incident.rca) == ("collecting", "provisional")
    assert one.cases[0].incident is events[2].incident
    assert (events[0].incident.onset, events[0].incident.opened) == (900.0, 930.0)
    assert {event.n for event in events} == {0}  # the pipeline numbers them


def test_numbers_of_incidents_go_up():
    one, _ = opened()
    one.close(one.cases[0], "resolve", 940.0)
    list(one.open(ring(rows()[:94]), Onset(3), 950.0))
    assert one.cases[0].incident.id == "INC-2"


def test_it_closes_when_quiet_or_when_it_has_lasted():
    def told(one, X):
        """What followed by row, until it was over."""
        found = []
        for t, row in enumerate(X.astype(np.float32)):
            news = one.follow(one.cases[0], row, 1000.0 + t) if one.cases else ()
            found += [(t, event.action) for event in news if isinstance(event, Changed)]
        return found

    assert told(opened(close_rows=2)[0], rows(20, onset=20))[-1][1] == "resolved"
    assert told(opened(max_rows=30)[0], rows(200, onset=0, until=200))[-1] == (29, "shifted")


def test_another_trigger_is_counted_and_says_that_it_is_not_over():
    one, _ = opened(kpi=())
    case = one.cases[0]
    case.quiet = 5
    assert one.extend(case) == "INC-1"
    assert (case.incident.triggers, case.quiet) == (2, 0)
    gated, _ = opened()
    gated.cases[0].quiet = 5
    gated.extend(gated.cases[0])
    assert gated.cases[0].quiet == 5  # where KPIs decide, only they say that it is not over


@pytest.mark.parametrize("stimulus", ["resolve", "dismiss", "outlast"])
def test_no_incident_teaches_the_graph(stimulus):
    one, _ = opened()
    coral = one.graphs.coral
    before = coral._quiet.covariances()
    one.close(one.cases[0], stimulus, 940.0)
    np.testing.assert_array_equal(coral._quiet.covariances(), before)
    one.graphs.learn(rows()[94:])  # quiet rows go to it again; of a level that stays the pipeline gives them all


def test_the_graph_forgets_the_rows_since_the_onset():
    """Rows of the fault that it was given as quiet, before the alarm, are not in what it has learned."""
    X = rows()[:96]
    quiet, one = casework().graphs, casework()
    quiet.learn(X[:-8])
    quiet.begin(0)
    one.graphs.learn(X)
    list(one.open(ring(X), Onset(5), 960.0))
    assert len(one.cases[0].window) == 8
    np.testing.assert_array_equal(one.graphs.coral._quiet.covariances(), quiet.coral._quiet.covariances())
    careless = casework().graphs  # the sabotaged twin: nothing is discarded
    careless.learn(X)
    careless.begin(0)
    assert not np.array_equal(careless.coral._quiet.covariances(), quiet.coral._quiet.covariances())


def test_with_very_many_columns_the_case_looks_at_the_suspects_and_the_kpis():
    rng = np.random.default_rng(3)
    wide = np.column_stack([rows()[:94], rng.normal(size=(94, GRAPH_COLUMNS))])
    names = (*NAMES, *(f"h{j}|cpu" for j in range(GRAPH_COLUMNS)))
    one = casework(names, candidates=3, kpi=(("h7|cpu", "up"),))
    one.graphs.learn(wide)
    assert one.graphs.coral._state.held.shape[1] == 0  # it costs nothing while all is quiet
    list(one.open(ring(wide), Onset(3), 930.0))
    case = one.cases[0]
    chosen = case.columns.tolist()
    assert len(chosen) < len(names)
    assert {names.index("h7|cpu"), 5, 4} <= set(chosen)
    assert chosen == sorted(chosen)
    assert case.diagnosis.columns.names[case.diagnosis.kpi[0]] == "h7|cpu"
    assert case.incident.cause == "db|disk_util"
    list(one.follow(case, np.append(rows()[94], rng.normal(size=GRAPH_COLUMNS)).astype(np.float32), 940.0))
    one.close(case, "resolve", 940.0)
    one.graphs.learn(wide)
    list(one.open(ring(wide), Onset(3), 950.0))


def test_an_incident_is_taken_up_with_another_graph():
    one, _ = opened()
    case = one.cases[0]
    for t, row in enumerate(rows()[94:99].astype(np.float32)):
        list(one.follow(case, row, 940.0 + 10 * t))
    two = casework(lags=2)
    two.reopen(case.incident, case.snapshot())
    again = two.cases[0]
    assert again.incident == case.incident
    assert again.batches == case.batches
    assert again.alarmed == case.alarmed == {5}
    row = rows()[99].astype(np.float32)
    for each in (case, again):
        each.feed(row)
    told = [each.rank().findings.abnormal.tolist() for each in (case, again)]
    assert told[0] == told[1]  # the graph is new, the evidence is not
    two.close(again, "resolve", 990.0)


def test_an_incident_is_taken_up_after_columns_have_appeared():
    one, _ = opened()
    two = casework((*NAMES, "late|gc"))
    two.reopen(one.cases[0].incident, one.cases[0].snapshot())
    case = two.cases[0]
    assert case.diagnosis.columns.names == NAMES
    row = np.append(rows()[94], 1.0).astype(np.float32)
    list(two.follow(case, row, 940.0))
    two.close(case, "resolve", 950.0)
    two.graphs.learn(np.column_stack([rows()[94:], np.ones(56)]))


# ── several at once ─────────────────────────────────────────────────────────────────────────────────────────────────

FRONT_CPU, CART_CPU = NAMES.index("front|cpu"), NAMES.index("cart|cpu")


def two_at_once(**changed):
    """The database's disk fills; twenty rows later the front burns its CPU, which nothing else does."""
    X = rows(200, until=200)
    X[114:, FRONT_CPU] += 1.0
    one = casework(kpi=(), **changed)
    one.graphs.learn(X[:94])
    history = ring(X[:94])
    list(one.open(history, Onset(3, alarmed=(5,)), 930.0))
    for t in range(94, 117):
        history.push(10.0 * t, X[t], quiet=False)
        list(one.follow(one.cases[0], X[t].astype(np.float32), 10.0 * t))
    return one, history, X


def test_an_alarm_on_the_same_metrics_or_of_the_same_time_belongs_to_the_open_incident():
    one, _, _ = two_at_once()
    first = one.cases[0]
    assert one.concerned([5, FRONT_CPU], 3) is first
    assert one.concerned([0], 3) is first, "it changed, though it raised no alarm"
    assert one.concerned([FRONT_CPU], first.rows - SPREAD) is first
    assert one.concerned([FRONT_CPU], 3) is None
    assert casework().concerned([5], 0) is None


def test_a_linked_incident_names_the_other_and_ranks_what_is_its_own():
    one, history, _ = two_at_once()
    first = one.cases[0].incident
    events = list(one.open(history, Onset(2, alarmed=(FRONT_CPU,)), 1160.0))
    second = one.cases[1].incident
    assert [event.incident.id for event in events if isinstance(event, Changed)] == ["INC-2"] * 2
    assert (first.linked, second.linked) == ("", "INC-1")
    assert (first.cause, second.cause) == ("db|disk_util", "front|cpu")
    assert second.changed == ("front|cpu",)
    assert one.cases[0].incident is first, "the other is as it was"


def test_without_holding_what_has_moved_already_the_first_fault_is_ranked_again(monkeypatch):
    """The sabotaged twin: the first fault gets worse while the second one begins."""

    def changed_in_the_second():
        one, history, X = two_at_once()
        X[116:, 5] += 3.0
        list(one.open(history, Onset(2, alarmed=(FRONT_CPU,)), 1160.0))
        for row in X[117:137].astype(np.float32):
            list(one.follow(one.cases[1], row, 1170.0))
        return one.cases[1].incident.changed

    assert changed_in_the_second() == ("front|cpu",)
    monkeypatch.setattr(Casework, "_held", lambda self, width, alarmed: np.zeros(width, bool))
    assert "db|disk_util" in changed_in_the_second()


def test_there_are_only_so_many_at_once():
    one, history, _ = two_at_once(max_open=2)
    list(one.open(history, Onset(2, alarmed=(FRONT_CPU,)), 1160.0))
    one.cases[1].rows = 50
    assert one.concerned([CART_CPU], 0) is one.cases[1]
    assert two_at_once(max_open=1)[0].concerned([FRONT_CPU], 3).incident.id == "INC-1"


def test_the_graph_learns_again_when_the_last_one_is_over():
    one, history, X = two_at_once()
    list(one.open(history, Onset(2, alarmed=(FRONT_CPU,)), 1160.0))
    for case in list(one.cases):
        with pytest.raises(RuntimeError):
            one.graphs.learn(X[:4])
        one.close(case, "resolve", 1170.0)
    one.graphs.learn(X[:4])


def test_each_has_a_dependent_part_of_its_own():
    one, history, X = two_at_once()
    list(one.open(history, Onset(2, alarmed=(FRONT_CPU,)), 1160.0))
    first, second = (case.coral for case in one.cases)
    assert first is not second is not one.graphs.coral
    before = first.snapshot()
    second.adapt(X[117:190])
    np.testing.assert_equal(first.snapshot(), before)
    np.testing.assert_equal(one.graphs.coral._incident.weight, 0.0)


# ── what people know ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_verdict_is_kept_with_the_incident_and_its_place_is_told():
    one, _ = opened()
    said = one.verdict("INC-1", "db", 940.0, by="ada", note="it was full")
    assert (said.action, said.incident.verdict, said.incident.place, said.by) == ("verdict", "db", 1, "ada")
    assert one.cases[0].incident is said.incident
    list(one.follow(one.cases[0], rows()[94].astype(np.float32), 950.0))
    assert one.cases[0].incident.verdict == "db"
    one.close(one.cases[0], "resolve", 960.0)
    metric = one.verdict("INC-1", "cart|cpu", 970.0, by="bob", note="").incident
    assert (metric.state, metric.verdict) == ("resolved", "cart|cpu")
    assert metric.place == (metric.suspects.index("cart|cpu") + 1 if "cart|cpu" in metric.suspects else 0)
    with pytest.raises(CommandRefused, match="INC-9 is none of the newest"):
        one.verdict("INC-9", "db", 980.0, by="", note="")


def test_only_so_many_that_are_over_are_remembered(monkeypatch):
    monkeypatch.setattr("headwater.streaming.casework.CLOSED", 2)
    one, _ = opened()
    for _ in range(3):
        one.close(one.cases[0], "resolve", 940.0)
        list(one.open(ring(rows()[:94]), Onset(3), 950.0))
    assert list(one.closed) == ["INC-2", "INC-3"]


def edges(one):
    names = one.columns.names
    W = one.cases[0].coral.weights().W
    return {(names[i], names[j]) for i, j in zip(*np.nonzero(W), strict=True)}


def test_what_people_know_of_an_edge_holds_at_once_and_in_the_next_incident():
    one, _ = opened()
    known = next(iter(sorted(edges(one))))
    one.judge("cart|cpu", "front|cpu", confirmed=True)
    one.judge(*known, confirmed=False)
    assert ("cart|cpu", "front|cpu") in edges(one)
    assert known not in edges(one)
    one.close(one.cases[0], "resolve", 940.0)
    one.graphs.relearn(rows()[:90])
    list(one.open(ring(rows()[:94]), Onset(3), 950.0))
    assert ("cart|cpu", "front|cpu") in edges(one)
    assert known not in edges(one)


def test_confirmed_edges_close_no_cycle():
    one, _ = opened()
    one.judge("db|disk_util", "db|latency_s", confirmed=True)
    one.judge("db|latency_s", "front|latency_s", confirmed=True)
    with pytest.raises(CommandRefused, match="would close a cycle"):
        one.judge("front|latency_s", "db|disk_util", confirmed=True)
    one.judge("front|latency_s", "db|disk_util", confirmed=False)
    one.judge("db|latency_s", "front|latency_s", confirmed=False)  # the last word counts
    one.judge("front|latency_s", "db|disk_util", confirmed=True)
    assert dict(one.graphs.judged)["db|latency_s", "front|latency_s"] is False
