"""The subspace in L x L Gram form against the full SVD of the stacked Page matrix, folds included."""

import numpy as np
import pytest

from headwater.benchmarks.peers.mssa_released import page_matrix, rank_by_singular_values
from headwater.detectors.page import learn, rank_of, residuals, statistic_of
from headwater.online import Block
from tests.detectors.naive_trigger import stacked_page_matrix

L = 8


def waves(T: int = 400, d: int = 3) -> Block:
    t = np.arange(T)[:, None]
    return np.sin(2 * np.pi * t / 13 + np.arange(d)) + 0.3 * np.random.default_rng(2).normal(size=(T, d))


def left(page: Block) -> Block:
    return np.linalg.svd(page, full_matrices=True)[0]


def test_both_twins_stack_the_same_page_matrix() -> None:
    np.testing.assert_array_equal(page_matrix(waves(), L), stacked_page_matrix(waves(), L))


@pytest.mark.parametrize("rank", [1, 3, 0.5, 0.95])
def test_rank_is_counted_in_singular_values(rank: float) -> None:
    page = stacked_page_matrix(waves(), L)
    expected = rank if rank >= 1 else rank_by_singular_values(page, rank)
    assert rank_of(page @ page.T, rank) == expected


def test_squares_of_singular_values_would_give_another_rank() -> None:
    page = stacked_page_matrix(waves(), L)
    energy = np.cumsum(np.linalg.svd(page, compute_uv=False) ** 2)
    assert rank_of(page @ page.T, 0.95) > int(np.argmax(energy > 0.95 * energy[-1])) + 1


def test_complement_is_that_of_the_full_svd() -> None:
    found = learn(waves(), L, metrics=3, rank=2, released=False).complement
    apart = left(stacked_page_matrix(waves(), L))[:, 2:]
    np.testing.assert_allclose(found @ found.T, apart @ apart.T, atol=1e-9)


@pytest.mark.parametrize("released", [True, False])
def test_c_and_eps_are_those_of_full_svds_of_every_fold(released: bool) -> None:
    rows = waves(80)  # ten windows: a fold holds one of them out, and 500 draws are all of them
    page = stacked_page_matrix(rows, L)
    values = []
    for k in range(10):
        held = slice(3 * k, 3 * k + 3)
        apart = left(np.delete(page, np.r_[held], axis=1))[:, 2:]
        norms = np.linalg.norm(apart.T @ page[:, held], axis=0)
        values.append(norms.sum() ** 2 if released else (norms**2).sum())
    u, s, vt = np.linalg.svd(page)
    noise = u[:, 2:] @ np.diag(s[2:]) @ vt[2:L]
    found = learn(rows, L, metrics=3, rank=2, released=released)
    assert found.largest == pytest.approx(max(values))
    assert found.drift == pytest.approx(max(values) + 3 * (L - 2) * noise.var(ddof=1))
    assert found.tail[0] == pytest.approx(np.quantile(values, 0.8))


def test_released_code_does_not_look_where_a_fold_shows_nothing() -> None:
    rows = waves(8 * L, 1)  # eight windows of one metric: a fold has seven columns for eight dimensions
    full, reduced = (learn(rows, L, metrics=1, rank=1, released=released) for released in (False, True))
    assert reduced.largest < full.largest
    page = stacked_page_matrix(rows, L)
    apart = [np.linalg.svd(np.delete(page, k, 1), full_matrices=False)[0][:, 1:] for k in range(8)]
    assert reduced.largest == pytest.approx(max(np.linalg.norm(u.T @ page[:, k]) ** 2 for k, u in enumerate(apart)))


def test_a_metric_of_zeros_changes_no_bit() -> None:
    beside = np.hstack([waves(), np.zeros((400, 1))])
    one, other = (learn(rows, L, metrics=3, rank=0.5, released=False) for rows in (waves(), beside))
    assert (one.drift, one.largest, one.tail) == (other.drift, other.largest, other.tail)
    np.testing.assert_array_equal(one.complement, other.complement)


def test_statistics_of_a_window() -> None:
    apart = left(stacked_page_matrix(waves(), L))[:, 2:]
    squared = residuals(waves()[:L], np.ascontiguousarray(apart))
    np.testing.assert_allclose(np.sqrt(squared), np.linalg.norm(apart.T @ waves()[:L], axis=0))
    assert statistic_of(squared, False) == pytest.approx(squared.sum())
    assert statistic_of(squared, True) == pytest.approx(np.sqrt(squared).sum() ** 2)
