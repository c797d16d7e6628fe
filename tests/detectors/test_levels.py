"""Levels and the two statistics against their definitions, written row by row."""

import numpy as np
import pytest

from headwater.detectors.levels import ECHO, RATES, REACH, Span, depart, lone, runs
from headwater.online import Block
from tests.detectors.naive_trigger import dense_statistic, innovations, rests

T, D = 300, 4


def rows(seed: int = 4) -> Block:
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(T, D)) * [1.0, 2.0, 5.0, 0.1] + [0.0, 7.0, -3.0, 1.0]
    X[draw.random(X.shape) < 0.1] = np.nan
    X[50, 0], X[60, 1], X[150:, 2] = 1e15, np.inf, 900.0
    return X


def span(seed: int = 2) -> Span:
    draw = np.random.default_rng(seed)
    spans, jumps, units = (draw.uniform(0.2, 2.0, size=size) for size in (D, (3, D), (3, D)))
    scale = np.array([1.0, 2.0, 5.0, 0.1])
    return Span(np.array([0.0, 7.0, -3.0, 1.0]), scale, spans, jumps, units, np.full((2, 3), 4.0), np.full((2, 3), 0.5))


def departed(X: Block, known: Span) -> tuple[Block, Block, Block]:
    """Innovations, the middle level before each row, and the dense statistic."""
    level, Y, g = np.repeat(known.centre[None], 3, axis=0), np.empty((len(X), 4, D)), np.empty(len(X))
    depart(X, known, level, Y, g)
    return Y[:, :3], Y[:, 3], g


def departures(X: Block, known: Span) -> Block:
    return departed(X, known)[0]


def test_innovations_are_what_the_levels_before_did_not_foresee() -> None:
    known = span()
    expected = innovations(rows(), known.centre, known.scale, RATES, REACH, ECHO)
    np.testing.assert_allclose(departures(rows(), known), expected, rtol=1e-10, atol=1e-12)


def test_a_wild_sample_echoes_no_further_than_it_may() -> None:
    found = departures(rows(), span())
    assert found[50, 0, 0] > 90.0  # it is heard in full
    assert abs(found[51, :, 0]).max() < ECHO + 5.0  # and moved no level by more than five standard deviations


def test_a_metric_without_a_scale_says_nothing() -> None:
    known = span()
    known.scale[1] = np.nan
    assert (departures(rows(), known)[:, :, 1] == 0.0).all()


def test_the_statistics_are_their_definitions() -> None:
    known, sparse = span(), np.empty(D)
    Y, _, dense = departed(rows(), known)
    for y, g in list(zip(Y, dense, strict=True))[::7]:
        assert g == pytest.approx(dense_statistic(y, known.spans, known.jumps, known.caps, known.gains), rel=1e-12)
        lone(y, known, sparse)
        np.testing.assert_allclose(sparse, (y**2 * known.units).max(axis=0))


def test_the_level_before_a_row_is_what_its_innovation_departs_from() -> None:
    X, known = rows(), span()
    Y, before, _ = departed(X, known)
    near = np.clip(X, known.centre - REACH * known.scale, known.centre + REACH * known.scale)
    there = np.isfinite(X)
    np.testing.assert_allclose((near - before)[there], Y[:, 1][there])
    assert (before[151:, 2] > before[150, 2]).all()  # it follows


def test_many_metrics_add_up_as_few_do() -> None:
    wide = [np.repeat(part, 5, axis=-1) if part.shape[-1] == D else part for part in span()]
    Y, g = np.empty((T, 4, 5 * D)), np.empty(T)
    known = Span(*wide[:5], span().caps, span().gains)
    depart(np.repeat(rows(), 5, axis=1), known, np.repeat(known.centre[None], 3, axis=0), Y, g)
    np.testing.assert_allclose(g, 5.0 * departed(rows(), span())[2])


def test_one_metric_adds_no_more_than_its_cap() -> None:
    X = span().centre[None].copy()
    X[0, 2] += 1e6
    assert departed(X, span())[2][0] == pytest.approx(0.5 * 4.0 + 0.5 * 4.0)


def test_rests_are_counted_over_present_samples() -> None:
    X = np.round(rows() / [3.0, 3.0, 3.0, 0.1])
    X[100:140, 3] = 55.0
    run, last, longest = np.zeros(D, np.int64), np.full(D, np.nan), np.zeros(D, np.int64)
    runs(X, run, last, longest)
    found = [rests(X[:, n]) for n in range(D)]
    assert [list(both) for both in zip(run.tolist(), longest.tolist(), strict=True)] == found
    assert longest[3] == 39
