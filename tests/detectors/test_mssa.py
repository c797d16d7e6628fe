"""The subspace in L x L Gram form against the full SVD of the stacked Page matrix."""

import numpy as np
import pytest

from headwater.detectors.mssa import choose_rank, complement, energies, page_grams, predictor, push, settling, subspace
from headwater.online import Block
from tests.detectors.naive_trigger import next_by_recurrence, signal_subspace, squared_distances, stacked_page_matrix

L = 8


def waves(T: int = 403, d: int = 3) -> Block:
    t = np.arange(T)[:, None]
    return np.sin(2 * np.pi * t / 13 + np.arange(d)) + 0.3 * np.random.default_rng(2).normal(size=(T, d))


def test_the_grams_of_all_blocks_sum_to_that_of_the_page_matrix() -> None:
    page = stacked_page_matrix(waves(), L)
    np.testing.assert_allclose(page_grams(waves(), L).sum(axis=0), page @ page.T)


def test_leaving_a_fold_out_is_subtracting_its_gram() -> None:
    grams = page_grams(waves(), L)
    without = np.vstack([waves()[: 10 * L], waves()[20 * L :]])
    page = stacked_page_matrix(without, L)
    np.testing.assert_allclose(grams.sum(axis=0) - grams[10:20].sum(axis=0), page @ page.T, atol=1e-9)


def test_a_missing_value_counts_as_the_mean() -> None:
    rows = waves()
    rows[5, 1] = np.nan
    filled = rows.copy()
    filled[5, 1] = 0.0
    np.testing.assert_array_equal(page_grams(rows, L), page_grams(filled, L))


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_subspace_is_that_of_the_full_svd(rank: int) -> None:
    U = subspace(page_grams(waves(), L).sum(axis=0), rank)
    naive = signal_subspace(stacked_page_matrix(waves(), L), rank)
    np.testing.assert_allclose(U.T @ U, np.eye(rank), atol=1e-10)
    np.testing.assert_allclose(U @ U.T, naive @ naive.T, atol=1e-8)


@pytest.mark.parametrize("rank", [1, 3])
def test_energy_of_the_whole_window_is_its_squared_distance(rank: int) -> None:
    rows = waves()
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    U = subspace(page_grams((rows - mean) / scale, L).sum(axis=0), rank)
    unlimited, unbroken = np.full(3, np.inf), np.zeros(rows.shape, np.bool_)
    found, _ = energies(rows, unbroken, mean, scale, unlimited, predictor(U), complement(U))
    for t in range(L, 60):
        window = (rows[t - L + 1 : t + 1] - mean) / scale
        np.testing.assert_allclose(found[t], squared_distances(window, U), atol=1e-10)


@pytest.mark.parametrize("rank", [1, 3])
def test_prediction_puts_the_window_nearest_to_the_subspace(rank: int) -> None:
    U = subspace(page_grams(waves(), L).sum(axis=0), rank)
    past = waves()[40 : 40 + L - 1, 0]
    assert predictor(U) @ past == pytest.approx(next_by_recurrence(past, U))


def test_a_prediction_follows_the_level() -> None:
    assert predictor(subspace(np.eye(L), 1)) == pytest.approx(np.full(L - 1, 1 / (L - 1)))


def test_rank_is_one_for_noise_and_more_for_waves() -> None:
    noise = np.random.default_rng(4).normal(size=(800, 5))
    assert choose_rank(noise, L) == 1
    assert choose_rank(waves(800), L) == 3  # a wave has two directions, beside the level


def test_a_wild_sample_enters_the_window_at_its_limit() -> None:
    window, ahead = np.zeros(L), np.full(L - 1, 1 / (L - 1))
    assert push(window, 1e6, 0.0, ahead, 2.0) == 0.0
    assert window[-1] == 2.0
    assert push(window, 1.0, 0.0, ahead, 2.0) == pytest.approx(2.0 / (L - 1))
    assert window[-2:].tolist() == [2.0, 1.0]


LEVEL = (np.zeros(1), np.ones(1), np.full(1, 1.5), predictor(subspace(np.eye(L), 1)), np.empty((0, L)))


def run(rows: Block, *breaks: int) -> tuple[Block, Block]:
    broken = np.zeros(rows.shape, np.bool_)
    broken[list(breaks)] = True
    return energies(rows, broken, *LEVEL)


def test_a_window_holds_present_samples_only() -> None:
    rows = waves(100, 1)
    gaps = np.insert(rows, [20, 20, 51], np.nan, axis=0)
    np.testing.assert_array_equal(run(gaps)[0][np.isfinite(gaps)], run(rows)[0].ravel())


def test_a_window_begins_anew_after_a_break() -> None:
    rows = waves(100, 1)
    rows[50:] += 40.0
    rows[45:55] = np.nan
    assert np.nanmax(run(rows)[0]) > 1000.0
    assert np.nanmax(run(rows, 50)[0]) < 20.0
    np.testing.assert_array_equal(run(rows, 50)[0][55:], run(rows[55:])[0])


def test_a_new_window_settles_before_it_is_judged() -> None:
    assert settling(predictor(subspace(np.eye(L), 1))) == 1  # a constant is in the subspace
    assert settling(predictor(subspace(page_grams(waves(), L).sum(axis=0), 3))) == L


def test_repeats_are_told() -> None:
    rows = np.array([[1.0], [1.0], [2.0], [np.nan], [2.0], [1.0]])
    assert run(rows)[1].ravel().tolist() == [False, True, False, False, True, False]
