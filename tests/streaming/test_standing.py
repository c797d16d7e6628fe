"""What a pipeline says of itself: what its graph rests on, what people told it, what to mend."""

import numpy as np
import pytest

from headwater.streaming.checkpoint import freeze, hashes, thaw
from headwater.streaming.pipeline import Pipeline
from headwater.streaming.records import Command, Frame, Series
from headwater.streaming.standing import remarks, standing
from headwater.streaming.wording import UNKNOWN_TOPOLOGY

from .shop import NAMES, START, STEP, config, rows


def played(X, names=NAMES, **changed):
    one = Pipeline(config(**changed))
    series = tuple(Series("shop", *name.split("|")) for name in names)
    one.step(Frame("shop", START + STEP * np.arange(len(X)), X, np.zeros_like(X), series))
    return one


def daily(n=120):
    """Rows in which every metric repeats what it was eight rows before."""
    X = rows(n, onset=n)
    for t in range(8, n):
        X[t] += 0.95 * (X[t - 8] - X[:8].mean(axis=0))
    return X


def test_white_residuals_are_no_remark_and_others_name_the_mend():
    assert remarks(played(rows()[:80])) == []
    (said,) = remarks(played(daily(90), base_rows=80))
    assert "are not white with" in said
    assert "mend: set [causal] lags = " in said or "mend: use longer steps" in said
    assert standing(played(daily(90), base_rows=80))["remarks"] == [said]


def test_where_the_order_that_was_chosen_leaves_something_the_most_that_is_allowed_is_taken():
    X = daily(400)
    few, enough = (played(X, base_rows=300, history_rows=400, lags=lags) for lags in (3, 8))
    assert (few.work.graphs.lags, enough.work.graphs.lags) == (3, 8)
    assert remarks(few) != []
    assert remarks(enough) == [], "the mend that the remark names"
    assert "mend: set [causal] lags = 8" in remarks(few)[0]
    assert played(rows(80, onset=80)).work.graphs.lags < 3, "white noise needs none"


def test_nothing_is_said_before_the_base_is_learned():
    assert remarks(played(daily(50), edges=())) == []


def test_a_topology_that_is_not_known_is_said():
    assert UNKNOWN_TOPOLOGY in remarks(played(rows()[:80], edges=()))
    told = standing(played(rows()[:80], edges=()))
    assert (told["topology"], told["calls"]) == ("", 0)
    told = standing(played(rows()[:80], topology="hard"))
    assert (told["topology"], told["calls"]) == ("hard", 2)


def test_columns_may_name_the_topology():
    names = (*NAMES, "edge:front>cart|rps")
    X = np.column_stack([rows()[:80], rows(seed=8)[:80, 0]])
    one = played(X, names, edges=())
    assert (standing(one)["topology"], standing(one)["calls"]) == ("soft", 1)
    assert not one.work.graphs.coral.learns_topology


@pytest.mark.parametrize("topology", ["hard", "soft"])
def test_a_hard_topology_learns_no_other_edge(topology):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(400, 6))
    X[1:, 5] += 0.9 * X[:-1, 1]  # the disk of the database follows the front's cpu, against the topology
    graph = played(X, topology=topology, base_rows=300, history_rows=400).work.graphs.coral.weights().W
    assert bool(graph[1, 5] > 0) is (topology == "soft")


def test_what_people_said_is_counted():
    one = played(rows()[:104])
    assert one.work.cases
    for command in (
        Command(1, "shop", "confirm_edge", cause="cart|cpu", effect="front|cpu"),
        Command(2, "shop", "forbid_edge", cause="front|cpu", effect="cart|cpu"),
        Command(3, "shop", "verdict", "INC-1", cause="db"),
    ):
        one.command(command)
    told = standing(one)
    assert (told["confirmed"], told["forbidden"]) == (1, 1)
    assert told["verdicts"] == {"given": 1, "first": 1, "listed": 1}
    one.command(Command(4, "shop", "verdict", "INC-1", cause="front|cpu"))
    assert standing(one)["verdicts"]["given"] == 1, "the last word counts"
    assert standing(one)["verdicts"]["first"] == 0


def test_all_of_it_outlives_a_stop():
    one = played(daily(90), edges=(), base_rows=80)
    one.command(Command(1, "shop", "forbid_edge", cause="front|cpu", effect="cart|cpu"))
    two = Pipeline(one.config)
    marks = hashes(two.config)
    thaw(two, {part: (marks[part], data) for part, data in freeze(one).items()})
    assert standing(two) == standing(one)
    assert len(standing(two)["remarks"]) == 2
