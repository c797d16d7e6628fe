"""Lagged moments: their definition, the semi-definite block matrix, and the laws of a learner."""

import numpy as np
import pytest

from headwater.causal.moments import LaggedMoments
from headwater.online import SnapshotError, encode
from tests.causal.naive_causal import svar_rows, tapered_moments, toeplitz, tree


def rows(seed: int = 0, T: int = 200, d: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return svar_rows(rng, tree(rng, d, 0.6), T) * 10.0 ** np.arange(d) + 100


def to_bytes(moments: LaggedMoments) -> bytes:
    return encode(moments.snapshot(), kind="LaggedMoments", version=1)


def test_gamma_is_the_tapered_sum_of_its_definition() -> None:
    X, moments, Z = rows(), LaggedMoments(lags=2, half_life=50, block=10, clip=2.0), []
    for block in np.split(X, 20):
        moments.step(block)
        Z.append(np.clip((block - moments.mean) / moments.sd, -2, 2))
    expected = tapered_moments(np.vstack(Z), 2, 2 ** (-1 / 50))
    np.testing.assert_allclose(moments.covariances() * moments.weight, expected, rtol=1e-9, atol=1e-9)
    assert moments.weight == pytest.approx(sum(2 ** (-age / 50) for age in range(200)))


def test_mean_and_spread_are_exponentially_weighted_over_what_was_there() -> None:
    X = rows(1)
    X[::3, 1] = np.nan
    moments = LaggedMoments(half_life=30, block=8)
    moments.step(X)
    weight = np.where(np.isnan(X), 0.0, 2.0 ** (-np.arange(len(X))[::-1, None] / 30))
    mean = np.nansum(weight * X, axis=0) / weight.sum(axis=0)
    var = np.nansum(weight * (X - mean) ** 2, axis=0) / weight.sum(axis=0)
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-9)
    # The recurrence weighs a deviation by its age alone, so it equals the batch formula.
    np.testing.assert_allclose(moments.sd, np.sqrt(var), rtol=1e-9)


def smallest_eigenvalue(gamma: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(toeplitz(gamma)).min())


def test_the_block_matrix_stays_semi_definite_and_its_twin_without_the_factor_does_not() -> None:
    X = np.cumsum(rows(2, T=60, d=6), axis=0)
    X[20:24, 2] = np.nan
    moments = LaggedMoments(lags=4, half_life=5, block=5)
    for k in range(0, 60, 10):
        moments.step(X[k : k + 10])
        moments.gap() if k == 30 else None
        assert smallest_eigenvalue(moments.covariances()) > -1e-9
    Z = (X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0)
    Z[np.isnan(Z)] = 0.0
    forget = 2 ** (-1 / 5)
    assert smallest_eigenvalue(tapered_moments(Z, 4, forget)) > -1e-9
    assert smallest_eigenvalue(tapered_moments(Z, 4, forget, balance=False)) < -1e-3


@pytest.mark.parametrize("size", [1, 7, 64, 200])
def test_pieces_of_any_size_give_the_same_bytes(size: int) -> None:
    X = rows(3)
    X[5:9, 0] = np.nan
    whole, pieces = LaggedMoments(block=9), LaggedMoments(block=9)
    whole.step(X)
    for k in range(0, len(X), size):
        pieces.step(X[k : k + size])
    assert to_bytes(pieces) == to_bytes(whole)


def test_columns_that_appear_later_leave_the_others_as_they_were() -> None:
    X = rows(4, d=5)
    narrow, grown = LaggedMoments(block=16), LaggedMoments(block=16)
    narrow.step(X[:, :3])
    grown.step(X[:100, :3])
    grown.step(X[100:])
    grown.step(np.zeros((0, 2)))  # and narrower rows only lack the rest
    np.testing.assert_array_equal(grown.covariances()[:, :3, :3], narrow.covariances())
    assert grown.width == 5
    assert grown.seen[4] < grown.seen[0]


def test_what_is_no_measurement_counts_as_missing() -> None:
    X = rows(5)
    odd, missing = LaggedMoments(), LaggedMoments()
    for learner, values in ((odd, (np.inf, -np.inf, 1e300)), (missing, (np.nan,) * 3)):
        Y = X.copy()
        Y[50:53, 0] = values
        learner.step(Y)
    assert to_bytes(odd) == to_bytes(missing)
    assert np.isfinite(odd.covariances()).all()


def test_constant_and_absent_metrics_have_moments_of_zero_and_a_usable_scale() -> None:
    X = np.column_stack([np.full(64, 7.0), np.zeros(64), np.full(64, np.nan)])
    moments = LaggedMoments()
    moments.step(X)
    assert not moments.covariances().any()
    np.testing.assert_allclose(moments.sd, [7e-3, 1.0, 1.0])


def test_a_gap_forms_no_product_across_it() -> None:
    X = rows(6, T=40)
    joined, cut, parts = LaggedMoments(block=20), LaggedMoments(block=20), LaggedMoments(block=20)
    joined.step(X)
    cut.step(X[:20])
    cut.gap()
    cut.step(X[20:])
    assert to_bytes(joined) != to_bytes(cut)
    parts.step(X[:20])
    parts.gap()
    parts.step(np.full((3, 4), np.nan))  # rows of which nothing is known separate as well
    parts.flush()
    parts.step(X[20:])
    forget = 2 ** (-1 / 20_000)
    np.testing.assert_allclose(cut._state.gamma[1:], parts._state.gamma[1:], rtol=1e-2)
    assert parts.weight == pytest.approx(cut.weight + forget**20 * 3, rel=1e-3)


def test_a_level_shift_is_no_product_when_blocks_are_centred() -> None:
    X = np.random.default_rng(7).normal(size=(400, 2))
    X[320:] += 50.0
    centred, plain = LaggedMoments(block=8, local=True), LaggedMoments(block=8)
    plain.step(X)
    centred.step(X)
    assert plain.covariances()[1, 0, 1] > 0.5
    assert abs(centred.covariances()[1, 0, 1]) < 0.2


def test_absorbing_an_incident_moves_the_level_and_keeps_the_scale() -> None:
    moments, incident = LaggedMoments(), LaggedMoments(local=True, block=8)
    X = rows(9, T=320)
    moments.step(X)
    sd = moments.sd
    incident.step((X + 5 * sd - moments.mean) / sd)
    before = moments.mean
    moments.absorb(incident, sd)
    np.testing.assert_allclose(moments.mean, before + 5 * sd, rtol=1e-3)
    np.testing.assert_array_equal(moments.sd >= sd, True)
    assert moments.weight == pytest.approx(640, rel=0.02)
    assert smallest_eigenvalue(moments.covariances()) > -1e-9


def test_a_restored_learner_goes_on_to_the_same_bytes() -> None:
    X = rows(10)
    whole, resumed = LaggedMoments(), LaggedMoments()
    whole.step(X[:90])
    resumed.restore(whole.snapshot())
    for learner in (whole, resumed):
        learner.step(X[90:])
    assert to_bytes(resumed) == to_bytes(whole)


def test_a_snapshot_of_other_lags_is_refused_and_changes_nothing() -> None:
    moments, other = LaggedMoments(lags=3), LaggedMoments(lags=2)
    moments.step(rows(11))
    other.step(rows(12))
    before = to_bytes(moments)
    with pytest.raises(SnapshotError, match="gamma"):
        moments.restore(other.snapshot())
    assert to_bytes(moments) == before


def test_reading_writes_nothing_and_the_rows_are_left_alone() -> None:
    X, moments = rows(13), LaggedMoments()
    kept = X.copy()
    moments.step(X)
    before = to_bytes(moments)
    moments.covariances()[:] = 0.0
    moments.mean[:] = moments.seen[:] = 0.0
    X[:] = -1.0
    assert to_bytes(moments) == before
    twin = LaggedMoments()
    twin.step(kept)
    assert to_bytes(twin) == before


def test_memory_does_not_grow_with_rows() -> None:
    moments = LaggedMoments()
    moments.step(rows(14))
    size = len(to_bytes(moments))
    moments.step(rows(15, T=2000))
    assert len(to_bytes(moments)) == size


@pytest.mark.parametrize(
    ("setting", "value"), [("lags", 0), ("half_life", 0.0), ("half_life", np.nan), ("clip", -1.0), ("block", 3)]
)
def test_bad_settings_are_named_with_their_value(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{setting} must .*{value}"):
        LaggedMoments(**{setting: value})
