"""CORAL as printed: it runs on anything, finds a planted root now and then, and stops by its own rule."""

import numpy as np
import pytest

from headwater.causal.faithful import faithful
from tests.causal.naive_causal import svar_rows

KPI = np.array([11])


def incident(seed: int, rows: int = 60) -> tuple[np.ndarray, np.ndarray, int]:
    """Quiet rows and an incident of a chain of 12 metrics whose last is the KPI, and the root."""
    rng = np.random.default_rng(seed)
    A = 0.4 * np.eye(12) + 0.7 * np.eye(12, k=1)
    root = int(rng.integers(0, 9))
    X = svar_rows(rng, A, 900 + rows, push=(root, 900, 8.0))
    return X[:900], X[900:], root


def test_before_the_incident_has_a_graph_the_walk_goes_up_the_invariant_one() -> None:
    history, window, _ = incident(0)
    found = faithful(history, window[:5], KPI)
    assert found.batches == 1
    assert not found.converged
    assert found.score.argmax() == 0, "the walk cannot stop where the fault is: it never looks at the metrics"
    assert found.score[11] == 0.0


def test_the_commutator_takes_over_and_the_stop_is_the_mixed_one() -> None:
    stopped, batches = 0, []
    for seed in range(6):
        history, window, _ = incident(seed, rows=200)
        found = faithful(history, window, KPI)
        stopped += found.converged
        batches.append(found.batches)
        assert found.score.sum() <= 1.0 + 1e-9
        assert not found.graph.W[11].any(), "a KPI causes nothing"
    assert stopped >= 5
    assert min(batches) >= 3, "the first batch has no predecessor, and two must agree"
    history, window, _ = incident(0, rows=200)
    first = faithful(history, window[:5], KPI).graph.W
    last = faithful(history, window, KPI).graph.W
    assert not np.array_equal(first, last), "the incident's own graph has been fused in"


def test_without_a_kpi_the_mean_of_all_metrics_stands_in() -> None:
    history, window, _ = incident(1)
    history, window = np.exp(history / 4), np.exp(window / 4)
    found = faithful(history, window, np.zeros(0, np.int64))
    assert found.score.shape == (12,)
    assert found.graph.W.shape == (13, 13)
    assert found.score.sum() > 0, "skewed metrics and their size go together"


@pytest.mark.parametrize("rows", [0, 1, 4, 17])
def test_it_runs_on_anything(rows: int) -> None:
    history, window, _ = incident(2)
    history, window = history[:30].copy(), window[:rows].copy()
    history[3, 2] = np.nan
    history[:, 5] = 1.0
    history[:, 6] = np.nan
    window[:, 7] = np.nan
    for kpi in (KPI, np.zeros(0, np.int64)):
        score = faithful(history, window, kpi).score
        assert np.isfinite(score).all()
