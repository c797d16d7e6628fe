"""One incident's window to a diagnosis: the graph may lower a metric, never raise one, and shut gates change no bit."""

import numpy as np
import pytest

from headwater.causal.columns import describe
from headwater.causal.coral import Coral
from headwater.causal.diagnosis import Diagnosis
from headwater.causal.evidence import Surprise
from headwater.causal.recipe import Recipe

NAMES = ("back|cpu", "back|latency_s", "front|latency_s", "other|cpu", "other|errors")
EDGES = (("front", "back"),)


def driven(n, seed, fault=None):
    """cpu drives back's latency one row later, that drives front's; `fault` pushes the cpu from a row on."""
    noise = np.random.default_rng(seed).normal(size=(n, 5))
    X = noise.copy()
    for t in range(1, n):
        if fault is not None and t >= fault:
            X[t, 0] += 12
        X[t, 1] += 0.9 * X[t - 1, 0]
        X[t, 2] += 0.9 * X[t - 1, 1]
    return X


def learned(history, **settings):
    coral = Coral(hold_back=0, **settings)
    coral.step(history)
    coral.begin(0)
    return coral


def diagnosis(history, *, kpi=(2,), sign=(1,), edges=EDGES, **more):
    settings = {
        "columns": describe(NAMES, edges),
        "history": history,
        "restarts": np.zeros(len(history), bool),
        "kpi": np.array(kpi, np.int64),
        "kpi_sign": np.array(sign[: len(kpi)], np.int64),
    }
    return Diagnosis(**settings | more)


X = driven(420, 3, fault=402)
HISTORY, WINDOW = X[:400], X[400:]
ALL = np.arange(5)


@pytest.fixture(scope="module")
def coral():
    return learned(HISTORY)


def test_the_cause_is_found_and_what_it_explains_is_lowered(coral):
    found = diagnosis(HISTORY).examine(WINDOW, coral, ALL)
    assert NAMES[found.order[0]] == "back|cpu"
    assert found.explained[1] > 0.3
    assert found.by[1] == 0
    assert found.suspicion[1] <= found.abnormal[1] * np.sqrt(1 - found.explained[1]) * (1 + 1e-12)
    assert found.suspicion[1] < found.suspicion[0]
    assert found.explained[0] == 0.0
    assert [NAMES[j] for j in found.path] == ["back|cpu", "back|latency_s", "front|latency_s"]
    assert found.ratio > 2


def test_the_graph_never_raises_a_metric(coral):
    for seed in range(6):
        window = driven(20, seed, fault=2)
        found = diagnosis(HISTORY).examine(window, coral, ALL)
        assert (found.suspicion <= found.abnormal).all()
        assert ((found.explained >= 0) & (found.explained <= 1)).all()
        assert ((found.by >= 0) == (found.explained > 0)).all()


def test_abnormality_is_free_of_the_graph(coral):
    surprise = Surprise(types=describe(NAMES).types)
    expected = surprise.score(surprise.fit(HISTORY), WINDOW).abnormal
    np.testing.assert_array_equal(diagnosis(HISTORY).examine(WINDOW, coral, ALL).abnormal, expected)


def test_with_all_gates_shut_suspicion_is_abnormality_to_the_bit(monkeypatch):
    empty = learned(np.random.default_rng(9).normal(size=(60, 5)), penalty=5.0)
    found = diagnosis(HISTORY).examine(WINDOW, empty, ALL)
    assert found.suspicion.tobytes() == found.abnormal.tobytes()


def test_the_graph_lowers_as_far_as_the_recipe_says(coral):
    whole, half, none = (
        diagnosis(HISTORY, recipe=Recipe(explain=share)).examine(WINDOW, coral, ALL).suspicion for share in (1, 0.5, 0)
    )
    np.testing.assert_allclose(half, (whole + none) / 2)
    assert none.tobytes() == diagnosis(HISTORY).examine(WINDOW, coral, ALL).abnormal.tobytes() != whole.tobytes()


def test_suspects_alone_may_be_known_to_the_graph(coral):
    some = np.array([0, 1, 2])
    part = learned(HISTORY[:, some])
    found, whole = diagnosis(HISTORY).examine(WINDOW, part, some), diagnosis(HISTORY).examine(WINDOW, coral, ALL)
    np.testing.assert_array_equal(found.abnormal, whole.abnormal)
    assert found.graph.W.shape == (5, 5)
    assert not found.graph.W[3:].any()
    assert not found.graph.W[:, 3:].any()
    assert found.by[1] == 0


def test_by_walk_the_order_is_that_of_the_walk(coral):
    found = diagnosis(HISTORY, by_walk=True).examine(WINDOW, coral, ALL)
    np.testing.assert_array_equal(found.order, np.argsort(-found.walk, kind="stable"))
    assert found.walk.sum() == pytest.approx(1.0)
    assert found.walk[[0, 1, 2]].min() > found.walk[[3, 4]].max()


def test_without_a_kpi_the_walk_starts_everywhere_by_abnormality(coral):
    found = diagnosis(HISTORY, kpi=()).examine(WINDOW, coral, ALL)
    assert found.walk[3] > 0
    assert diagnosis(HISTORY).examine(WINDOW, coral, ALL).walk[3] == pytest.approx(0.0, abs=1e-12)
    assert NAMES[found.order[0]] == "back|cpu"
    assert found.path[0] == found.order[0]
    assert NAMES[found.path[-1]] in ("front|latency_s", "back|latency_s")


def test_a_later_start_counts_where_it_is_stronger(coral):
    """Something small came first; the fault came 25 rows later, was short, and would be discounted."""
    X = driven(60, 11)
    X[27:31, 0] += 12
    X[2:5, 4] += 6
    early, both = (diagnosis(HISTORY, late=late).examine(X, coral, ALL) for late in (0, 25))
    assert (both.abnormal >= early.abnormal).all()
    assert both.abnormal[0] > 1.2 * early.abnormal[0]
    assert both.abnormal[4] == early.abnormal[4]
    assert both.ratio >= early.ratio
    beyond = diagnosis(HISTORY, late=60).examine(X, coral, ALL)  # not there yet
    np.testing.assert_array_equal(beyond.abnormal, early.abnormal)


def test_where_time_jumped_the_level_is_taken_from_the_anchor(coral):
    moved = WINDOW + np.array([0, 0, 0, 40.0, 0])
    plain = diagnosis(HISTORY).examine(moved, coral, ALL)
    anchor = moved[0].copy()
    anchor[4] = np.nan
    anchored = diagnosis(HISTORY, anchor=anchor).examine(moved, coral, ALL)
    assert plain.abnormal[3] > 5 > anchored.abnormal[3]
    assert np.isfinite(anchored.abnormal).all()
    assert anchored.usual[3] == moved[0, 3]


def test_values_are_those_of_the_window_and_usual_ones_those_before(coral):
    found = diagnosis(HISTORY).examine(WINDOW, coral, ALL)
    np.testing.assert_allclose(found.value, np.median(WINDOW, axis=0))
    np.testing.assert_allclose(found.usual, np.median(HISTORY, axis=0), atol=1.0)


def test_values_since_a_later_start_are_those_of_its_rows(coral):
    X = driven(60, 11)
    X[:25, 0] += 3
    X[27:31, 0] += 30
    found = diagnosis(HISTORY, late=25).examine(X, coral, ALL)
    np.testing.assert_allclose(found.value[0], np.median(X[25:, 0]), atol=1e-9)


def test_holes_are_no_evidence(coral):
    window = WINDOW.copy()
    window[np.random.default_rng(4).random(window.shape) < 0.3] = np.nan
    window[-1] = WINDOW[-1]
    found = diagnosis(HISTORY).examine(window, coral, ALL)
    assert NAMES[found.order[0]] == "back|cpu"
    assert found.silent.tolist() == [0.0] * 5


def test_a_metric_that_goes_silent_stands_first(coral):
    window = WINDOW.copy()
    window[4:, 3] = np.nan
    found = diagnosis(HISTORY).examine(window, coral, ALL)
    assert [NAMES[j] for j in found.order[:2]] == ["other|cpu", "back|cpu"]
    assert found.services.internal[2] == found.abnormal[3] == found.silent[3] > found.abnormal[0]
    assert found.answer == "named"
    for values in (found.suspicion, found.walk, found.value, found.usual):
        assert np.isfinite(values).all()
    quiet = WINDOW.copy()
    quiet[4:, 4] = np.nan  # without requests there are no errors to count: that is no evidence
    assert NAMES[diagnosis(HISTORY).examine(quiet, coral, ALL).order[0]] == "back|cpu"
    off = diagnosis(HISTORY, recipe=Recipe(silence=0.0)).examine(window, coral, ALL)
    assert NAMES[off.order[0]] == "back|cpu"


def test_where_most_is_missing_the_cause_is_outside_of_what_is_measured(coral):
    window = WINDOW.copy()
    window[4:, :4] = np.nan
    found = diagnosis(HISTORY).examine(window, coral, ALL)
    assert found.answer == "outside"
    assert not found.silent.any()


def test_rows_right_before_the_window_set_the_level(coral):
    """The history is of another time; meanwhile a metric has moved for good."""
    before, moved = driven(40, 8), WINDOW.copy()
    before[:, 3] += 40
    moved[:, 3] += 40
    before[30, 3] += 500  # one spike of it is not its level
    found = diagnosis(HISTORY, lead=before).examine(moved, coral, ALL)
    assert NAMES[found.order[0]] == "back|cpu"
    assert found.abnormal[3] < 3
    assert found.usual[3] == pytest.approx(40, abs=3)
    assert diagnosis(HISTORY).examine(moved, coral, ALL).abnormal[3] > 5


def test_calls_are_only_added_to_what_is_calibrated():
    names = ("front|latency_s", "balancer|latency_s", "shop|latency_s", "db|latency_s")
    edges = (("front", "balancer"), ("front", "shop"), ("shop", "db"))
    history = np.random.default_rng(5).normal(size=(60, 4))
    window = np.random.default_rng(6).normal(size=(8, 4)) + np.array([30.0, 30.0, 28.0, 0.0])
    for n, added in ((60, (("balancer", "shop"),)), (29, ())):
        found = diagnosis(history[:n], kpi=(0,), columns=describe(names, edges)).examine(
            window, learned(history[:n]), np.arange(4)
        )
        assert found.added == added


def test_a_ramp_and_a_start_given_late_leave_the_cause_first(coral):
    """Its fast level has followed the fault; the slow one has not."""
    for fault, first in ((402, 432), (402, 442)):
        X = driven(700, 3, fault=fault)
        found = diagnosis(X[:first]).examine(X[first:], coral, ALL)
        assert NAMES[found.order[0]] in ("back|cpu", "back|latency_s")
        assert found.ratio > 2
        short = diagnosis(X[:first], recipe=Recipe(lasting=0.0)).examine(X[first:], coral, ALL)
        assert short.ratio < 2
    X = driven(700, 3)
    X[400:, 0] += np.minimum(np.arange(300) / 200, 1.0) * 12
    found = diagnosis(X[:400]).examine(X[400:], coral, ALL)
    assert NAMES[found.order[0]] == "back|cpu"
    assert found.ratio > 2


def test_hops_tell_the_evidence_of_each_step(coral):
    found = diagnosis(HISTORY).examine(WINDOW, coral, ALL)
    assert [(NAMES[hop.cause], NAMES[hop.effect]) for hop in found.hops] == [
        ("back|cpu", "back|latency_s"),
        ("back|latency_s", "front|latency_s"),
    ]
    for hop in found.hops:
        assert hop.kind == "learned"
        assert hop.weight == found.graph.W[hop.cause, hop.effect] > 0
        assert hop.lag == 1
        assert 0 < hop.share <= 1


def test_examining_changes_nothing(coral):
    one, before = diagnosis(HISTORY), coral.snapshot()
    window = WINDOW.copy()
    first, again = one.examine(window, coral, ALL), one.examine(window, coral, ALL)
    np.testing.assert_equal(first._asdict(), again._asdict())
    np.testing.assert_equal(coral.snapshot(), before)
    np.testing.assert_array_equal(window, WINDOW)


# ── is it back? ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_usual_is_the_range_of_history():
    one = diagnosis(HISTORY, kpi=())
    assert one.usual(driven(7, 5)[2:], ALL).all()
    away = driven(7, 5)[2:] + np.array([9, 0, -9, 0, 0])
    assert one.usual(away, ALL).tolist() == [False, True, False, True, True]
    assert one.usual(away, np.array([2, 1])).tolist() == [False, True]


def test_for_a_kpi_only_the_bad_side_counts():
    rows = driven(7, 5)[2:]
    better, worse = rows - np.array([0, 0, 9, 0, 0]), rows + np.array([0, 0, 9, 0, 0])
    kpi = np.array([2])
    assert [diagnosis(HISTORY).usual(r, kpi)[0] for r in (better, worse)] == [True, False]
    assert [diagnosis(HISTORY, sign=(-1,)).usual(r, kpi)[0] for r in (better, worse)] == [False, True]
    assert [diagnosis(HISTORY, sign=(0,)).usual(r, kpi)[0] for r in (better, worse)] == [False, False]


def test_a_metric_without_a_value_is_not_back():
    rows = driven(7, 5)[2:]
    rows[:, 1] = np.nan
    rows[:4, 3] = np.nan
    assert diagnosis(HISTORY, kpi=()).usual(rows, ALL).tolist() == [True, False, True, True, True]


def test_near_the_level_at_the_onset_is_usual_too():
    drifted = HISTORY + np.linspace(0, 30, 400)[:, None] * (np.arange(5) == 3)
    at_the_end = drifted[-3:].copy()
    at_the_end[:, 3] += 1.0
    assert diagnosis(drifted, kpi=()).usual(at_the_end, np.array([3])).all()
