"""Where it started: suspicion flows to the callee that accounts for it, and the lists agree with each other."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.causal.columns import Role, describe
from headwater.causal.ranking import _absorb, _transitions, order_metrics, score_services
from headwater.causal.recipe import SHIPPED

from .naive_evidence import absorbed

METRICS = ("cpu", "latency_s", "errors", "queue_len", "requests", "node_load")
LATENCY = frozenset({int(Role.LATENCY)})


def system(rng, s=5, *, acyclic=True):
    names = [f"s{i}|{metric}" for i in range(s) for metric in METRICS] + ["__front__|latency_s"]
    edges = [(f"s{i}", f"s{j}") for i in range(s) for j in range(s) if (i < j or not acyclic) and rng.random() < 0.5]
    columns = describe(names, edges)
    d = len(names)
    return columns, rng.exponential(3.0, d), rng.normal(size=d)


def scores(names, abnormal, deviation=None, edges=(), roles=frozenset()):
    columns = describe(names, edges)
    abnormal = np.array(abnormal, float)
    return columns, score_services(columns, abnormal, np.array(deviation or np.ones(len(names))), roles)


def first(names, abnormal, deviation=None, edges=(), roles=frozenset()):
    columns, found = scores(names, abnormal, deviation, edges, roles)
    return columns.services[int(found.score.argmax())]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_the_flow_is_an_absorbing_walk(seed):
    """Twelve steps reach all that an endless walk would on a graph without long cycles: the matrix inverse."""
    columns, abnormal, deviation = system(np.random.default_rng(seed))
    found = score_services(columns, abnormal, deviation, recipe=replace(SHIPPED, mirrors=False))
    assert not found.added
    for share in (0.0, 0.4, 1.0):
        carried = columns.calls * np.random.default_rng(seed).uniform(0, share, columns.calls.shape)
        P = _transitions(carried, found.internal, found.external)
        assert (P >= 0).all()
        assert (P.sum(axis=1) <= 1 + 1e-12).all()
        assert not P[~columns.calls].any()
        start = np.sqrt(found.external)
        np.testing.assert_allclose(_absorb(P, start), absorbed(P, start), atol=1e-9)
    assert found.flow.sum() == pytest.approx(np.sqrt(found.external).sum())  # suspicion is neither made nor lost


def test_in_a_cycle_what_still_moves_rests_where_it_is():
    P = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert _absorb(P, np.array([3.0, 1.0])).sum() == pytest.approx(4.0)


def test_a_symptom_flows_to_the_callee_that_accounts_for_it():
    chain = [("a", "b"), ("b", "c")]
    names = ["a|latency_s", "b|latency_s", "c|latency_s"]
    assert first(names, [9.0, 8.0, 7.0], [0.5, 0.5, 0.5], chain) == "c"
    assert first(names, [9.0, 8.0, 1.0], [0.5, 0.5, 0.5], chain) == "b"  # c shows nothing
    assert first(names, [9.0, 8.0, 7.0], [0.5, 0.5, 0.5]) == "a"  # nobody knows who calls whom
    assert first(names, [9.0, 8.0, 7.0], [0.5, 0.5, 0.5], [(b, a) for a, b in chain]) == "a"  # reversed


def test_what_a_service_does_to_itself_stays_with_it():
    names = ["a|latency_s", "a|cpu", "b|latency_s"]
    with_cpu = scores(names, [9.0, 30.0, 8.0], edges=[("a", "b")])[1]
    without = scores(names, [9.0, 0.5, 8.0], edges=[("a", "b")])[1]
    assert with_cpu.flow[0] > without.flow[0]
    assert with_cpu.score.argmax() == 0
    assert without.score.argmax() == 1


def passed(abnormal, deviation, recipe=SHIPPED):
    """What a passes on to b, of two services with a latency each."""
    columns = describe(["a|latency_s", "b|latency_s"], [("a", "b")])
    found = score_services(columns, np.array(abnormal), np.array(deviation), recipe=recipe)
    return 1.0 - found.flow[0] / np.sqrt(found.external[0])


def test_a_callee_that_got_better_accounts_for_nothing_by_its_latency():
    assert passed([9.0, 2.5], [0.5, 0.45]) == pytest.approx(0.9)  # its part of the caller's latency
    assert passed([9.0, 2.5], [0.5, -0.45]) == 0.0


def busy(metric, deviation, abnormal=30.0):
    """What is passed on to a callee of which one metric moved, by a caller whose latency has."""
    columns = describe(["a|latency_s", f"b|{metric}"], [("a", "b")])
    found = score_services(columns, np.array([400.0, abnormal]), np.array([0.5, deviation]))
    return 1.0 - found.flow[0] / np.sqrt(found.external[0])


def test_a_fault_inside_a_callee_need_not_show_in_its_latency():
    assert busy("cpu", 0.3, 10.0) == pytest.approx(10 / 20)
    assert busy("cpu", 0.3) == 1.0
    _, endless = scores(["a|queue_len", "b|cpu"], [1e6, 12.0], edges=[("a", "b")])
    assert endless.flow[1] / 1e3 == pytest.approx(12 / np.sqrt(600))
    assert busy("cpu", 0.0) == 1.0  # gone silent


def test_what_only_fell_with_the_traffic_is_not_guilty():
    assert busy("network_bytes", -0.3) == 0.0
    assert busy("requests", 0.3) == 0.0
    assert busy("hit_ratio", -0.3) == 1.0  # its fall is the harm
    assert busy("hit_ratio", 0.3) == 0.0


def test_what_is_not_abnormal_itself_passes_nothing_on():
    assert passed([1.9, 50.0], [0.5, 0.5]) == 0.0
    assert passed([50.0, 1.9], [0.5, 0.5]) == 0.0


def test_each_part_of_the_flow_can_be_switched_off():
    calm = replace(SHIPPED, amplified=0.0)
    assert passed([9.0, 8.0], [0.5, 0.2]) == 1.0
    assert passed([9.0, 8.0], [0.5, 0.2], calm) == pytest.approx(0.4)
    assert passed([9.0, 2.5], [0.5, 0.45], replace(SHIPPED, flow=0.0)) == 0.0
    assert passed([9.0, 2.5], [0.5, 0.45], replace(SHIPPED, flow=0.5)) == pytest.approx(0.45)


def test_with_a_kpi_only_symptoms_of_its_role_travel():
    """S3's latency grew with the errors of its caller; whoever asks about errors does not ask S3."""
    names = ["shop|errors", "shop|latency_s", "s3|latency_s"]
    edges, abnormal = [("shop", "s3")], [9.0, 9.0, 9.0]
    assert first(names, abnormal, edges=edges) == "s3"
    assert first(names, abnormal, edges=edges, roles=LATENCY) == "s3"
    assert first(names, abnormal, edges=edges, roles=frozenset({int(Role.AVAILABILITY)})) == "shop"


def test_a_balancer_that_mirrors_a_service_passes_the_blame_on():
    names = ["front|latency_s", "balancer|latency_s", "shop|latency_s", "db|latency_s"]
    edges = [("front", "balancer"), ("front", "shop"), ("shop", "db")]
    columns, found = scores(names, [20.0, 30.0, 9.0, 1.0], [0.5, 0.5, 0.4, 0.0], edges)
    assert found.added == (("balancer", "shop"),)
    assert columns.services[int(found.score.argmax())] == "shop"
    assert not columns.calls[1, 2]  # for this incident only
    off = replace(SHIPPED, mirrors=False)
    alone = score_services(columns, np.array([20.0, 30.0, 9.0, 1.0]), np.array([0.5, 0.5, 0.4, 0.0]), recipe=off)
    assert columns.services[int(alone.score.argmax())] == "balancer"
    assert alone.added == ()


def test_hosts_and_virtual_fronts_are_no_evidence_against_a_service():
    _, found = scores(["a|node_load", "a|latency_s", "__front__|errors"], [50.0, 3.0, 99.0])
    assert (found.internal[0], found.external[0]) == (0.0, 3.0)


def test_a_kpi_of_a_role_makes_other_symptoms_irrelevant():
    names = ["a|errors", "b|latency_s", "c|queue_len", "d|requests"]
    assert scores(names, [9, 8, 7, 6])[1].external.tolist() == [9, 8, 7, 6]
    assert scores(names, [9, 8, 7, 6], roles=LATENCY)[1].external.tolist() == [0, 8, 7, 0]
    assert scores(names, [9, 8, 7, 6], roles=frozenset({int(Role.INTERNAL)}))[1].external.tolist() == [9, 8, 7, 6]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_the_two_lists_agree(seed):
    rng = np.random.default_rng(seed)
    columns, abnormal, deviation = system(rng)
    suspicion = abnormal * np.sqrt(rng.random(len(abnormal)))
    services = score_services(columns, abnormal, deviation)
    order, score = order_metrics(columns, abnormal, suspicion, services)
    assert sorted(order) == list(range(len(abnormal)))
    assert (np.diff(score[order]) <= 0).all()
    assert np.isfinite(score).all()
    owned = [int(j) for j in order if columns.owner[j] >= 0]
    assert services.score[columns.owner[owned[0]]] == services.score.max()  # the first metric is the first service's
    for service in range(len(columns.services)):
        mine = [int(j) for j in order if columns.owner[j] == service]
        if services.internal[service] >= 1.0:
            least = max(1.0, 0.1 * services.internal[service], 0.05 * services.external[service])
            inner = [columns.roles[j] == Role.INTERNAL and abnormal[j] >= least for j in mine]
            assert inner == sorted(inner, reverse=True)
        for kind in (True, False):  # within either kind, by suspicion
            group = [j for j in mine if (columns.roles[j] == Role.INTERNAL) is kind and abnormal[j] >= 1.0]
            assert (np.diff(suspicion[group]) <= 1e-12).all() or services.internal[service] >= 1.0


def test_an_internal_that_hardly_moved_did_not_cause_a_huge_symptom():
    columns, services = scores(["a|latency_s", "a|cpu"], [400.0, 4.0])
    order, _ = order_metrics(columns, np.array([400.0, 4.0]), np.array([400.0, 4.0]), services)
    assert order.tolist() == [0, 1]


def test_internals_first_can_be_switched_off():
    columns, services = scores(["a|latency_s", "a|cpu"], [9.0, 4.0])
    orders = [
        order_metrics(columns, np.array([9.0, 4.0]), np.array([9.0, 4.0]), services, inside_first=inside)[0].tolist()
        for inside in (True, False)
    ]
    assert orders == [[1, 0], [0, 1]]


@pytest.mark.parametrize("silent", [0.0, 1e-300])
def test_where_nothing_is_abnormal_there_is_an_order_all_the_same(silent):
    columns = describe(["a|cpu", "b|latency_s", "__front__|errors"], [("a", "b")])
    found = score_services(columns, np.full(3, silent), np.zeros(3))
    order, score = order_metrics(columns, np.full(3, silent), np.full(3, silent), found)
    assert sorted(order) == [0, 1, 2]
    assert np.isfinite(score).all()
    assert np.isfinite(found.score).all()


def test_without_any_service_metrics_are_ordered_by_suspicion():
    columns = describe(["__a__|x", "__a__|y"])
    found = score_services(columns, np.array([1.0, 4.0]), np.zeros(2))
    order, score = order_metrics(columns, np.array([1.0, 4.0]), np.array([1.0, 4.0]), found)
    assert order.tolist() == [1, 0]
    assert score[1] > score[0]
