"""False-discovery control of thousands of metrics: who is called anomalous, and whom the graph is given."""

import numpy as np
import pytest

from headwater.causal.columns import Columns, describe
from headwater.causal.suspects import Suspects, p_values, suspects

ROWS, WINDOW = 400, 12


def system(d: int, edges: tuple[tuple[str, str], ...] = ()) -> Columns:
    return describe([f"pod{j // 4}|m{j % 4}" for j in range(d)], edges)


def rows(seed: int, d: int) -> np.ndarray:
    """Metrics of four types with tails of their own, which remember a third of their last value."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(ROWS + WINDOW, d))
    noise[:, 1::4] = rng.standard_t(3, size=noise[:, 1::4].shape)
    for t in range(1, len(noise)):
        noise[t] += 0.3 * noise[t - 1]
    return noise


def found(X: np.ndarray, **settings: object) -> Suspects:
    return suspects(X[:ROWS], X[ROWS:], system(X.shape[1]), **settings)


@pytest.mark.parametrize("control", ["fdr_bh", "fdr_by"])
def test_a_quiet_window_is_quiet_and_a_fault_is_found(control: str) -> None:
    quiet, hits, false = 0, 0, 0
    for seed in range(8):
        X = rows(seed, 1200)
        quiet += found(X, control=control).found > 0
        X[ROWS:, 100:120:4] += 8.0
        p = found(X, control=control).p
        hits += int(np.isin(np.arange(100, 120, 4), np.argsort(p, kind="stable")[:5]).sum())
        false += max(0, found(X, control=control).found - 5)
    assert quiet <= 1
    assert hits >= 38
    assert false <= 4, "of 40 true ones, one in twenty"


def test_without_control_a_quiet_window_would_be_full_of_suspects() -> None:
    p = found(rows(0, 1200)).p
    assert (p <= 0.05).sum() > 20
    assert found(rows(0, 1200)).found == 0


def test_the_yekutieli_control_finds_no_more() -> None:
    X = rows(1, 800)
    X[ROWS:, ::40] += np.linspace(0, 6, 20)
    assert 0 < found(X, control="fdr_by").found <= found(X, control="fdr_bh").found


def test_a_bursty_type_does_not_crowd_out_the_others() -> None:
    X = rows(2, 1200)
    X[:, 2::4] *= np.where(np.random.default_rng(3).random((len(X), 300)) < 0.02, 50.0, 1.0)
    X[ROWS:, 8] += 7.0
    strongest = np.argsort(-found(X).strength)[:3]
    assert 8 in strongest


def test_kpis_come_first_then_the_anomalous_then_their_neighbours() -> None:
    X = rows(4, 1200)
    X[ROWS:, 40] += 9.0  # pod10
    columns = system(1200, (("pod7", "pod10"), ("pod10", "pod200")))
    kpi = np.array([999])
    some = suspects(X[:ROWS], X[ROWS:], columns, always=kpi)
    assert {999, 40, 28, 29, 30, 31, 800, 803} <= set(some.columns.tolist())
    assert len(some.columns) == 100, "filled up by rank"
    np.testing.assert_array_equal(some.columns, np.sort(some.columns))
    few = suspects(X[:ROWS], X[ROWS:], columns, always=kpi, most=2)
    assert few.columns.tolist() == [40, 999]


def test_missing_constant_and_young_metrics_are_no_trouble() -> None:
    X = rows(5, 60)
    X[:, 0] = np.nan
    X[:, 4] = 7.0
    X[:ROWS, 8] = 7.0
    X[ROWS + 3 :, 12] = np.nan
    some = found(X)
    assert np.isfinite(some.strength).all()
    assert some.strength[[0, 4]].tolist() == [0.0, 0.0]
    assert some.strength.argmax() == 8, "a metric that never moved has moved"
    short = suspects(X[:5], X[ROWS:], system(60))
    assert short.found == 0, "nothing to compare with, so nothing is significant"


def test_columns_are_judged_alike_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    X = rows(6, 700)
    whole = found(X).p
    monkeypatch.setattr("headwater.causal.suspects.CHUNK", 33)
    np.testing.assert_array_equal(found(X).p, whole)


def test_p_values_are_never_zero_and_never_above_one() -> None:
    p = p_values(np.array([-1.0, 9.0]), np.arange(4.0))
    assert p.tolist() == [1.0, 0.2]
    assert p_values(np.array([3.0]), np.zeros(0)).tolist() == [1.0]
