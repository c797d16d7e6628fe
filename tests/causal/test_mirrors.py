"""Which leaf of the call graph only mirrors a service behind it."""

import numpy as np
import pytest

from headwater.causal.columns import describe
from headwater.causal.mirrors import mirrored

NAMES = ["front|latency", "lb|latency", "shop|latency", "db|latency", "shop|errors", "lb|errors"]
EDGES = [("front", "lb"), ("front", "shop"), ("shop", "db")]
ALL = np.ones(6, bool)


def added(edges=EDGES, travelling=ALL, names=NAMES):
    return mirrored(describe(names, edges), travelling)[1]


def test_a_leaf_gets_a_call_to_the_service_that_shows_the_same():
    columns, more = mirrored(describe(NAMES, EDGES), ALL)
    assert more == (("lb", "shop"),)
    assert columns.calls.sum() == 4
    assert columns.calls[1, 2]


@pytest.mark.parametrize(
    ("why", "edges"),
    [
        ("the leaf calls someone", [*EDGES, ("lb", "db")]),
        ("a call connects them already", [*EDGES, ("shop", "lb")]),
        ("they share no caller", [("front", "lb"), ("shop", "db")]),
        ("behind it nobody is called", [("front", "lb"), ("front", "shop")]),
        ("nobody knows who calls whom", []),
    ],
)
def test_without_each_condition_there_is_none(why, edges):
    assert added(edges) == (), why


def test_both_must_show_a_symptom_of_one_type():
    assert added(travelling=np.array([1, 1, 0, 1, 0, 1], bool)) == ()
    assert added(travelling=np.array([0, 1, 0, 0, 1, 0], bool)) == ()
    assert added(travelling=np.array([0, 0, 0, 0, 1, 1], bool)) == (("lb", "shop"),)
    assert added(travelling=np.zeros(6, bool)) == ()
