"""Thresholds come from the warm-up alone, the sweep is blind to units, and injected faults are where they should be."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headwater.benchmarks.detection import injected
from headwater.benchmarks.detection.evaluate import faults, segments
from headwater.benchmarks.detection.generated import generated
from headwater.benchmarks.detection.plant import first_run
from headwater.benchmarks.detection.protocol import Method, over, threshold
from headwater.benchmarks.detection.scoring import Counts, Labels, count
from headwater.benchmarks.detection.streams import Stream, cut
from headwater.benchmarks.detection.sweep import best, sweep
from headwater.benchmarks.peers.blind import Blind
from headwater.benchmarks.peers.largest_z import LargestZ

Floats = NDArray[np.float64]


@pytest.mark.parametrize("rate", [1e-2, 1e-3, 1e-4])
def test_the_threshold_keeps_its_rate_on_fresh_rows(rate: float) -> None:
    """Also where the warm-up of 20,000 rows has seen no more than two that high."""
    draw = np.random.default_rng(4)
    h = threshold(draw.exponential(size=20_000), rate)
    assert 0.3 * rate < np.mean(draw.exponential(size=1_000_000) >= h) < 3 * rate


def test_a_score_that_never_moved_alarms_when_it_does() -> None:
    assert threshold(np.zeros(1000), 1e-3) > 0.0


def test_missing_scores_are_left_out() -> None:
    scores = np.random.default_rng(5).exponential(size=5000)
    assert threshold(np.append(scores, np.full(999, np.nan)), 1e-3) == threshold(scores, 1e-3)


def test_a_detector_with_thresholds_of_its_own_uses_them() -> None:
    rows = np.zeros((1000, 1))
    assert np.flatnonzero(over(Blind(), rows, np.empty(0), 1 / 100)).tolist() == list(range(99, 1000, 100))


def swept(scores: list[Floats]) -> list[Counts]:
    labels = Labels(3000, ((500, 520), (1500, 1600)), 30)
    return sweep(scores, lambda _, alarms: count(alarms, labels))


def test_the_sweep_is_blind_to_units_and_finds_the_best_threshold() -> None:
    scores = [np.random.default_rng(seed).exponential(size=3000) for seed in (1, 2)]
    for score in scores:
        score[505], score[1510] = 30.0, 20.0
    assert swept(scores) == swept([np.exp(score) for score in scores])
    assert best(swept(scores), 0.0) == (1.0, 1.0)
    scores[0][100] = 25.0
    top, recall = best(swept(scores), 0.0)
    assert top == pytest.approx(8 / 9), "all four and one false"
    assert recall == 0.5, "none false: the two above it"
    assert best(swept(scores), 1 / 6000)[1] == 1.0


def test_a_slow_method_is_given_the_rows_next_to_the_border() -> None:
    X = np.arange(20.0)[:, None]
    whole = Stream("a", 60.0, X[:10], X[10:], Labels(10, ((2, 3), (5, 9), (8, 9)), 0), changes=(4, 8), clean=X[10:])
    few = cut(whole, 4, 7)
    assert few.warm[:, 0].tolist() == [6, 7, 8, 9]
    assert few.test[:, 0].tolist() == list(range(10, 17))
    assert few.labels == Labels(7, ((2, 3), (5, 6)), 0)
    assert few.changes == (4,)


@pytest.mark.parametrize("kind", injected.KINDS)
def test_faults_are_in_their_segments_and_nowhere_else(kind: str) -> None:
    draw = np.random.default_rng(6)
    warm, clean = draw.normal(size=(2000, 20)), draw.normal(size=(3000, 20))
    warm[:, 7] = 0.5  # stood still: gets no fault
    X, spans = injected.inject(kind, warm, clean, seed=1)
    inside = np.zeros(3000, np.bool_)
    for first, last in spans:
        inside[first : last + 1] = True
        changed = (X[first : last + 1] != clean[first : last + 1]).any(axis=0)
        assert changed.sum() == (1 if kind == "one8" else 10)
        assert not changed[7]
        size = np.abs(X[first : last + 1] - clean[first : last + 1])[:, changed]
        if kind == "one8":
            np.testing.assert_allclose(size, 8.0 * warm.std(axis=0)[changed][0])
        if kind == "noise10":
            assert size.std() > 1.0
        if kind == "frozen10":
            assert (np.ptp(X[first : last + 1, changed], axis=0) == 0).all()
    np.testing.assert_array_equal(X[~inside], clean[~inside])
    assert len(spans) == len(injected.inject(kind, warm, clean, seed=1)[1]) >= 8
    starts = np.array([first for first, _ in spans])
    assert (np.diff(starts) >= 60 + 180).all()


class Told:
    """Knows the faults: a row that is not in the clean stream."""

    def __init__(self, clean: Floats) -> None:
        self.clean = clean

    def fit(self, X: Floats) -> None:
        self.warm = np.zeros(len(X))

    def score(self, X: Floats) -> Floats:
        return np.asarray((self.clean != X).any(axis=1) + 0.0)


def test_a_detector_that_is_told_finds_every_fault_and_nothing_else() -> None:
    draw = np.random.default_rng(8)
    source = Stream("a", 60.0, draw.normal(size=(8000, 12)), np.empty((0, 12)), Labels(0, (), 30))
    kinds = {kind: [injected.faulty(kind, source, 0)] for kind in injected.KINDS}
    clean = source.warm[4000:]
    found = {(kind, metric): value for kind, (metric, value, _) in faults(Method("t", lambda _: Told(clean)), kinds)}
    assert {found[kind, "recall@1"] for kind in kinds} == {1.0}
    assert {found[kind, "fa@1"] for kind in kinds} == {0.0}
    assert found["frozen10", "delay"] == 1.0, "its first row is as it was"


def test_segments_are_judged_on_rows_after_the_warm_up() -> None:
    streams = generated(2)
    numbers = {metric: value for metric, value, _ in segments(Method("nsigma", lambda _: LargestZ()), streams)}
    assert numbers["events"] == sum(len(stream.labels.segments) for stream in streams)
    assert numbers["f1_best"] >= numbers["f1@1"] > 0.5
    assert numbers["fa@0.2"] <= numbers["fa@1"] < 3.0


def test_generated_streams_are_quiet_in_their_warm_up() -> None:
    first, second = generated(2)
    assert not np.array_equal(first.warm, second.warm)
    np.testing.assert_array_equal(generated(1)[0].test, first.test)
    z = np.abs(first.warm - first.warm.mean(axis=0)) / first.warm.std(axis=0)
    assert np.quantile(z, 0.999) < 5.0
    assert all(0 <= a <= b < first.labels.rows for a, b in first.labels.segments)


def test_six_in_a_row() -> None:
    over_it = np.array([1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0], np.bool_)
    assert first_run(over_it, 6) == 6
    assert first_run(over_it, 7) is None
    assert first_run(over_it, 1) == 0
    assert first_run(np.ones(3, np.bool_), 6) is None
