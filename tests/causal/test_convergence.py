"""Rank-biased overlap, Jensen-Shannon similarity, and the machine that says stop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from headwater.causal.convergence import Convergence, graph_similarity, list_similarity

EDGE = np.array([[0.0, 1.0], [0.0, 0.0]])
BAD = [("threshold", 1.0), ("threshold", 0.0), ("hits", 0), ("depth", 0), ("stop", "graphs"), ("alpha", 1.5)]
names = st.permutations(list("abcdefghijkl")).flatmap(lambda x: st.integers(1, 12).map(lambda n: x[:n]))


def naive_rbo(a: list[str], b: list[str], p: float = 0.9) -> float:
    """The infinite sum, with lists of one length, whose last agreement goes on for ever."""
    n = len(a)
    agree = [len(set(a[: min(k, n)]) & set(b[: min(k, n)])) / min(k, n) for k in range(1, 2000)]
    return sum((1 - p) * p ** (k - 1) * x for k, x in enumerate(agree, 1))


@given(names, names)
def test_list_similarity_equals_the_infinite_sum_and_is_symmetric(a: list[str], b: list[str]) -> None:
    similarity = list_similarity(a, b, depth=12)
    assert similarity == pytest.approx(list_similarity(b, a, depth=12))
    assert -1e-12 <= similarity <= 1 + 1e-12
    n = min(len(a), len(b))
    assert list_similarity(a[:n], b[:n], depth=12) == pytest.approx(naive_rbo(a[:n], b[:n]))


def test_list_similarity_of_known_lists() -> None:
    assert list_similarity(list("abc"), list("abc")) == pytest.approx(1)
    assert list_similarity(list("abc"), list("xyz")) == 0
    assert list_similarity([], []) == 1
    assert list_similarity(["a"], []) == 0
    assert list_similarity(["a"], ["a", "b", "c"]) == pytest.approx(1), "the shorter list is a prefix"
    assert list_similarity(list("abc"), list("abd"), depth=2) == pytest.approx(1), "beyond the depth nothing counts"


@pytest.mark.parametrize("seed", range(3))
def test_graph_similarity_is_one_minus_the_divergence(seed: int) -> None:
    W, V = np.random.default_rng(seed).random((2, 5, 5)) ** 4
    assert graph_similarity(W, V) == pytest.approx(1 - jensenshannon(W.ravel(), V.ravel(), base=2) ** 2)
    assert graph_similarity(W, 3 * W) == pytest.approx(1), "only the shape counts"


def test_graph_similarity_of_empty_and_grown_graphs() -> None:
    none = np.zeros((2, 2))
    assert graph_similarity(none, none) == 1
    assert graph_similarity(none, EDGE) == 0
    assert graph_similarity(EDGE, EDGE.T) == 0
    assert graph_similarity(EDGE, np.pad(EDGE, (0, 3))) == 1


def test_a_miss_starts_the_count_again() -> None:
    stop = Convergence(hits=2)
    a, b = list("abcd"), list("badc")
    verdicts = [stop.update(ranking, EDGE).converged for ranking in (a, a, b, b, b, a)]
    assert verdicts == [False, False, False, False, True, False]


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_a_new_first_name_is_never_agreement(n: int) -> None:
    a = [str(k) for k in range(n)]
    stop = Convergence(hits=1)
    stop.update(a, EDGE)
    assert not stop.update([a[1], a[0], *a[2:]], EDGE).converged
    assert stop.update([a[1], a[0], *a[2:]], EDGE).converged


def test_the_graph_is_reported_and_decides_only_as_printed() -> None:
    ours, printed = Convergence(hits=1), Convergence(hits=1, stop="coral")
    for stop in (ours, printed):
        assert stop.update(list("abc"), EDGE) == (0.0, 0.0, 0.0, False)
    assert ours.update(list("abc"), EDGE.T) == (pytest.approx(1), 0.0, pytest.approx(0.5), True)
    assert printed.update(list("abc"), EDGE.T) == (pytest.approx(1), 0.0, pytest.approx(0.5), False)
    assert printed.update(list("abc"), EDGE.T).converged


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_mix_is_equation_22(alpha: float) -> None:
    W, V = np.random.default_rng(0).random((2, 4, 4))
    stop = Convergence(stop="coral", alpha=alpha, hits=1, threshold=0.8)
    stop.update(list("abcd"), W)
    verdict = stop.update(list("abdc"), V)
    expected = alpha * graph_similarity(W, V) + (1 - alpha) * list_similarity("abcd", "abdc")
    assert verdict.mixed == pytest.approx(expected)
    assert verdict.converged == (expected > 0.8)


def test_a_restored_machine_goes_on_equally() -> None:
    stop, resumed = Convergence(), Convergence()
    stop.update(list("abc"), EDGE)
    stop.update(list("abc"), EDGE)
    resumed.restore(stop.snapshot())
    assert resumed.update(list("abc"), EDGE) == stop.update(list("abc"), EDGE)
    assert stop.update(list("abc"), EDGE).converged


@pytest.mark.parametrize(("setting", "value"), BAD)
def test_bad_settings_are_named_with_their_value(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{setting} must .*{value}"):
        Convergence(**{setting: value})
