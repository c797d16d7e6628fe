"""Incidents of one system, one at a time: opening, ranking, closing, and what the graph learns of each."""

import numpy as np
import pytest

from headwater.online import Ring
from headwater.streaming.casework import GRAPH_COLUMNS, SUSPECTS, Casework
from headwater.streaming.past import look_back
from headwater.streaming.records import Changed, Ranked, Series

from .shop import NAMES, config, rows


def casework(names=NAMES, **changed):
    one = Casework(config(**changed))
    one.adopt(tuple(Series("shop", *name.split("|")) for name in names))
    return one


def past(X, back=2):
    ring = Ring(capacity=500)
    for t, row in enumerate(X):
        ring.push(10.0 * t, row, quiet=True)
    return look_back(ring, back, 10.0)


def opened(X=None, **changed):
    X = rows()[:94] if X is None else X
    one = casework(**changed)
    one.learn(X)
    events = list(one.open(past(X, 3), onset=900.0, time=930.0))
    return one, events


def test_opening_says_so_and_ranks_at_once():
    one, events = opened()
    assert [type(event) for event in events] == [Changed, Ranked, Changed]
    assert [event.action for event in events if isinstance(event, Changed)] == ["opened", "ranked"]
    assert (events[0].incident.rca, events[2].incident.rca) == ("collecting", "provisional")
    assert one.case.incident is events[2].incident
    assert (events[0].incident.onset, events[0].incident.opened) == (900.0, 930.0)
    assert {event.n for event in events} == {0}  # the pipeline numbers them


def test_numbers_of_incidents_go_up():
    one, _ = opened()
    one.close("resolve", 940.0)
    list(one.open(past(rows()[:94], 3), 900.0, 950.0))
    assert one.case.incident.id == "INC-2"


def test_it_closes_when_quiet_or_when_it_has_lasted():
    def told(one, X):
        """What followed by row, until it was over."""
        found = []
        for t, row in enumerate(X.astype(np.float32)):
            news = one.follow(one.case, row, 1000.0 + t) if one.case else ()
            found += [(t, event.action) for event in news if isinstance(event, Changed)]
        return found

    assert told(opened(close_rows=2)[0], rows(20, onset=20))[-1][1] == "resolved"
    assert told(opened(max_rows=30)[0], rows(200, onset=0, until=200))[-1] == (29, "shifted")


def test_another_trigger_is_counted_and_says_that_it_is_not_over():
    one, _ = opened(kpi=())
    one.case.quiet = 5
    assert one.extend(one.case) == "INC-1"
    assert (one.case.incident.triggers, one.case.quiet) == (2, 0)
    gated, _ = opened()
    gated.case.quiet = 5
    gated.extend(gated.case)
    assert gated.case.quiet == 5  # where KPIs decide, only they say that it is not over


@pytest.mark.parametrize("stimulus", ["resolve", "dismiss", "outlast"])
def test_no_incident_teaches_the_graph(stimulus):
    one, _ = opened()
    before = one.coral._quiet.covariances()
    one.close(stimulus, 940.0)
    np.testing.assert_array_equal(one.coral._quiet.covariances(), before)
    one.learn(rows()[94:])  # quiet rows go to the graph again; of a level that stays the pipeline gives them all


def test_the_graph_forgets_the_rows_since_the_onset():
    """Rows of the fault that it was given as quiet, before the alarm, are not in what it has learned."""
    X = rows()[:96]
    quiet, one = casework(), casework()
    cut = past(X, 5)
    quiet.learn(X[: -len(cut.window)])
    quiet.coral.begin(0)
    one.learn(X)
    list(one.open(cut, 900.0, 960.0))
    np.testing.assert_array_equal(one.coral._quiet.covariances(), quiet.coral._quiet.covariances())
    careless = casework()  # the sabotaged twin: nothing is discarded
    careless.learn(X)
    careless.coral.begin(0)
    assert not np.array_equal(careless.coral._quiet.covariances(), quiet.coral._quiet.covariances())


def test_closing_without_an_incident_is_a_defect():
    with pytest.raises(RuntimeError, match="no incident is open"):
        casework().close("resolve", 0.0)


def test_with_very_many_columns_the_graph_knows_the_suspects_and_the_kpis():
    rng = np.random.default_rng(3)
    wide = np.column_stack([rows()[:94], rng.normal(size=(94, GRAPH_COLUMNS))])
    names = (*NAMES, *(f"h{j}|cpu" for j in range(GRAPH_COLUMNS)))
    one = casework(names, candidates=3, kpi=(("h7|cpu", "up"),))
    one.learn(wide)
    assert one.coral._state.held.shape[1] == 0  # it costs nothing while all is quiet
    list(one.open(past(wide, 3), 900.0, 930.0))
    suspects = one.case.suspects.tolist()
    assert len(suspects) == SUSPECTS
    assert {names.index("h7|cpu"), 5, 4} <= set(suspects)
    assert suspects == sorted(suspects)
    one.close("resolve", 940.0)
    one.learn(wide)
    list(one.open(past(wide, 3), 900.0, 950.0))


def test_an_incident_is_taken_up_without_its_graph():
    one, _ = opened()
    for t, row in enumerate(rows()[94:99].astype(np.float32)):
        list(one.follow(one.case, row, 940.0 + 10 * t))
    two = casework(lags=2)
    series = tuple(Series("shop", *name.split("|")) for name in NAMES)
    two.reopen(one.case.incident, one.case.snapshot(), series, graph=False)
    assert two.case.incident == one.case.incident
    assert two.case.batches == one.case.batches
    row = rows()[99].astype(np.float32)
    for case in (one.case, two.case):
        case.feed(row)
    told = [case.rank().findings.abnormal.tolist() for case in (one.case, two.case)]
    assert told[0] == told[1]  # the graph is new, the evidence is not
    two.close("resolve", 990.0)


def test_an_incident_is_taken_up_after_columns_have_appeared():
    one, _ = opened()
    grown = (*NAMES, "late|gc")
    two = casework(grown)
    two.reopen(one.case.incident, one.case.snapshot(), two_series(grown), graph=False)
    assert two.case.diagnosis.columns.names == NAMES
    row = np.append(rows()[94], 1.0).astype(np.float32)
    list(two.follow(two.case, row, 940.0))
    two.close("resolve", 950.0)
    two.learn(np.column_stack([rows()[94:], np.ones(56)]))


def two_series(names):
    return tuple(Series("shop", *name.split("|")) for name in names)
