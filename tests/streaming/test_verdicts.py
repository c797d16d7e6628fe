"""From numbers to words: what is written down of a batch is what the findings say, in their order."""

import numpy as np
import pytest

from headwater.causal.columns import describe
from headwater.causal.diagnosis import Findings
from headwater.causal.graph import Graph
from headwater.causal.paths import Hop
from headwater.causal.ranking import ServiceScores
from headwater.streaming.case import Batch
from headwater.streaming.records import Incident
from headwater.streaming.suspects import Hop as HopOfNames
from headwater.streaming.verdicts import CONTRIBUTIONS, EDGES, LISTED, ranked, settled, shares

INCIDENT = Incident("shop", "INC-1", "open", "collecting", 0.0, 1.0, 1.0)
NAMES = ("a|cpu", "b|latency", "b|cpu", "__front__|latency")


class Standing:
    """As much of a case as is written down."""

    def __init__(self, names=NAMES, changed=()):
        self.diagnosis = type("D", (), {"columns": describe(names)})
        self.changed = np.isin(np.arange(len(names)), changed)


def batch(order=(2, 0, 1, 3), score=(1.0, 4.0), *, settled=False, d=4, W=None, number=0):
    part = np.zeros((d, d), np.int8)
    part[0] = 1
    graph = Graph(np.zeros((d, d)) if W is None else W, np.full((d, d), 2), part)
    numbers = np.arange(d, dtype=float)
    findings = Findings(
        order=np.array(order),
        services=ServiceScores(np.array(score), np.array(score) / 2, np.array(score) / 4, np.array(score)),
        abnormal=numbers + 10,
        suspicion=numbers + 20,
        explained=numbers / 10,
        by=np.array([-1, 2, *[-1] * (d - 2)]),
        walk=numbers / 6,
        score=numbers + 50,
        value=numbers + 30,
        usual=numbers + 40,
        path=(order[0], 1),
        graph=graph,
        confidence=0.5,
        sustained=numbers + 60,
        sharp=numbers + 70,
        silent=numbers + 80,
        ratio=3.5,
        answer="named",
        added=(("b", "a"),),
        hops=(Hop(order[0], 1, 0.5, 2, 0.75, "learned"),),
    )
    return Batch(number, findings, 0.7, 0.6, settled)


def test_a_ranking_is_written_in_its_order():
    told = ranked(INCIDENT, Standing(), batch(), 9.0)
    assert [suspect.name for suspect in told.metrics] == ["b|cpu", "a|cpu", "b|latency", "__front__|latency"]
    first = told.metrics[0]
    assert (first.score, first.abnormal, first.explained, first.walk, first.value, first.usual) == (
        52.0, 12.0, 0.2, 2 / 6, 32.0, 42.0,
    )  # fmt: skip
    assert [suspect.by for suspect in told.metrics] == ["", "", "b|cpu", ""]
    assert (told.batch, told.similarity, told.graph_similarity, told.ratio) == (0, 0.7, 0.6, 3.5)
    assert told.path == ("b|cpu", "b|latency")


def test_the_parts_of_the_evidence_are_written_down():
    told = ranked(INCIDENT, Standing(), batch(), 9.0)
    first = told.metrics[0]
    assert (first.sustained, first.sharp, first.silent, first.suspicion) == (62.0, 72.0, 82.0, 22.0)
    assert [suspect.role for suspect in told.metrics] == ["internal", "internal", "latency", "latency"]
    assert told.hops == (HopOfNames("b|cpu", "b|latency", 0.5, 2, 0.75, "learned"),)
    assert told.added == (("b", "a"),)
    assert (told.answer, told.confidence) == ("named", 0.5)


def test_services_stand_in_the_order_of_their_scores_each_with_its_first_metric():
    told = ranked(INCIDENT, Standing(), batch(), 9.0).services
    assert [(one.entity, one.metric, one.score) for one in told] == [("b", "b|cpu", 4.0), ("a", "a|cpu", 1.0)]
    assert (told[0].internal, told[0].external, told[0].flow) == (2.0, 1.0, 4.0)


def test_edges_are_the_strongest_among_what_is_listed():
    W = np.array([[0.0, 0.5, 0, 0], [0, 0, 0, 0.2], [0, 0.9, 0, 0], [0, 0, 0, 0]])
    told = ranked(INCIDENT, Standing(), batch(W=W), 9.0).edges
    assert [(e.cause, e.effect, e.weight, e.lag, e.part) for e in told] == [
        ("b|cpu", "b|latency", 0.9, 2, "invariant"),
        ("a|cpu", "b|latency", 0.5, 2, "dependent"),
        ("b|latency", "__front__|latency", 0.2, 2, "invariant"),
    ]


def test_lists_have_an_end():
    d = 40
    W = np.random.default_rng(0).random((d, d))
    names = tuple(f"s{j}|cpu" for j in range(d))
    told = ranked(INCIDENT, Standing(names), batch(tuple(range(d)), tuple(range(d)), d=d, W=W), 9.0)
    assert len(told.metrics) == LISTED
    assert len(told.edges) == EDGES
    listed = set(names[:LISTED])
    assert all(edge.cause in listed and edge.effect in listed for edge in told.edges)
    assert len(told.services) == d


def test_an_incident_after_a_batch():
    after = settled(INCIDENT, Standing(changed=(0, 2)), batch(), 9.0)
    assert (after.cause, after.service, after.margin, after.ratio) == ("b|cpu", "b", 4.0, 3.5)
    assert (after.answer, after.confidence) == ("named", 0.5)
    assert (after.services, after.suspects) == (("b", "a"), ("b|cpu", "a|cpu", "b|latency", "__front__|latency"))
    assert (after.rca, after.updated, after.batches) == ("provisional", 9.0, 1)
    assert after.changed == ("b|cpu", "a|cpu")  # strongest first
    assert after.path == ("b|cpu", "b|latency")
    assert (after.state, after.opened) == (INCIDENT.state, INCIDENT.opened)


@pytest.mark.parametrize(("score", "margin"), [((0.0, 4.0), 0.0), ((2.0, 3.0), 1.5), ((0.0, 0.0), 0.0)])
def test_a_margin_is_a_ratio_and_0_without_a_second(score, margin):
    assert settled(INCIDENT, Standing(), batch(score=score), 9.0).margin == margin


def test_settling_takes_a_ranking_and_lasts():
    first = settled(INCIDENT, Standing(), batch(settled=True), 9.0)
    assert first.rca == "converged"
    assert settled(first, Standing(), batch(settled=False, number=1), 10.0).rca == "converged"


def test_columns_that_belong_to_no_service_still_have_a_cause():
    names = ("__front__|latency", "__front__|errors")
    after = settled(INCIDENT, Standing(names), batch((1, 0), (), d=2), 9.0)
    assert (after.cause, after.service, after.margin) == ("__front__|errors", "", 0.0)


def test_shares_are_of_the_whole_and_only_the_largest_are_told():
    contributions = np.array([3.0, np.nan, 0.0, 1.0])
    assert shares(contributions, NAMES) == (("a|cpu", 0.75), ("__front__|latency", 0.25))
    assert shares(np.full(4, np.nan), NAMES) == ()
    many = shares(np.arange(40.0), tuple(map(str, range(40))))
    assert len(many) == CONTRIBUTIONS
    assert many[0] == ("39", 39 / 780)
