"""Planted faults are what they say, and the script that fits the confidence fits."""

import numpy as np
import pytest

from headwater.benchmarks.synthetic import host
from headwater.benchmarks.synthetic.cases import CASES, case
from headwater.benchmarks.synthetic.fitting import FITTED, TESTED, Sample, fitted
from headwater.benchmarks.synthetic.host import Host
from headwater.benchmarks.synthetic.noise import METRICS, Recorded, generated, lively, real
from headwater.benchmarks.synthetic.planted import HISTORY, ROWS


@pytest.mark.parametrize("name", CASES)
def test_every_case_makes_a_window_whose_fault_is_known(name: str) -> None:
    what = case(name, 5, generated)
    d = len(what.columns.names)
    assert what.history.shape == (HISTORY, d)
    assert what.window.shape == (ROWS, d)
    assert not np.isinf(what.history).any()
    assert len(what.metrics) == (CASES[name].kind == "measured")
    assert bool(what.truth) == (CASES[name].kind == "measured")
    again, other = case(name, 5, generated), case(name, 6, generated)
    assert again.window.tobytes() == what.window.tobytes()
    assert other.window.tobytes() != what.window.tobytes()


def test_a_fault_begins_with_the_window_and_not_before() -> None:
    for seed in range(6):
        calm, hit = (host.plant(Host(faulty=faulty), seed, generated) for faulty in (False, True))
        np.testing.assert_array_equal(calm.history, hit.history)
        moved = (calm.window != hit.window).any(axis=0)
        root = hit.names.index(hit.roots[0])
        assert calm.window[0, root] != hit.window[0, root]
        assert moved.sum() >= 2, "something must follow it"
        assert not calm.roots


def test_effects_come_after_their_causes_and_outgrow_them_where_edges_are_steep() -> None:
    louder = 0
    for seed in range(10):
        calm, hit, steep = (host.plant(what, seed, generated) for what in (Host(faulty=False), Host(), Host(steep=3.0)))
        root = hit.names.index(hit.roots[0])
        first = [
            np.flatnonzero(a != b)[0] if (a != b).any() else ROWS
            for a, b in zip(calm.window.T, hit.window.T, strict=True)
        ]
        assert first[root] == 0
        assert min(np.delete(first, root)) >= 1
        size = np.abs(steep.window - steep.history.mean(axis=0)).max(axis=0) / steep.history.std(axis=0)
        louder += size.argmax() != root
    assert louder >= 8


def test_what_is_hidden_silent_or_missing_is_so() -> None:
    whole, hidden = host.plant(Host(), 3, generated), host.plant(Host(hidden=True), 3, generated)
    assert set(whole.names) - set(hidden.names) == set(whole.roots)
    assert not hidden.roots
    silent = host.plant(Host(silent=True), 3, generated)
    root = silent.names.index(silent.roots[0])
    assert np.isnan(silent.window[:, root]).all()
    assert np.isfinite(silent.history[:, root]).all()
    gaps = host.plant(Host(missing=0.1), 3, generated)
    assert 0.05 < np.isnan(gaps.history).mean() < 0.12
    assert np.isfinite(gaps.window[-1]).all()


def test_a_wrong_date_puts_the_first_row_into_the_history_or_a_calm_one_into_the_window() -> None:
    for seed, first in ((4, 0), (5, 1)):
        calm, hit = (host.plant(Host(faulty=faulty, misdated=True), seed, generated) for faulty in (False, True))
        root = hit.names.index(hit.roots[0])
        assert (calm.history[-1, root] != hit.history[-1, root]) == (seed % 2 == 0)
        assert np.flatnonzero(calm.window[:, root] != hit.window[:, root])[0] == first


def test_a_symptom_grows_on_its_way_to_the_front() -> None:
    def rise(name: str) -> float:
        whats = [case(name, seed, generated) for seed in range(4)]
        return float(
            np.mean([what.window[:, what.kpi[0]].mean() - what.history[:, what.kpi[0]].mean() for what in whats])
        )

    assert rise("calls_amplifying") > 1.3 * rise("calls") > rise("healthy_calls") * 5


def test_made_noise_has_metrics_of_every_kind_and_real_noise_keeps_its_own_dynamics() -> None:
    rng = np.random.default_rng(0)
    X = generated(rng, 4000, False)
    assert X.shape == (4000, METRICS)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    tails = (Z**4).mean(axis=0)
    assert tails.min() < 3.5
    assert tails.max() > 10
    assert len(lively(X)) > 15
    walk = np.cumsum(rng.normal(size=(5000, 3)), axis=0)
    noise = real([Recorded("walk", walk)])
    broken, whole = (noise(np.random.default_rng(1), 500, confounded) for confounded in (False, True))
    assert np.abs(np.diff(broken, axis=0)).max() < 6  # rows still follow each other
    at = int(np.flatnonzero(walk[:, 0] == whole[0, 0])[0])
    np.testing.assert_array_equal(whole, walk[at : at + 500])
    assert (broken[0] == walk[np.flatnonzero(walk[:, 0] == broken[0, 0])[0]]).sum() == 1


def test_the_fit_finds_the_weights_that_made_the_answers() -> None:
    rng = np.random.default_rng(2)
    X = np.column_stack([np.ones(4000), rng.normal(size=(4000, 2))])
    right = rng.random(4000) < 1 / (1 + np.exp(-(X @ [-0.5, 1.5, 0.0])))
    samples = [Sample(False, x, bool(y)) for x, y in zip(X, right, strict=True)]
    np.testing.assert_allclose(fitted(samples), [-0.5, 1.5, 0.0], atol=0.15)


def test_no_case_is_fitted_and_tested() -> None:
    assert not set(FITTED) & set(TESTED)
    assert set(FITTED) | set(TESTED) == {name for name, one in CASES.items() if one.kind != "healthy"}
