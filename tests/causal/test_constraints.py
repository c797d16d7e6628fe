"""What is known of edges beforehand: standing, prices, and what a call graph expects."""

import numpy as np
import pytest

from headwater.causal.columns import describe
from headwater.causal.constraints import CONFIRMED, EXPECTED, FORBIDDEN, FREE, expected_edges, prices, standing
from headwater.causal.svar import Svar, own_lags, screen
from tests.causal.naive_causal import padded_moments, svar_rows, tree

P = 2


def test_verdicts_come_before_the_topology_and_hard_forbids_what_soft_only_does_not_prefer() -> None:
    expected = np.array([[0, 1, 1], [0, 0, 0], [0, 0, 0]], bool)
    verdicts = np.zeros((3, 3), np.int8)
    verdicts[0, 1], verdicts[2, 0] = -1, 1
    soft = standing(expected, verdicts, informed=True, prior="soft")
    hard = standing(expected, verdicts, informed=True, prior="hard")
    for found in (soft, hard):
        assert (found[0, 1], found[2, 0], found[0, 2]) == (FORBIDDEN, CONFIRMED, EXPECTED)
    assert (soft[1, 2], hard[1, 2]) == (FREE, FORBIDDEN)
    without = standing(expected, verdicts, informed=False, prior="hard")
    assert (without[0, 1], without[2, 0], without[0, 2], without[1, 2]) == (FORBIDDEN, CONFIRMED, FREE, FREE)


def test_an_edge_is_the_cheaper_the_better_it_is_known_and_own_lags_have_their_price() -> None:
    known = np.array([[FREE, FREE], [EXPECTED, FREE]], np.int8)
    candidates = np.array([[0, 1, 1 * P, 1 * P + 1], [P, P + 1, 0, -1]])
    np.testing.assert_allclose(prices(known, candidates, P, 0.1), [[0.02, 0.02, 0.02, 0.02], [0.02, 0.02, 0.1, 0.1]])
    known[1, 0] = CONFIRMED
    assert 0 < prices(known, candidates, P, 0.1)[0, 2] < 0.02


def test_screening_prefers_the_expected_takes_the_confirmed_and_leaves_out_the_forbidden() -> None:
    rng = np.random.default_rng(0)
    gamma = padded_moments(svar_rows(rng, tree(rng, 20, 0.7), 1500), P)
    scale = np.sqrt(np.diagonal(gamma[0]))
    nothing = Svar(own_lags(20, P), np.zeros((20, P)), np.ones(20))

    def causes(known: np.ndarray, keep: Svar = nothing) -> list[set[int]]:
        return [set((row[P:][row[P:] >= 0] // P).tolist()) for row in screen(gamma, scale, keep, 4, known)]

    free = causes(np.zeros((20, 20), np.int8))
    known = np.zeros((20, 20), np.int8)
    for j in range(20):
        weak = next(i for i in range(20) if i not in free[j] and i != j)
        known[weak, j], known[next(iter(free[j])), j] = CONFIRMED, FORBIDDEN
    for j, chosen in enumerate(causes(known)):
        assert set(np.flatnonzero(known[:, j] == CONFIRMED)) <= chosen
        assert not set(np.flatnonzero(known[:, j] == FORBIDDEN)) & chosen
    strong = Svar(np.array([[min(s) * P] for s in free]), np.ones((20, 1)), np.ones(20))
    never = np.full((20, 20), FORBIDDEN, np.int8)
    assert not any(causes(never, strong)), "not even what has had weight so far"
    preferred = np.where(np.random.default_rng(1).random((20, 20)) < 0.3, EXPECTED, FREE).astype(np.int8)
    gained = sum(len(c & set(np.flatnonzero(preferred[:, j] == EXPECTED))) for j, c in enumerate(causes(preferred)))
    assert gained > sum(len(c & set(np.flatnonzero(preferred[:, j] == EXPECTED))) for j, c in enumerate(free))


@pytest.mark.parametrize(
    ("cause", "effect", "allowed"),
    [
        ("front|latency_s", "front|cpu", True),  # inside a service
        ("back|latency_s", "front|latency_s", True),  # from callee to caller
        ("front|latency_s", "back|latency_s", False),
        ("front|requests", "back|cpu", True),  # load goes down
        ("back|requests", "front|cpu", True),
        ("other|cpu", "front|cpu", False),
        ("other|cpu", "back|cpu", False),
        ("front|NodeCpu", "other|cpu", True),  # of a shared node
        ("other|cpu", "__front__|latency_s", True),  # nobody's
        ("edge:front>back|latency_s", "front|cpu", True),  # an edge's column belongs to the callee
        ("front|cpu", "edge:front>back|latency_s", False),
    ],
)
def test_a_call_graph_says_where_trouble_and_load_may_travel(cause: str, effect: str, allowed: bool) -> None:
    names = ["front|latency_s", "front|cpu", "front|requests", "front|NodeCpu", "back|latency_s", "back|cpu"]
    names += ["back|requests", "other|cpu", "__front__|latency_s", "edge:front>back|latency_s"]
    edges = expected_edges(describe(names))
    assert edges is not None
    assert edges[names.index(cause), names.index(effect)] == allowed
    assert expected_edges(describe(names[:-1])) is None, "no calls, no topology"
