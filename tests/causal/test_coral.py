"""CORAL as a learner: its protocol, the laws, and whether it finds a planted root."""

from collections.abc import Callable

import numpy as np
import pytest
from river import compose, preprocessing
from river.checks import yield_checks

from headwater.causal.coral import Coral
from headwater.causal.explaining import explain_away
from headwater.causal.propagation import evidence_transitions, transitions, walk
from headwater.online import SnapshotError, encode
from tests.causal.naive_causal import svar_rows, tree

D = 6


def rows(seed: int = 0, T: int = 700, d: int = D) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return svar_rows(rng, tree(rng, d, 0.6), T) + 20


def to_bytes(coral: Coral) -> bytes:
    return encode(coral.snapshot(), kind="Coral", version=1)


def learned(X: np.ndarray, **settings: object) -> Coral:
    coral = Coral(**settings)
    coral.step(X)
    return coral


def in_pieces(learn: Callable[[np.ndarray], None], X: np.ndarray, size: int) -> None:
    for k in range(0, len(X), size):
        learn(X[k : k + size])


@pytest.mark.parametrize("size", [1, 5, 64, 700])
def test_pieces_of_any_size_give_the_same_bytes_in_quiet_and_in_an_incident(size: int) -> None:
    X = rows()
    X[100:110, 2] = np.nan
    coral, whole = Coral(refit=3), Coral(refit=3)
    whole.step(X[:600])
    in_pieces(coral.step, X[:600], size)
    assert to_bytes(coral) == to_bytes(whole)
    for learner in (coral, whole):
        learner.begin(4)
    whole.adapt(X[600:])
    in_pieces(coral.adapt, X[600:], size)
    assert whole._state.delta.shape[0] == D
    assert to_bytes(coral) == to_bytes(whole)


def test_discarded_rows_leave_no_trace_and_learned_ones_do() -> None:
    X = rows(1)
    fault = rows(2, T=25) * 40
    clean, discarded, late = learned(X), learned(X), learned(X)
    discarded.step(fault)
    late.step(fault)
    clean.begin(0)
    discarded.begin(25)
    late.begin(0)
    assert to_bytes(discarded) == to_bytes(clean)
    assert to_bytes(late) != to_bytes(clean)


def test_the_newest_rows_are_held_back() -> None:
    X, other = rows(3, T=600), rows(4, T=600)
    other[:570] = X[:570]
    one, two = (learned(Y, hold_back=30, block=10) for Y in (X, other))
    for a, b in zip(one._state.invariant, two._state.invariant, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one._quiet.covariances(), two._quiet.covariances())
    assert one._quiet.weight == pytest.approx(570, rel=0.02)


def test_an_incident_freezes_the_invariant_part_and_can_be_forgotten() -> None:
    X = rows(5)
    coral = learned(X[:600])
    coral.begin(0)
    before = coral.snapshot()
    assert not before["quiet.tail"].any(), "no product is formed across the incident"
    coral.adapt(X[600:] * 3)
    coral.adapt(X[600:] * 3)
    during = coral.snapshot()
    for name in ("theta", "causes", "own", "quiet.gamma", "quiet.mean"):
        np.testing.assert_array_equal(during[name], before[name])
    assert during["incident.weight"] > 100
    coral.end(learn=False)
    before["incident"] = False
    assert to_bytes(coral) == encode(before, kind="Coral", version=1)


def test_an_incident_that_stays_is_the_new_normal() -> None:
    X, sd = rows(6, T=1000), rows(6, T=600).std(axis=0)
    X[600:] += 8 * sd
    coral = learned(X[:600])
    coral.begin(0)
    coral.adapt(X[600:800])
    before = np.abs(coral.residuals(X[800:]).own).mean(axis=0)
    coral.end(learn=True)
    after = np.abs(coral.residuals(X[800:]).own).mean(axis=0)
    assert (after < before / 2).all()
    coral.step(X[800:])
    assert np.isfinite(coral.weights().W).all()


def test_the_protocol_is_kept() -> None:
    coral = learned(rows(7))
    for call in (lambda: coral.adapt(rows(7)), lambda: coral.end(learn=True)):
        with pytest.raises(RuntimeError, match="no incident has begun"):
            call()
    with pytest.raises(ValueError, match="not -1"):
        coral.begin(-1)
    coral.begin(3)
    with pytest.raises(RuntimeError, match="begun already"):
        coral.begin(3)
    with pytest.raises(RuntimeError, match="adapt"):
        coral.step(rows(7))


@pytest.mark.parametrize("incident", [False, True])
def test_a_restored_learner_goes_on_to_the_same_bytes(incident: bool) -> None:
    X = rows(8)
    coral, resumed = learned(X[:333]), Coral()
    if incident:
        coral.begin(2)
        coral.adapt(X[333:345])
    resumed.restore(coral.snapshot())
    for learner in (coral, resumed):
        (learner.adapt if incident else learner.step)(X[345:])
    assert to_bytes(resumed) == to_bytes(coral)


@pytest.mark.parametrize("other", [{"lags": 2}, {"candidates": 4}, {"hold_back": 5}, {"block": 16}])
def test_a_snapshot_of_other_settings_is_refused_and_changes_nothing(other: dict[str, int]) -> None:
    coral = learned(rows(9))
    before = to_bytes(coral)
    with pytest.raises(SnapshotError, match="expected shape"):
        coral.restore(learned(rows(10), **other).snapshot())
    with pytest.raises(SnapshotError, match="surprise"):
        coral.restore(coral.snapshot() | {"surprise": 1})
    assert to_bytes(coral) == before


def test_columns_appear_vanish_and_stay_constant() -> None:
    X = rows(11, d=9)
    coral = learned(X[:300, :5])
    X[:, 3] = 7.0
    X[350:, 0] = np.nan
    coral.step(X[300:600])
    narrow = coral.weights()
    coral.begin(0)
    X = np.column_stack([X, X[:, 1] * 1e9])
    coral.adapt(X[600:])
    grown = coral.weights()
    assert (narrow.W.shape, grown.W.shape) == ((9, 9), (10, 10))
    assert not grown.W[9].any(), "a metric first seen in the incident has no scale yet"
    assert np.isfinite(grown.W).all()
    e = coral.residuals(X[590:])
    assert e.own.shape == (len(X) - 593, 10)
    assert np.isnan(e.own[:, [0, 9]]).all()
    assert np.isfinite(e.own[:, 1:9]).all()
    with pytest.raises(ValueError, match="11 columns"):
        coral.residuals(np.zeros((9, 11)))


def test_reading_writes_nothing_and_memory_does_not_grow() -> None:
    X = rows(12)
    coral = learned(X)
    before = to_bytes(coral)
    coral.weights().W[:] = -1
    coral.residuals(X[:50]).own_scale[:] = -1
    coral.account(X[:50])
    assert to_bytes(coral) == before
    coral.step(rows(13, T=1500))
    assert len(to_bytes(coral)) == len(before)


def test_an_early_start_from_the_last_fit_ends_where_a_fit_from_nothing_does() -> None:
    X = rows(14, T=2000)
    often, once = learned(X, refit=1), learned(X, refit=10_000)
    assert not once._state.theta.any()
    for coral in (often, once):
        coral.begin(0)
    np.testing.assert_allclose(often.weights().W, once.weights().W, atol=1e-3)
    np.testing.assert_allclose(often._state.theta_scale, once._state.theta_scale, atol=1e-4)


def planted(seed: int) -> tuple[Coral, np.ndarray, int, int]:
    """A learned system of 20 metrics, the window of an incident, its root, and the KPI at the end of a long chain."""
    rng = np.random.default_rng(seed)
    A = tree(rng, 20, 0.65)
    above = np.linalg.matrix_power((A > 0).astype(float), 20) > 0
    kpi = int(above.sum(axis=0).argmax())
    root = int(rng.choice(np.flatnonzero(above[:, kpi] & (np.arange(20) != kpi))))
    X = svar_rows(rng, A, 1220, push=(root, 1200, 5.0))
    coral = learned(X[:1200])
    coral.begin(0)
    in_pieces(coral.adapt, X[1200:], 5)
    return coral, X[1200 - coral.lags :], root, kpi


def test_the_gate_lowers_descendants_and_the_evidence_leads_the_walk_to_a_planted_root() -> None:
    hits = np.zeros(4, int)
    for seed in range(25):
        coral, window, root, kpi = planted(seed)
        found, e = coral.account(window), coral.residuals(window)
        weight = 1 / (1 + np.arange(20) / 10)[:, None]
        abnormal = (weight * np.abs(window[3:] - window[:3].mean(axis=0)) / window.std(axis=0)).max(axis=0)
        strength = np.sqrt(abnormal * (weight * np.abs(e.own) / e.own_scale).max(axis=0))
        lowered, share, _ = explain_away(strength, found)
        innovation = (weight * np.abs(e.full) / e.full_scale).max(axis=0)
        W, start = coral.weights().W, np.eye(20)[kpi]
        plain, led = (walk(T, start) for T in (transitions(W), evidence_transitions(W, innovation)))
        plain[kpi] = led[kpi] = 0.0
        hits += [scores.argmax() == root for scores in (strength, lowered, plain, led)]
        assert not share[root], "the graph cannot predict what was pushed from outside"
    strength_hits, lowered_hits, plain_hits, led_hits = hits.tolist()
    assert lowered_hits > strength_hits
    assert led_hits > plain_hits
    assert lowered_hits >= 18


def test_rows_as_dicts_are_rows() -> None:
    X = rows(15, T=150)
    names = [f"svc{j}|cpu" for j in range(D)]
    dicts, block = Coral(), Coral()
    for row in X:
        dicts.learn_one(dict(zip(names, row.tolist(), strict=True)))
    block.step(X)
    assert dicts.columns == tuple(names)
    for name, value in block.snapshot().items():
        if name != "names":
            np.testing.assert_array_equal(dicts.snapshot()[name], value)
    dicts.learn_one({"new|errors": 1.0, names[2]: 5.0})
    assert dicts.columns == (*names, "new|errors")
    newest = dicts._state.held[dicts._state.filled - 1]
    np.testing.assert_array_equal(newest, [np.nan, np.nan, 5.0, np.nan, np.nan, np.nan, 1.0])


def test_an_offset_that_stood_before_the_incident_is_no_deviation_in_it() -> None:
    X = rows(16)
    coral = learned(X)
    coral.begin(0)
    offset = 6 * X.std(axis=0)
    window = rows(17, T=53) + offset
    by_mean, by_level = coral.account(window), coral.account(window, X.mean(axis=0) + offset)
    without = coral.account(window - offset, X.mean(axis=0)).explained
    np.testing.assert_allclose(by_level.explained, without, atol=1e-9)
    assert by_mean.explained.max() > without.max() + 0.2, "an old offset of all looks as if one drove the other"
    unknown = coral.account(window, np.full(D, np.nan))
    assert np.isfinite(unknown.explained).all()


def test_it_stands_at_the_end_of_a_river_pipeline_behind_a_scaler() -> None:
    X = rows(18, T=400)
    pipeline = compose.Pipeline(preprocessing.StandardScaler(), Coral(hold_back=0))
    for row in X * [1e-3, 1, 1e4, 1, 1, 1]:
        pipeline.learn_one({f"m{j}": value for j, value in enumerate(row.tolist())})
    behind, alone = pipeline["Coral"], learned(X, hold_back=0)
    for coral in (behind, alone):
        coral.begin(0)
    assert behind.columns == tuple(f"m{j}" for j in range(D))
    found, expected = behind.weights().W, alone.weights().W
    assert expected.max() > 0.2
    np.testing.assert_allclose(found[expected > 0.2], expected[expected > 0.2], atol=0.15)


def test_it_is_a_river_citizen() -> None:
    coral = Coral(penalty=0.05, fusion="commutator")
    assert not coral._supervised
    found = list(yield_checks(coral))
    assert len(found) > 10
    for check in found:
        check(coral.clone())
    twin = coral.clone()
    assert (twin.penalty, twin.fusion) == (0.05, "commutator")
    assert "penalty=0.05" in repr(coral)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("lags", 0),
        ("candidates", -1),
        ("penalty", 0.0),
        ("half_life", -5),
        ("hold_back", -1),
        ("block", 3),
        ("refit", 0),
        ("fusion", "sum"),
    ],
)
def test_bad_settings_are_named_with_their_value(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{setting} must .*{value}"):
        Coral(**{setting: value})
